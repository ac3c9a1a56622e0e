"""Waveforms and views that are drawn anew for each utterance."""
