"""What a turn points back to: values out of the dialogue before it.

A value counts for what it was when it was said: a place out of a question about the weather is a place for travel, a language
or a reminder's time is not. What the assistant said, and what was said about something else, is only taken where the
turn plainly points to it.
"""
# ruff: noqa: E501, RUF100 - the patterns are lists of words

import re
from collections.abc import Callable, Mapping, Sequence

from agent.messages import Utterance
from agent.routing.languages import language_code
from agent.routing.tagger import SPANS, Span, Tagger
from agent.routing.text import is_japanese, normalise

_THING = r"\b(it|its|that|this|those|these|them|ones?|both|same|which|each)\b|それ|これ|あれ|その|この|あの|どっち|どちら|どれ|同じ|ふたつ|二つ|やつ"
_POINTERS: Mapping[str, re.Pattern[str]] = {
    "PLACE": re.compile(
        r"(?<!is )(?<!are )(?<!was )(?<!'s )\bthere\b(?! (is|are|a|an|any|be|will)\b)|\b(that|this|same|the) (place|city|town|country|area|island|village|finish|one)\b"
        r"|そこ|そっち|あそこ|向こう|むこう|あっち|そちら|現地|同じ(場所|ところ|とこ)|着いた先|その(街|町|辺|へん|島|国|近く|場所|あたり)"
    ),
    "PERSON": re.compile(
        r"\b(he|she|him|hers?|his|they|them|theirs?)\b|\b(that|this|same) (man|woman|guy|person|one|\w+[eo]r)\b|彼|(あ|そ|こ)の(人|方|先生|選手|監督|子|女|男)|そいつ|こいつ|(人|方|ほう)のほう"
    ),
    "PRODUCT": re.compile(_THING),
    "TEXT": re.compile(
        _THING + r"|\b(line|sentence|phrase|message|comment|first|second|last|version|instead)\b|版|も|は[?？]$|だと"
    ),
    "WHAT": re.compile(_THING + r"|\b(thing|first|second|last|instead|actually)\b|やっぱ|ほう|方|なし"),
    "WHEN": re.compile(
        r"\b(then|(that|same) (time|day|date|evening|morning|night))\b|(その|同じ)(時|日|頃|とき|ころ|朝|晩|夜)"
    ),
}
_SECOND = re.compile(r"後者|二つ目|2つ目|ふたつ目|後の方|あとの方|あとのほう|\b(second|latter|other) ?(one)?\b")
_FIRST = re.compile(r"前者|一つ目|1つ目|ひとつ目|最初|先に|初めに|はじめ|\b(first|former|earlier|original) ?(one)?\b")
_BOTH = re.compile(
    r"(その|この|あの)(二つ|ふたつ|2つ|二人|2人)|\b(both|(which|either|two|difference)\b.*\b(of )?(those|them|these|the two|two))\b"
)
_PAIR = re.compile(r" (and|or|vs\.?|versus) |[とかや](?=[^とかや])")
_WAKING = re.compile(r"起こ|おこし|目覚まし|めざまし|アラーム|タイマー|\b(alarm|wake|timer)\b")
_TIME = re.compile(
    r"\d|[一二三四五六七八九十]時|[月火水木金土日]曜|明日|あした|今日|あさって|朝|昼|夜|晩|夕|来週|週末|noon|night|morning|evening|day|week|month|o'clock|half|quarter|minute|hour"
)
_SURE = 0.5
_SURE_OF_REQUEST = 0.15
_SURE_OF_GUESS = 0.15
_SURE_OF_ASSISTANT = 0.3
_SURE_UNASKED = 0.7

Hears = Callable[[str], str]
"""Names the function that a message by itself calls for; a name without spans where it calls for none."""


