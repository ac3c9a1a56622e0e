"""``lact-asr evaluate`` of a large data set: by part, here or on a cluster."""

from pathlib import Path
from typing import Any

from lact_modules.cli.option.transcribed import read_transcribed
from lact_modules.cli.parts import Place, list_parts, parts_folder, transcribe_parts
from lact_modules.cli.terminal.scores import Scored


def score_parts(
    data: Path,
    channel: int | None,
    part_size: int | None,
    model: Path,
    loading: dict[str, Any],
    place: Place,
    output: Path | None,
) -> Scored:
    """Transcribe the parts of a data set that are not in the folder; score all."""
    from lact_modules.data.shard.parts import list_utterances
    from lact_modules.decoding.hypothesis import Hypothesis, Word
    from lact_modules.scoring.minutes import ByMinute
    from lact_modules.scoring.transcripts import Transcripts

    output = parts_folder(output)
    utterances, unusable = read_transcribed(data, channel)
    parts = list_parts(list_utterances(utterances), part_size)
    folder, tally = transcribe_parts(parts, model, loading, place, output, unusable)
    references = {utterance.id: utterance.text for utterance in utterances}
    # decoded already
    transcripts = Transcripts({"": lambda *_: []})
    minutes, audio_s = ByMinute(), 0.0
    for part in parts:
        for line in folder.read(part.number) if folder.has(part.number) else ():
            text, seconds = references[line["id"]], line["duration"]
            words = tuple(Word(**word) for word in line["words"])
            hypothesis = Hypothesis(line["text"], words, score=0.0)
            transcripts.record(line["id"], text, {"": [hypothesis]})
            minutes.add(text, words, seconds)
            audio_s += seconds
    latency = {"chunk_s": loading.get("chunk_seconds")}
    latency["left_s"] = loading.get("left_seconds")
    return Scored(
        *(transcripts, {"": minutes}, tally, audio_s, latency), loading["ttt"]
    )
