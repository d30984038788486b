"""The rules of the labelling guide for one case, as far as a program can tell whether they are kept.

Which functions, parameters and closed values there are comes from the functions' own cards. `problems` are certain;
`doubts` are not: a person who labels by hand may know better, a case that a model has written is refused for them.
What is not covered: whether the label itself is the right one.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

from agent.messages import Card
from agent.routing.languages import language_code
from agent.routing.text import JAPANESE

NONE = "no_function"
"""What stands for no function in ids, categories and names of files."""
LANGUAGES = ("ja", "en")
_KEYS = frozenset({"test_id", "lang", "category", "conversation", "expected_function", "expected_arguments"})
_ID = re.compile(r"(?P<lang>[a-z]{2})-(?P<category>[a-z0-9_]+)-(?P<batch>[a-z0-9_]+)-\d{3,}")
_ISO_639_1 = """
    aa ab ae af ak am an ar as av ay az ba be bg bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en eo
    es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka
    kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng
    nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su
    sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu
"""
_CODES = frozenset(_ISO_639_1.split())
_QUOTES = {"「": "」", "『": "』", "“": "”", '"': '"', "'": "'", "‘": "’", "«": "»"}
_LEADING = {
    "datetime": re.compile(r"(at|on|for|until|till|by) ", re.IGNORECASE),
    "product_or_service": re.compile(r"(a|an|the|new|some) (?!.* (or|vs|versus|and) )", re.IGNORECASE),
}
"""What the guide cuts off at the beginning; of two products compared as one span the articles stay."""
_LATIN = re.compile(r"[A-Za-z]")
_GOES_ON = re.compile(r"s?[A-Za-rt-z]|ss")
_PARTICLES = {"datetime": re.compile(r"(?<=.)(までに|に|は|を)$"), "": re.compile(r"(?<=.)[をへ]$")}
"""Japanese particles at the end of a span. に, は and が end so many nouns that only datetimes are held to them."""


def spans(card: Card) -> list[str]:
    """The parameters whose values are copied out of the dialogue."""
    return [name for name, schema in card.parameters["properties"].items() if _is_span(name, schema)]


def category_of(item: Mapping[str, Any]) -> str:
    """The name of the expected function, `no_function` for none."""
    return str(item.get("expected_function") or NONE)


def turn_of(item: Mapping[str, Any]) -> str:
    """The turn that is routed."""
    return str(item["conversation"][-1]["content"])


def malformed(item: Mapping[str, Any]) -> list[str]:
    """What makes an object no case at all, a short sentence each; nothing else can be said of it then."""
    return [*_form(item)]


def problems(item: Mapping[str, Any], known: Mapping[str, Card]) -> list[str]:
    """What is wrong with a case, a short sentence each; none where nothing is.

    Args:
        item: the case as read from JSON.
        known: the functions' cards by name.
    """
    if broken := malformed(item):
        return broken
    found = [*_dialogue(item), *_names(item)]
    function, arguments = item["expected_function"], item["expected_arguments"]
    if function is None:
        return [*found, *(["no function, but arguments"] if arguments else [])]
    if function not in known:
        return [*found, f"there is no function {function}"]
    if arguments is None:  # not labelled
        return found
    properties = known[function].parameters["properties"]
    for name, value in arguments.items():
        if name not in properties:
            found.append(f"{function} has no parameter {name}")
        elif not isinstance(value, str) or not value.strip():
            found.append(f"{name} is no text: {value!r}")
        elif "enum" in properties[name]:
            found += [] if value in properties[name]["enum"] else [f"{name} can't be {value!r}"]
        elif not _is_span(name, properties[name]):
            found += [] if value in _CODES else [f"{name} is no ISO 639-1 code: {value!r}"]
        else:
            found += _span(name, value, item)
    if function == "schedule_reminder" and "action" not in arguments:
        found.append("a reminder is always created, looked up, changed or cancelled: action is missing")
    return [*found, *(_sentiment(item) if function == "sentiment_label" else ())]


def curated(item: Mapping[str, Any]) -> list[str]:
    """What is wrong with a case in one of the project's own files, beside `problems`: its fields and its id."""
    found = []
    if more := sorted(set(item) - _KEYS):
        found.append(f"unknown fields {', '.join(more)}")
    fields = _ID.fullmatch(str(item.get("test_id", "")))
    if "test_id" not in item:
        found.append("there is no test_id")
    elif fields is None:
        found.append("test_id is not LANG-CATEGORY-BATCH-NUMBER")
    elif (fields["lang"], fields["category"]) != (item.get("lang"), category_of(item)):
        found.append(f"test_id says {fields['lang']}-{fields['category']}")
    return found


def doubts(item: Mapping[str, Any], known: Mapping[str, Card]) -> list[str]:
    """What is probably wrong with a case that has no `problems`."""
    arguments = item["expected_arguments"] or {}
    dialogue = [message["content"] for message in item["conversation"]]
    named = {code for text in dialogue for code in _languages_in(text)}
    found = [
        f"{name} {arguments[name]} is named nowhere"
        for name in ("source_language", "target_language")
        if name in arguments and arguments[name] not in named
    ]
    function = item["expected_function"]
    for name in spans(known[function]) if function in known else ():
        value = arguments.get(name, "")
        if name != "text" and len(value) > 40:
            found.append(f"{name} is a whole sentence")
    return found


