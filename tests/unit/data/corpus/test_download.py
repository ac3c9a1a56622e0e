import errno
import hashlib
import io
import shutil
import tarfile
import threading
from collections import namedtuple
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from lact_modules.data.corpus import fetch
from lact_modules.data.corpus.download import (
    download_librispeech,
    download_librispeech_long,
)
from lact_modules.errors import InputError

AUDIO = bytes(range(256)) * 8000


def pack(members):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=0) as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


ARCHIVE = pack(
    {
        "LibriSpeech/README.TXT": b"read me",
        "LibriSpeech/dev-clean/1/2/1-2.trans.txt": b"1-2-0000 ONE\n",
        "LibriSpeech/dev-clean/1/2/1-2-0000.flac": AUDIO,
    }
)


class Mirror(ThreadingHTTPServer):
    """Serves files from memory, and fails on demand."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), MirrorHandler)
        self.files = {}
        self.requests = []
        self.knows_ranges = True
        # For each coming request of an archive: bytes after which it is cut.
        self.cuts = []
        self.refuse_with = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/12"

    def handle_error(self, request, client_address):
        """Stay silent: a client that goes away early is part of the tests."""

    def offer(self, split, archive, md5=None):
        self.files[f"/12/{split}.tar.gz"] = archive
        line = f"{md5 or hashlib.md5(archive).hexdigest()}  {split}.tar.gz\n"
        self.files.setdefault("/12/md5sum.txt", b"0123  intro-disclaimers.txt\n")
        self.files["/12/md5sum.txt"] += line.encode()

    @property
    def archive_requests(self):
        return [wanted for path, wanted in self.requests if path.endswith("gz")]


class MirrorHandler(BaseHTTPRequestHandler):
    def do_GET(self):
        wanted = self.headers.get("Range")
        self.server.requests.append((self.path, wanted))
        content = self.server.files.get(self.path)
        is_archive = self.path.endswith("gz")
        if content is None or (is_archive and self.server.refuse_with):
            self.send_error(self.server.refuse_with or 404)
            return
        start = 0
        if wanted and self.server.knows_ranges:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                self.send_error(416)
                return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        end = len(content)
        if is_archive and self.server.cuts:
            end = start + self.server.cuts.pop(0)
        self.wfile.write(content[start:end])

    def log_message(self, *arguments):
        pass


@pytest.fixture
def mirror(monkeypatch):
    monkeypatch.setattr(fetch, "FIRST_WAIT", 0.001)
    with Mirror() as server:
        server.offer("dev-clean", ARCHIVE)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def fetch_dev_clean(mirror, folder):
    return download_librispeech(["dev-clean"], folder, base_url=mirror.url)


def assert_complete(folder):
    corpus = folder / "LibriSpeech"
    assert (corpus / "dev-clean/1/2/1-2-0000.flac").read_bytes() == AUDIO
    assert (corpus / "README.TXT").read_bytes() == b"read me"
    assert [path.name for path in folder.iterdir()] == ["LibriSpeech"]


def test_split_is_fetched_verified_and_unpacked(mirror, tmp_path):
    assert fetch_dev_clean(mirror, tmp_path) == [tmp_path / "LibriSpeech/dev-clean"]
    assert_complete(tmp_path)
    assert mirror.archive_requests == [None]


def test_complete_split_is_not_fetched_again(mirror, tmp_path):
    fetch_dev_clean(mirror, tmp_path)
    mirror.requests.clear()
    fetch_dev_clean(mirror, tmp_path)
    assert mirror.requests == []


def test_cut_connection_is_continued(mirror, tmp_path):
    mirror.cuts = [100_000, 0, 500_000]
    fetch_dev_clean(mirror, tmp_path)
    assert_complete(tmp_path)
    assert mirror.archive_requests == [
        None,
        "bytes=100000-",
        "bytes=100000-",
        "bytes=600000-",
    ]


def test_server_without_ranges_starts_over(mirror, tmp_path):
    mirror.knows_ranges = False
    mirror.cuts = [100_000]
    fetch_dev_clean(mirror, tmp_path)
    assert_complete(tmp_path)
    assert len(mirror.archive_requests) == 2


def test_next_call_continues_where_one_gave_up(mirror, tmp_path):
    mirror.cuts = [300_000] + [0] * (fetch.ATTEMPTS - 1)
    with pytest.raises(InputError, match="gave up after 6 attempts"):
        fetch_dev_clean(mirror, tmp_path)
    assert (tmp_path / "dev-clean.tar.gz.part").stat().st_size == 300_000
    mirror.requests.clear()
    fetch_dev_clean(mirror, tmp_path)
    assert mirror.archive_requests == ["bytes=300000-"]
    assert_complete(tmp_path)


def test_archive_that_only_lacks_its_name_is_used(mirror, tmp_path):
    (tmp_path / "dev-clean.tar.gz.part").write_bytes(ARCHIVE)
    fetch_dev_clean(mirror, tmp_path)
    assert_complete(tmp_path)


def test_overloaded_server_is_asked_again(mirror, tmp_path):
    mirror.refuse_with = 503
    with pytest.raises(InputError, match=r"gave up.*503"):
        fetch_dev_clean(mirror, tmp_path)
    assert len(mirror.archive_requests) == fetch.ATTEMPTS


def test_refusal_is_not_repeated(mirror, tmp_path):
    mirror.refuse_with = 403
    with pytest.raises(InputError, match=r"the server refuses it.*403"):
        fetch_dev_clean(mirror, tmp_path)
    assert len(mirror.archive_requests) == 1


@pytest.mark.parametrize("name", ["dev-clean.tar.gz.part", "dev-clean.tar.gz"])
def test_wrong_checksum_deletes_the_archive(mirror, tmp_path, name):
    (tmp_path / name).write_bytes(b"\0" * 1000 + ARCHIVE[1000:])
    with pytest.raises(InputError, match=r"dev-clean\.tar\.gz: wrong checksum"):
        fetch_dev_clean(mirror, tmp_path)
    assert list(tmp_path.iterdir()) == []
    fetch_dev_clean(mirror, tmp_path)
    assert_complete(tmp_path)


def test_lack_of_space_is_reported_before_fetching(mirror, tmp_path, monkeypatch):
    Usage = namedtuple("Usage", "total used free")
    free = round(1.5 * len(ARCHIVE))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(free, 0, free))
    with pytest.raises(InputError, match=r"no space left for dev-clean\.tar\.gz"):
        fetch_dev_clean(mirror, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_disk_that_fills_up_while_unpacking_is_one_line(mirror, tmp_path, monkeypatch):
    def extractall(self, path, filter):
        path.mkdir()
        (path / "half").write_bytes(b"...")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(tarfile.TarFile, "extractall", extractall)
        with pytest.raises(InputError, match="no space left on the device; free some"):
            fetch_dev_clean(mirror, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["dev-clean.tar.gz"]
    mirror.requests.clear()
    fetch_dev_clean(mirror, tmp_path)
    assert mirror.archive_requests == []
    assert_complete(tmp_path)


def test_disk_that_fills_up_while_fetching_keeps_what_there_is(
    mirror, tmp_path, monkeypatch
):
    class FullDisk(io.FileIO):
        def write(self, block):
            super().write(block[:300_000])
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(fetch, "open", FullDisk, raising=False)
        with pytest.raises(InputError, match="no space left on the device; free some"):
            fetch_dev_clean(mirror, tmp_path)
    mirror.requests.clear()
    fetch_dev_clean(mirror, tmp_path)
    assert mirror.archive_requests == ["bytes=300000-"]
    assert_complete(tmp_path)


@pytest.mark.parametrize("name", ["../../escaped", "/tmp/escaped-by-absolute-name"])
def test_archive_cannot_write_outside(mirror, tmp_path, name):
    folder = tmp_path / "a" / "b"
    mirror.offer("evil", pack({name: b"!", "LibriSpeech/evil/1": b""}))
    try:
        download_librispeech(["evil"], folder, base_url=mirror.url)
    except InputError as error:
        assert "cannot be unpacked" in str(error)
    assert not list(tmp_path.rglob("escaped*"))


def test_archive_of_something_else_is_refused(mirror, tmp_path):
    mirror.offer("music", pack({"songs/1.flac": b"..."}))
    with pytest.raises(InputError, match=r"cannot be unpacked \(it holds no"):
        download_librispeech(["music"], tmp_path, base_url=mirror.url)
    assert [path.name for path in tmp_path.rglob("*")] == ["music.tar.gz"]


def test_unknown_split_names_those_there_are(mirror, tmp_path):
    mirror.offer("test-clean", ARCHIVE)
    with pytest.raises(InputError, match="it has: dev-clean, test-clean"):
        download_librispeech(["dev"], tmp_path / "new", base_url=mirror.url)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "nonsense", "{mirror}/none"])
def test_server_without_checksums_is_one_line(mirror, tmp_path, url):
    with pytest.raises(InputError, match="cannot be fetched"):
        download_librispeech(
            ["dev-clean"], tmp_path, base_url=url.format(mirror=mirror.url)
        )


LONG = pack(
    {
        "librispeech-long/dev-clean/84/1211/1211_0000.flac": AUDIO,
        "librispeech-long/dev-clean/84/1211/1211_0000.txt": b"ONE TWO",
        "librispeech-long/test-other/7/1/1_0000.txt": b"THREE",
    }
)


def test_one_archive_holds_all_splits_of_long_recordings(mirror, tmp_path):
    mirror.files["/12/v0_1.tar.gz"] = LONG
    mirror.cuts = [1000]
    corpus = tmp_path / "data" / "librispeech-long"
    splits = [corpus / "dev-clean", corpus / "test-other"]
    for _ in range(2):
        assert download_librispeech_long(tmp_path / "data", base_url=mirror.url) == (
            splits
        )
    assert mirror.archive_requests == [None, "bytes=1000-"]
    assert (splits[0] / "84/1211/1211_0000.flac").read_bytes() == AUDIO
    assert [path.name for path in corpus.parent.iterdir()] == [corpus.name]


def test_checksum_of_gzip_is_compared(mirror, tmp_path):
    damaged = bytearray(LONG)
    damaged[1_000_000] ^= 1
    mirror.files["/12/v0_1.tar.gz"] = bytes(damaged)
    with pytest.raises(InputError, match=r"v0_1.tar.gz: cannot be unpacked .*CRC"):
        download_librispeech_long(tmp_path, base_url=mirror.url)
    assert [path.name for path in tmp_path.iterdir()] == ["v0_1.tar.gz"]
