"""Speech recognition with LaCT encoders: a SpeechBrain recipe plugin.

``lact_modules.load`` returns a trained model, see :mod:`lact_modules.recognizer`.
"""

import importlib
from typing import TYPE_CHECKING, Any

from lact_modules.packages import misfits_named
from lact_modules.user_folders import name_user_folders

if TYPE_CHECKING:
    from lact_modules.recognizer import Recognizer, TimedWord, Transcript, load

__all__ = ["Recognizer", "TimedWord", "Transcript", "load"]

__version__ = "0.1.0"

name_user_folders()


def __getattr__(name: str) -> Any:
    # imports torch, which takes seconds
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with misfits_named():
        return getattr(importlib.import_module("lact_modules.recognizer"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
