"""The interface of stream decoders, and when an utterance is over."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from torch import Tensor

from lact_modules.decoding.hypothesis import Hypothesis, Word


class PartialHypothesis(NamedTuple):
    """Words of the current utterance that are final, and those that may change."""

    stable: tuple[Word, ...]
    open: tuple[Word, ...]


class StreamDecoder(Protocol):
    """Decodes an utterance piece by piece; its state is an argument and a result."""

    def start(self, num_frames: int = 0) -> Any:
        """Return the state before an utterance, `num_frames` into the stream.

        Plain data; has ``num_frames`` of the stream so far.
        """

    def accept(self, log_probs: Tensor, state: Any) -> Any:
        """Continue with the frames (T, V) that follow."""

    def words(self, state: Any) -> PartialHypothesis:
        """Return the hypothesis so far, in the stream's seconds."""

    def finish(self, state: Any) -> Hypothesis:
        """Return the final hypothesis, now that the utterance is over."""

    def fork(self) -> "StreamDecoder":
        """Return another one for another stream, which shares what is large."""


@dataclass(frozen=True)
class Endpoint:
    """When an utterance is over.

    Arguments
    ---------
    silence : float
        Seconds without a new word, after a word.
    longest : float
        Seconds that an utterance lasts at most.

    Raises
    ------
    ValueError
        If a duration is not above 0.

    Example
    -------
    >>> words = [Word("ONE", start=3.2, end=3.5)]
    >>> endpoint = Endpoint(silence=0.8)
    >>> endpoint.is_reached(words, start=3.0, now=4.2)
    False
    >>> endpoint.is_reached(words, start=3.0, now=4.4)
    True
    """

    silence: float = 0.8
    longest: float = 30.0

    def __post_init__(self) -> None:
        if not self.silence > 0 or not self.longest > 0:
            raise ValueError(f"{self}: durations must be above 0")

    def is_reached(self, words: Sequence[Word], start: float, now: float) -> bool:
        """Return whether an utterance is over at `now`, in seconds of the stream.

        Silence alone is over too.
        """
        last = words[-1].end if words else start
        return now - last >= self.silence or now - start >= self.longest
