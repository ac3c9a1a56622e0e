"""Output of a stream: a line per utterance, and the partial hypothesis redrawn."""

import sys
from collections.abc import Iterable

from rich.cells import cell_len
from rich.console import Console

from lact_modules.decoding.hypothesis import Hypothesis
from lact_modules.decoding.stream.endpoint import PartialHypothesis
from lact_modules.serving.protocol import encode, final_message, partial_message


class StreamWriter:
    """Write utterances to stdout as they end, each at once.

    They are messages of :mod:`~lact_modules.serving.protocol`, with ``partial`` those
    of partial hypotheses, too; or start and end in seconds and the text, between tabs.
    A terminal on stderr shows the partial hypothesis.
    """

    def __init__(self, as_json: bool = False, partial: bool = False):
        self._as_json, self._partial = as_json, partial
        console = Console(stderr=True)
        self._is_watched = console.is_terminal and not console.is_dumb_terminal
        self._console = console
        self._shown = ""

    def write(
        self,
        ended: Iterable[Hypothesis],
        partial: PartialHypothesis,
        audio_seconds: float,
    ) -> None:
        """Write utterances that ended, and show the partial hypothesis."""
        for hypothesis in ended:
            self.clear()
            print(self._render(hypothesis, audio_seconds), flush=True)
        text = " ".join(word.word for word in (*partial.stable, *partial.open))
        if text == self._shown:
            return
        if self._partial:
            print(encode(partial_message(partial, audio_seconds)), flush=True)
        self._show(text)

    def clear(self) -> None:
        """Remove the partial hypothesis from the terminal."""
        self._show("")

    def _render(self, hypothesis: Hypothesis, audio_seconds: float) -> str:
        if self._as_json:
            return encode(final_message(hypothesis, audio_seconds))
        start, end = hypothesis.words[0].start, hypothesis.words[-1].end
        return f"{start:.2f}\t{end:.2f}\t{hypothesis.text}"

    def _show(self, text: str) -> None:
        """Redraw the line on the terminal; its end, if it does not fit."""
        if self._is_watched and text != self._shown:
            line = _last_cells(text, self._console.width - 1)
            # to the beginning of the line, and clear it
            print(f"\r\x1b[2K{line}", end="", file=sys.stderr, flush=True)
        self._shown = text


def _last_cells(text: str, width: int) -> str:
    while cell_len(text) > width:
        text = text[1:]
    return text
