"""Which pairs and images are the same, and which of them stays."""
