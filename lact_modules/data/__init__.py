"""Corpora: audio files, manifests, vocabularies, and how to get them."""
