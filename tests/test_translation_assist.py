"""Translation by the phrasebook, and by the chat model."""

import json
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest

from agent.messages import Lang
from agent.settings import PROJECT
from functions import _languages, _phrasebook
from functions.chat_model import ChatModel
from functions.registry import Context, FunctionError, FunctionResult
from functions.translation_assist import translation_assist
from tests.ollama_server import OllamaServer, Reply


async def translate(context: Context, text: str, target: str, source: str | None = None) -> FunctionResult:
    more = {"source_language": source} if source else {}
    return await translation_assist.call({"text": text, "target_language": target, **more}, context)


@pytest.mark.parametrize(
    ("text", "target", "expected"),
    [
        ("ありがとうございます", "en", "Thank you"),
        ("ありがとう", "フランス語", "Merci"),
        ("Where is the bathroom?", "日本語", "トイレはどこですか？"),
        ("where is the toilet", "es", "¿Dónde está el baño?"),
        ("WHERE'S THE RESTROOM", "German", "Wo ist die Toilette?"),
        ("お手洗いはどこですか", "中文", "洗手间在哪里？"),
        ("トイレはどこですか", "韓国語", "화장실이 어디예요?"),
        ("谢谢", "ja", "ありがとうございます"),
        ("감사합니다", "英語", "Thank you"),
        ("À demain", "en", "See you tomorrow"),
        ("a demain", "en", "See you tomorrow"),
        ("Entschuldigung", "it", "Mi scusi"),
        ("la cuenta, por favor", "ja", "お会計をお願いします"),
        ("「おやすみ」", "イタリア語", "Buonanotte"),
        ("arigatou gozaimasu", "en", "Thank you"),
        ("駅はどこでしょうか", "en", "Where is the station?"),
        ("助けて！", "fr", "Au secours !"),
        ("Excuse me, where is the station?", "de", "Entschuldigung. Wo ist der Bahnhof?"),
        ("こんにちは。お元気ですか？", "zh", "你好。你好吗？"),
        ("猫", "en", "cat"),
        ("ねこ", "es", "gato"),
        ("dogs", "ja", "犬"),
        ("apple", "ko", "사과"),
        ("水", "zh", "水"),
        ("hotel", "de", "Hotel"),
        ("水", "fr", "eau"),
    ],
)
async def test_phrase_or_word_is_translated(
    contexts: dict[Lang, Context], text: str, target: str, expected: str
) -> None:
    result = await translate(contexts["ja"], text, target)
    assert result.data["translation"] == expected
    assert result.data["match"] == "exact"
    assert expected in result.summary


async def test_reading_is_given_for_foreign_scripts(contexts: dict[Lang, Context]) -> None:
    zh = await translate(contexts["ja"], "ありがとう", "zh")
    assert zh.summary == "「ありがとう」は中国語で「谢谢」（xièxie）と言います。"
    ko = await translate(contexts["en"], "Thank you", "ko")
    assert ko.summary == "“Thank you” in Korean is “감사합니다” (gamsahamnida)."
    ja = await translate(contexts["en"], "Thank you", "ja")
    assert ja.data["reading"] == "arigatou gozaimasu"
    assert ja.points[0] == "Also: ありがとう"
    fr = await translate(contexts["en"], "Thank you", "fr")
    assert fr.data["reading"] is None


async def test_near_match_is_said_plainly(contexts: dict[Lang, Context]) -> None:
    en = await translate(contexts["en"], "where is the bathrom", "fr")
    assert en.data["match"] == "near"
    assert en.summary.startswith("The closest phrase in the phrasebook: “Where is the bathroom?”")
    assert "where is the bathrom" in str(en.note)
    ja = await translate(contexts["ja"], "パスポートをなくしたんです", "en")
    assert ja.data["translation"] == "I lost my passport"
    assert "最も近い" in ja.summary


