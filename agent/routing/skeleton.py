"""The skeleton of a turn: how it is put, with its subject replaced by what it is about.

「金沢の名物は？」 and 「リスボンの名物は？」 have one skeleton, and so have "is it raining in Oslo" and "is it snowing in Leeds":
words of the lexicon and names stand as their concepts, the small words of the language as they are, all others as a mark.
"""
# ruff: noqa: E501, RUF100, SIM905 - lists of words are read across

from collections.abc import Sequence
from zlib import crc32

from agent.routing.gazetteer import NAMED
from agent.routing.lexicon import CONCEPTS
from agent.routing.text import is_japanese

_SMALL = frozenset(
    "i you he she it we they me my your his her its our their him them us a an the to of in on at for with from by about "
    "into than and or but so if then what which who when where how why whose that this these those is are was were be been "
    "am do does did have has had can could will would should shall may might must not no any some there here please just "
    "really too very like want need let lets let's i'm i've i'd i'll it's what's that's who's where's how's don't didn't "
    "doesn't can't won't isn't wasn't u r im ive gonna wanna got get give tell show find make ever still already yet again "
    "more much many one up out off over down all as because being ok okay yes oh thanks hey hi".split()
)
_LOOSE = frozenset(["followup", "please", "question", "there", "number", "past", "thanks"])
"""Concepts that say how something is put: their Japanese words are part of the skeleton themselves."""
_CODES = {name: 0xE000 + number for number, name in enumerate([*sorted(CONCEPTS), *NAMED])}
_NUMBER, _WORD, _NAME, _BEGIN, _END = range(0xE100, 0xE105)
_SMALL_WORDS = {word: 0x30000 + (crc32(word.encode()) & 0xFFFF) for word in _SMALL}


def skeleton(text: str, places: Sequence[tuple[int, int, str]]) -> list[int]:
    """The skeleton as code points, concepts and marks in the private area.

    Args:
        text: normalised text.
        places: (start, end, concept) of the entries in it (`Gazetteer.spans`).
    """
    longest = _longest(text, places)
    codes = [_BEGIN]
    at = 0
    while at < len(text):
        character = text[at]
        if at in longest:
            end, concept = longest[at]
            codes.append(_SMALL_WORDS.get(text[at:end], _CODES[concept]))
            at = end
        elif character == " ":
            at += 1
        elif character.isascii() and (character.isalnum() or character == "'"):
            end = at
            while end < len(text) and text[end].isascii() and (text[end].isalnum() or text[end] == "'"):
                end += 1
            code = _SMALL_WORDS.get(text[at:end], _NUMBER if character.isdigit() else _WORD)
            if code != _WORD or codes[-1] != _WORD:
                codes.append(code)
            at = end
        else:
            code = ord(character) if "ぁ" <= character <= "ゟ" or not character.isalnum() else _NAME
            if code != _NAME or codes[-1] != _NAME:
                codes.append(code)
            at += 1
    return [*codes, _END]


def _longest(text: str, places: Sequence[tuple[int, int, str]]) -> dict[int, tuple[int, str]]:
    """The longest entry at each start: its end and concept."""
    longest: dict[int, tuple[int, str]] = {}
    for start, end, concept in places:
        if concept in _LOOSE and is_japanese(text[start:end]):
            continue
        if end - start == 1 and not "㐀" <= text[start] <= "鿿":
            continue
        known = longest.get(start)
        if known is None or end > known[0] or (end == known[0] and concept in ("PLACE", "PERSON")):
            longest[start] = (end, concept)
    return longest
