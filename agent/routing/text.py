"""Text as the router sees it: normalised for comparing, and cut into tokens whose spans are those of the original."""

import re
import unicodedata
from dataclasses import dataclass

JAPANESE = re.compile("[぀-ヿ㐀-鿿々〆]")
"""Kana or a Chinese character."""

_TOKEN = re.compile(
    r"(?P<katakana>[ァ-ヺー]+)|(?P<digit>\d+)|(?P<latin>(?:(?![぀-ヿ㐀-鿿々〆])[^\W\d_])+)|(?P<single>\S)"
)
_OPENING = {"「": "」", "『": "』", "“": "”", "‘": "’", "(": ")", "（": "）", '"': '"', "«": "»", "„": "“", "【": "】"}
_SYMMETRIC = '"'


@dataclass(frozen=True)
class Tokens:
    """A text in pieces: words, numbers, runs of katakana, and single characters of everything else.

    Attributes:
        text: the text as it was written.
        starts: where each token begins in `text`; `ends` where it ends.
        words: each token normalised (NFKC, lower case).
        kinds: one letter a token: K katakana, D digits, L letters, H hiragana, C Chinese character, P other.
        depths: 1 for tokens between quotation marks or brackets, else 0; the marks themselves count as outside.
    """

    text: str
    starts: list[int]
    ends: list[int]
    words: list[str]
    kinds: list[str]
    depths: list[int]

    def cut(self, first: int, last: int) -> str:
        """The original text from token `first` to token `last`, both included."""
        return self.text[self.starts[first] : self.ends[last]]


def normalise(text: str) -> str:
    """NFKC, lower case, single blanks, straight apostrophes: for comparing, not for cutting out of."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).replace("’", "'")
    return " ".join(text.lower().split())


def is_japanese(text: str) -> bool:
    """Whether there is any kana or Chinese character in the text."""
    return not text.isascii() and JAPANESE.search(text) is not None


def tokens(text: str) -> Tokens:
    """Cuts a text into tokens."""
    starts: list[int] = []
    ends: list[int] = []
    words: list[str] = []
    kinds: list[str] = []
    depths: list[int] = []
    closing: list[str] = []
    for found in _TOKEN.finditer(text):
        word = found[0]
        kind = _kind(found.lastgroup, word)
        if kind == "P":
            if closing and word == closing[-1]:
                closing.pop()
                depths.append(0)
            elif word in _OPENING and (word != _SYMMETRIC or word in text[found.end() :]):
                closing.append(_OPENING[word])
                depths.append(0)
            else:
                depths.append(int(bool(closing)))
        else:
            depths.append(int(bool(closing)))
        starts.append(found.start())
        ends.append(found.end())
        words.append(word if kind in "HC" else unicodedata.normalize("NFKC", word).lower())
        kinds.append(kind)
    return Tokens(text, starts, ends, words, kinds, depths)


def _kind(group: str | None, word: str) -> str:
    if group == "katakana":
        return "K"
    if group == "digit":
        return "D"
    if group == "latin":
        return "L"
    if "぀" <= word <= "ゟ":
        return "H"
    if "㐀" <= word <= "鿿" or word in "々〆":
        return "C"
    return "P"
