"""Lists of image URLs made elsewhere: Parquet, CSV, TSV, JSON lines, text."""
