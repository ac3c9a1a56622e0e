import numpy as np
import pytest
import soundfile


@pytest.fixture
def write_utterance():
    """Write audio and its line of transcript in LibriSpeech's layout."""

    def write(split_folder, utterance_id, text, seconds=0.5, suffix=".flac"):
        speaker, chapter, _ = utterance_id.split("-")
        folder = split_folder / speaker / chapter
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / f"{speaker}-{chapter}.trans.txt", "a") as transcripts:
            transcripts.write(f"{utterance_id} {text}\n")
        audio = folder / (utterance_id + suffix)
        samples = 0.1 * np.random.default_rng(0).normal(size=round(16000 * seconds))
        options = {".opus": {"format": "OGG", "subtype": "OPUS"}}.get(suffix, {})
        soundfile.write(audio, samples, 16000, **options)
        return audio

    return write


@pytest.fixture
def corpus(tmp_path, write_utterance):
    folder = tmp_path / "corpus"
    write_utterance(folder / "train", "2-1-0001", "TWO", suffix=".wav")
    write_utterance(folder / "train", "2-1-0000", "ONE  ONE", suffix=".opus")
    write_utterance(folder / "train", "10-3-0000", "TEN", seconds=1.5)
    write_utterance(folder / "dev-clean", "7-1-0000", "SEVEN", suffix=".ogg")
    return folder
