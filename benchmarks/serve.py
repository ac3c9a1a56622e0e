"""Measure `lact-asr serve`: many clients at the pace of speech, and clients that err.

python benchmarks/serve.py MODEL --clients 8 --audio corpus/test --output runs/serving

The server runs in a process of its own, the clients in this one. How far an answer is
behind the audio it answers (`lag`) excludes the wait for a complete chunk;
`word delay` includes it: from the end of a word to the answer that shows it first.
"""

import asyncio
import contextlib
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import bad_clients
import numpy as np
import torch
import typer
from noise import make_noise
from program import run_program
from resident import cpu_seconds, memory_mib
from study import write_study
from websockets.asyncio.client import connect

from lact_modules.data.audio import SAMPLE_RATE, load_audio
from lact_modules.data.source.collect import collect_audio
from lact_modules.errors import InputError

PIECE_SECONDS = 0.1
COMMAND = "from lact_modules.cli.main import main; main()"


class Server:
    """A server in a process of its own.

    Arguments
    ---------
    process : subprocess.Popen
        It.
    url : str
        Of its page.
    """

    def __init__(self, process: subprocess.Popen, url: str):
        self.process = process
        self.status_url = url + "status"
        self.stream_url = url.replace("http", "ws", 1) + "stream"

    @classmethod
    @contextlib.contextmanager
    def start(cls, model: Path, options: Sequence[str]) -> Iterator["Server"]:
        """Load the model; stop when left."""
        command = [sys.executable, "-c", COMMAND, "serve", "--model", str(model)]
        process = subprocess.Popen(
            [*command, "--port", "0", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        # it fails by itself when there is no model
        try:
            line = process.stdout.readline().split()
            if not line:
                raise InputError(process.stderr.read().strip())
            yield cls(process, line[0])
        finally:
            process.kill()
            process.communicate()

    def num_clients(self) -> int:
        """Ask how many are being served."""
        with urllib.request.urlopen(self.status_url, timeout=60) as answer:
            return json.load(answer)["clients"]


async def run_client(url: str, samples: np.ndarray, delay: float) -> dict[str, Any]:
    """Feed int16 samples at the pace of speech, and note when what is answered."""
    await asyncio.sleep(delay)
    now = asyncio.get_running_loop().time
    lags, seen, final_words = [], [], []
    async with connect(url, compression=None, ping_interval=None) as socket:
        await socket.recv()
        started = now()
        sending = asyncio.ensure_future(_speak(socket, samples, started))
        async for text in socket:
            message, elapsed = json.loads(text), now() - started
            if message["type"] == "end":
                break
            lags.append(elapsed - message["audio_seconds"])
            if message["type"] == "final":
                final_words += message["words"]
            shown = message["text"].split() if message["type"] == "partial" else ()
            num_new = len(final_words) + len(shown) - len(seen)
            seen += [elapsed] * num_new
        ended = now() - (await sending)
    return {
        "audio_s": message["audio_seconds"],
        "rtf": message["real_time_factor"],
        "lags": lags,
        # a word that was shown may join another later: then all is counted on
        "word_delays": [
            shown - word["end"] for shown, word in zip(seen, final_words, strict=False)
        ],
        "end_s": ended,
    }


async def _speak(socket: Any, samples: np.ndarray, started: float) -> float:
    """Send each piece when its last sample has been spoken; return when all were."""
    loop = asyncio.get_running_loop()
    size = round(PIECE_SECONDS * SAMPLE_RATE)
    for start in range(0, len(samples), size):
        piece = samples[start : start + size]
        due = started + (start + len(piece)) / SAMPLE_RATE
        await asyncio.sleep(max(0.0, due - loop.time()))
        await socket.send(piece.tobytes())
    await socket.send("end")
    return loop.time()


async def run_clients(url: str, inputs: Sequence[np.ndarray]) -> list[dict]:
    """Run a client for each input, within a second of one another as people are."""
    delays = np.random.default_rng(0).uniform(0, 1, len(inputs))
    clients = [run_client(url, *each) for each in zip(inputs, delays, strict=True)]
    return await asyncio.gather(*clients)


def percentiles(values: Sequence[float]) -> dict[str, float] | None:
    """Describe seconds by their median, 95th percentile and maximum.

    >>> percentiles([0.1, 0.2, 0.3])
    {'p50_s': 0.2, 'p95_s': 0.29, 'max_s': 0.3}
    """
    if not values:
        return None
    found = np.percentile(values, [50, 95, 100])
    return dict(
        zip(("p50_s", "p95_s", "max_s"), map(float, found.round(3)), strict=True)
    )


def make_inputs(
    files: Sequence[str], num_clients: int, seconds: float
) -> list[np.ndarray]:
    """Make int16 samples for each client: from files, or noise like speech."""
    num_samples = round(seconds * SAMPLE_RATE)
    if files:
        sources = collect_audio(files, listed=sys.stdin)
        recorded = torch.cat([load_audio(source) for source in sources])
        repeats = 1 + num_clients * num_samples // len(recorded)
        recorded = recorded.repeat(repeats)[: num_clients * num_samples]
        waveforms = recorded.split(num_samples)
    else:
        waveforms = [
            torch.from_numpy(make_noise(seconds, seed)) for seed in range(num_clients)
        ]
    return [(32767 * w.clamp(-1, 1)).to(torch.int16).numpy() for w in waveforms]


def measure_load(server: Server, inputs: Sequence[np.ndarray]) -> dict[str, Any]:
    """Let all clients speak at once."""
    used = cpu_seconds(server.process.pid)
    streams = asyncio.run(run_clients(server.stream_url, inputs))
    used = cpu_seconds(server.process.pid) - used
    audio_s = sum(stream["audio_s"] for stream in streams)
    return {
        "lag": percentiles([lag for s in streams for lag in s["lags"]]),
        "word_delay": percentiles([d for s in streams for d in s["word_delays"]]),
        "end": percentiles([stream["end_s"] for stream in streams]),
        "cpu_s_per_audio_s": round(used / audio_s, 4),
        "streams": [
            {
                "audio_s": stream["audio_s"],
                "rtf": stream["rtf"],
                "lag": percentiles(stream["lags"]),
                "word_delay": percentiles(stream["word_delays"]),
                "num_words": len(stream["word_delays"]),
            }
            for stream in streams
        ],
    }


def measure_memory(
    server: Server, num_clients: int, rounds: int, limit_s: float
) -> list[dict[str, Any]]:
    """Send waves of clients that err, and see what each leaves behind."""
    pid, points = server.process.pid, []
    for number in range(1, rounds + 1):
        for name, wave in bad_clients.WAVES.items():
            started = time.monotonic()
            asyncio.run(
                bad_clients.send_wave(wave, server.stream_url, num_clients, limit_s)
            )
            took = time.monotonic() - started
            # the server forgets them when it next looks at their sockets
            time.sleep(1.0)
            point = {
                "round": number,
                "after": name,
                "seconds": round(took, 1),
                "resident_mib": round(memory_mib(pid=pid), 1),
                "clients_left": server.num_clients(),
            }
            points.append(point)
            print(*(f"{key}: {value}" for key, value in point.items()), sep=", ")
    return points


def report_load(load: dict[str, Any]) -> None:
    """Print a line for each stream, and one for all."""
    for number, stream in enumerate(load["streams"], start=1):
        lag = stream["lag"]
        print(
            f"client {number}: lag {lag['p50_s']:.3f} / {lag['p95_s']:.3f} / "
            f"{lag['max_s']:.3f} s (p50, p95, max), RTF {stream['rtf']:.4f}"
        )
    for name in ("lag", "word_delay", "end"):
        print(f"all: {name} {load[name]}")
    used = load["cpu_s_per_audio_s"]
    print(f"server: {used} s of CPU a second of audio")


def main(
    model: Annotated[Path, typer.Argument(help="Training run or export.")],
    clients: Annotated[int, typer.Option(help="At once.")] = 8,
    seconds: Annotated[float, typer.Option(help="That each speaks.")] = 60.0,
    audio: Annotated[
        list[str] | None, typer.Option(help="Files or folders; noise if not given.")
    ] = None,
    output: Annotated[Path, typer.Option(help="Folder.")] = Path("runs/serving"),
    chunk: float = 0.64,
    threads: Annotated[int, typer.Option(help="Of the server.")] = 2,
    rounds: Annotated[int, typer.Option(help="Of clients that err.")] = 5,
    limit: Annotated[float, typer.Option(help="Seconds for a slow client.")] = 60.0,
) -> None:
    """Write what was measured as ``result.json``; print a summary."""
    if not (model / "result.json").is_file():
        raise InputError(f"{model}: no result.json; name a tested run or its export")
    torch.manual_seed(0)
    inputs = make_inputs(audio or (), clients, seconds)
    options = [f"--chunk={chunk}", f"--threads={threads}", f"--max-clients={clients}"]
    with Server.start(model, options) as server:
        pid = server.process.pid
        loaded = memory_mib(pid=pid)
        load = measure_load(server, inputs)
        report_load(load)
        used = memory_mib(pid=pid)
        print(f"memory: {loaded:.1f} MiB, {used:.1f} after streams")
        waves = measure_memory(server, clients, rounds, limit)
        # it still serves, as it did before
        again = measure_load(server, [each[: 2 * SAMPLE_RATE] for each in inputs])
    found = {
        "clients": clients,
        "chunk_s": chunk,
        "server_threads": threads,
        "audio": "recorded" if audio else "noise",
        **load,
        "lag_after_waves": again["lag"],
        "loaded_memory_mib": round(loaded, 1),
        "used_memory_mib": round(used, 1),
        "waves": waves,
    }
    write_study(output, model, "cpu", "streaming", "serving", **found)


if __name__ == "__main__":
    run_program(main)
