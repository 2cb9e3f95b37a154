"""The grammars of the web, by their standards, and which addresses may be reached."""
