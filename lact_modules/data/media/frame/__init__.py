"""Formats that are frames, one after the other, and nothing else."""
