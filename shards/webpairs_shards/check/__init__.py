"""A folder of shards held against its manifest; pictures for eyes."""
