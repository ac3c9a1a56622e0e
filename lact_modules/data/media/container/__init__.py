"""Formats of files that hold audio, by their structure."""