@pytest.mark.parametrize(
    "text",
    [
        "Where is the motel?",
        "I don't have a reservation",
        "I do not have a fever",
        "予約していません",
        "好きですか",
        "本屋はどこですか",
        "The parcel arrives on Friday",
        "会議は三時に変更になりました",
        "我喜欢她",
    ],
)
async def test_another_matter_is_no_near_match(contexts: dict[Lang, Context], text: str) -> None:
    with pytest.raises(FunctionError) as caught:
        await translate(contexts["en"], text, "fr")
    assert caught.value.code == "needs_model"
    assert "`funcgemma models`" in str(caught.value)


async def test_target_outside_the_phrasebook_needs_the_model(contexts: dict[Lang, Context]) -> None:
    with pytest.raises(FunctionError, match="チャットモデルが必要") as caught:
        await translate(contexts["ja"], "ありがとう", "タイ語")
    assert caught.value.code == "needs_model"


@pytest.mark.parametrize(
    ("text", "target", "source"),
    [
        ("Hello", "en", None),
        ("Hello", "en", "en"),
        ("ありがとう", "ja", None),
        ("本屋はどこですか", "ja", None),
        ("This is a sentence of my own", "English", None),
    ],
)
async def test_text_already_in_the_target_is_said(
    contexts: dict[Lang, Context], text: str, target: str, source: str | None
) -> None:
    result = await translate(contexts["en"], text, target, source)
    assert result.data["match"] == "same"
    assert "already in" in result.summary


async def test_wrong_source_does_not_stand_in_the_way(contexts: dict[Lang, Context]) -> None:
    assert (await translate(contexts["ja"], "ありがとう", "en", "en")).data["translation"] == "Thank you"
    assert (await translate(contexts["ja"], "Thank you", "fr", "ja")).data["translation"] == "Merci"
    assert (await translate(contexts["ja"], "Buenas noches", "en", "Klingon")).data["source_language"] == "es"


async def test_traditional_characters_are_not_promised(contexts: dict[Lang, Context]) -> None:
    result = await translate(contexts["ja"], "ありがとう", "繁体字中国語")
    assert "簡体字" in str(result.note)


@pytest.mark.parametrize(("text", "target"), [("", "en"), ("「」", "en"), ("Hello", "Klingon"), ("Hello", "??")])
async def test_nothing_to_do_is_asked_for(contexts: dict[Lang, Context], text: str, target: str) -> None:
    with pytest.raises(FunctionError) as caught:
        await translate(contexts["ja"], text, target)
    assert caught.value.code == "invalid"


@pytest.fixture
async def modelled(contexts: dict[Lang, Context]) -> AsyncIterator[tuple[Context, OllamaServer]]:
    """A turn whose functions have a chat model."""
    context = contexts["en"]
    async with OllamaServer() as server:
        settings = context.settings.model_copy(
            update={"replier": "auto", "ollama_url": server.url, "look_s": 60.0, "num_ctx": 1024}
        )
        async with ChatModel(settings) as chat:
            yield replace(context, settings=settings, chat=chat), server


def answering(text: str) -> Callable[[dict[str, Any]], Reply]:
    """A model that says one thing, in two pieces."""
    return lambda _body: Reply([text[:9], text[9:]])


async def test_model_translates_where_there_is_one(modelled: tuple[Context, OllamaServer]) -> None:
    """It is held to a form, told both languages, and shares the context size with the replies."""
    context, server = modelled
    server.install("gemma3:4b", reply=answering('{"translation": " Le colis arrive vendredi. "}'))
    result = await translate(context, "The parcel arrives on Friday", "fr")
    assert result.data["translation"] == "Le colis arrive vendredi."
    assert (result.data["match"], result.data["source_language"]) == ("model", "en")
    (body,) = server.bodies("/api/chat")
    assert body["format"]["required"] == ["translation"]
    assert "from English into French" in body["messages"][0]["content"]
    assert body["options"]["num_ctx"] == 1024
    assert "tools" not in body


async def test_long_text_is_translated_in_pieces(modelled: tuple[Context, OllamaServer]) -> None:
    """None of them is longer than the context holds, and nothing is left out."""
    context, server = modelled

    def echo(body: dict[str, Any]) -> Reply:
        return Reply([json.dumps({"translation": body["messages"][1]["content"].upper()})])

    server.install("gemma3:4b", reply=echo)
    text = " ".join(f"This is sentence number {number}." for number in range(150))
    result = await translate(context, text, "fr")
    assert result.data["translation"] == text.upper()
    assert len(server.bodies("/api/chat")) > 1


