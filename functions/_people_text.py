"""Sentences, sections and dates of an encyclopedia's article, in Japanese and English.

Covered: the plain text that MediaWiki's TextExtracts gives, with its `== Section ==` headings. Not covered: tables and
lists, which that text leaves out or flattens.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date

from agent.messages import Lang

_ABBREVIATIONS = r"(?<!\b[A-Z]\.)(?<!\b(?:Dr|Mr|Ms|St|Jr|Sr|vs|No|ca)\.)(?<!\b(?:Mrs|Rev|Gen|Col)\.)(?<!\bProf\.)"
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_NAMES = "|".join(_MONTHS)
_DATES = {
    "ja": re.compile(r"(?P<year>(?:1[5-9]|20)\d\d)年(?:度)?(?:(?P<month>\d{1,2})月(?:(?P<day>\d{1,2})日)?)?"),
    "en": re.compile(
        rf"(?:(?:(?P<day>\d{{1,2}})\s+)?(?P<month>{_NAMES})\s+(?:(?P<day2>\d{{1,2}}),\s+)?)?"
        r"\b(?P<year>(?:1[5-9]|20)\d\d)\b(?!s)"
    ),
}
_APPARATUS = re.compile(
    r"脚注|注釈|出典|参考文献|関連項目|外部リンク|関連文献|references|notes|external links|see also|further reading|"
    r"bibliography|footnotes|citations|sources",
    re.IGNORECASE,
)
_SECTIONS: Mapping[Lang, Mapping[str, Sequence[str]]] = {
    "ja": {
        "biography": ("生涯", "来歴", "生い立ち", "略歴", "人物・来歴", "経歴・人物", "経歴", "人物", "伝記"),
        "career": ("経歴", "選手経歴", "キャリア", "プロ経歴", "略歴", "来歴", "活動", "政歴", "芸歴", "生涯"),
        "achievements": (
            "業績", "功績", "受賞", "受賞歴", "主な受賞", "栄典", "タイトル", "記録", "代表作",
            "主な作品", "作品", "著作",
        ),
    },
    "en": {
        "biography": ("Biography", "Life", "Early life", "Early years", "Life and career", "Personal life"),
        "career": (
            "Career", "Professional career", "Life and career", "Political career", "Playing career", "Club career",
            "Acting career", "Musical career", "Scientific career", "Biography", "Life",
        ),
        "achievements": (
            "Awards", "Achievements", "Accolades", "Honours", "Honors", "Awards and honors", "Awards and honours",
            "Legacy", "Works", "Major works", "Filmography", "Discography", "Contributions",
        ),
    },
}  # fmt: skip


def sentences(text: str, lang: Lang) -> list[str]:
    """The sentences of an article, without headings and brackets, which mostly give readings and dates."""
    clean = _without_brackets(text) if lang == "ja" else re.sub(r"\s*\([^()]*\)", "", text)
    lines = [line for line in clean.splitlines() if not line.startswith("=")]
    least = 4 if lang == "ja" else 8  # shorter ones are captions and leftovers
    return [sentence for line in lines for sentence in split(line, lang) if len(sentence) > least]


def split(line: str, lang: Lang) -> list[str]:
    """The sentences of a line as they stand; a full stop within Japanese quotation marks ends none."""
    if lang == "ja":
        found = re.findall(r"(?:[^。「」『』]|「[^」]*」|『[^』]*』)+。", line)
    else:
        found = re.split(rf"{_ABBREVIATIONS}(?<=[.!?])\s+(?=[A-Z\"“])", line.strip())
    return [sentence.strip() for sentence in found if sentence.strip()]


def short(sentence: str, lang: Lang) -> str:
    """The sentence, cut where it is too long for a line."""
    limit = 120 if lang == "ja" else 240
    if len(sentence) <= limit:
        return sentence
    cut = sentence[:limit]
    return (cut if lang == "ja" else cut.rsplit(" ", 1)[0]) + "…"


def section(text: str, kind: str, lang: Lang) -> str:
    """The part of an article that says most about `kind`; its introduction where there is none."""
    parts = _parts(text)
    wanted = _SECTIONS[lang].get(kind, ())
    for title in wanted:
        for heading, body in parts[1:]:
            if heading.casefold() == title.casefold() and body.strip():
                return body
    for title in wanted:
        for heading, body in parts[1:]:
            if title.casefold() in heading.casefold() and body.strip() and not _APPARATUS.search(heading):
                return body
    return parts[0][1]


def latest(text: str, lang: Lang, today: date, count: int = 4) -> list[tuple[str, str]]:
    """The sentences with the latest dates up to today, newest first, as (date in ISO form, sentence)."""
    dated: list[tuple[tuple[int, int, int], str]] = []
    for heading, body in _parts(text, nested=False):
        if _APPARATUS.search(heading):
            continue
        for sentence in sentences(body, lang):
            days = [day for day in _days(sentence, lang) if day <= (today.year, today.month, today.day)]
            if days:
                dated.append((max(days), sentence))
    dated.sort(key=lambda pair: pair[0], reverse=True)
    newest = list(dict.fromkeys(dated))[:count]
    return [("-".join(f"{number:02}" for number in day if number), sentence) for day, sentence in newest]


def _days(sentence: str, lang: Lang) -> list[tuple[int, int, int]]:
    days = []
    for found in _DATES[lang].finditer(sentence):
        groups = found.groupdict()
        month = groups["month"] or "0"
        number = int(month) if month.isdigit() else _MONTHS.index(month) + 1
        days.append((int(groups["year"]), number, int(groups["day"] or groups.get("day2") or 0)))
    return days


def _parts(text: str, *, nested: bool = True) -> list[tuple[str, str]]:
    """(heading, text) of the introduction and each section; a section holds those below it if `nested`."""
    heads = list(re.finditer(r"^(={2,6})\s*(.+?)\s*\1\s*$", text, flags=re.MULTILINE))
    parts = [("", text[: heads[0].start()] if heads else text)]
    for number, head in enumerate(heads):
        below = (later for later in heads[number + 1 :] if not nested or len(later[1]) <= len(head[1]))
        end = next(below, None)
        parts.append((head[2], text[head.end() : end.start() if end else len(text)]))
    return parts


def _without_brackets(text: str) -> str:
    for _ in range(2):  # brackets within brackets
        text = re.sub(r"（[^（）]*）|\([^()]*\)|\[[^\[\]]*\]", "", text)
    return text
