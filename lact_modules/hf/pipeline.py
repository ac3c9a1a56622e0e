"""transformers' pipeline, which reads audio as `lact-asr` does."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from transformers import AutomaticSpeechRecognitionPipeline

from lact_modules.data.audio import load_audio
from lact_modules.data.source.waveforms import to_waveforms
from lact_modules.hf.model import LaCTForCTC


class SpeechRecognitionPipeline(AutomaticSpeechRecognitionPipeline):
    """Reads files, and resamples, as `lact-asr` does, without a program ``ffmpeg``.

    For models of other kinds it is what it is derived from.
    """

    def preprocess(self, inputs: Any, **options: Any) -> Iterator[dict[str, Any]]:
        """Make the model's input of samples, a file, its bytes, or a dictionary."""
        if not isinstance(self.model, LaCTForCTC):
            yield from super().preprocess(inputs, **options)
            return
        for item in super().preprocess(_read(inputs), **options):
            if "stride" in item:
                num_samples, *strides = item["stride"]
                # to the end of a frame, or what is in half of one is cut off
                num_samples += -num_samples % self._align_to
                item["stride"] = (num_samples, *strides)
            yield item


def _read(given: Any) -> Any:
    """Return samples at 16 kHz; what transformers fetches or cuts stays as it is."""
    if isinstance(given, bytes):
        stream = io.BytesIO(given)
        stream.name = "audio"
        return load_audio(stream).numpy()
    if isinstance(given, str | Path):
        is_address = str(given).startswith(("http://", "https://"))
        return given if is_address else load_audio(given).numpy()
    if isinstance(given, dict) and "stride" not in given and "sampling_rate" in given:
        samples: Any = given.get("raw")
        samples = given.get("array") if samples is None else samples
        if getattr(samples, "ndim", None) == 1:
            blocks = to_waveforms(samples, given["sampling_rate"], load_audio)
            return np.asarray(blocks[0])
    return given
