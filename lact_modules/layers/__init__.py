"""Sub-layers of an encoder block, (B, T, D) in and out."""

from lact_modules.layers.attention_mixer import AttentionMixer
from lact_modules.layers.convolution import ConvolutionModule
from lact_modules.layers.feed_forward import FeedForward
from lact_modules.layers.lact import LaCTMixer
from lact_modules.layers.mamba import BiMambaMixer

__all__ = [
    "AttentionMixer",
    "BiMambaMixer",
    "ConvolutionModule",
    "FeedForward",
    "LaCTMixer",
]
