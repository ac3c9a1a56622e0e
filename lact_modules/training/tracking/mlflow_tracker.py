"""MLflow as a tracker; its package is an extra."""

import os
import re
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import soundfile
from torch import Tensor

from lact_modules.data.audio import SAMPLE_RATE
from lact_modules.training.tracking.tracked_run import PROJECT, Setting, TrackedRun


class MLflow:
    """A run of MLflow, at ``MLFLOW_TRACKING_URI`` or else in the run's folder.

    ``mlflow_run.txt`` there keeps the id, to resume. Where the environment names no
    other store, it gets ``mlflow.db`` and ``mlartifacts``.
    """

    def __init__(self, folder: Path):
        tracked = TrackedRun(folder, "mlflow")
        try:
            from mlflow import MlflowClient
            from mlflow.entities import Metric
            from mlflow.exceptions import MlflowException
        except ImportError as error:
            raise tracked.is_missing() from error
        self.metric = Metric
        try:
            self.client, self.run_id = _open(MlflowClient, tracked)
        except MlflowException as error:
            advice = f"check MLFLOW_TRACKING_URI, or delete {tracked.path}"
            raise tracked.refusal(error, advice) from error
        tracked.remember(self.run_id)

    def show_settings(self, settings: Mapping[str, Setting]) -> None:
        """Add parameters; MLflow lets none be changed by a run that resumes."""
        shown = self.client.get_run(self.run_id).data.params
        for name in settings.keys() - shown.keys():
            self.client.log_param(self.run_id, name, settings[name])

    def show_numbers(self, step: int, values: Mapping[str, float]) -> None:
        """Add a point to the curve of each name."""
        now = int(1000 * time.time())
        points = [
            self.metric(_allowed(name), value, now, step)
            for name, value in values.items()
        ]
        self.client.log_batch(self.run_id, metrics=points)

    def show_text(self, step: int, name: str, text: str) -> None:
        """Keep a text as an artifact."""
        self.client.log_text(self.run_id, text, f"{name}/{step:07}.txt")

    def show_audio(self, step: int, name: str, signal: Tensor, caption: str) -> None:
        """Keep an utterance and its caption as artifacts."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{step:07}.wav"
            soundfile.write(path, signal.numpy(), SAMPLE_RATE)
            self.client.log_artifact(self.run_id, str(path), name)
        self.show_text(step, name, caption)

    def close(self) -> None:
        """Mark the run as finished in MLflow."""
        self.client.set_terminated(self.run_id)


def _allowed(name: str) -> str:
    # a group of parameters may be named by a pattern
    return re.sub(r"[^\w. :/-]", "_", name)


def _open(client_class: Any, tracked: TrackedRun) -> tuple[Any, str]:
    """Make a client and a run, or find the run that this folder began with."""
    # left alone, MLflow would write into the current folder
    is_local = "MLFLOW_TRACKING_URI" not in os.environ
    store = f"sqlite:///{tracked.folder / 'mlflow.db'}" if is_local else None
    client = client_class(store)
    if tracked.known_id is not None:
        client.update_run(tracked.known_id, status="RUNNING")
        return client, tracked.known_id
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        place = (tracked.folder / "mlartifacts").as_uri() if is_local else None
        experiment_id = client.create_experiment(name, artifact_location=place)
    else:
        experiment_id = experiment.experiment_id
    run = client.create_run(experiment_id, run_name=tracked.name)
    return client, run.info.run_id
