"""Turn sentences as people write them into the words that a recognizer spells."""

import functools
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args, get_type_hints

import regex

from lact_modules.errors import InputError

# typed for an apostrophe, and for a quotation mark too
_QUOTES = str.maketrans(
    dict.fromkeys("\u2018\u2019\u201b\u2032`\u00b4\uff07\u05f3", "'")
)
# letters, anywhere in a word, as the okina of Hawaiian
_APOSTROPHE_LETTERS = str.maketrans(dict.fromkeys("\u02bb\u02bc\u02bd", "'"))
_DOTTED_UPPER = str.maketrans("i\u0131", "\u0130I")
_DOTTED_LOWER = str.maketrans("\u0130I", "i\u0131")

_ABBREVIATION_MARK = regex.compile(
    r'(?<=\p{Hebrew}\p{M}*)["\u05f4\u201c-\u201e](?=\p{Hebrew})'
)
_SPOKEN_SYMBOL = regex.compile(r"[\p{Sc}\p{Sm}%&@#§°\ufffd]")
_STRAY_MARK = regex.compile(r"(?<![\p{L}\p{N}\p{M}\u200c\u200d])\p{M}+")
_SPACE_IN_SCRIPT_WITHOUT = regex.compile(
    r"(?<=[\p{Han}\p{Hiragana}\p{Katakana}ー])\s+(?=[\p{Han}\p{Hiragana}\p{Katakana}])"
)


@dataclass(frozen=True)
class TextRules:
    """What becomes of a language's sentences.

    Arguments
    ---------
    form : Literal["NFC", "NFKC"]
        Unicode's normal form. ``NFKC`` also makes one of compatible characters, such
        as ligatures and full-width letters; ``NFC`` leaves them.
    letter_case : Literal["upper", "lower", "keep"]
        A German ß is one letter in either case: upper-case ẞ.
    digits : Literal["refuse", "keep"]
        ``refuse`` sentences with digits, which may be read in many ways, or ``keep``
        the digits.
    strip_marks : bool
        Remove marks that no letter is composed with: the vowel points of Hebrew
        (niqqud) and Arabic. Languages that write tones with them keep them.
    dotted_i : bool
        The capital of i has a dot too, as in Turkish; that of the letter without a
        dot has none.
    join_ideographs : bool
        No spaces between Chinese or Japanese characters.
    inner : str
        What stays between letters, beside the apostrophe.
    drop : str
        What goes without parting a word.
    """

    form: Literal["NFC", "NFKC"] = "NFKC"
    letter_case: Literal["upper", "lower", "keep"] = "upper"
    digits: Literal["refuse", "keep"] = "refuse"
    strip_marks: bool = False
    dotted_i: bool = False
    join_ideographs: bool = False
    inner: str = ""
    drop: str = ""


_JOINERS = TextRules(inner="\u200c\u200d")
_IDEOGRAPHS = TextRules(join_ideographs=True)
_TURKIC = TextRules(dotted_i=True)

LANGUAGES: dict[str, TextRules] = {
    "ar": TextRules(strip_marks=True, drop="\u0640"),
    "az": _TURKIC,
    "bn": _JOINERS,
    "ca": TextRules(inner="·"),
    "ckb": _JOINERS,
    "crh": _TURKIC,
    "fa": replace(_JOINERS, strip_marks=True, drop="\u0640"),
    "he": TextRules(strip_marks=True),
    "hi": _JOINERS,
    "ja": _IDEOGRAPHS,
    # its capitals are for headlines
    "ka": TextRules(letter_case="keep"),
    "kn": _JOINERS,
    # NFKC takes a vowel of both apart
    "lo": TextRules(form="NFC"),
    "ml": _JOINERS,
    "mr": _JOINERS,
    "nan": _IDEOGRAPHS,
    "ne": _JOINERS,
    "si": _JOINERS,
    "te": _JOINERS,
    "th": TextRules(form="NFC"),
    "tr": _TURKIC,
    "ur": replace(_JOINERS, strip_marks=True, drop="\u0640"),
    "yue": _IDEOGRAPHS,
    "zh": _IDEOGRAPHS,
}
"""Languages for which the rules of others would be wrong."""


def rules_for(language: str, changes: Mapping[str, Any] | None = None) -> TextRules:
    """Return the rules of a language (``de``, ``zh-CN``) for `normalize_text`.

    Those that serve most, if it is not in `LANGUAGES`. Changes go by names of
    `TextRules`.
    """
    rules = LANGUAGES.get(language.lower().partition("-")[0], TextRules())
    kinds = get_type_hints(TextRules)
    for name, value in (changes or {}).items():
        if name not in kinds:
            raise InputError(
                f"text_rules: no rule {name!r}; expected {', '.join(kinds)}"
            )
        choices = get_args(kinds[name])
        if value not in choices if choices else not isinstance(value, kinds[name]):
            wanted = " or ".join(choices) or kinds[name].__name__
            raise InputError(f"text_rules: {name}: {value!r}; expected {wanted}")
    return replace(rules, **(changes or {}))


def normalize_text(text: str, rules: TextRules) -> str:
    """Turn a sentence into words of letters and marks, one space between them.

    Punctuation and hyphens part words; apostrophes, however typed, stay within a word.
    Invisible characters go, those that direct the order of display among them: text
    that runs from right to left is in the order of reading. Raises InputError for
    digits that are refused, or symbols that are spoken but not spelled, such as ``%``.
    """
    words = unicodedata.normalize(rules.form, text.translate(_QUOTES))
    words = _change_case(words, rules)
    if rules.strip_marks:
        words = regex.sub(r"\p{Mn}", "", words)
    words = _ABBREVIATION_MARK.sub("", words)
    unspelled = _SPOKEN_SYMBOL.findall(words)
    if rules.digits == "refuse":
        unspelled += regex.findall(r"\p{N}", words)
    if unspelled:
        symbols = "".join(sorted(set(unspelled)))
        raise InputError(f"{text!r}: {symbols!r} is not spelled as it is spoken")
    vanishing, parting = _patterns(rules)
    words = parting.sub(" ", vanishing.sub("", words))
    words = _STRAY_MARK.sub("", words.translate(_APOSTROPHE_LETTERS))
    words = " ".join(words.split())
    if rules.join_ideographs:
        words = _SPACE_IN_SCRIPT_WITHOUT.sub("", words)
    # a change of case may leave a letter and its mark apart
    return unicodedata.normalize(rules.form, words)


def _change_case(text: str, rules: TextRules) -> str:
    if rules.letter_case == "upper":
        text = text.translate(_DOTTED_UPPER) if rules.dotted_i else text
        return text.replace("ß", "ẞ").upper()
    if rules.letter_case == "lower":
        return (text.translate(_DOTTED_LOWER) if rules.dotted_i else text).lower()
    return text


@functools.cache
def _patterns(rules: TextRules) -> tuple[regex.Pattern[str], regex.Pattern[str]]:
    """Find what goes without a trace, and what leaves a space between words."""
    inner = regex.escape("'" + rules.inner, special_only=False, literal_spaces=False)
    drop = regex.escape(rules.drop, special_only=False)
    vanishing = rf"(?![{inner}])\p{{Cf}}" + (f"|[{drop}]" if drop else "")
    letter = r"[\p{L}\p{M}\p{N}]"
    parting = rf"(?!{letter}|[{inner}]).|(?<!{letter})[{inner}]|[{inner}](?!{letter})"
    return regex.compile(vanishing), regex.compile(parting, regex.DOTALL)
