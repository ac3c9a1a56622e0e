"""What a stream says: lines for what is over, one that is redrawn for what goes on."""

import sys
from collections.abc import Iterable

from rich.cells import cell_len
from rich.console import Console

from lact_modules.decoding.hypothesis import Hypothesis
from lact_modules.decoding.stream.endpoint import Heard
from lact_modules.serving.protocol import encode, final_message, partial_message


class StreamWriter:
    """Write utterances to stdout as they end, each at once.

    A terminal on stderr shows the words of the utterance that goes on.

    Arguments
    ---------
    as_json : bool
        Whether to write messages of :mod:`~lact_modules.serving.protocol`; if not,
        start and end in seconds and the text, between tabs.
    partial : bool
        Whether to write what goes on too, whenever its text is another; in JSON.
    """

    def __init__(self, as_json: bool = False, partial: bool = False):
        self._as_json, self._partial = as_json, partial
        console = Console(stderr=True)
        self._is_watched = console.is_terminal and not console.is_dumb_terminal
        self._console = console
        self._shown = ""

    def write(
        self, ended: Iterable[Hypothesis], heard: Heard, audio_seconds: float
    ) -> None:
        """Write what is over, and show what goes on.

        Arguments
        ---------
        ended : Iterable[Hypothesis]
            Utterances that nobody has seen.
        heard : Heard
            Words of the one that goes on.
        audio_seconds : float
            How much of the stream has been heard.
        """
        for hypothesis in ended:
            self.clear()
            print(self._render(hypothesis, audio_seconds), flush=True)
        text = " ".join(word.word for word in (*heard.stable, *heard.open))
        if text == self._shown:
            return
        if self._partial:
            print(encode(partial_message(heard, audio_seconds)), flush=True)
        self._show(text)

    def clear(self) -> None:
        """Take from the terminal what goes on."""
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
