"""From examples to batches, of an epoch that continues too."""
