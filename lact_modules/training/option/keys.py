"""Keys of the recipes: what fits them, what holds without them, what they are for."""

from copy import deepcopy
from typing import Any

from lact_modules.adaptation.objective.objectives import find_objective
from lact_modules.data.corruption import CODECS
from lact_modules.model_store.hub import check_repo_id
from lact_modules.training.brain import METRICS
from lact_modules.training.option.defaults import (
    OPTIONAL,
    REQUIRED,
    SHARED,
    Key,
    default_of,
)
from lact_modules.training.option.kind.kinds import (
    Kind,
    checked,
    existing,
    flag,
    list_of,
    made,
    mapping,
    maybe,
    number,
    one_of,
    pair,
    share,
    text,
    texts,
    whole,
)
from lact_modules.training.option.kind.nested_kinds import CTC_DECODING, DECODING
from lact_modules.training.option.long_form_keys import LONG_FORM
from lact_modules.training.option.run_options import RUN_OPTIONS
from lact_modules.training.option.training_keys import COUNT, DATA, TRAINING, Keys

_AUGMENTER = maybe(Kind("an augmenter, made by !new:", callable))

_AUGMENTATION: Keys = {
    "wav_augment": Key(_AUGMENTER, SHARED, "augmentation of waveforms"),
    "fea_augment": Key(_AUGMENTER, SHARED, "augmentation of features"),
    "time_mask_scale": Key(
        maybe(number(0, 100)),
        SHARED,
        "factor of the number of time masks; null: 2.5 with cr_loss_scale, else 1",
    ),
    "cr_loss_scale": Key(
        number(0),
        SHARED,
        "weight of the consistency loss between two views of each utterance (CR-CTC), "
        "such as 0.2; 0: one view",
    ),
    "cr_warmup_steps": Key(
        maybe(whole(0)),
        SHARED,
        "optimizer steps in which cr_loss_scale rises from 0; null: 2000, but at most "
        "a tenth of the training",
    ),
    "pause_prob": Key(
        share, SHARED, "probability of a pause before, in and after an utterance, each"
    ),
    "pause_seconds": Key(
        pair(number(above=0), "the shortest and the longest, such as [0.1, 6.0]"),
        SHARED,
        "length of a pause",
    ),
    "noise_folder": Key(maybe(existing), SHARED, "folder of noise to add"),
    "noise_snr_db": Key(
        pair(number(), "the lowest and the highest, such as [0, 15]"),
        SHARED,
        "signal-to-noise ratios in decibels",
    ),
    "noise_prob": Key(share, SHARED, "share of utterances that get noise"),
    "rir_folder": Key(maybe(existing), SHARED, "folder of room impulse responses"),
    "rir_prob": Key(share, SHARED, "share of utterances that get reverberation"),
    "codecs": Key(
        list_of(one_of(*CODECS), f"any of {', '.join(CODECS)}"),
        SHARED,
        "to encode and decode with",
    ),
    "codec_prob": Key(share, SHARED, "share of utterances that go through a codec"),
}

_RECOGNIZER: Keys = {
    **TRAINING,
    "size": Key(
        maybe(text),
        SHARED,
        "sets width, depth, batch size and learning rate: a name of sizes, or the path "
        "of a YAML file; keys given beside it take precedence",
    ),
    "sizes": Key(maybe(text), SHARED, "folder with a YAML file for each size"),
    **_AUGMENTATION,
    "max_train_duration": Key(
        maybe(number(above=0)), SHARED, "seconds; longer utterances are skipped"
    ),
    "in_memory": Key(flag, SHARED, "whether to keep audio in memory"),
    "max_batch_length": Key(number(above=0), REQUIRED, "seconds of audio in a batch"),
    "max_batch_size": Key(maybe(whole(1, 10**6)), SHARED, "utterances in a batch"),
    "valid_batch_size": Key(whole(1, 10**6), REQUIRED, "utterances in a test batch"),
    "shard_buffer": Key(whole(1), SHARED, "shuffle buffer of shards, in utterances"),
    **LONG_FORM,
    "inter_ctc_weight": Key(
        number(0, below=1),
        SHARED,
        "weight of the intermediate CTC losses in the CTC loss",
    ),
    "teacher_codes": Key(
        maybe(existing), SHARED, "file of lact-asr teacher-codes, for a CodeHead"
    ),
    "teacher_weight": Key(number(0), SHARED, "weight of the codes' cross-entropy"),
    # a word error rate is a poor guide while few words are correct
    "best_by": Key(
        one_of(*METRICS), SHARED, "metric that selects the best checkpoints"
    ),
    "num_worst_utterances": Key(
        whole(0, 1000), SHARED, "utterances with the most errors to show in trackers"
    ),
    "init_from": Key(
        maybe(text),
        SHARED,
        "model to start from: a run's folder, an export, a model on the hub",
    ),
    "init_fresh": Key(texts, SHARED, "modules that are not copied from it"),
    "wav2vec2_model_name": Key(
        maybe(text), SHARED, "pretrained model that a Wav2Vec2Frontend starts from"
    ),
    "push_to_hub": Key(
        maybe(checked("organization/name", check_repo_id)),
        SHARED,
        "repository of the Hugging Face hub that gets the trained model",
    ),
    "hub_private": Key(flag, SHARED, "whether that repository is private"),
    "frontend": Key(made, OPTIONAL, "from waveforms to frames"),
    "encoder": Key(made, OPTIONAL, "from frames to frames"),
    "num_lact_heads": Key(COUNT, OPTIONAL, "heads of fast weights"),
    "audio_encoder_layers": Key(COUNT, OPTIONAL, "convolutions of the front end"),
}

