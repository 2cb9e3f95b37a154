"""Candidates → samples: each image downloaded, decoded, encoded; one outcome for each."""
