"""Shards in, samples out: any sample at once, or a shuffled stream."""
