"""CLIP: learned from shards, judged by zero-shot classification."""
