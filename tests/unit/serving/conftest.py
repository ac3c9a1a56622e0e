"""A server on a free port of this machine, and clients that talk to it."""

import contextlib
import json
import socket
import struct
import threading
import time
import urllib.request
from functools import partial

import numpy as np
import pytest
import torch
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State
from websockets.sync.client import connect
from websockets.uri import parse_uri

from lact_modules.data.text.vocabulary import Vocabulary
from lact_modules.decoding.stream.endpoint import Endpoint
from lact_modules.encoders import CTCModel, Encoder
from lact_modules.frontends import MelFrontend
from lact_modules.inference.streaming import StreamingRecognizer
from lact_modules.layers import FeedForward, LaCTMixer
from lact_modules.model_store.trained_model import TrainedModel
from lact_modules.serving.app import create_app
from lact_modules.serving.limits import Limits
from lact_modules.serving.server import address, make_server, open_socket

RATE = 16000


def make_samples(seconds, seed=1):
    """Return int16 noise with the loudness of syllables."""
    generator = torch.Generator().manual_seed(seed)
    num_samples = int(RATE * seconds)
    noise = 0.3 * torch.randn(num_samples, generator=generator)
    loudness = torch.linspace(0, 10 * seconds, num_samples).sin().abs()
    return (noise * loudness * 32767).clamp(-32768, 32767).to(torch.int16).numpy()


@pytest.fixture(scope="session")
def samples():
    return make_samples(6.0)


@pytest.fixture(scope="session")
def recognizer(samples):
    """Make an untrained model that recognizes letters in noise."""
    torch.manual_seed(0)
    vocabulary = Vocabulary.from_texts(["ABCDE"])
    mixer, ffn = partial(LaCTMixer, 16, 2, 2), partial(FeedForward, 16, 32)
    frontend = MelFrontend(16, channels=4, normalization="running")
    model = CTCModel(frontend, Encoder(16, 2, mixer, ffn), len(vocabulary))
    model.requires_grad_(False).eval()
    # an untrained model outputs much the same in every frame: differences have to count
    torch.nn.init.normal_(model.output.weight, std=2.0)
    waveform = torch.from_numpy(samples / np.float32(32768))
    frames, lengths = model.make_frames(waveform[None], torch.tensor([len(samples)]))
    hidden, _ = model.encoder(frames, lengths)
    model.output.bias.copy_(-(model.output.weight @ hidden[0].mean(dim=0)))
    return StreamingRecognizer(
        TrainedModel(model, vocabulary, None),
        chunk_seconds=0.32,
        left_seconds=2.0,
        endpoint=Endpoint(longest=2.0),
    )


def recognize(recognizer, samples):
    """Return the utterances of a recognizer of its own."""
    alone = recognizer.fork()
    alone.accept(torch.from_numpy(samples / np.float32(32768)))
    alone.finish()
    return alone.take()


class Client:
    """Talks to a server as a page does."""

    def __init__(self, url, **options):
        url = url.replace("http", "ws") + "stream"
        self._open = contextlib.ExitStack()
        self.socket = self._open.enter_context(
            connect(url, compression=None, **options)
        )
        assert self.receive()["type"] in ("ready", "error")

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        self._open.close()

    def receive(self, timeout=10.0):
        return json.loads(self.socket.recv(timeout))

    def send(self, samples, size=4000):
        for start in range(0, len(samples), size):
            self.socket.send(samples[start : start + size].tobytes())

    def finish(self):
        self.socket.send("end")
        return self.rest()

    def rest(self):
        """Return all messages up to the closing of the connection."""
        messages = []
        with contextlib.suppress(ConnectionClosed):
            while True:
                messages.append(self.receive())
        return messages

    @property
    def close_code(self):
        return self.socket.protocol.close_code


class RawClient:
    """A client without a thread that reads: its socket can be treated badly."""

    def __init__(self, url, receive_bytes=None):
        uri = parse_uri(url.replace("http", "ws") + "stream")
        self._protocol = ClientProtocol(uri)
        self.socket = socket.socket()
        if receive_bytes is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.connect((uri.host, uri.port))
        self.socket.settimeout(10)
        self._protocol.send_request(self._protocol.connect())
        self._flush()
        while self._protocol.state is State.CONNECTING:
            self._protocol.receive_data(self.socket.recv(4096))

    def send(self, samples):
        self._protocol.send_binary(samples.tobytes())
        self._flush()

    def kill(self):
        """Reset the connection, as when a process is killed with data unread."""
        linger = struct.pack("ii", 1, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.socket.close()

    def _flush(self):
        for data in self._protocol.data_to_send():
            self.socket.sendall(data)


class Running:
    """A server that runs in a thread."""

    def __init__(self, url):
        self.url = url

    def client(self, **options):
        return Client(self.url, **options)

    def raw_client(self, **options):
        return RawClient(self.url, **options)

    def get(self, path, **headers):
        request = urllib.request.Request(self.url + path, headers=headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.headers, answer.read()

    def num_clients(self):
        return json.loads(self.get("status")[1])["clients"]

    def wait_until_free(self, seconds=10.0):
        deadline = time.monotonic() + seconds
        while self.num_clients():
            assert time.monotonic() < deadline, "a client is still being served"
            time.sleep(0.02)


@contextlib.contextmanager
def running(recognizer, origins=(), **limits):
    limits = Limits(**limits)
    with open_socket("127.0.0.1", 0, limits) as listener:
        app = create_app(recognizer, limits, origins, num_threads=2)
        server = make_server(app, limits)
        url = address(listener)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield Running(url)
        finally:
            server.should_exit = True
            thread.join(timeout=20)
            assert not thread.is_alive()


@pytest.fixture(scope="session")
def run_server(recognizer):
    return partial(running, recognizer)


@pytest.fixture(scope="session")
def server(run_server):
    """Return a server with the limits that users get, but few places."""
    with run_server(max_clients=9) as each:
        yield each
