"""What people have already (folders, tables, other WebDatasets) → samples."""
