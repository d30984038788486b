"""Numbers and yes or no as people write them in Japanese and English."""

import re

from agent.routing.text import normalise

_WORDS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
]
_TENS = {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90, "hundred": 100}
_VALUES = {word: value for value, word in enumerate(_WORDS)} | _TENS
_DIGITS = {character: value for value, character in enumerate("〇一二三四五六七八九")}
_UNITS = {"十": 10, "百": 100, "千": 1000}
_JAPANESE_COUNTS = {"ひとつ": 1, "ふたつ": 2, "みっつ": 3, "よっつ": 4, "いつつ": 5}

_NUMBER = re.compile(
    r"(?P<digits>[-+]?\d+(?:,\d{3})+(?:\.\d+)?|[-+]?\d+(?:\.\d+)?)|(?P<kanji>[〇一二三四五六七八九十百千万]+)"
    rf"|\b(?P<word>{'|'.join(sorted(_VALUES, key=len, reverse=True))})\b|(?P<count>{'|'.join(_JAPANESE_COUNTS)})"
)
_YES = frozenset(
    [
        "true",
        "yes",
        "on",
        "enable",
        "enabled",
        "start",
        "open",
        "オン",
        "はい",
        "つけて",
        "点けて",
        "入れて",
        "有効",
        "開けて",
        "ok",
        "sure",
        "y",
        "1",
    ]
)
_NO = frozenset(
    [
        "false",
        "no",
        "off",
        "disable",
        "disabled",
        "stop",
        "close",
        "オフ",
        "いいえ",
        "消して",
        "切って",
        "無効",
        "閉めて",
        "n",
        "0",
    ]
)


def numbers(text: str) -> list[float]:
    """All numbers in a text, in order: digits, 漢数字, and English words up to twenty and tens."""
    found: list[float] = []
    for match in _NUMBER.finditer(normalise(text)):
        if match["digits"]:
            found.append(float(match["digits"].replace(",", "")))
        elif match["kanji"]:
            found.append(float(_kanji(match["kanji"])))
        elif match["word"]:
            found.append(float(_VALUES[match["word"]]))
        else:
            found.append(float(_JAPANESE_COUNTS[match["count"]]))
    return found


def number(text: str) -> float | None:
    """The number that a text is, or None where it is more than a number."""
    plain = normalise(text)
    match = _NUMBER.fullmatch(plain)
    return numbers(plain)[0] if match else None


def boolean(text: str) -> bool | None:
    """Whether a text says yes (on) or no (off), or None."""
    plain = normalise(text)
    if plain in _YES:
        return True
    if plain in _NO:
        return False
    pieces = set(re.split(r"[\s,.!?、。]+", plain))
    for words, value in ((_NO, False), (_YES, True)):
        if pieces & words or any(word in plain for word in words if not word.isascii()):
            return value
    return None


def _kanji(text: str) -> int:
    if all(character in _DIGITS for character in text):
        return int("".join(str(_DIGITS[character]) for character in text))
    total = part = digit = 0
    for character in text:
        if character in _DIGITS:
            digit = _DIGITS[character]
        elif character == "万":
            total += (part + digit or 1) * 10_000
            part = digit = 0
        else:
            part += (digit or 1) * _UNITS[character]
            digit = 0
    return total + part + digit
