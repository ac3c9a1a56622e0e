"""N-gram models as files: ARPA format, which KenLM and others read."""

import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from lact_modules.decoding.language_model import KenLMModel
from lact_modules.decoding.ngram import SPECIAL_WORDS, NgramModel
from lact_modules.errors import InputError

_KENLM_BINARY_MAGIC = b"mmap lm http://kheafield.com/code"


def write_arpa(path: str | Path, model: NgramModel) -> None:
    """Write a model; a reader never sees half of it.

    Arguments
    ---------
    path : str | Path
        ARPA file; its folder is made.
    model : NgramModel
        What to write.

    Example
    -------
    >>> import tempfile
    >>> from lact_modules.decoding.ngram import estimate_ngrams
    >>> path = Path(tempfile.mkdtemp()) / "lm.arpa"
    >>> write_arpa(path, estimate_ngrams(["ONE TWO", "TWO TWO ONE"], order=2))
    >>> read_words(path)
    ['ONE', 'TWO']
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".part")
    with open(unfinished, "w", encoding="utf-8") as stream:
        stream.write("\\data\\\n")
        for order, table in enumerate(model.tables, start=1):
            stream.write(f"ngram {order}={len(table.grams)}\n")
        for order in range(1, len(model.tables) + 1):
            stream.write(f"\n\\{order}-grams:\n")
            stream.writelines(_lines(model, order))
        stream.write("\n\\end\\\n")
    os.replace(unfinished, path)


def _lines(model: NgramModel, order: int) -> Iterable[str]:
    table = model.tables[order - 1]
    is_longest = order == len(model.tables)
    for gram, log_prob, log_backoff in zip(
        table.grams, table.log_prob.tolist(), table.log_backoff.tolist(), strict=True
    ):
        spelled = " ".join([model.words[word] for word in gram.tolist()])
        backoff = "" if is_longest else f"\t{log_backoff:.7g}"
        yield f"{log_prob:.7g}\t{spelled}{backoff}\n"


def read_words(path: str | Path) -> list[str]:
    """Read the words that an ARPA model knows.

    Arguments
    ---------
    path : str | Path
        ARPA file.

    Returns
    -------
    list[str]
        In the order of the file, without ``<unk>``, ``<s>`` and ``</s>``.

    Raises
    ------
    InputError
        If the file is missing or is not ARPA; KenLM's binaries hide their words.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(
            f"{path}: no such language model; make one with lact-asr ngram"
        )
    if _is_kenlm_binary(path):
        raise InputError(f"{path}: a KenLM binary hides its words; give a lexicon")
    words: list[str] = []
    in_unigrams = False
    try:
        with open(path, encoding="utf-8") as stream:
            for line in stream:
                if line.startswith("\\"):
                    if in_unigrams:
                        return [word for word in words if word not in SPECIAL_WORDS]
                    in_unigrams = line.strip() == "\\1-grams:"
                elif in_unigrams and line.strip():
                    words.append(line.split()[1])
    except (UnicodeDecodeError, IndexError) as error:
        raise InputError(f"{path}: damaged language model ({error})") from error
    raise InputError(f"{path}: not a language model in ARPA format, or cut short")


def _is_kenlm_binary(path: Path) -> bool:
    with open(path, "rb") as stream:
        return stream.read(len(_KENLM_BINARY_MAGIC)) == _KENLM_BINARY_MAGIC


def perplexity(path: str | Path, sentences: Sequence[str]) -> float:
    """Score text with a model through KenLM.

    Arguments
    ---------
    path : str | Path
        ARPA file or KenLM binary.
    sentences : Sequence[str]
        Words separated by white space; empty sentences are skipped.

    Returns
    -------
    float
        Per word, the end of each sentence counted as one, unknown words included.
    """
    sentences = [sentence for sentence in sentences if sentence.strip()]
    log_prob = sum(KenLMModel(path).log_probs(sentences))
    num_words = sum(len(sentence.split()) + 1 for sentence in sentences)
    return math.exp(-log_prob / num_words)
