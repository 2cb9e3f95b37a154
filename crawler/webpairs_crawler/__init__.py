"""Pages become pairs, image URLs become bytes; politely, and never from an address that is private."""
