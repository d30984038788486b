"""What is known of a real person, living or historical: life, career, achievements.

From Wikipedia and Wikidata, or without a network from the built-in guide. What it doesn't cover: fictional characters,
private people, and news as a newspaper has it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from functions._people import KNOWN_UNTIL, Day, Person, age, find, lifespan, suggest
from functions._people_text import latest, section, sentences, short, split
from functions._people_wiki import Article, NotHumanError, article
from functions.registry import Context, FunctionError, FunctionResult, function
from functions.web import WebError

InfoType = Literal["general", "biography", "career", "achievements", "news"]

_FIELDS = {
    "science": "科学",
    "mathematics": "数学",
    "technology": "技術・コンピューター",
    "business": "実業",
    "music": "音楽",
    "film": "映画・演劇",
    "literature": "文学",
    "art": "美術",
    "manga": "漫画・アニメ",
    "games": "ゲーム・将棋",
    "sports": "スポーツ",
    "politics": "政治・歴史",
    "society": "社会・思想",
    "exploration": "探検・宇宙",
    "cooking": "料理",
    "architecture": "建築",
    "fashion": "ファッション",
}
_POINTS = 6


@function(
    effects="none",
    examples=[
        ("大谷翔平ってどんな人？", {"person_name": "大谷翔平", "info_type": "biography"}),
        ("マリー・キュリーについて教えて", {"person_name": "マリー・キュリー"}),
        ("宮崎駿監督の代表作は？", {"person_name": "宮崎駿", "info_type": "achievements"}),
        ("夏目漱石の生い立ちを知りたい", {"person_name": "夏目漱石", "info_type": "biography"}),
        ("イチローの経歴を教えてください", {"person_name": "イチロー", "info_type": "career"}),
        ("テイラー・スウィフトの最近のニュースある？", {"person_name": "テイラー・スウィフト", "info_type": "news"}),
        ("Who was Ada Lovelace?", {"person_name": "Ada Lovelace", "info_type": "biography"}),
        ("tell me about hayao miyazaki", {"person_name": "hayao miyazaki"}),
        ("How did Steve Jobs get started?", {"person_name": "Steve Jobs", "info_type": "career"}),
        ("What did Marie Curie win the Nobel Prize for?", {"person_name": "Marie Curie", "info_type": "achievements"}),
        ("any news about Serena Williams?", {"person_name": "Serena Williams", "info_type": "news"}),
        ("How old is Paul McCartney?", {"person_name": "Paul McCartney", "info_type": "biography"}),
    ],
)
async def celebrity_info(person_name: str, info_type: InfoType | None = None, *, context: Context) -> FunctionResult:
    """Tells about a real, publicly known person, a celebrity or a historical figure.

    Who somebody is or was, age, birthday, birthplace, life, biography, career, works, films, books, records, awards,
    prizes and what is new with an actor, singer, musician, athlete, writer, artist, scientist, politician, business
    leader, explorer, manga artist, chef or architect. Not for fictional characters.

    Args:
        person_name: The person's name as the user wrote it, in any script, such as 大谷翔平 or Marie Curie.
        info_type: What is asked: general, biography (who, age, birthplace), career (how they became known, teams,
            offices), achievements (works, records, prizes), news (what is new).
        context: The turn that asks.
    """
    name = person_name.strip(' 　「」『』"')
    if not name or len(name) > 100:
        raise FunctionError(
            "invalid",
            context.say(
                ja="どなたについて知りたいのか、お名前を教えてください。", en="Please tell me the person's name."
            ),
        )
    kind: InfoType = info_type or "general"
    known = find(name)
    # A surname or a nickname that the guide knows is looked up under the full name: 漱石 alone may be a page of names.
    asked = known.person.name(context.lang) if known and known.exact else name
    away = False
    try:
        page = await article(context, asked, whole=kind != "general")
    except NotHumanError as other:
        if known is None or not known.exact:
            raise _not_human(other, context) from other
        page = None
    except WebError:
        page, away = None, True
    if page is not None:
        return _from_article(page, kind, context)
    if known is not None:
        return _from_guide(known.person, kind, context, None if known.exact else name)
    raise _unknown(name, context, away=away)


def _today(context: Context) -> Day:
    return Day(context.said_at.year, context.said_at.month, context.said_at.day)


def _life(born: Day | None, died: Day | None, *, dead: bool, context: Context) -> tuple[str, dict[str, Any]]:
    """The years of a life in words and as data."""
    # Nobody has lived 120 years and more but one: an unrecorded death is likelier than that.
    living = not dead and born is not None and context.said_at.year - born.year < 120
    today = _today(context) if living else None
    years = age(born, died or _today(context)) if born and (died or living) else None
    data = {"born": born.iso() if born else None, "died": died.iso() if died else None, "living": living, "age": years}
    return lifespan(born, died, today, context.lang), data


def _joined(names: Sequence[str], context: Context) -> str:
    if context.lang == "ja":
        return "、".join(names)
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


# ---- with the network


def _from_article(page: Article, kind: InfoType, context: Context) -> FunctionResult:
    life, facts = _life(page.born, page.died, dead=page.dead, context=context)
    lines = sentences(section(page.text, kind, context.lang), context.lang)
    note = None
    if kind == "news":
        summary, lines, note = _newest(page, context)
    else:
        summary = _introduction(page, kind, life, facts["living"], context)
        if kind == "achievements" and page.works:
            label = context.say(ja="主な作品・業績: ", en="Notable works: ")
            lines = [label + _joined(page.works, context), *lines]
    data = {
        "name": page.name,
        "info_type": kind,
        **facts,
        "birthplace": page.birthplace,
        "occupations": list(page.occupations),
        "awards": list(page.awards),
        "works": list(page.works),
        "url": page.url,
        "offline": False,
    }
    points = [short(line, context.lang) for line in lines[:_POINTS]]
    return FunctionResult(summary, data=data, points=points, note=note, source=f"Wikipedia, Wikidata: {page.url}")


def _introduction(page: Article, kind: InfoType, life: str, living: bool, context: Context) -> str:
    """One sentence from the facts; Wikipedia's own words, in another style, are left to the points."""
    jobs = _joined(page.occupations, context)
    if context.lang == "ja":
        who = f"{page.name}（{life}）" if life else page.name
        if kind == "achievements" and page.awards:
            more = "など" if page.award_count > len(page.awards) else ""
            return f"{who}は、{jobs or '人物'}で、{_joined(page.awards, context)}{more}を受けています。"
        where = f"{page.birthplace}出身の" if page.birthplace and kind == "biography" else ""
        return f"{who}は、{where}{jobs or '実在の人物'}です。"
    who = f"{page.name} ({life})" if life else page.name
    be = "is" if living else "was"
    job = f"{be} {_article_of(jobs)} {jobs}" if jobs else f"{be} a real person"
    if kind == "achievements" and page.awards:
        more = " among other awards" if page.award_count > len(page.awards) else ""
        have = "has received" if living else "received"
        return f"{who} {job} who {have} {_joined(page.awards, context)}{more}."
    where = f" born in {page.birthplace}" if page.birthplace and kind == "biography" else ""
    return f"{who} {job}{where}."


