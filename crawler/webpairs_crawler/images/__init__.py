"""Images over HTTP: hosts, budgets, deadlines, caps."""
