"""Shards → batches."""
