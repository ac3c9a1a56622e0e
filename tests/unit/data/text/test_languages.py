# letters of several scripts look alike
# ruff: noqa: RUF001
import pytest

from lact_modules.data.text.languages import (
    LANGUAGES,
    TextRules,
    normalize_text,
    rules_for,
)
from lact_modules.errors import InputError


def normalize(language, text, **changes):
    return normalize_text(text, rules_for(language, changes))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It\u2019s a 'well-known' caf\u00e9\u2026", "IT'S A WELL KNOWN CAFÉ"),
        ("\u201cYes,\u201d she said\u2014\u2018no\u2019!", "YES SHE SAID NO"),
        ("cafe\u0301 \ufb01ne \uff21", "CAFÉ FINE A"),
        ("co\u00adop \ufeffx\u200b", "COOP X"),
        ("one/two_three  \t four", "ONE TWO THREE FOUR"),
        ("...", ""),
    ],
)
def test_english(text, words):
    assert normalize("en", text) == words


def test_letter_case_is_a_choice():
    assert normalize("en", "It's ME", letter_case="lower") == "it's me"
    assert normalize("en", "It's ME", letter_case="keep") == "It's ME"


def test_german_sharp_s_is_one_letter_in_either_case():
    assert normalize("de", "Die Straße, „süß“.") == "DIE STRAẞE SÜẞ"
    assert normalize("de", "Die STRAẞE", letter_case="lower") == "die straße"


@pytest.mark.parametrize("language", ["tr", "az"])
def test_i_keeps_its_dot_or_its_lack(language):
    dotless = "I\u011fd\u0131r \u0130zmir incisi"
    upper = "I\u011eDIR \u0130ZM\u0130R \u0130NC\u0130S\u0130"
    lower = "\u0131\u011fd\u0131r izmir incisi"
    assert normalize(language, dotless) == upper
    assert normalize(language, dotless, letter_case="lower") == lower


def test_hebrew_loses_points_and_what_directs_its_display():
    pointed = "\u202bשָׁלוֹם\u200f, עוֹלָם־קָטָן!\u202c"
    assert normalize("he", pointed) == "שלום עולם קטן"
    # the same letter as a presentation form
    assert normalize("he", "\ufb2aלום") == "שלום"
    assert normalize("he", "שָׁלוֹם", strip_marks=False) == "שָׁלוֹם"


def test_hebrew_geresh_is_an_apostrophe_and_gershayim_part_no_word():
    for geresh in ("\u05f3", "'", "\u2019"):
        assert normalize("he", f"ג{geresh}ירפה") == "ג'ירפה"
    for gershayim in ("\u05f4", '"', "\u201d"):
        assert normalize("he", f"צה{gershayim}ל") == "צהל"
    assert normalize("he", '"צהל"') == "צהל"


def test_arabic_loses_vowel_points_and_stretching():
    assert normalize("ar", "السَّلَامُ عَلَيْكُم، كــتاب") == "السلام عليكم كتاب"
    assert normalize("ar", "آ أ إ") == "آ أ إ"


def test_persian_keeps_the_joiner_within_words():
    assert normalize("fa", "نمی\u200cخواهم\u200c.") == "نمی\u200cخواهم"


@pytest.mark.parametrize(
    ("language", "text", "words"),
    [
        ("vi", "Tiếng Việt, thế giới!", "TIẾNG VIỆT THẾ GIỚI"),
        ("vi", "Tie\u0302\u0301ng Vie\u0323\u0302t", "TIẾNG VIỆT"),
        ("yo", "Ẹ káàárọ̀, báwo ni?", "Ẹ KÁÀÁRỌ̀ BÁWO NI"),
        ("th", "น้ำ ทำ", "น้ำ ทำ"),
    ],
)
def test_marks_of_tones_stay(language, text, words):
    assert normalize(language, text) == words


def test_mandarin_is_characters_without_spaces():
    assert normalize("zh-CN", "你好\uff0c世界\uff01 再见\u3002") == "你好世界再见"
    assert normalize("zh-TW", "我用 Python 寫 程式") == "我用 PYTHON 寫程式"
    assert normalize("ja", "コーヒー、 飲む。") == "コーヒー飲む"


def test_what_stands_within_words_is_the_language_s():
    assert normalize("ca", "col·legi · intel·ligent") == "COL·LEGI INTEL·LIGENT"
    assert normalize("en", "a well-known", inner="-") == "A WELL-KNOWN"
    for apostrophe in ("\u2019", "\u02bc", "'"):
        assert normalize("uk", f"п{apostrophe}ять") == "П'ЯТЬ"
    assert normalize("haw", "\u02bbōlelo Hawai\u02bbi") == "'ŌLELO HAWAI'I"


def test_script_without_case_is_left_alone():
    assert normalize("ka", "გამარჯობა") == "გამარჯობა"


def test_mark_without_a_letter_is_dropped():
    assert normalize("en", "a \u0301b \u00a8c") == "A B C"


@pytest.mark.parametrize(
    ("text", "symbols"),
    [("3 men", "'3'"), ("१२", "'१२'"), ("50 %", "'%05'"), ("you & me", "'&'")],
)
def test_what_is_spoken_but_not_spelled_is_refused(text, symbols):
    with pytest.raises(InputError, match=f"{symbols} is not spelled"):
        normalize("en", text)


def test_digits_may_be_kept():
    assert normalize("en", "3 men, room 2b", digits="keep") == "3 MEN ROOM 2B"


@pytest.mark.parametrize("language", LANGUAGES)
def test_normalized_text_stays_as_it_is(language):
    text = "It's\u2026 I\u0131i ß שָׁ 你 好 ნ ـك col·l Ọ̀ नमस्ते"
    once = normalize(language, text)
    assert once
    assert normalize(language, once) == once


def test_language_without_rules_of_its_own_has_those_of_most():
    assert rules_for("xx") == rules_for("en") == TextRules()
    assert rules_for("zh-HK") == rules_for("ZH")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"case": "upper"}, "no rule 'case'; expected form, letter_case"),
        ({"letter_case": "Upper"}, "'Upper'; expected upper or lower or keep"),
        ({"strip_marks": "no"}, "strip_marks: 'no'; expected bool"),
    ],
)
def test_wrong_rule_is_named(changes, message):
    with pytest.raises(InputError, match=message):
        rules_for("en", changes)
