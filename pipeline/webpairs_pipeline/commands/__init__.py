"""The sub-commands of `webpairs`, one file each: `add` says what it takes, `work` does it."""
