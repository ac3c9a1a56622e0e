"""Losses, and what is watched of them; models are in `encoders`."""
