"""Rules on what was received: the file and what it shows."""
