"""Decoders: FFmpeg, libsndfile, MP3; not which one a file gets."""
