"""``lact-asr ngram``: train an n-gram language model."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


class Units(str, Enum):
    """What n-grams consist of."""

    AUTO = "auto"
    WORDS = "words"
    CHARACTERS = "characters"


def ngram(
    texts: Annotated[
        list[Path],
        typer.Argument(
            metavar="TEXT_OR_MANIFEST",
            help="Text files, one sentence per line, or manifests (.jsonl, .csv, ...).",
        ),
    ],
    output: Annotated[Path, typer.Option(help="ARPA file to write.")],
    order: Annotated[int, typer.Option(help="Longest n-gram, 2 to 6.")] = 3,
    prune: Annotated[
        list[int] | None,
        typer.Option(
            help="Remove n-grams that occur at most this often. Repeat for bigrams, "
            "trigrams, ...; the last value applies to all longer ones.",
        ),
    ] = None,
    units: Annotated[
        Units,
        typer.Option(
            help="words: separated by white space; characters: with | for the space; "
            "auto: characters for scripts without spaces between words (Chinese, "
            "Japanese, Thai, ...) unless the text separates words.",
        ),
    ] = Units.AUTO,
) -> None:
    """Train an n-gram language model (modified Kneser-Ney) for beam search."""
    from lact_modules.data.text.scripts import is_unsegmented, spell_characters
    from lact_modules.data.text.vocabulary import WORD_DELIMITER
    from lact_modules.language_model.arpa import perplexity, write_arpa
    from lact_modules.language_model.corpus import read_sentences
    from lact_modules.language_model.ngram import estimate_ngrams

    with Console(stderr=True).status("Reading text") as status:
        sentences = read_sentences(texts)
        if units is Units.AUTO:
            units = Units.CHARACTERS if is_unsegmented(sentences) else Units.WORDS
        status.update(f"Estimating n-grams from {len(sentences)} sentences")
        if units is Units.CHARACTERS:
            # readers recognize the units by the delimiter
            spelled = map(spell_characters, sentences)
            model = estimate_ngrams(spelled, order, prune or (), [WORD_DELIMITER])
        else:
            model = estimate_ngrams(sentences, order, prune or ())
        status.update(f"Writing {output}")
        write_arpa(output, model)
        status.update("Scoring the training text")
        achieved = perplexity(output, sentences)
    counts = ", ".join(
        f"{len(table.grams)} {length}-grams"
        for length, table in enumerate(model.tables, start=1)
    )
    print(f"{output}: {counts} of {units.value}")
    print(
        f"perplexity of the training text ({len(sentences)} sentences): {achieved:.2f}"
    )
