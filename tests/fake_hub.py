"""What huggingface_hub asks of a hub, on this machine alone."""

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
from huggingface_hub import constants

from lact_modules.publishing import hub as module

TOKEN = "hf_aSecretThatNobodyMaySee"


class FakeHub(ThreadingHTTPServer):
    """Keeps repositories in memory, and fails on demand."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), FakeHubHandler)
        # by repository: its files by path
        self.files = {}
        self.visibility = {}
        self.num_commits = 0
        self.blobs = {}
        # statuses to answer the coming requests with that make a repository
        self.failures = []
        self.num_requests = 0

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def sha(self):
        return f"{self.num_commits:040x}"

    def handle_error(self, request, client_address):
        """Stay silent: a client that goes away early is part of the tests."""


class FakeHubHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.server.num_requests += 1
        content = self._read()
        path = urlsplit(self.path).path
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            # a careless server, that quotes its request
            self._answer({"error": f"no {self.headers['Authorization']}"}, 401)
        elif path == "/api/repos/create":
            self._create(json.loads(content))
        elif path == "/api/validate-yaml":
            self._answer({"errors": [], "warnings": []})
        elif "/preupload/" in path:
            self._choose_modes(json.loads(content))
        elif path.endswith("/info/lfs/objects/batch"):
            self._offer_uploads(json.loads(content))
        elif "/commit/" in path:
            self._commit(self._repository(path), content)
        else:
            self._answer({"error": path}, 404)

    def do_PUT(self):
        content = self._read()
        self.server.blobs[hashlib.sha256(content).hexdigest()] = content
        self._answer({})

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = urlsplit(self.path).path
        repository = self._repository(path)
        files = self.server.files.get(repository)
        if files is None:
            headers = {"X-Error-Code": "RepoNotFound"}
            self._answer({"error": "Repository not found"}, 404, headers)
        elif "/resolve/" in path:
            name = path.rpartition("/")[2]
            etag = f'"{hashlib.sha256(files[name]).hexdigest()}"'
            headers = {"X-Repo-Commit": self.server.sha, "ETag": etag}
            self._answer(files[name], headers=headers)
        elif "/tree/" in path:
            self._answer([_entry(name, files[name]) for name in files])
        else:
            siblings = [{"rfilename": name} for name in files]
            info = {"id": repository, "sha": self.server.sha, "siblings": siblings}
            self._answer(info)

    def _create(self, wanted):
        if self.server.failures:
            self._answer({"error": "fails"}, self.server.failures.pop(0))
            return
        repository = f"{wanted['organization']}/{wanted['name']}"
        url = f"{self.server.url}/{repository}"
        is_there = repository in self.server.files
        if not is_there:
            self.server.files[repository] = {}
            # huggingface_hub 1 says whether it is private, 2 how visible it is
            visibility = "private" if wanted.get("private") else "public"
            self.server.visibility[repository] = wanted.get("visibility", visibility)
        self._answer({"url": url}, 409 if is_there else 200)

    def _choose_modes(self, wanted):
        modes = [
            {
                "path": each["path"],
                "uploadMode": "lfs" if each["path"].endswith("tensors") else "regular",
                "shouldIgnore": False,
            }
            for each in wanted["files"]
        ]
        self._answer({"files": modes})

    def _offer_uploads(self, wanted):
        objects = []
        for each in wanted["objects"]:
            upload = {"href": f"{self.server.url}/blobs/{each['oid']}"}
            is_there = each["oid"] in self.server.blobs
            objects.append(each if is_there else each | {"actions": {"upload": upload}})
        self._answer({"transfer": "basic", "objects": objects})

    def _commit(self, repository, content):
        files = self.server.files[repository]
        for line in content.splitlines():
            operation = json.loads(line)
            value = operation["value"]
            match operation["key"]:
                case "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                case "lfsFile":
                    files[value["path"]] = self.server.blobs[value["oid"]]
                case "deletedFile":
                    del files[value["path"]]
        self.server.num_commits += 1
        url = f"{self.server.url}/{repository}/commit/{self.server.sha}"
        self._answer({"commitUrl": url, "commitOid": self.server.sha})

    def _repository(self, path):
        return "/".join(path.removeprefix("/api/models").split("/")[1:3])

    def _read(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        content = b""
        while size := int(self.rfile.readline(), 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return content

    def _answer(self, content, status=200, headers=None):
        if not isinstance(content, bytes):
            content = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *arguments):
        pass


def _entry(name, content):
    oid = hashlib.sha1(content).hexdigest()
    return {"type": "file", "path": name, "size": len(content), "oid": oid}


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """Let huggingface_hub meet a hub of our own, with a token for it."""
    monkeypatch.setattr(module, "FIRST_WAIT", 0.001)
    # the storage behind the real hub speaks another protocol
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with FakeHub() as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        template = f"{server.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()
