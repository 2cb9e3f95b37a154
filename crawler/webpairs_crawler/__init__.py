"""Pages become pairs, image URLs become bytes; politely, and never from a private address."""
