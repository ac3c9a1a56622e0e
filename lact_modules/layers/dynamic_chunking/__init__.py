"""H-Net: layers on segments of frames, and routers that begin these."""

from lact_modules.layers.dynamic_chunking.layer import DynamicChunking

__all__ = ["DynamicChunking"]
