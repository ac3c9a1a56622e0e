"""Word alignments of every utterance, as SpeechBrain writes them."""

from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from rapidfuzz.distance import Levenshtein
from speechbrain.dataio.wer import print_alignments, print_wer_summary
from speechbrain.utils.edit_distance import EDIT_SYMBOLS, wer_summary

from lact_modules.scoring.error_rate import count_edits
from lact_modules.whole_file import whole_file

# and SpeechBrain's signs for them
_SIGNS = {
    "equal": EDIT_SYMBOLS["eq"],
    "replace": EDIT_SYMBOLS["sub"],
    "insert": EDIT_SYMBOLS["ins"],
    "delete": EDIT_SYMBOLS["del"],
}


def write_error_report(
    path: str | Path,
    ids: Sequence[str],
    references: Sequence[str],
    hypotheses: Sequence[str],
) -> None:
    """Write the summary and the word alignment of every utterance.

    The file has the format of SpeechBrain's ``wer_*.txt``.
    """
    details = [
        _detail(name, ref.split(), hyp.split())
        for name, ref, hyp in zip(ids, references, hypotheses, strict=True)
    ]
    with whole_file(path) as place, open(place, "w", encoding="utf-8") as stream:
        print_wer_summary(wer_summary(details), stream)
        print_alignments(details, stream)


def _detail(name: str, reference: list[str], hypothesis: list[str]) -> dict[str, Any]:
    """Describe an utterance as SpeechBrain's `wer_details_by_utterance` does."""
    substitutions, insertions, deletions, num_words = count_edits(reference, hypothesis)
    num_edits = substitutions + insertions + deletions
    return {
        "key": name,
        "scored": True,
        "hyp_absent": False,
        "hyp_empty": not hypothesis,
        "num_edits": num_edits,
        "num_ref_tokens": num_words,
        "WER": 100.0 * num_edits / max(1, num_words),
        "insertions": insertions,
        "deletions": deletions,
        "substitutions": substitutions,
        "alignment": _align(reference, hypothesis),
        "ref_tokens": reference,
        "hyp_tokens": hypothesis,
    }


def _align(
    reference: list[str], hypothesis: list[str]
) -> list[tuple[str, int | None, int | None]]:
    """Pair the places of words, each with SpeechBrain's sign; None: without partner."""
    return [
        (_SIGNS[edit.tag], place, partner)
        for edit in Levenshtein.opcodes(reference, hypothesis)
        for place, partner in zip_longest(
            range(edit.src_start, edit.src_end), range(edit.dest_start, edit.dest_end)
        )
    ]
