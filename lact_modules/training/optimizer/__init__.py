"""Plan an optimizer, and find its learning rate."""
