"""The page in a real browser, with a file as its microphone."""

import http.server
import re
import shutil
import threading

import pytest
import soundfile

from .conftest import RATE, recognize

sync_api = pytest.importorskip("playwright.sync_api", reason="no Playwright here")

pytestmark = pytest.mark.browser

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
# Chromium's own sandbox does not run as root
OPTIONS = ["--no-sandbox", "--disable-dev-shm-usage"]


@pytest.fixture(scope="module")
def recording(samples, tmp_path_factory):
    path = tmp_path_factory.mktemp("audio") / "noise.wav"
    soundfile.write(path, samples, RATE, subtype="PCM_16")
    return path


@pytest.fixture(scope="module")
def browser(recording):
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip(f"no browser here: none of {', '.join(NAMES)} is in PATH")
    microphone = [
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={recording}",
    ]
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=path, args=[*OPTIONS, *microphone]
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser, server):
    page = browser.new_page()
    complaints = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(server.url)
    yield page
    page.close()
    server.wait_until_free()
    assert complaints == []


def wait_for_status(page, text, seconds=20):
    sync_api.expect(page.locator("#status")).to_contain_text(
        text, timeout=1000 * seconds
    )


def test_a_file_becomes_text(page, recognizer, samples, recording):
    page.set_input_files("#file", recording)
    wait_for_status(page, "Done.")
    expected = " ".join(u.text for u in recognize(recognizer, samples))
    assert page.inner_text("#finals").split() == expected.split()
    assert page.inner_text("#stable") == page.inner_text("#open") == ""
    assert page.inner_text("#numbers").startswith("6.0 s of audio, real-time factor 0.")
    assert page.get_attribute("#finals span", "title").endswith(" s")


def test_text_appears_while_it_is_spoken(page):
    page.click("#microphone")
    wait_for_status(page, "Listening")
    for name in ("open", "finals"):
        sync_api.expect(page.locator(f"#{name}")).not_to_be_empty(timeout=30_000)
    assert page.is_disabled("#file")
    grey, black = (
        page.evaluate(f"getComputedStyle(document.getElementById('{name}')).color")
        for name in ("open", "finals")
    )
    assert grey != black
    page.click("#stop")
    wait_for_status(page, "Done.")
    assert page.inner_text("#open") == ""
    assert page.is_enabled("#microphone")
    text = page.inner_text("#finals")
    # another stream continues below
    page.click("#microphone")
    longer = re.compile(f".{{{len(text) + 3},}}", re.DOTALL)
    sync_api.expect(page.locator("#finals")).to_have_text(longer, timeout=30_000)
    page.click("#stop")
    wait_for_status(page, "Done.")
    assert page.inner_text("#finals").startswith(text.strip())
    page.click("#clear")
    assert page.inner_text("#transcript").strip() == ""


def test_a_file_that_is_no_audio_is_refused(page, tmp_path):
    path = tmp_path / "notes.wav"
    path.write_text("no audio")
    page.set_input_files("#file", path)
    wait_for_status(page, "notes.wav: not audio")
    assert page.is_enabled("#file")


def test_a_page_that_is_left_frees_its_place(page, server):
    page.click("#microphone")
    wait_for_status(page, "Listening")
    assert server.num_clients() == 1
    page.goto("about:blank")
    server.wait_until_free()


def test_a_server_that_goes_is_noticed(browser, run_server):
    page = browser.new_page()
    with run_server() as server:
        page.goto(server.url)
        page.click("#microphone")
        wait_for_status(page, "Listening")
    wait_for_status(page, "Stopped")
    assert page.is_enabled("#microphone")
    page.click("#microphone")
    wait_for_status(page, "Failed: no connection to the server")
    page.close()


def test_a_full_server_is_shown(browser, run_server):
    page = browser.new_page()
    with run_server(max_clients=1) as server, server.client():
        page.goto(server.url)
        page.click("#microphone")
        wait_for_status(page, "Failed: all 1 places are taken")
    page.close()


def test_a_page_of_another_site_gets_no_stream(browser, server):
    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    other = http.server.HTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=other.serve_forever, daemon=True).start()
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{other.server_port}/")
    outcome = page.evaluate(
        """url => new Promise((resolve) => {
            const socket = new WebSocket(url);
            socket.onopen = () => resolve("open");
            socket.onclose = ({ code }) => resolve(code);
        })""",
        server.url.replace("http", "ws") + "stream",
    )
    page.close()
    other.shutdown()
    other.server_close()
    assert outcome == 1006


@pytest.mark.parametrize("rate", [48000, 44100, 8000])
def test_the_microphone_is_resampled(page, rate):
    error = page.evaluate(
        """async (rate) => {
            const { Resampler } = await import("/resampler.js");
            const tone = (seconds) => Math.sin(2 * Math.PI * 1000 * seconds);
            const resampler = new Resampler(rate, 16000);
            const output = [];
            for (let n = 0; n < 50 * 1024; n += 1024) {
                const piece = new Float32Array(1024);
                piece.forEach((_, i) => (piece[i] = tone((n + i) / rate)));
                output.push(...resampler.push(piece));
            }
            // it begins with the step from silence
            const errors = output.map((value, i) => Math.abs(value - tone(i / 16000)));
            return Math.max(...errors.slice(200));
        }""",
        rate,
    )
    assert error < 1e-3
