import pytest

from lact_modules.data.text.scripts import is_unsegmented, is_unspaced, spell_characters


@pytest.mark.parametrize(
    "text",
    ["你好世界 OK", "カメラを買う", "สวัสดีครับ", "ສະບາຍດີ", "សួស្តី", "မင်္ဂလာပါ", "བཀྲ་ཤིས"],
)
def test_scripts_without_spaces(text):
    assert is_unspaced([text])
    assert is_unsegmented([text])


@pytest.mark.parametrize(
    "text",
    ["hello", "привет", "안녕하세요", "שלום", "नमस्ते", "مرحبا", "xin chào", "", "12"],
)
def test_scripts_with_spaces(text):
    assert not is_unspaced([text])
    assert not is_unsegmented([text])


@pytest.mark.parametrize(
    ("sentences", "expected"),
    [
        (["你好 世界", "世界 很 好"], False),
        (["你 好 世 界"], False),
        (["开灯", "关灯"], True),
        (["ฉันไปตลาดกับเพื่อน แล้วกลับบ้านตอนเย็น"], True),
        (["ฉัน ไป ตลาด กับ เพื่อน"], False),
    ],
)
def test_texts_that_part_words(sentences, expected):
    assert is_unsegmented(sentences) is expected


def test_characters_with_the_delimiter_for_a_run_of_spaces():
    assert spell_characters(" 你好  世界 ") == "你 好 | 世 界"
