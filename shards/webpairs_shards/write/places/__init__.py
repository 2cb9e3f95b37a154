"""Where a finished dataset can lie: a folder of this machine, S3, whatever else fsspec opens."""
