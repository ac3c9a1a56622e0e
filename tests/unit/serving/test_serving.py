"""What clients get, and what they cannot take from others."""

import io
import logging
import socket
import threading
import time

import numpy as np
import pytest
import soundfile
from websockets.exceptions import ConnectionClosed, InvalidStatus

from lact_modules.inference.streaming import StreamingRecognizer
from lact_modules.serving.recognition import Recognition
from tests.documents import examples

from .conftest import make_samples, recognize, running


@pytest.fixture(autouse=True)
def all_is_freed(request):
    yield
    if "server" in request.fixturenames:
        request.getfixturevalue("server").wait_until_free()


def words_of(messages):
    return [word for m in messages if m["type"] == "final" for word in m["words"]]


def expected_words(recognizer, samples):
    return [
        {"word": w.word, "start": round(w.start, 3), "end": round(w.end, 3)}
        for utterance in recognize(recognizer, samples)
        for w in utterance.words
    ]


@pytest.mark.parametrize("size", [1600, 77777])
def test_a_client_gets_the_words_of_the_recognizer(server, recognizer, samples, size):
    with server.client() as client:
        client.send(samples, size)
        messages = client.finish()
        assert client.close_code == 1000
    assert words_of(messages) == expected_words(recognizer, samples)
    assert len(words_of(messages)) > 4
    types = [message["type"] for message in messages]
    assert types.count("final") > 1
    assert set(types[:-1]) == {"partial", "final"}
    assert messages[-1].pop("real_time_factor") > 0
    assert messages[-1] == {"type": "end", "audio_seconds": 6.0}
    texts = [m["text"] for m in messages if m["type"] == "partial"]
    assert len(set(texts)) > 4


def test_the_example_of_the_page_is_served(server, samples, capsys):
    example = examples("streaming.md", "python")[-1]
    address = server.url.removeprefix("http://").rstrip("/")
    exec(example.replace("127.0.0.1:8000", address), {"samples": samples[:32000]})
    *_, last = capsys.readouterr().out.splitlines()
    assert "'type': 'end', 'audio_seconds': 2.0" in last


def test_clients_share_one_graph(onnx_stream_export):
    recognizer = StreamingRecognizer.from_export(onnx_stream_export)
    inputs = [make_samples(3.0, seed) for seed in range(2)]
    with running(recognizer) as server, server.client() as a, server.client() as b:
        for pieces in zip(*(np.array_split(each, 9) for each in inputs), strict=True):
            for client, piece in zip((a, b), pieces, strict=True):
                client.send(piece)
        words = [words_of(client.finish()) for client in (a, b)]
    assert words == [expected_words(recognizer, each) for each in inputs]
    assert words[0] != words[1]


