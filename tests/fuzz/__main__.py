"""``python -m tests.fuzz``: a long campaign, by hand."""

import argparse
import tempfile
from collections import Counter
from pathlib import Path

import torch

from tests.fuzz.campaign import attack, prepare
from tests.unit.conftest import HYPERPARAMETERS, make_run, streaming_hyperparameters


def main() -> None:
    """Mutate files of some kinds, print what each led to, and keep what failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", help="which files; all if none is given")
    parser.add_argument("--count", type=int, default=500, help="mutations of each kind")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    runs = []
    for name, text in (("run", HYPERPARAMETERS), ("live", streaming_hyperparameters())):
        (folder / name).mkdir()
        runs.append(make_run(folder / name, text))
    targets = prepare(folder / "good", *runs)
    failed = 0
    for kind in given.kinds or targets:
        counts: Counter[str] = Counter()
        work, seed = folder / kind, f"{given.seed}-{kind}"
        for case in attack(folder / "good", work, targets[kind], given.count, seed):
            fault = case.outcome.fault
            counts[fault or ("clear line" if case.outcome.code else "result")] += 1
            if fault:
                failed += 1
                print(case, flush=True)
        print(f"{kind}: {dict(counts)}", flush=True)
    print(f"{failed} faults; their files stand in {folder}")
    raise SystemExit(bool(failed))


main()