class References:
    """Finds in a dialogue what a turn leaves out."""

    def __init__(self, tagger: Tagger, hears: Hears) -> None:
        """Keeps what finds spans and what names the functions of earlier messages."""
        self._tagger = tagger
        self._hears = hears

    def points(self, label: str, text: str) -> bool:
        """Whether a turn has a word that stands for a thing of this kind."""
        return _POINTERS[label].search(normalise(text)) is not None

    def find(
        self, function: str, label: str, text: str, history: Sequence[Utterance], given: Mapping[str, str]
    ) -> Span | None:
        """The span that the turn means, or None.

        Args:
            function: what the turn calls.
            label: the kind of the parameter that the turn leaves out.
            text: the turn.
            history: the dialogue before it, oldest first.
            given: what the turn itself gives, by label, and its `action`.
        """
        pointing = self.points(label, text)
        if not pointing and function == "schedule_reminder" and not _may_continue(label, text, given):
            return None
        found = self._spans(function, label, history, pointing=pointing)
        if not found:
            return None
        plain = normalise(text)
        latest = found[0]
        if label == "PRODUCT" and _BOTH.search(plain):
            pairs = [spans[0] for spans in found if _PAIR.search(spans[0].text)]
            return (pairs or [latest[0]])[0]
        if len(latest) > 1 and _SECOND.search(plain):
            return latest[1]
        return found[-1][0] if len(latest) == 1 and _FIRST.search(plain) else latest[0]

    def _spans(self, function: str, label: str, history: Sequence[Utterance], *, pointing: bool) -> list[list[Span]]:
        """Spans of this kind by message, the likeliest message first: the user's before the assistant's, the latest first."""
        own: list[list[Span]] = []
        assistant: list[list[Span]] = []
        for said in reversed(history):
            if said.role == "user":
                heard = self._hears(said.content)
                kinds = SPANS.get(heard, {}).values()
                if label in kinds:
                    own.append(self._guessed(heard, label, said, _SURE_OF_REQUEST))
                elif pointing or (not kinds and label != "WHAT"):
                    own.append(
                        self._tagged(function, label, said, _SURE)
                        or self._guessed(function, label, said, _SURE_OF_GUESS)
                    )
            elif pointing:
                sure = self._tagged(function, label, said, _SURE_OF_ASSISTANT)
                if not sure and label != "TEXT":
                    sure = self._guessed(function, label, said, _SURE_OF_ASSISTANT)
                assistant.append(sure)
            elif label in ("PLACE", "PERSON"):
                assistant.append(self._tagged(function, label, said, _SURE_UNASKED))
        return [spans for spans in [*own, *assistant] if spans]

    def _guessed(self, function: str, label: str, said: Utterance, least: float) -> list[Span]:
        return [
            span
            for span in self._tagger.guess(function, said.content)
            if span.label == label and span.chance >= least and _fits(label, span.text, said.content)
        ]

    def _tagged(self, function: str, label: str, said: Utterance, least: float) -> list[Span]:
        return [
            span
            for span in self._tagger.spans(function, said.content, said.role)
            if span.label == label and span.chance >= least and _fits(label, span.text, said.content)
        ]


def _fits(label: str, value: str, text: str) -> bool:
    """Whether a span can be a thing of this kind: no part of a word, no language for a place, no time without a time."""
    if _is_fragment(value, text):
        return False
    if label == "WHEN":
        return _TIME.search(normalise(value)) is not None
    return label != "PLACE" or language_code(value) is None


def stands_for_another(value: str) -> bool:
    """Whether a span is itself only a word for something said before: "the first one"."""
    plain = normalise(value)
    return any(
        found is not None and len(found[0]) > 0.5 * len(plain)
        for found in (_FIRST.search(plain), _SECOND.search(plain))
    )


def _may_continue(label: str, text: str, given: Mapping[str, str]) -> bool:
    """Whether a reminder that nothing points back from can still mean the one before."""
    action = given.get("action")
    if action == "create":
        # A time is never guessed; what is to be done may have been said before: "Remind me to call Bo." "When?" "At 5."
        return label == "WHAT" and _WAKING.search(normalise(text)) is None
    return action != "query"


def _is_fragment(value: str, text: str) -> bool:
    """Whether a value begins or ends inside a word: 承 out of 承知しました."""
    at = text.find(value)
    if at < 0:
        return True
    before, after = text[max(0, at - 1) : at], text[at + len(value) : at + len(value) + 1]
    alone = len(value) == 1
    return _joined(before, value[0], alone=alone) or _joined(value[-1], after, alone=alone)


def _joined(one: str, other: str, *, alone: bool) -> bool:
    if not (one.isalnum() and other.isalnum()) or is_japanese(one) != is_japanese(other):
        return False
    if not is_japanese(one):
        return True
    if _is_katakana(one) and _is_katakana(other):
        return True
    # Words in Chinese characters follow each other without a mark (来週札幌): only a single one is surely a piece.
    return alone and _is_han(one) and _is_han(other)


def _is_katakana(character: str) -> bool:
    return "ァ" <= character <= "ヿ"


def _is_han(character: str) -> bool:
    return not "ぁ" <= character <= "ヿ"
