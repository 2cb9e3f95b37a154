"""Batches out of shards, and the processes that make them."""