_ABOUT_DECODING = "of the test splits, beside greedy"
_TOKENIZER = Key(maybe(existing), SHARED, "SentencePiece model; null: train one")

CTC: Keys = {
    **_RECOGNIZER,
    "decoding": Key(mapping(CTC_DECODING), REQUIRED, _ABOUT_DECODING),
    "units": Key(one_of("characters", "pieces"), SHARED, "output units of the model"),
    "characters": Key(
        maybe(text), SHARED, "output characters; null: those of the transcripts"
    ),
    "tokenizer": _TOKENIZER,
    "num_tokens": Key(
        maybe(whole(2, 10**6)), SHARED, "outputs of the model; null: one for each token"
    ),
    "ttt_loss_weight": Key(
        number(0),
        SHARED,
        "weight of the masked-prediction loss beside CTC, with enable_ttt",
    ),
    "enable_ttt": Key(flag, OPTIONAL, "whether to learn masked prediction"),
    "ttt_mask_prob": Key(share, OPTIONAL, "share of frames to mask"),
    "meta_ttt": Key(
        maybe(checked("the name of a loss", find_objective)),
        SHARED,
        "loss that a step of test-time training minimizes in each step of training",
    ),
    "meta_ttt_second_order": Key(
        flag, SHARED, "whether to use second derivatives in meta_ttt"
    ),
    "target_frame_rate": Key(maybe(number(above=0)), OPTIONAL, "frames a second"),
    "target_hop_ms": Key(maybe(number(above=0)), OPTIONAL, "milliseconds a frame"),
    "encoder_target_ds_factor": Key(
        maybe(number(above=0)), OPTIONAL, "downsampling factor"
    ),
    "encoder_lr_scale": Key(
        number(0), OPTIONAL, "learning-rate factor of the convolutions"
    ),
    "freeze_encoder": Key(flag, OPTIONAL, "whether to freeze the convolutions"),
}
"""Of CTC recognizers."""

S2S: Keys = {
    **_RECOGNIZER,
    "decoding": Key(mapping(DECODING), REQUIRED, _ABOUT_DECODING),
    "tokenizer": _TOKENIZER,
    "num_tokens": Key(whole(4, 10**6), REQUIRED, "pieces of words"),
    "ctc_weight": Key(share, REQUIRED, "share of CTC in the loss"),
    "label_smoothing": Key(
        number(0, below=1), SHARED, "label smoothing of the attention decoder's loss"
    ),
    "decoder": Key(made, OPTIONAL, "from frames to tokens"),
    "num_decoder_layers": Key(COUNT, OPTIONAL, "blocks of the decoder"),
}
"""Of recognizers with CTC and attention."""

_TEXTS: Keys = {
    "text_files": Key(list_of(existing, "paths"), SHARED, "more texts, one a line"),
    "num_tokens": Key(whole(4, 10**6), REQUIRED, "pieces of words"),
}

LANGUAGE_MODEL: Keys = {
    **TRAINING,
    **_TEXTS,
    "tokenizer": _TOKENIZER,
    "max_text_tokens": Key(whole(1), REQUIRED, "longer texts are skipped"),
    "max_batch_tokens": Key(whole(1), REQUIRED, "tokens in a batch"),
}
"""Of language models."""

TOKENIZER: Keys = {
    **DATA,
    **RUN_OPTIONS,
    **_TEXTS,
    "model_type": Key(one_of("unigram", "bpe"), REQUIRED, "of SentencePiece"),
}
"""Of tokenizers."""

EVERY: Keys = {
    **TOKENIZER,
    **LANGUAGE_MODEL,
    **S2S,
    **CTC,
    "decoding": S2S["decoding"],
}
"""Of any recipe."""


def defaults_of(keys: Keys) -> dict[str, Any]:
    """Return the values of keys that neither the YAML nor the command line sets."""
    return {
        name: deepcopy(default_of(name, key))
        for name, key in keys.items()
        if key.default is not REQUIRED and key.default is not OPTIONAL
    }
