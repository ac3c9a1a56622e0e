#!/usr/bin/env python
"""Train a SentencePiece tokenizer on the transcripts of a corpus.

python train.py hparams/unigram_5000.yaml --data_folder /path/to/LibriSpeech

Any key of the YAML file can be set on the command line.
"""

from pathlib import Path
from typing import Any

from lact_modules.data.corpus.librispeech import read_transcripts
from lact_modules.data.text.sentences import read_lines
from lact_modules.data.text.subwords import SubwordVocabulary
from lact_modules.training.dataset.manifests import (
    DataSources,
    read_held_out_texts,
    read_train_texts,
)
from lact_modules.training.from_keys import from_keys
from lact_modules.training.launch import launch
from lact_modules.training.option import keys


def main(hparams: dict[str, Any], run_opts: Any, command: list[str]) -> None:
    """Read the transcripts, train on those for training, and sum up."""
    sources = from_keys(DataSources, hparams)
    texts = read_train_texts(sources, read_transcripts)
    for path in hparams["text_files"]:
        texts += read_lines(path)
    vocabulary = SubwordVocabulary.train(
        texts, hparams["num_tokens"], hparams["model_type"]
    )
    path = Path(hparams["output_folder"]) / vocabulary.file_name
    vocabulary.save(path)
    print(f"{path}: {len(vocabulary)} tokens")
    print(summarize("train", texts, vocabulary))
    for name, dev_texts in read_held_out_texts(
        sources, "dev", read_transcripts
    ).items():
        print(summarize(name, dev_texts, vocabulary))


def summarize(name: str, texts: list[str], vocabulary: SubwordVocabulary) -> str:
    """Describe how a tokenizer cuts texts, and whether it can spell them."""
    num_words = sum(len(text.split()) for text in texts)
    num_tokens = sum(len(vocabulary.encode(text)) for text in texts)
    faulty = [characters for text in texts if (characters := vocabulary.unknown(text))]
    unknown = " ".join(sorted(set().union(*faulty)))
    return (
        f"{name}: {len(texts)} texts, {num_tokens / max(num_words, 1):.2f} tokens a "
        f"word, {100 * (1 - len(faulty) / len(texts)):.2f} % of texts can be spelled"
        + (f"; unknown: {unknown}" if unknown else "")
    )


if __name__ == "__main__":
    launch(main, keys.TOKENIZER)