@pytest.mark.parametrize(
    "answer", [None, "  ", '{"translation": "  "}', "Voilà"], ids=["no model", "nothing", "blank", "no JSON"]
)
async def test_phrasebook_steps_in_where_the_model_fails(
    modelled: tuple[Context, OllamaServer], answer: str | None
) -> None:
    context, server = modelled
    if answer is not None:
        server.install("gemma3:4b", reply=answering(answer))
    assert (await translate(context, "Thank you", "fr")).data["match"] == "exact"
    with pytest.raises(FunctionError, match="needs the chat model"):
        await translate(context, "The parcel arrives on Friday", "fr")


async def test_model_that_is_not_there_is_asked_once(modelled: tuple[Context, OllamaServer]) -> None:
    """Each turn would otherwise wait for a server that is away."""
    context, server = modelled
    for _ in range(3):
        await translate(context, "Thank you", "fr")
    assert len(server.bodies("/api/chat")) == 1


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("English", "en"), ("英語", "en"), ("フランス語", "fr"), ("中文", "zh"), ("EN-us", "en"), ("zh_TW", "zh"),
        ("ドイツ語に", "de"), ("英訳", "en"), ("into Spanish", "es"), ("Frensh", "fr"), ("한국어", "ko"),
        ("ｆｒ", "fr"),
        ("thai language", "th"), ("スワヒリ語", "sw"), ("Klingon", None), ("", None), ("xx", None),
    ],
)  # fmt: skip
def test_language_is_known_by_many_names(name: str, expected: str | None) -> None:
    assert _languages.code(name) == expected


def test_names_of_languages_are_enough_and_distinct() -> None:
    table = _languages.table()
    assert len(table) >= 40
    for language in table.values():
        assert re.fullmatch("[a-z]{2}", language.code)
        for name in (language.code, language.ja, language.en, *language.aliases):
            assert _languages.code(name) == language.code, name


@pytest.mark.parametrize(("name", "least"), [("phrasebook", 170), ("words", 150)])
def test_every_phrase_is_whole(name: str, least: int) -> None:
    phrases = json.loads((PROJECT / "data" / "offline" / f"{name}.json").read_text(encoding="utf-8"))
    assert len(phrases) >= least
    assert len({phrase["id"] for phrase in phrases}) == len(phrases)
    scripts = {"ja": r"[ぁ-んァ-ヶ一-鿿]", "zh": r"[一-鿿]", "ko": r"[가-힣]"}
    for phrase in phrases:
        for lang in _phrasebook.LANGUAGES:
            assert all(wording.strip() == wording != "" for wording in phrase[lang])
            assert bool(re.search(scripts.get(lang, r"[A-Za-zÀ-ž]"), phrase[lang][0])), phrase["id"]
        assert not re.search(r"[ぁ-んァ-ヶ]", "".join(phrase["zh"]))
        for lang in scripts:
            assert re.fullmatch(r"[a-zà-ǿāēīōūǎěǐǒǔǖǘǚǜêA-Z' ,-]+", phrase["readings"][lang]), phrase["readings"]


@pytest.mark.parametrize("lang", _phrasebook.LANGUAGES)
def test_every_usual_wording_is_found(lang: str) -> None:
    """A wording finds its own phrase, or one that is said in the same way."""
    for phrase in _phrasebook._book():
        for wording in phrase.wordings(lang):
            found = _phrasebook.find_exact(wording, lang)
            assert found is not None
            keys = {_phrasebook._key(each) for each in found.phrases[0].wordings(lang)}
            keys.add(_phrasebook._key(found.phrases[0].readings.get(lang, "")))
            assert _phrasebook._key(wording) in keys, wording


def test_card_has_examples_in_both_languages() -> None:
    card = translation_assist.card
    assert card.parameters["required"] == ["text", "target_language"]
    assert {example.lang for example in card.examples} == {"ja", "en"}
