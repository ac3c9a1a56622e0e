"""The ``hyperparams.yaml`` of an export, which SpeechBrain alone reads."""

from collections.abc import Sequence

_LINES = """\
# For SpeechBrain alone: EncoderASR.from_hparams(source="this folder or its id").
# By beam search: overrides={"decoder": {"beam_size": 20, "lm": "lm.arpa"}}.
encoder: !new:lact_modules.integrations.encoder_asr.ExportedEncoder
decoder: !new:lact_modules.integrations.encoder_asr.ExportedDecoder
    beam_size: 0
    lm: null
tokenizer: !new:lact_modules.integrations.encoder_asr.Tokenizer
audio_normalizer: !new:lact_modules.integrations.encoder_asr.AudioNormalizer
modules:
    encoder: !ref <encoder>
    decoder: !ref <decoder>
decoding_function: !name:lact_modules.integrations.encoder_asr.decode
    decoder: !ref <decoder>
pretrainer: !new:lact_modules.integrations.encoder_asr.ExportLoader
    parts: [!ref <encoder>, !ref <decoder>, !ref <tokenizer>]
    files:
"""


def speechbrain_yaml(files: Sequence[str]) -> str:
    """Write the HyperPyYAML with which SpeechBrain's recognizers load these files."""
    return _LINES + "".join(f"        - {name}\n" for name in files)
