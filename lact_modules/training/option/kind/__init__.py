"""Kinds of values of keys, each with words for what it expects."""
