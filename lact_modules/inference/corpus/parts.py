"""Transcribe a part of a corpus, to JSON lines that are written when it is done."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from lact_modules.data.shard.parts import Part, Speech
from lact_modules.decoding.hypothesis import Hypothesis
from lact_modules.errors import InputError
from lact_modules.inference.files import Outcome
from lact_modules.inference.formats import to_json
from lact_modules.inference.transcriber import Transcriber
from lact_modules.model_store.onnx.model import OnnxModel


@dataclass
class TranscribedPart:
    """Transcripts of a part: a line per utterance, or why there is none.

    ``lines`` are made by `to_json`; ``failures`` have ``id``, ``file`` and ``error``.
    ``fault`` is why the part could not be read to its end; it must not be written
    then.
    """

    number: int
    model: str = ""
    lines: list[str] = field(default_factory=list)
    failures: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    fault: str | None = None

    def __len__(self) -> int:
        return len(self.lines) + len(self.failures)

    def add(self, outcome: Outcome[Speech, Hypothesis]) -> None:
        """Take one utterance."""
        speech = outcome.source
        about: dict[str, Any] = {"id": speech.id}
        if speech.offset:
            about["offset"] = speech.offset
        if outcome.result is None:
            error = str(outcome.error)
            self.failures.append({**about, "file": speech.file, "error": error})
            return
        self.seconds += outcome.seconds
        about["duration"] = round(outcome.seconds, 3)
        line = to_json(speech.file, outcome.result, speech.channel, about)
        self.lines.append(line)


class PartTranscriber:
    """Transcribe parts with a model whose results do not depend on earlier audio."""

    def __init__(self, transcriber: Transcriber, batch_size: int = 8):
        if transcriber.is_in_order:
            raise InputError(
                "--ttt-mode continual: parts are transcribed apart, and none can start "
                "from where another ended; use another mode"
            )
        self.transcriber, self.batch_size = transcriber, batch_size
        self.fingerprint = fingerprint_model(transcriber.model)

    def transcribe(
        self, part: Part, tick: Callable[[], object] = lambda: None
    ) -> TranscribedPart:
        """Transcribe each utterance once, in order; `tick` is called after each."""
        done = TranscribedPart(part.number, self.fingerprint)
        load = self.transcriber.load
        outcomes = self.transcriber.transcribe_files(
            part,
            self.batch_size,
            lambda s: load(s.audio, s.offset, s.duration, s.channel),
        )
        try:
            for outcome in outcomes:
                done.add(outcome)
                tick()
        # a shard ends where it is damaged
        except InputError as error:
            done.fault = str(error)
            return done
        if len(done) != len(part):
            done.fault = (
                f"part {part.number}: has {len(done)} utterances, but {len(part)} "
                "are listed; write its shard again"
            )
        return done


def fingerprint_model(model: nn.Module | OnnxModel) -> str:
    """Return a hash of all that a model's checkpoint holds; of a graph, of its file."""
    if isinstance(model, OnnxModel):
        return hashlib.sha256(model.path.read_bytes()).hexdigest()
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        # not all types are NumPy's
        content = tensor.detach().cpu().contiguous().flatten().view(torch.uint8)
        digest.update(content.numpy())
    return digest.hexdigest()
