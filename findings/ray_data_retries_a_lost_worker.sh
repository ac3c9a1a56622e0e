#!/usr/bin/env bash
# Ray's actors are not restarted and their calls not repeated unless one asks for it
# (max_restarts and max_task_retries are 0). Ray Data 2.60.0 sets both to -1 for the actors of
# map(Class): a row at which the worker process dies is tried again without a limit, on one
# new worker after the other, so that a job with one such row never ends. Here the row kills
# its first eight workers, and Ray starts a ninth. The limit that max_errored_blocks sets
# counts none of it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "ray[data]==2.60.0"
export HOME="$folder" RAY_USAGE_STATS_ENABLED=0 FOLDER="$folder"
cd "$folder"
venv/bin/python - 2>"$folder/log" <<'PYTHON' | grep -v raylet || { tail "$folder/log"; exit 1; }
import os
from pathlib import Path

import ray

folder = Path(os.environ["FOLDER"])
DEATHS = 8


class Worker:
    def __call__(self, row):
        path = folder / "starts"
        with path.open("a") as file:
            file.write("x")
        if path.stat().st_size <= DEATHS:
            os._exit(1)
        return row


ray.init("local", num_cpus=1, include_dashboard=False, log_to_driver=False)
context = ray.data.DataContext.get_current()
context.enable_progress_bars = False
context.max_errored_blocks = 0
rows = ray.data.from_items([{"row": 1}]).map(
    Worker, compute=ray.data.ActorPoolStrategy(size=1)
)
found = rows.take_all()
starts = (folder / "starts").stat().st_size
print("ray", ray.__version__)
print(f"{starts - 1} workers died at one row; the result of worker {starts}: {found}")
assert starts == DEATHS + 1 and found == [{"row": 1}]
PYTHON
