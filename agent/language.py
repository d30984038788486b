"""Which of the two languages a text is in."""

import re

from agent.messages import Lang

_JAPANESE = re.compile(r"[぀-ヿㇰ-ㇿ一-鿿々〆ヵヶ]")
_LATIN = re.compile(r"[A-Za-z]")


def detect(text: str) -> Lang | None:
    """`ja` where there are kana or kanji, `en` where there are only Latin letters, None where neither tells."""
    if _JAPANESE.search(text):
        return "ja"
    return "en" if _LATIN.search(text) else None
