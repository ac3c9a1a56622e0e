"""Transcribe corpora by part, here or on a Ray cluster."""
