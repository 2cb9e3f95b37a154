"""Shards of a server or of a bucket, and what this node keeps of them."""