def _article_of(noun: str) -> str:
    return "an" if noun[:1].lower() in "aeio" else "a"


def _newest(page: Article, context: Context) -> tuple[str, list[str], str]:
    dated = latest(page.text, context.lang, context.said_at.date())
    note = context.say(
        ja="Wikipediaは百科事典で、新聞ではありません。最新の動きは報道でご確認ください。",
        en="Wikipedia is an encyclopedia and no newspaper: for the latest, please check the news.",
    )
    if not dated:
        return (
            context.say(
                ja=f"Wikipediaの{page.name}の記事には、日付のある新しい記述が見つかりませんでした。",
                en=f"Wikipedia's article on {page.name} has no dated recent entry.",
            ),
            [],
            note,
        )
    when = Day.parse(dated[0][0]).text(context.lang)
    summary = context.say(
        ja=f"Wikipediaにある{page.name}の記述でいちばん新しいのは、{when}のものです。",
        en=f"The latest that Wikipedia has on {page.name} is dated {when}.",
    )
    return summary, [sentence for _, sentence in dated], note


# ---- without


def _from_guide(person: Person, kind: InfoType, context: Context, misspelt: str | None) -> FunctionResult:
    name = person.name(context.lang)
    life, facts = _life(person.born, person.died, dead=person.died is not None, context=context)
    entries = {title: texts[context.lang] for title, texts in person.entries.items()}
    told = "general" if kind == "news" else kind
    first, *rest = split(entries[told], context.lang)
    if told in ("general", "biography"):
        bracket = f"（{life}）" if context.lang == "ja" else f" ({life})"
        first = first.replace(name, name + bracket, 1)
    if told == "general":
        rest += [split(entries[more], context.lang)[0] for more in ("biography", "career", "achievements")]
    notes = [_misspelt(misspelt, name, context)] if misspelt else []
    summary = first
    if kind == "news":
        summary = context.say(
            ja=f"{name}のニュースを調べるにはネットワークが必要なため、いまは基本情報だけをお伝えします。",
            en=f"News about {name} needs the network, so here is only what the built-in guide knows.",
        )
        rest = [first, *rest]
    if facts["living"]:
        notes.append(
            context.say(
                ja=f"内蔵ガイドの内容は{KNOWN_UNTIL}年までのもので、その後の出来事は含みません。",
                en=f"The built-in guide covers events up to {KNOWN_UNTIL} and nothing later.",
            )
        )
    data: Mapping[str, Any] = {
        "name": name,
        "names": {lang: names[0] for lang, names in person.names.items()},
        "info_type": kind,
        **facts,
        "field": person.field,
        "entry": entries[told],
        "offline": True,
    }
    return FunctionResult(
        summary,
        data=data,
        points=[*rest[: _POINTS - 1], context.say(ja=f"分野: {_FIELDS[person.field]}", en=f"Field: {person.field}")],
        note=("" if context.lang == "ja" else " ").join(notes) or None,
        source=context.say(ja="FuncGemmaの内蔵ガイド", en="offline guide of FuncGemma"),
    )


