"""Pages that others fetched: WARC, ARC and WAT files, local and remote."""
