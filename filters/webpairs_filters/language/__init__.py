"""Which language a text is written in, and the rule on it."""
