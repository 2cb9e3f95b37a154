"""Places where shards lie: a folder, a server or a bucket, tars of others."""
