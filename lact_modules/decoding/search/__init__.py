"""Beam search over words: lexicons, n-grams, flashlight."""
