"""Text decoder networks: from what was encoded to text, token by token."""

from lact_modules.decoders.block import DecoderBlock
from lact_modules.decoders.decoder import TextDecoder
from lact_modules.decoders.state import DecoderState

__all__ = ["DecoderBlock", "DecoderState", "TextDecoder"]
