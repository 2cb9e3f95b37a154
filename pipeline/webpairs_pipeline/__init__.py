"""The recipe, the order of the rooms, the command line, the report and the demo web."""
