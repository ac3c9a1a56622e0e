"""The page is served whole, and fenced in."""

import re
import urllib.error
from importlib import resources

import pytest

PAGE = resources.files("lact_modules.serving") / "page"


@pytest.mark.parametrize("name", sorted(file.name for file in PAGE.iterdir()))
def test_each_file_is_served(server, name):
    headers, content = server.get(name)
    assert content == (PAGE / name).read_bytes()
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    if name.endswith(".js"):
        assert headers["Content-Type"].startswith("text/javascript")


def test_nothing_comes_from_elsewhere():
    for file in PAGE.iterdir():
        text = file.read_text(encoding="utf-8")
        text = text.replace('xmlns="http://www.w3.org/2000/svg"', "")
        assert not re.search(r"https?://|//\w+\.\w+|@import|\binnerHTML\b", text)
        # the policy refuses what is inline
        assert not re.search(r"<script>|<style>|\sstyle=|\son\w+=", text)


def test_what_is_referred_to_is_there():
    for file in PAGE.iterdir():
        text = file.read_text(encoding="utf-8")
        names = re.findall(r'(?:href|src)="([\w.]+)"|"(?:\./)?(\w+\.js)"', text)
        for name in filter(None, (either or other for either, other in names)):
            assert (PAGE / name).is_file()


@pytest.mark.parametrize("path", ["../app.py", "page/", "%2e%2e/app.py", "stream"])
def test_nothing_else_is_served(server, path):
    with pytest.raises(urllib.error.HTTPError) as caught:
        server.get(path)
    assert caught.value.code == 404


def test_a_name_that_may_be_a_strangers_is_refused(server):
    with pytest.raises(urllib.error.HTTPError) as caught:
        server.get("", Host="rebound.example")
    assert caught.value.code == 403
