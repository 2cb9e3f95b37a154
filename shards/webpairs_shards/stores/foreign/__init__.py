"""WebDataset tars that this project did not write."""
