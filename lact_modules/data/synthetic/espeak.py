"""The espeak-ng speech synthesizer, through ctypes."""

import ctypes
from typing import Any

import numpy as np

from lact_modules.errors import InputError

# Names and values of espeak-ng's speak_lib.h.
_AUDIO_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_DONT_EXIT = 0x8000
_POS_CHARACTER = 1
_CHARS_UTF8 = 1
_RATE, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4

_ON_SAMPLES = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


class Synthesizer:
    """Speak with the espeak-ng library that ``espeakng-loader`` ships.

    The library keeps its state in globals: one synthesizer a process, one thread, and
    the samples of a sentence depend on those synthesized before it. A fresh process
    with the same seed, of the noise in breathy voices, makes the same samples of the
    same series of sentences, at `sample_rate`.
    """

    def __init__(self, seed: int = 0) -> None:
        self._library, data_path = load_espeak()
        self.sample_rate: int = self._library.espeak_Initialize(
            _AUDIO_OUTPUT_SYNCHRONOUS, 0, data_path.encode(), _INITIALIZE_DONT_EXIT
        )
        if self.sample_rate <= 0:
            raise InputError(
                f"{data_path}: espeak-ng cannot read its data there; its limit is a "
                "path of about 150 characters: install in a shorter folder"
            )
        # Without this espeak-ng takes the time of day.
        self._library.espeak_ng_SetRandSeed(ctypes.c_long(seed))
        self._blocks: list[np.ndarray] = []
        # Kept in an attribute: the library holds no reference to it.
        self._callback = _ON_SAMPLES(self._collect)
        self._library.espeak_SetSynthCallback(self._callback)

    def synthesize(
        self,
        text: str,
        voice: str,
        *,
        rate: int = 160,
        pitch: int = 50,
        pitch_range: int = 50,
    ) -> np.ndarray:
        """Speak one text: (N,) float32, full scale 1.

        The voice is a language, with a variant or not (``en-us+f3``; one that does not
        exist is ignored), the rate in words a minute, pitch and range 0 to 99: 50 is
        the voice's own, a range of 0 monotone.
        """
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise InputError(f"{voice}: espeak-ng has no such voice")
        # Half volume: at full volume some voices clip.
        settings = {_RATE: rate, _VOLUME: 50, _PITCH: pitch, _RANGE: pitch_range}
        for parameter, value in settings.items():
            self._library.espeak_SetParameter(parameter, value, 0)
        self._blocks.clear()
        utf8 = text.encode()
        self._library.espeak_Synth(
            utf8, len(utf8) + 1, 0, _POS_CHARACTER, 0, _CHARS_UTF8, None, None
        )
        return np.concatenate(self._blocks).astype(np.float32) / 2**15

    def _collect(self, samples: Any, count: int, _events: Any) -> int:
        if samples and count > 0:
            self._blocks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0


def load_espeak() -> tuple[ctypes.CDLL, str]:
    """Load the library, not initialized, and return where its voices are."""
    try:
        import espeakng_loader
    except ImportError as error:
        raise InputError(
            "the synthetic corpus needs espeakng-loader: pip install 'lact-asr[demo]'"
        ) from error
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    library.espeak_SetVoiceByName.argtypes = [ctypes.c_char_p]
    library.espeak_Synth.argtypes = [
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.c_uint,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.c_uint,
        ctypes.c_void_p,
        ctypes.c_void_p,
    ]
    return library, espeakng_loader.get_data_path()
