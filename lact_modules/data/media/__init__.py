"""Decode audio files of any kind, each to its end."""
