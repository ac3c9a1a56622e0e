"""Manifests of many tools: columns, times, durations; not the audio."""
