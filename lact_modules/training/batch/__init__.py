"""From examples to batches, of an epoch that goes on too."""
