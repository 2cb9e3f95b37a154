"""What every room shares: records, schemas, errors, commits, the funnel. Imports no other room."""

__version__ = "0.1.0"
