"""What a model is, and how a GPU computes it sooner."""
