"""Mutated files through every command: one line and exit code 2, or a right result."""