def test_clients_get_each_their_own_words(server, recognizer):
    inputs = [make_samples(3.0, seed) for seed in range(8)]
    words_by_client = {}

    def talk(number):
        with server.client() as client:
            client.send(inputs[number], 3000)
            words_by_client[number] = words_of(client.finish())

    threads = [threading.Thread(target=talk, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, samples in enumerate(inputs):
        assert words_by_client[number] == expected_words(recognizer, samples)


def test_silence_has_no_words(server):
    with server.client() as client:
        client.socket.send(b"")
        assert [m["type"] for m in client.finish()] == ["end"]


@pytest.mark.parametrize(
    ("frame", "code", "reason"),
    [
        (b"abc", 1007, "odd number of bytes"),
        ("hello", 1003, "text that is not 'end'"),
        (bytes(2**20 + 2), 1009, "a message may have 1048576 bytes"),
        (bytes(2**21 + 2), 1009, "exceeds limit"),
    ],
)
def test_a_client_that_errs_is_closed_with_one_line(
    server, caplog, frame, code, reason
):
    with server.client() as client:
        client.socket.send(make_samples(0.5).tobytes())
        client.socket.send(frame)
        messages = client.rest()
        assert client.close_code == code
        if len(frame) < 2**21:
            assert messages[-1]["type"] == "error"
            assert reason in messages[-1]["message"]
    server.wait_until_free()
    [line] = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert f"closed, {code}" in line
    assert reason in line


@pytest.mark.parametrize("kind", ["WAV", "FLAC"])
def test_a_file_is_not_taken_for_samples(server, kind):
    content = io.BytesIO()
    soundfile.write(content, make_samples(0.5), 44100, format=kind)
    with server.client() as client:
        client.socket.send(content.getvalue()[:20000])
        [error] = client.rest()
        assert client.close_code == 1007
    assert f"a file ({kind})" in error["message"]


def test_text_that_is_none_is_one_line(server, caplog):
    with server.client() as client:
        client.socket.send(b"\xff\n", text=True)
        client.rest()
        assert client.close_code == 1007
    server.wait_until_free()
    assert len(caplog.records) == 1
    assert caplog.records[0].exc_info is None


def test_killed_clients_leave_no_trace(server, recognizer, samples, caplog):
    for _ in range(8):
        client = server.raw_client()
        client.send(samples)
        client.kill()
    server.wait_until_free()
    assert not caplog.records
    with server.client() as client:
        client.send(samples)
        assert words_of(client.finish()) == expected_words(recognizer, samples)


def test_those_that_leave_early_are_forgotten(server, samples, caplog):
    client = server.client()
    client.send(samples)
    client.close()
    server.wait_until_free()
    assert not caplog.records


def test_no_more_than_there_are_places_for(run_server, samples):
    with run_server(max_clients=2) as server:
        with server.client() as first, server.client():
            with server.client() as third:
                assert third.rest() == []
            assert third.close_code == 1013
            first.send(samples)
            assert first.finish()[-1]["type"] == "end"
        server.wait_until_free()
        with server.client() as another:
            another.send(samples)
            assert another.finish()[-1]["type"] == "end"


def test_a_stream_may_last_so_long(run_server, recognizer, samples, caplog):
    with run_server(max_seconds=3.0) as server, server.client() as client:
        client.send(samples)
        messages = client.rest()
        assert client.close_code == 1008
    assert words_of(messages) == expected_words(recognizer, samples[: 3 * 16000])
    *_, end, error = messages
    assert end["audio_seconds"] == 3.0
    assert error == {"type": "error", "message": "a stream may last 0.05 minutes"}
    assert len(caplog.records) == 1


def test_a_client_may_not_take_a_place_and_stay_silent(run_server):
    with run_server(idle_seconds=0.3) as server, server.client() as client:
        assert [m["type"] for m in client.rest()] == ["end", "error"]
        assert client.close_code == 1008


def test_nor_be_slow_for_ever(run_server):
    with run_server(max_seconds=1.0) as server, server.client() as client:
        started = time.monotonic()
        with pytest.raises(ConnectionClosed):
            while time.monotonic() < started + 20:
                client.socket.send(bytes(2))
                time.sleep(0.05)
        assert time.monotonic() < started + 10


def test_who_does_not_read_is_closed(run_server, samples):
    with run_server(send_seconds=0.5, max_seconds=10000) as server:
        client = server.raw_client(receive_bytes=4096)
        deadline = time.monotonic() + 60
        with pytest.raises(OSError):
            while time.monotonic() < deadline:
                client.send(samples)
        server.wait_until_free()
        assert time.monotonic() < deadline


def test_what_the_recognizer_cannot_take_yet_is_not_read(
    run_server, samples, monkeypatch
):
    accept = Recognition.accept
    sizes = []

    def slowly(self, frame):
        time.sleep(0.1)
        sizes.append(len(frame))
        return accept(self, frame)

    monkeypatch.setattr(Recognition, "accept", slowly)
    audio = np.tile(samples, 7).tobytes()
    with run_server(queue_seconds=1.0) as server, server.client() as client:
        sent = []

        def send():
            for start in range(0, len(audio), 32000):
                client.socket.send(audio[start : start + 32000])
                sent.append(time.monotonic())
            client.socket.send("end")

        client.socket.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        started = time.monotonic()
        sender = threading.Thread(target=send)
        sender.start()
        assert client.rest()[-1]["audio_seconds"] == 42.0
        sender.join()
    # 42 pieces of a second, 0.1 s each; the kernel takes some seconds ahead
    assert sent[-1] - started > 0.1 * 20
    assert sum(sizes) == len(audio)


def test_a_fault_of_the_program_is_reported_and_logged(
    server, samples, monkeypatch, caplog
):
    def fail(self, frame):
        raise RuntimeError("odd")

    monkeypatch.setattr(Recognition, "accept", fail)
    with server.client() as client:
        # in one message: the server may close before it could take a second
        client.send(samples[:16000], size=16000)
        assert client.rest()[-1] == {
            "type": "error",
            "message": "the recognizer failed",
        }
        assert client.close_code == 1011
    assert any(record.exc_info for record in caplog.records)


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:1", ""]
)
def test_pages_of_other_sites_get_no_stream(server, origin):
    with pytest.raises(InvalidStatus) as caught:
        server.client(origin=origin)
    assert caught.value.response.status_code == 403


def test_the_own_page_gets_one(server):
    with server.client(origin=server.url.rstrip("/")) as client:
        assert client.finish()[-1]["type"] == "end"


def test_a_page_behind_a_proxy_gets_one(run_server):
    with run_server(origins=["https://asr.example.org"]) as server:
        with server.client(origin="https://asr.example.org") as client:
            assert client.finish()[-1]["type"] == "end"
        server.get("", Host="asr.example.org")


def test_a_server_that_stops_closes_its_streams(run_server, samples):
    with run_server() as server:
        client = server.client()
        client.send(samples[:4000])
    client.rest()
    assert client.close_code == 1012
