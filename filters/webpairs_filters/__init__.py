"""Which pairs are kept, and why each other one is not."""
