"""Comparison of finished runs: results, and whether they differ."""
