"""Error rates of a data set: as JSON, and as tables."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from rich import box
from rich.table import Table

from lact_modules.cli.terminal.output import print_table
from lact_modules.cli.terminal.tally import Tally

if TYPE_CHECKING:
    from lact_modules.scoring.minutes import ByMinute
    from lact_modules.scoring.transcripts import Transcripts

Score = dict[str, Any]

# of the table of minutes
_MOST_ROWS = 20


class Scored(NamedTuple):
    """A data set that was transcribed and scored.

    ``latency`` has ``chunk_s`` and ``left_s``, None for whole utterances.
    """

    transcripts: "Transcripts"
    minutes: "dict[str, ByMinute]"
    tally: Tally
    audio_s: float
    latency: dict[str, float | None]
    adaptation: dict[str, Any] | None

    def scores(self) -> dict[str, Score]:
        """Score each decoder; its time is that of the model and its own."""
        return {name: self._score(name) for name in self.minutes}

    def _score(self, name: str) -> Score:
        tally, transcripts = self.tally, self.transcripts
        rate = transcripts.rates(name)
        model_s = tally.wall_s - transcripts.all_decoding_s
        wall_s = model_s + transcripts.decoding_s[name]
        return {
            "wer": rate.wer,
            "wer_interval": rate.wer_interval,
            "cer": rate.cer,
            "oracle_wer": transcripts.oracle_wer(name),
            "substitutions": rate.substitutions,
            "insertions": rate.insertions,
            "deletions": rate.deletions,
            "n_words": rate.num_words,
            "minutes": self.minutes[name].rows(),
            "wall_s": wall_s,
            "rtf": wall_s / tally.audio_s if tally.audio_s else 0.0,
        }

    def summary(self, scores: Mapping[str, Score]) -> dict[str, Any]:
        """Return the last decoder's scores and transcripts, and the scores of all."""
        last = [*scores][-1]
        transcripts = self.transcripts
        summary = {
            **scores[last],
            "n_utterances": len(transcripts.ids),
            "n_failed": len(self.tally.failures),
            "audio_s": self.audio_s,
            "steps": scores if len(scores) > 1 else {},
            "utterances": [
                {"id": id_, "ref": reference, "hyp": text}
                for id_, reference, text in zip(
                    transcripts.ids,
                    transcripts.references,
                    transcripts.hypotheses[last],
                    strict=True,
                )
            ],
            **self.latency,
        }
        return (
            summary if self.adaptation is None else summary | {"ttt": self.adaptation}
        )

    def show(self, scores: Mapping[str, Score]) -> None:
        """Print tables of rates, and of errors by minute."""
        _print_rates(scores, self.latency)
        _print_minutes(self.minutes[[*scores][-1]])


def _print_rates(
    scores: Mapping[str, Score], latency: Mapping[str, float | None]
) -> None:
    rows = [_cells(name, score) for name, score in scores.items()]
    # a search that is alone has no name, and without lists there is no oracle
    headings = [key for key in rows[0] if any(row[key] for row in rows)]
    # narrow enough for 80 columns
    table = Table(*headings, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for row in rows:
        table.add_row(*(row[key] for key in headings))
    chunk, left = latency["chunk_s"], latency["left_s"]
    if chunk is not None and left is not None:
        table.caption = f"chunks of {chunk:g} s, left context {left:g} s"
    print_table(table)


def _print_minutes(by_minute: "ByMinute") -> None:
    """Show errors by minute; of hours, several minutes are taken together."""
    step = math.ceil(by_minute.num_minutes / _MOST_ROWS)
    rows = by_minute.rows(step)
    if not rows:
        return
    headings = ("minute", "recordings", "WER %", "sub", "ins", "del", "words")
    table = Table(*headings, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for row in rows:
        first = row["minute"]
        last = min(first + step - 1, by_minute.num_minutes)
        table.add_row(
            f"{first}" if first == last else f"{first}-{last}",
            str(row["recordings"]),
            f"{row['wer']:.2f}",
            *(str(row[k]) for k in ("substitutions", "insertions", "deletions")),
            str(row["n_words"]),
        )
    print_table(table)


def _cells(name: str, score: Score) -> dict[str, str]:
    low, high = score["wer_interval"]
    oracle = score["oracle_wer"]
    return {
        "decoding": name,
        "WER %": f"{score['wer']:.2f}",
        "95 %": f"{low:.2f}-{high:.2f}",
        "CER %": f"{score['cer']:.2f}",
        "oracle %": "" if oracle is None else f"{oracle:.2f}",
        "sub": str(score["substitutions"]),
        "ins": str(score["insertions"]),
        "del": str(score["deletions"]),
        "words": str(score["n_words"]),
        "RTF": f"{score['rtf']:.3f}",
    }
