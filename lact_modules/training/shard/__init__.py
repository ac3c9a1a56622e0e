"""Examples out of shards, and their place in an epoch."""
