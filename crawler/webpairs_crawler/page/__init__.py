"""A document becomes a `Page`: its pairs and its links. Pure: no network, no files."""
