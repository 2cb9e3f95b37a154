"""Images in, deterministic WebDataset shards out; and reading, checking and showing them."""
