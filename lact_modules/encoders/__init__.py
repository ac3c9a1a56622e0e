"""Encoders: stacks of blocks that differ in their mixer alone."""

from lact_modules.encoders.block import EncoderBlock
from lact_modules.encoders.ctc_model import CTCModel
from lact_modules.encoders.encoder import Encoder

__all__ = ["CTCModel", "Encoder", "EncoderBlock"]
