"""Encoders: stacks of blocks that differ in their mixer alone."""

from lact_modules.encoders.block import EncoderBlock
from lact_modules.encoders.ctc_model import CTCModel
from lact_modules.encoders.encoder import Encoder
from lact_modules.encoders.masked_prediction import MaskedPredictor
from lact_modules.encoders.s2s_model import S2SModel, S2SOutput

__all__ = [
    "CTCModel",
    "Encoder",
    "EncoderBlock",
    "MaskedPredictor",
    "S2SModel",
    "S2SOutput",
]
