"""Which sample goes where, and a shard with its sidecars."""
