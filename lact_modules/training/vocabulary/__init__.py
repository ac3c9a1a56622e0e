"""Output units of a run, and what they are too many for."""
