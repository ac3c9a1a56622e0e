"""What fits the keys that are mappings: options of preparations and of searches."""

from lact_modules.training.option.kind.kinds import (
    existing,
    flag,
    list_of,
    mapping,
    maybe,
    number,
    one_of,
    text,
    whole,
)

SPLITS = list_of(text, "names of splits, such as [train]")
"""Of a corpus."""

PREPARATION = {
    "language": text,
    "text_rules": maybe(mapping()),
    "min_duration": number(0),
    "max_duration": number(above=0, or_inf=True),
    "min_rate": number(0),
    "max_rate": number(above=0, or_inf=True),
    "limited_splits": maybe(SPLITS),
    "num_workers": maybe(whole(1, 1000)),
    "channel": maybe(whole(0, 1000)),
}
"""Options of a corpus's preparation; each preparation takes some of them."""

CTC_DECODING = {
    "search": one_of("auto", "ctc"),
    "beam_size": whole(0, 10_000),
    "num_best": maybe(whole(1, 10_000)),
    "lm": maybe(existing),
    "lexicon": maybe(existing),
    "lm_weight": number(0),
    "word_score": number(),
    "skip_blanks": maybe(number(0.5, below=1)),
    # may be a model on the hub
    "rescore": maybe(text),
    "rescore_weight": number(),
    "rescore_word_score": number(),
    "rescore_lowercase": maybe(flag),
}
"""Options of `inference.decoders.build_search` for a model without text decoder."""

DECODING = {
    **CTC_DECODING,
    "search": one_of("auto", "ctc", "attention"),
    "ctc_weight": number(0, below=1),
    "max_ratio": number(above=0, at_most=1),
}
"""All of its options."""
