"""Texts and output units: scripts, vocabularies, subwords."""
