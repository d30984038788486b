"""From words of feeling to a score and an emotion: negation, degree, contrast, exclamation.

Not covered: irony, double negation (楽しくないわけじゃない), comparison ("better than the awful old one"),
and words whose sense needs the situation (やばい).
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from functions._lexicon import Entry, Token, lexicon, shown, tokens_en

_MORE, _LESS, _EARLIER = 1.35, 0.6, 0.45
_NEGATED_GOOD, _NEGATED_BAD = -0.7, -0.45
_LABEL_FROM = 0.15
# A contrast further off belongs to another thought; looking to the end of a long text would cost too much.
_SENTENCE = 200

_BREAK = re.compile(r"[。！!？?\n.;]+")
_CONTRAST_JA = re.compile(
    r"(?:けれども|けれど|けども|けど|(?<=[だいたすんる])が、|(?<=[だいたすんる])が,|しかし|(?:^|(?<=[。、！]))でも、?"
    r"|だが|ものの|(?<=[たいなる])のに、?|とはいえ|ただし、?|ところが)"
)
_CONTRAST_EN = re.compile(r"\b(?:but|however|yet|nevertheless|still,)\b|,\s*only to\b")
_CONCESSION_EN = re.compile(r"\b(?:although|though|even though|despite|in spite of|while)\b[^,.;!?]*")

_MORE_JA = re.compile(
    r"すごく|すっごく|凄く|すごい|とても|とっても|めっちゃ|めちゃくちゃ|めちゃ|むちゃくちゃ|本当に|ほんとうに|ほんとに|ほんと|超|非常に|かなり"
    r"|大変|マジで|まじで|ものすごく|もの凄く|あまりに|心から|死ぬほど|涙が出るほど|最高に|この上なく|絶対に|完全に|やたら|異常に|どんなに|もう|何より|一番"
)
_LESS_JA = re.compile(r"少し|すこし|ちょっと|やや|多少|若干|なんとなく|ちょい|まあまあ|わりと|割と|いくらか")
_TAIL_MORE_JA = re.compile(
    r"(?:く?て|で)?(?:たまらな[いく]|(?:仕方|しかた)(?:が)?な[いく]|しょうがな[いく]|ならな[いく])|すぎ\w?|過ぎ\w?"
)
_NOT_NEGATED_JA = re.compile(r"(?:なん)?じゃ(?:ないか|ないですか|ないの|ん(?!な)|ない[！!])")
_NEGATION_JA = re.compile(
    r"(?:く|では|でも|じゃ|で|て|は|も|が|を|に|とは|って|なんか|なんて|られ|れ|して|し|い|でき|出来|思わ|思え|感じ|なら|いら|要ら|さ"
    r"|こと(?:が|は|も)?|わけ(?:じゃ|では|でも)?)*?"
    r"(?:な(?:かった|かっ|い(?!か)|く(?!な)|くな|さそう|けれ)|ませんでした|ません|ねえ|ねぇ|無用|ご無用|ず(?:に)?(?=[、。]|$))"
)
_REACH_JA = 14

_NEGATORS = {
    "not", "no", "never", "hardly", "barely", "scarcely", "rarely", "seldom", "without", "cannot", "neither", "nor",
    "nothing", "nobody",
    "dont", "doesnt", "didnt", "isnt", "wasnt", "arent", "cant", "wont", "couldnt", "far",
}  # fmt: skip
_MORE_EN = {
    "very", "really", "so", "extremely", "absolutely", "totally", "incredibly", "completely", "such", "utterly",
    "super",
    "truly", "insanely", "deeply", "ridiculously", "terribly", "awfully", "too", "most", "especially", "fucking",
}  # fmt: skip
_LESS_EN = {"bit", "slightly", "somewhat", "kinda", "little", "fairly", "rather", "mildly", "sorta", "partly"}
_REACH_EN = 3

_OPPOSITE = {
    "joy": "disappointment", "love": "disgust", "gratitude": "frustration", "pride": "disappointment",
    "relief": "anxiety", "excitement": "disappointment", "fear": "relief", "anxiety": "relief", "sadness": "relief",
    "disgust": "joy", "regret": "pride", "exhaustion": "relief", "loneliness": "relief", "disappointment": "joy",
    "embarrassment": "pride", "frustration": "relief", "anger": "relief",
}  # fmt: skip


@dataclass(frozen=True)
class Sign:
    """One word of feeling as it stands in the text: negated, strengthened, weighed by its clause."""

    words: str
    start: int
    weight: float
    emotion: str


@dataclass(frozen=True)
class Feeling:
    """What a text carries.

    Attributes:
        score: from -1 to 1.
        polarity: positive, negative or neutral.
        emotion: the strongest emotion; neutral where none was found.
    """

    score: float
    polarity: str
    emotion: str
    signs: Sequence[Sign] = field(default_factory=tuple)


def read(text: str) -> Feeling:
    """The feeling that a Japanese or English text carries."""
    signs = sorted([*_signs_ja(text), *_signs_en(text)], key=lambda sign: sign.start)
    shouts = min(len(re.findall(r"[!！]", text)), 3)
    total = sum(sign.weight for sign in signs) * (1 + 0.12 * shouts)
    # The sum is squashed so that many words bring it near 1 but never past it.
    score = round(total / math.sqrt(total * total + 0.35), 3)
    polarity = "positive" if score >= _LABEL_FROM else "negative" if score <= -_LABEL_FROM else "neutral"
    return Feeling(score, polarity, _strongest(signs, polarity), tuple(signs))


def _strongest(signs: Sequence[Sign], polarity: str) -> str:
    strength: dict[str, float] = {}
    for sign in signs:
        against = (polarity == "positive" and sign.weight < -0.15) or (polarity == "negative" and sign.weight > 0.15)
        if not against and sign.emotion != "neutral":
            # Surprise is neither good nor bad: its small weight says nothing of its strength.
            felt = 0.65 if sign.emotion == "surprise" else abs(sign.weight)
            strength[sign.emotion] = strength.get(sign.emotion, 0) + felt
    return max(strength, key=lambda name: strength[name]) if strength else "neutral"


def _signs_ja(text: str) -> list[Sign]:
    signs, free_from = [], 0
    for hit in lexicon().find_ja(text):
        if hit.start < free_from:
            continue
        end, rest = hit.end, text[hit.end : hit.end + _REACH_JA]
        weight, emotion, words = hit.entry.weight, hit.entry.emotion, shown(text, hit)
        if tail := _TAIL_MORE_JA.match(rest):
            weight *= _MORE
            end += tail.end()
            words = text[hit.start : end]
        elif hit.entry.kind != "pattern" and not _NOT_NEGATED_JA.match(rest) and (no := _NEGATION_JA.match(rest)):
            weight, emotion = _negated(hit.entry)
            end += no.end()
            words = text[hit.start : end]
        before = re.split(r"[。、！!？?\n]", text[max(0, hit.start - 12) : hit.start])[-1]
        weight *= _MORE if _MORE_JA.search(before) else _LESS if _LESS_JA.search(before) else 1
        weight *= _EARLIER if _conceded_ja(text, end) else 1
        signs.append(Sign(words, hit.start, weight, emotion))
        free_from = end
    return signs


def _conceded_ja(text: str, at: int) -> bool:
    """Whether what follows contradicts what stands before `at`."""
    sentence_end = _BREAK.search(text, at, at + _SENTENCE)
    contrast = _CONTRAST_JA.search(text, at, at + _SENTENCE)
    if contrast is None or not text[contrast.end() :].strip("、。！!？? \n"):
        return False
    # A contrast may open the next sentence (…。でも、…); further on it is another thought.
    return sentence_end is None or contrast.start() <= sentence_end.end()


def _signs_en(text: str) -> list[Sign]:
    tokens = tokens_en(text)
    signs = []
    past = 0
    for entry, first, after in lexicon().find_en(tokens):
        start, end = tokens[first].start, tokens[after - 1].end
        before = _reachable(text, tokens, first, past)
        weight, emotion = entry.weight, entry.emotion
        negators = [token for token in before if token.text in _NEGATORS or token.text.endswith("n't")]
        if negators and not re.match(r"not only\b", text[negators[-1].start :].lower()):
            weight, emotion = _negated(entry)
            start = negators[-1].start
        near = {token.text for token in before}
        kind_of = re.search(r"\b(?:kind|sort) of\s*$", text[: tokens[first].start].lower())
        weight *= _LESS if kind_of or near & _LESS_EN else _MORE if near & _MORE_EN else 1
        weight *= _EARLIER if _conceded_en(text.lower(), tokens[first].start, end) else 1
        # "kind of" itself is a degree, no kindness.
        if not re.match(r"\s+of\b", text[end:]) or entry.word != "kind":
            signs.append(Sign(text[start:end], start, weight, emotion))
        past = after
    return signs


def _reachable(text: str, tokens: Sequence[Token], first: int, past: int) -> list[Token]:
    """The few words before a word that can negate or strengthen it: up to a comma, a contrast, the last one found."""
    reached: list[Token] = []
    right = tokens[first].start
    for token in reversed(tokens[max(past, first - _REACH_EN) : first]):
        if re.search(r"[,.;:!?()]", text[token.end : right]) or token.text in ("but", "and", "because", "however"):
            break
        reached.insert(0, token)
        right = token.start
    return reached


def _conceded_en(text: str, start: int, end: int) -> bool:
    if any(found.start() < start < found.end() for found in _CONCESSION_EN.finditer(text)):
        return True
    contrast = _CONTRAST_EN.search(text, end, end + _SENTENCE)
    sentence_end = _BREAK.search(text, end, end + _SENTENCE)
    if contrast is None:
        return False
    return sentence_end is None or contrast.start() <= sentence_end.end() + 1


def _negated(entry: Entry) -> tuple[float, str]:
    factor = _NEGATED_GOOD if entry.weight > 0 else _NEGATED_BAD
    if entry.emotion in ("surprise", "neutral"):
        return 0.0, "neutral"
    return entry.weight * factor, _OPPOSITE[entry.emotion]
