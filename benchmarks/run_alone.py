"""Recognize noise by one program alone and print what that took, for `onnx_speed.py`.

python benchmarks/run_alone.py onnxruntime FOLDER file 15 3 1

Arguments: by what, the model, a file or a stream, its seconds, how often, threads.
Nothing is imported but what the program needs, so that the process is as large as it.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from noise import SAMPLE_RATE, make_noise
from resident import memory_mib

Samples = np.ndarray[Any, np.dtype[np.float32]]


# seconds of audio that come at once
_BLOCK = 0.1


def open_lact_asr(folder: Path, threads: int) -> Callable[[Samples], object]:
    """Transcribe as ``lact-asr transcribe`` does."""
    import torch

    from lact_modules.allocator import keep_freed_memory
    from lact_modules.inference.transcriber import Transcriber

    keep_freed_memory()
    torch.set_num_threads(threads)
    transcriber = Transcriber.from_folder(folder)
    return lambda samples: transcriber.transcribe([torch.from_numpy(samples)])


def open_lact_asr_stream(folder: Path, threads: int) -> Callable[[Samples], object]:
    """Recognize as ``lact-asr stream`` does."""
    import torch

    from lact_modules.allocator import keep_freed_memory
    from lact_modules.inference.streaming import StreamingRecognizer

    keep_freed_memory()
    torch.set_num_threads(threads)
    recognizer = StreamingRecognizer.from_export(folder)

    def recognize(samples: Samples) -> None:
        recognizer.reset()
        for block in torch.from_numpy(samples).split(round(_BLOCK * SAMPLE_RATE)):
            recognizer.accept(block)
        recognizer.finish()

    return recognize


def open_graph(folder: Path, threads: int) -> Callable[[Samples], object]:
    """Run a graph of whole utterances, and take the best tokens."""
    session = _open_session(folder / "model.onnx", threads)

    def recognize(samples: Samples) -> None:
        inputs = {"waveform": samples[None], "lengths": np.array([len(samples)])}
        session.run(["log_probs"], inputs)[0].argmax(-1)

    return recognize


def open_step(folder: Path, threads: int) -> Callable[[Samples], object]:
    """Run the step of a stream, chunk by chunk."""
    session = _open_session(folder / "stream.onnx", threads)
    names = [output.name for output in session.get_outputs()]
    layout = session.get_modelmeta().custom_metadata_map
    keys = "chunk", "look_back", "look_ahead"
    chunk, look_back, look_ahead = (int(layout[key]) for key in keys)
    window = look_back + chunk + look_ahead

    def recognize(samples: Samples) -> None:
        padded, state = np.pad(samples, (look_back, chunk + look_ahead)), {}
        for first in range(0, len(samples), chunk):
            valid = min(len(samples) - first, chunk + look_ahead)
            piece = padded[None, first : first + window]
            inputs = {"waveform": piece, "lengths": np.array([valid]), **state}
            outputs = dict(zip(names, session.run(names, inputs), strict=True))
            outputs["log_probs"].argmax(-1)
            state = {
                name.removeprefix("next_"): value
                for name, value in outputs.items()
                if name.startswith("next_")
            }

    return recognize


def _open_session(path: Path, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options)


PROGRAMS = {
    ("lact-asr", "file"): open_lact_asr,
    ("lact-asr", "stream"): open_lact_asr_stream,
    ("onnxruntime", "file"): open_graph,
    ("onnxruntime", "stream"): open_step,
}


def measure(
    program: str, folder: Path, kind: str, seconds: float, repeats: int, threads: int
) -> dict[str, Any]:
    """Run the same audio some times after the first; seconds are the processor's."""
    recognize, samples = PROGRAMS[program, kind](folder, threads), make_noise(seconds)
    recognize(samples)
    times = []
    for _ in range(repeats):
        started = time.process_time()
        recognize(samples)
        times.append(time.process_time() - started)
    return {"times_s": times, "memory_mib": memory_mib("VmHWM")}


if __name__ == "__main__":
    by, model, what, duration, often, cores = sys.argv[1:]
    found = measure(by, Path(model), what, float(duration), int(often), int(cores))
    json.dump(found, sys.stdout)
