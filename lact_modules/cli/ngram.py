"""``lact-asr ngram``: train an n-gram language model."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def ngram(
    texts: Annotated[
        list[Path],
        typer.Argument(
            metavar="TEXT_OR_MANIFEST",
            help="Text files, one sentence a line, or manifests (.jsonl, .csv, ...).",
        ),
    ],
    output: Annotated[Path, typer.Option(help="ARPA file to write.")],
    order: Annotated[int, typer.Option(help="Longest n-gram, 2 to 6.")] = 3,
    prune: Annotated[
        list[int] | None,
        typer.Option(
            help="Leave out n-grams seen at most this often. Repeat for bigrams, "
            "trigrams, ...; the last value holds for all longer ones.",
        ),
    ] = None,
) -> None:
    """Train an n-gram language model (modified Kneser-Ney) for beam search."""
    from lact_modules.decoding.arpa import perplexity, write_arpa
    from lact_modules.decoding.corpus import read_sentences
    from lact_modules.decoding.ngram import estimate_ngrams

    with Console(stderr=True).status("Reading text") as status:
        sentences = read_sentences(texts)
        status.update(f"Estimating n-grams from {len(sentences)} sentences")
        model = estimate_ngrams(sentences, order, prune or ())
        status.update(f"Writing {output}")
        write_arpa(output, model)
        status.update("Scoring the training text")
        achieved = perplexity(output, sentences)
    counts = ", ".join(
        f"{len(table.grams)} {length}-grams"
        for length, table in enumerate(model.tables, start=1)
    )
    print(f"{output}: {counts}")
    print(
        f"perplexity of the training text ({len(sentences)} sentences): {achieved:.2f}"
    )
