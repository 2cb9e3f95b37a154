"""Rules on the address of an image."""
