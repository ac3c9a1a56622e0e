"""Losses, and their metrics; models are in `encoders`."""
