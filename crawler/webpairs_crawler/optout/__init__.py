"""What sites ask of crawlers and of those who train: robots.txt and the other opt-out signals."""
