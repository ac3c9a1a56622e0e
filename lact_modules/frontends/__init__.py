"""From waveform to frames of the model dimension."""

from lact_modules.frontends.mel import MelFrontend
from lact_modules.frontends.separable import SeparableConvolution
from lact_modules.frontends.wav2vec2 import Wav2Vec2Frontend

__all__ = ["MelFrontend", "SeparableConvolution", "Wav2Vec2Frontend"]
