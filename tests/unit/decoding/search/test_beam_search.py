import subprocess
import sys

WITHOUT_FLASHLIGHT = """
import sys

sys.modules["flashlight"] = None  # an import raises ModuleNotFoundError

from lact_modules.data.text.vocabulary import Vocabulary
from lact_modules.decoding.ctc import build_decoder
from lact_modules.decoding.stream.decoder import build_stream_decoder
from lact_modules.errors import InputError

vocabulary = Vocabulary.from_texts(["ONE"])
for build in build_decoder, build_stream_decoder:
    print(type(build(vocabulary, 10.0)).__name__)
    try:
        build(vocabulary, 10.0, beam_size=5)
    except InputError as error:
        print(error)
"""


def test_without_flashlight_decoding_is_greedy():
    command = [sys.executable, "-c", WITHOUT_FLASHLIGHT]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    greedy, refused, greedy_stream, stream_refused = output.splitlines()
    assert (greedy, greedy_stream) == ("GreedyDecoder", "GreedyStream")
    assert refused == stream_refused
    assert refused.startswith("beam search: needs flashlight-text")
