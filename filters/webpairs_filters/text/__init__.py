"""Rules on the text of a pair, and how texts are cut and counted."""
