"""What a folder of shards consists of: names, members, index, manifest, what describes it."""
