"""Finished runs side by side: what they reached, and whether that differs."""
