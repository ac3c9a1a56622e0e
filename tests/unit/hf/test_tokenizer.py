import pytest
import torch
from transformers import AutoTokenizer

from lact_modules.decoding.stream.greedy import GreedyStream
from lact_modules.errors import InputError
from lact_modules.hf import LaCTTokenizer


@pytest.fixture(params=["exported", "exported_pieces"])
def tokenizer(request):
    return AutoTokenizer.from_pretrained(request.getfixturevalue(request.param))


def test_texts_become_what_training_makes_of_them(tokenizer):
    texts = ["AB BA", "A  BAD\tCAB"]
    rows = tokenizer(texts, padding=True)
    for text, ids, mask in zip(texts, rows.input_ids, rows.attention_mask, strict=True):
        valid = [i for i, is_valid in zip(ids, mask, strict=True) if is_valid]
        assert valid == tokenizer.vocabulary.encode(text)
    # labels repeat tokens, which frames do not
    decoded = tokenizer.batch_decode(rows.input_ids, group_tokens=False)
    assert decoded == [" ".join(text.split()) for text in texts]


def test_frames_become_the_text_of_the_greedy_search(tokenizer):
    generator = torch.Generator().manual_seed(0)
    decoder = GreedyStream(tokenizer.vocabulary, 1.0)
    for _ in range(50):
        ids = torch.randint(len(tokenizer), (30,), generator=generator)
        # blanks and repeats
        ids = torch.where(torch.rand(30, generator=generator) < 0.4, 0, ids)
        ids = ids.repeat_interleave(torch.randint(1, 4, (30,), generator=generator))
        state = decoder.follow(torch.zeros(len(ids)), ids, decoder.start())
        expected = decoder.finish(state)
        decoded = tokenizer.decode(ids, output_word_offsets=True)
        assert decoded.text == tokenizer.decode(ids) == expected.text
        assert decoded.word_offsets == [
            {"word": w.word, "start_offset": w.start, "end_offset": w.end}
            for w in expected.words
        ]


def test_labels_of_a_padded_batch_are_read(tokenizer):
    ids = tokenizer.vocabulary.encode("BAD")
    assert tokenizer.decode([*ids, -100, -100], group_tokens=False) == "BAD"


def test_a_batch_is_decoded_at_once(tokenizer):
    rows = [tokenizer.vocabulary.encode(text) for text in ("AB", "BA")]
    assert tokenizer.decode(rows, group_tokens=False) == ["AB", "BA"]
    assert tokenizer.decode([]) == ""


def test_what_has_no_token_is_named(exported):
    with pytest.raises(InputError, match="'Z'"):
        LaCTTokenizer.from_pretrained(exported)("AZ")


def test_it_is_saved_with_what_it_needs(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    assert (tmp_path / "modeling_lact.py").is_file()
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert type(again) is LaCTTokenizer
    assert again.vocabulary == tokenizer.vocabulary


@pytest.mark.parametrize("names", [[], ["vocabulary.txt", "tokenizer.model"]])
def test_one_file_holds_the_tokens(names, exported, exported_pieces):
    files = {
        "characters_file": str(exported / "vocabulary.txt"),
        "pieces_file": str(exported_pieces / "tokenizer.model"),
    }
    given = {key: path for key, path in files.items() if path.endswith(tuple(names))}
    with pytest.raises(InputError, match=r"vocabulary\.txt and tokenizer\.model"):
        LaCTTokenizer(**(given if names else {}))
