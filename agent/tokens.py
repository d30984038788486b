"""How many tokens a text takes, without the tokenizer: an estimate from above, for keeping prompts inside a context."""

import math
import re

_ASCII = re.compile(r"[\x00-\x7f]+")
_ASCII_PER_TOKEN = 3.0
"""Gemma's tokenizer takes about four characters of English prose a token, fewer of code and lists."""
_OTHER_PER_TOKEN = 1.0
"""Japanese takes about one and a half characters a token; rare characters are spelt out in bytes."""


def estimate(text: str) -> int:
    """About how many tokens a text takes in Gemma's tokenizer, rather too many than too few."""
    plain = sum(len(run) for run in _ASCII.findall(text))
    return math.ceil(plain / _ASCII_PER_TOKEN + (len(text) - plain) / _OTHER_PER_TOKEN)


def fitted(text: str, tokens: int) -> str:
    """A text cut in its middle to about that many tokens: what is wanted mostly stands at its beginning or end."""
    if estimate(text) <= tokens:
        return text
    low, high = 0, len(text)
    while low < high:
        kept = (low + high + 1) // 2
        low, high = (kept, high) if estimate(_middle_cut(text, kept)) <= tokens else (low, kept - 1)
    return _middle_cut(text, low)


def _middle_cut(text: str, kept: int) -> str:
    head = math.ceil(kept / 2)
    return f"{text[:head]} … {text[len(text) - (kept - head) :]}" if kept else ""
