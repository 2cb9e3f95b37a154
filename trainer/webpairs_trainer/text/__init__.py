"""Captions ↔ token numbers."""
