"""Corpora in parts: tar files of utterances (WebDataset's format)."""
