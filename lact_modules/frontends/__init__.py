"""From waveform to frames of the model dimension."""

from lact_modules.frontends.mel import MelFrontend

__all__ = ["MelFrontend"]
