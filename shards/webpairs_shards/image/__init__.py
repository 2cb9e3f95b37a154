"""Bytes from the web to a stored picture, or why not."""
