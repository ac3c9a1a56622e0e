"""Sub-layers of encoder and decoder blocks, (B, T, D) in and out."""

from lact_modules.layers.attention_mixer import AttentionMixer
from lact_modules.layers.causal_mamba import CausalMamba, CrossMamba
from lact_modules.layers.convolution import ConvolutionModule
from lact_modules.layers.decoder_attention import CausalAttention, CrossAttention
from lact_modules.layers.feed_forward import FeedForward
from lact_modules.layers.gated_deltanet import GatedDeltaNetMixer
from lact_modules.layers.lact import LaCTMixer
from lact_modules.layers.mamba import BiMambaMixer
from lact_modules.layers.summary import SummaryMixer

__all__ = [
    "AttentionMixer",
    "BiMambaMixer",
    "CausalAttention",
    "CausalMamba",
    "ConvolutionModule",
    "CrossAttention",
    "CrossMamba",
    "FeedForward",
    "GatedDeltaNetMixer",
    "LaCTMixer",
    "SummaryMixer",
]
