"""The server as a user starts it."""

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request

import numpy as np
import pytest
from websockets.sync.client import connect

from lact_modules import user_folders
from lact_modules.ops.cpu.native import cache_folder

COMMAND = "from lact_modules.cli.main import main; main()"


@pytest.fixture
def started(streaming_run, tmp_path, tmp_path_factory):
    """Start a server in an empty folder; give it and its address."""
    places = dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME"), str(tmp_path))
    # compiled code is no secret, and kept for the next start
    places["TORCH_HOME"] = str(cache_folder().parent)
    places[user_folders.COMPILER_CACHE] = str(tmp_path_factory.mktemp("compiler"))
    environment = {**os.environ, **places, "PYTHONDONTWRITEBYTECODE": "1"}
    arguments = ["serve", "--model", str(streaming_run), "--port", "0"]
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, *arguments, "--threads", "1"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process, process.stdout.readline().split()[0]
    finally:
        process.kill()
        process.communicate()


def test_it_serves_until_it_is_interrupted_and_writes_no_file(started, tmp_path):
    process, url = started
    assert url.startswith("http://127.0.0.1:")
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert b"Speech to text" in answer.read()
    noise = np.random.default_rng(0).integers(-3000, 3000, 32000, dtype=np.int16)
    with connect(url.replace("http", "ws") + "stream") as client:
        for piece in np.split(noise, 8):
            client.send(piece.tobytes())
        client.send("end")
        assert json.loads(list(client)[-1])["audio_seconds"] == 2.0
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 0
    assert process.stderr.read() == ""
    assert list(tmp_path.rglob("*")) == []


def test_what_is_missing_is_named(lact_asr, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "uvicorn" else found(name, *rest),
    )
    assert lact_asr("serve", "--model", "m") == (
        *(2, ""),
        "lact-asr: serve: needs uvicorn; pip install 'lact-asr[serve]'\n",
    )


@pytest.mark.parametrize(
    "url", ["asr.example.org", "https://a.example/page", "ftp://a.example", "https://"]
)
def test_an_origin_is_a_site(lact_asr, url):
    finished = lact_asr("serve", "--model", "m", "--allow-origin", url)
    assert finished.code == 2
    assert finished.err.startswith(f"lact-asr: --allow-origin {url}: ")


def test_a_port_that_is_taken(lact_asr):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        finished = lact_asr("serve", "--model", "m", "--port", port)
    assert finished.code == 2
    expected = f"lact-asr: 127.0.0.1:{port}: Address already in use; give another"
    assert finished.err.startswith(expected)
    assert finished.err.count("\n") == 1


@pytest.mark.parametrize("options", [(), ("--device", "none")])
def test_a_model_that_is_not_a_streaming_one(lact_asr, trained_run, options):
    finished = lact_asr("serve", "--model", trained_run, "--port", 0, *options)
    assert finished.code == 2
    assert finished.err.count("\n") == 1