def _misspelt(written: str, name: str, context: Context) -> str:
    return context.say(ja=f"「{written}」に近い名前の{name}についてお答えしました。", en=f"Read “{written}” as {name}.")


# ---- refusals


def _not_human(other: NotHumanError, context: Context) -> FunctionError:
    if other.fictional:
        message = context.say(
            ja=f"「{other.title}」は架空のキャラクターのようです。実在の人物のお名前でお尋ねください。",
            en=f"{other.title} seems to be a fictional character; please ask me about a real person.",
        )
    else:
        message = context.say(
            ja=f"「{other.title}」は人物ではないようです。人物のお名前をフルネームでお尋ねください。",
            en=f"{other.title} does not seem to be a person; please give me somebody's full name.",
        )
    return FunctionError("not_found", message)


def _unknown(name: str, context: Context, *, away: bool) -> FunctionError:
    near = suggest(name)
    if near is not None:
        other = near.name(context.lang)
        hint = context.say(
            ja=f"{other}のことでしたら、そのお名前でお尋ねください。",
            en=f"If you mean {other}, please ask with that name.",
        )
    elif away:
        hint = context.say(
            ja="ネットワークにつながっているときに、もう一度お尋ねください。",
            en="please ask again when the network is there.",
        )
    else:
        hint = context.say(ja="フルネームでもう一度お尋ねください。", en="please try the full name.")
    where = context.say(ja="内蔵ガイドに" if away else "", en=" in the built-in guide" if away else "")
    if context.lang == "ja":
        return FunctionError("not_found", f"「{name}」という人物は{where}見つかりませんでした。{hint}")
    hint = hint[0].lower() + hint[1:]
    return FunctionError("not_found", f"I found nobody called “{name}”{where}; {hint}")