# ---- the parts


def _form(item: Mapping[str, Any]) -> Iterator[str]:
    if lacking := sorted({"conversation", "expected_function", "expected_arguments"} - set(item)):
        yield f"fields are missing: {', '.join(lacking)}"
        return
    said = item["conversation"]
    if not isinstance(said, list) or not said:
        yield "the conversation is empty"
        return
    for message in said:
        if not isinstance(message, dict) or set(message) != {"role", "content"}:
            yield "a message has other fields than role and content"
        elif message["role"] not in ("user", "assistant"):
            yield f"a role is {message['role']!r}"
        elif not isinstance(message["content"], str) or not message["content"].strip():
            yield "a message is empty"
    if not isinstance(item["expected_function"], str | None):
        yield "expected_function is no name"
    if not isinstance(item["expected_arguments"], dict | None):
        yield "expected_arguments is no object"


def _dialogue(item: Mapping[str, Any]) -> Iterator[str]:
    roles = [message["role"] for message in item["conversation"]]
    if roles[-1] != "user":
        yield "the last message is not the user's"
    if any(one == other for one, other in pairwise(roles)):
        yield "the roles don't alternate"
    said = "".join(message["content"] for message in item["conversation"] if message["role"] == "user")
    if item.get("lang", "en") not in LANGUAGES:
        yield f"lang is {item['lang']!r}"
    elif item.get("lang") == "ja" and not JAPANESE.search(said):
        yield "lang is ja, and there is no Japanese"
    elif item.get("lang") == "en" and not re.search(r"[A-Za-z]", said):
        yield "lang is en, and there is no English"


def _names(item: Mapping[str, Any]) -> Iterator[str]:
    category = category_of(item)
    if item.get("category", category) != category:
        yield f"category is {item['category']!r}, the function {category}"


def _span(name: str, value: str, item: Mapping[str, Any]) -> Iterator[str]:
    turn = turn_of(item)
    texts = [message["content"] for message in item["conversation"]]
    if not any(value in text for text in texts):
        yield f"{name} {value!r} stands nowhere in the dialogue"
    elif not any(_whole_words(value, text) for text in texts):
        yield f"{name} {value!r} begins or ends inside a word"
    if value != value.strip():
        yield f"{name} {value!r} has blanks around it"
    closing = _QUOTES.get(value[0])
    if len(value) > 2 and closing and value.find(closing, 1) == len(value) - 1 and value != turn:
        yield f"{name} {value!r} has its quotation marks with it"
    if name == "text":
        return
    if name in _LEADING and _LEADING[name].match(value):
        yield f"{name} {value!r} has a small word before it"
    if item.get("lang") == "ja" and _PARTICLES.get(name, _PARTICLES[""]).search(value):
        yield f"{name} {value!r} ends with a particle"
    if re.search(r"[。、！？!?,]$", value):
        yield f"{name} {value!r} ends with punctuation"


def _sentiment(item: Mapping[str, Any]) -> Iterator[str]:
    """Case (b), the speaker's own strong feeling: the whole turn, and the emotion is what is asked for."""
    turn, arguments = turn_of(item), item["expected_arguments"]
    text = arguments.get("text", "")
    if len(item["conversation"]) > 1 or not text:
        return
    if text == turn:
        if arguments.get("granularity") != "detailed":
            yield "text is the whole turn, the speaker's own feeling: granularity is detailed"
    elif turn.count(text) == 1 and not re.sub(r"[\s。、！？!?.,…~〜ー-]", "", turn.replace(text, "")):
        yield "text lacks only punctuation: it is the whole turn, literally"


@cache
def _whole_words(value: str, text: str) -> bool:
    """Whether the value stands in the text without cutting a word of Latin letters; a genitive's s may follow."""
    at = text.find(value)
    while at >= 0:
        end = at + len(value)
        cut_before = at and _LATIN.match(value[0]) and _LATIN.match(text, at - 1)
        if not cut_before and not (_LATIN.match(value[-1]) and _GOES_ON.match(text, end)):
            return True
        at = text.find(value, at + 1)
    return False


def _is_span(name: str, schema: Mapping[str, Any]) -> bool:
    return "enum" not in schema and not name.endswith("language")


@cache
def _languages_in(text: str) -> frozenset[str]:
    """The languages that a text names, by their codes."""
    words: Sequence[str] = re.findall(r"[^\W\d_]+", text)
    english = {" ".join(words[at : at + size]) for at in range(len(words)) for size in (1, 2)}
    japanese = {
        run[at : at + size]
        for run in re.findall(r"[぀-ヿ㐀-鿿々・]+", text)
        for at in range(len(run))
        for size in range(2, 10)
    }
    # Codes themselves are read as languages too, and so are "no" and "it".
    codes = (language_code(name) for name in english | japanese if len(name) > 3 or not name.isascii())
    return frozenset(code for code in codes if code)
