"""N-gram models as files: ARPA format, which KenLM and others read."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from lact_modules.language_model.language_model import KenLMModel
from lact_modules.language_model.ngram import NgramModel
from lact_modules.whole_file import whole_file


def write_arpa(path: str | Path, model: NgramModel) -> None:
    """Write a model to an ARPA file, whose folder is made; never half of it."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as place, open(place, "w", encoding="utf-8") as stream:
        stream.write("\\data\\\n")
        for order, table in enumerate(model.tables, start=1):
            stream.write(f"ngram {order}={len(table.grams)}\n")
        for order in range(1, len(model.tables) + 1):
            stream.write(f"\n\\{order}-grams:\n")
            stream.writelines(_lines(model, order))
        stream.write("\n\\end\\\n")


def _lines(model: NgramModel, order: int) -> Iterable[str]:
    table = model.tables[order - 1]
    is_longest = order == len(model.tables)
    for gram, log_prob, log_backoff in zip(
        table.grams, table.log_prob.tolist(), table.log_backoff.tolist(), strict=True
    ):
        spelled = " ".join([model.words[word] for word in gram.tolist()])
        backoff = "" if is_longest else f"\t{log_backoff:.7g}"
        yield f"{log_prob:.7g}\t{spelled}{backoff}\n"


def perplexity(path: str | Path, sentences: Sequence[str]) -> float:
    """Score text per word, or per character of a model of characters, through KenLM.

    The end of each sentence counts as a word, and so do unknown words; empty sentences
    are skipped.
    """
    sentences = [sentence for sentence in sentences if sentence.strip()]
    model = KenLMModel(path)
    log_prob = sum(model.log_probs(sentences))
    num_words = sum(len(model.spell(sentence).split()) + 1 for sentence in sentences)
    return math.exp(-log_prob / num_words)
