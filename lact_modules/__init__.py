"""Speech recognition with LaCT encoders: a SpeechBrain recipe plugin."""

from lact_modules.compiler_cache import name_compiler_cache

__version__ = "0.1.0"

name_compiler_cache()
