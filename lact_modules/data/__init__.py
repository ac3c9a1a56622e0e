"""Data sets, audio and text: what training and inference read, no models."""
