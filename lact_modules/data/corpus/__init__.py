"""Corpora as they are published: download, verify, and list in manifests."""
