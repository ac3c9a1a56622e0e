"""Starts of a run that are refused, or train nothing that is kept."""
