"""Speech recognition with LaCT encoders: a SpeechBrain recipe plugin."""

__version__ = "0.1.0"
