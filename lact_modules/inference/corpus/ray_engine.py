"""Transcribe parts of a corpus on a cluster by Ray Data, a model a worker."""

import logging
import os
import pickle
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from lact_modules.data.shard.parts import Part
from lact_modules.errors import InputError
from lact_modules.inference.corpus.parts import PartTranscriber, TranscribedPart

# What kills its worker, as audio may that a library cannot bear, kills each of them.
_MAX_ROUNDS = 3
# of parts in a round; more are a fault of the program, or of the cluster
_MAX_LOST_PARTS = 16
_MAX_LOST_SHARE = 0.1


def transcribe_on_ray(
    parts: Sequence[Part],
    model: str,
    options: Mapping[str, Any],
    batch_size: int = 8,
    device: str = "auto",
    num_workers: int | None = None,
) -> Iterator[TranscribedPart]:
    """Transcribe parts, on the cluster that Ray is connected to or on this machine.

    All machines find model and audio under the same paths. Parts are yielded as they
    finish, in any order. Those of workers that died, or whose machine did, are retried
    by others at the end; a part that ended several workers is skipped.
    """
    ray = start_ray()
    left = {part.number: part for part in parts}
    wanted = num_workers
    for _ in range(_MAX_ROUNDS):
        machines = [each["Resources"] for each in ray.nodes() if each["Alive"]]
        most = min(len(left), num_workers or len(left))
        share = share_resources(machines, most, device, wanted)
        # machines may be gone then, and the others have to do
        wanted = None
        outcomes = _transcribe_once(
            *(ray, [*left.values()], share, model),
            *({**options, "device": device}, batch_size),
        )
        # a machine that goes down has results, too
        with suppress(ray.exceptions.ObjectLostError):
            for done in outcomes:
                if left.pop(done.number, None) is not None:
                    yield done
        if not left:
            return


def _transcribe_once(
    ray: Any,
    parts: Sequence[Part],
    share: "Share",
    model: str,
    options: Mapping[str, Any],
    batch_size: int,
) -> Iterator[TranscribedPart]:
    """Pass each part to a worker; one that dies of it yields nothing."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.max_errored_blocks = max(
        *(_MAX_LOST_PARTS, share.num_workers, int(_MAX_LOST_SHARE * len(parts)))
    )
    rows = [{"part": pickle.dumps(part)} for part in parts]
    # a block is what a task gets
    listed = ray.data.from_items(rows, override_num_blocks=len(rows))
    # of the last two options, which nothing can take the place of yet
    warnings.filterwarnings("ignore", "`ray_remote_args` is deprecated")
    results = listed.map(
        _Worker,
        fn_constructor_kwargs={
            "folder": os.getcwd(),
            "model": model,
            "options": options,
            "batch_size": batch_size,
            "num_threads": share.num_cpus,
        },
        # idle ones make room for one that starts again on another machine
        compute=ray.data.ActorPoolStrategy(
            min_size=1,
            max_size=share.num_workers,
            initial_size=share.num_workers,
            max_tasks_in_flight_per_actor=1,
        ),
        num_cpus=share.num_cpus,
        num_gpus=share.num_gpus,
        max_restarts=-1,
        # Ray would wait for the same worker, whose machine may be gone
        max_task_retries=0,
    )
    for row in results.iter_rows():
        result = pickle.loads(row["result"])
        if isinstance(result, InputError):
            raise result
        yield result


def start_ray() -> Any:
    """Connect to the cluster that ``ray start`` made, or start Ray here; return it."""
    # no usage statistics unless the user wants them
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise InputError(
            "--engine ray: needs Ray; pip install 'lact-asr[ray]'"
        ) from error
    if not ray.is_initialized():
        try:
            ray.init(include_dashboard=False, logging_level=logging.ERROR)
        # a plain Exception, if a process of its own does not start in time
        except Exception as error:
            raise InputError(
                f"--engine ray: Ray does not start ({error}); its logs are in /tmp/ray"
            ) from error
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    return ray


class Share(NamedTuple):
    """How many workers there are; cores (0: shared) and GPUs (0 or 1) of each."""

    num_workers: int
    num_cpus: int
    num_gpus: int


def share_resources(
    machines: Sequence[Mapping[str, float]],
    num_parts: int,
    device: str = "auto",
    num_workers: int | None = None,
) -> Share:
    """Divide a cluster among workers: a GPU for each, or else a core or several.

    ``machines`` have ``CPU`` and ``GPU``; more workers than parts are not needed.

    >>> share_resources([{"CPU": 16, "GPU": 4}, {"CPU": 8, "GPU": 2}], num_parts=100)
    Share(num_workers=6, num_cpus=4, num_gpus=1)
    >>> share_resources([{"CPU": 5}, {"CPU": 5}], num_parts=3)
    Share(num_workers=3, num_cpus=2, num_gpus=0)
    """
    if device not in ("auto", "cpu", "cuda"):
        raise InputError(
            f"--device {device}: Ray chooses the GPU of each worker; give cpu or cuda"
        )
    cpus, gpus = (
        [int(each.get(kind, 0)) for each in machines] for kind in ("CPU", "GPU")
    )
    if device == "cuda" and not any(gpus):
        raise InputError("--device cuda: Ray has no GPU; give cpu, or add machines")
    needs_gpu = device != "cpu" and any(gpus)
    most, kind = (sum(gpus), "GPUs") if needs_gpu else (sum(cpus), "cores")
    if (num_workers or 1) > most:
        raise InputError(f"--workers {num_workers or 1}: Ray has {most} {kind}")
    num_workers = min(num_workers or most, num_parts)

    def hold(num_cpus: int) -> int:
        """Count the workers of so many cores that the machines can hold."""
        return sum(
            min(own // num_cpus, gpu) if needs_gpu else own // num_cpus
            for own, gpu in zip(cpus, gpus, strict=True)
        )

    fitting = (n for n in range(max(cpus), 0, -1) if hold(n) >= num_workers)
    return Share(num_workers, next(fitting, 0), int(needs_gpu))


class _Worker:
    """A model in a process of its own, to which Ray passes one part after the other.

    What it refuses is a result: Ray would continue with others.
    """

    def __init__(
        self,
        folder: str,
        model: str,
        options: dict[str, Any],
        batch_size: int,
        num_threads: int,
    ):
        import torch

        from lact_modules.inference.transcriber import Transcriber

        torch.set_num_threads(max(1, num_threads))
        self._refusal: InputError | None = None
        try:
            # names are relative to where the command was started
            os.chdir(folder)
            transcriber = Transcriber.from_folder(model, **options)
            self._parts = PartTranscriber(transcriber, batch_size)
        except InputError as error:
            self._refusal = error
        except OSError as error:
            place = f"{os.uname().nodename}: {error.filename or folder}"
            self._refusal = InputError(f"{place}: {error.strerror}")

    def __call__(self, row: dict[str, Any]) -> dict[str, bytes]:
        result: TranscribedPart | InputError = self._refusal or self._parts.transcribe(
            pickle.loads(row["part"])
        )
        return {"result": pickle.dumps(result)}
