"""Samples → what becomes a shard: chosen over all of them at once, then shuffled."""
