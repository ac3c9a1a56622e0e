"""Model cards: the README of a published model, written from its results."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from huggingface_hub import EvalResult, ModelCardData

METRICS = {"wer": "WER", "cer": "CER"}
"""What a card shows of a test, in percent."""

_PAGE = """---
{metadata}
---

# {name}

A speech recognizer of {parameters:.1f} M parameters and {num_tokens} tokens, trained
with lact-asr{training}.

```bash
lact-asr transcribe --model {repo_id} talk.mp3
```
{sections}"""

_TRANSFORMERS = """
With lact-asr installed, transformers loads it too:

```python
from transformers import pipeline

recognize = pipeline(
    "automatic-speech-recognition", model="{repo_id}", trust_remote_code=True
)
recognize("talk.mp3", return_timestamps="word")
```
"""


class Measurement(NamedTuple):
    """One number of a test, in percent."""

    split: str
    decoding: str
    metric: str
    value: float


def model_card(
    repo_id: str,
    num_parameters: int,
    num_tokens: int,
    result: Mapping[str, Any],
    for_transformers: bool = True,
) -> str:
    """Write the card of an export: Markdown below YAML metadata, with the metrics.

    What the run's ``result.json`` lacks, the card lacks.
    """
    measured = list(_measurements(result))
    recipe, dataset = result.get("recipe"), result.get("dataset")
    training = f" by the recipe `{recipe}`" if recipe else ""
    training += f" on {dataset}" if dataset else ""
    sections = [_TRANSFORMERS.format(repo_id=repo_id)] if for_transformers else []
    sections += [_results(measured), _training(result)]
    return _PAGE.format(
        metadata=_metadata(repo_id, dataset or "unknown", measured, for_transformers),
        name=repo_id.partition("/")[2],
        parameters=num_parameters / 1e6,
        training=training,
        num_tokens=num_tokens,
        repo_id=repo_id,
        sections="".join(sections),
    )


def _measurements(result: Mapping[str, Any]) -> Iterator[Measurement]:
    for split, decodings in result.get("metrics", {}).items():
        for decoding, metrics in decodings.items():
            for metric in METRICS:
                if metric in metrics:
                    yield Measurement(split, decoding, metric, metrics[metric])


def _metadata(
    repo_id: str, dataset: str, measured: list[Measurement], for_transformers: bool
) -> str:
    evaluations = [
        EvalResult(
            task_type="automatic-speech-recognition",
            task_name="Speech recognition",
            dataset_type=dataset.lower(),
            dataset_name=dataset,
            dataset_split=each.split,
            metric_type=each.metric,
            metric_name=f"{METRICS[each.metric]} ({each.decoding})",
            metric_value=round(each.value, 2),
        )
        for each in measured
    ]
    card = ModelCardData(
        library_name="transformers" if for_transformers else "lact-asr",
        pipeline_tag="automatic-speech-recognition",
        tags=["automatic-speech-recognition", "lact-asr", "speechbrain"],
        model_name=repo_id.partition("/")[2],
        metrics=sorted({each.metric for each in measured}, reverse=True) or None,
        eval_results=evaluations or None,
    )
    return card.to_yaml().rstrip()


def _results(measured: list[Measurement]) -> str:
    if not measured:
        return ""
    names = [name for name in METRICS if any(m.metric == name for m in measured)]
    rows: dict[tuple[str, str], dict[str, float]] = {}
    for each in measured:
        rows.setdefault((each.split, each.decoding), {})[each.metric] = each.value
    lines = [
        ["split", "decoding", *(METRICS[name] for name in names)],
        ["---"] * (2 + len(names)),
        *(
            [*key, *(f"{row[name]:.2f}" if name in row else "" for name in names)]
            for key, row in rows.items()
        ),
    ]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return f"\n## Results\n\nError rates in percent.\n\n{table}\n"


def _training(result: Mapping[str, Any]) -> str:
    if "command" not in result:
        return ""
    hardware = result.get("hardware") or {}
    facts = {
        "size": (result.get("options") or {}).get("size"),
        "seed": result.get("seed"),
        "hardware": hardware.get("gpu") or hardware.get("cpu"),
        "seconds of training": result.get("training_wall_s"),
        "commit": (result.get("commit") or {}).get("hash"),
        "date": result.get("date"),
    }
    known = {name: fact for name, fact in facts.items() if fact is not None}
    lines = "\n".join(f"- {name}: {fact}" for name, fact in known.items())
    return f"\n## Training\n\n```bash\n{result['command']}\n```\n\n{lines}\n"
