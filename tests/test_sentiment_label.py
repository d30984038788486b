"""The sentences and their labels were written before the lexicon was run on them."""

from dataclasses import replace
from typing import get_args

import pytest

from agent.messages import Lang
from functions import _lexicon
from functions.chat_model import ChatModel
from functions.registry import Context, FunctionError, FunctionResult
from functions.sentiment_label import sentiment_label
from tests.ollama_server import OllamaServer, Reply

BASIC_JA = [
    ("昇進が決まって本当に嬉しい！", "positive"),
    ("この映画、めちゃくちゃ面白かった", "positive"),
    ("助けてくれて心から感謝しています", "positive"),
    ("試験に合格した！やったー！", "positive"),
    ("今日の夕飯はとてもおいしかったです", "positive"),
    ("家族と過ごす時間が一番幸せだ", "positive"),
    ("店員さんの対応が丁寧で気持ちよかった", "positive"),
    ("来週の旅行が楽しみで眠れない", "positive"),
    ("無事に終わってほっとした", "positive"),
    ("この曲、嫌いじゃない", "positive"),
    ("思ったより悪くない出来だった", "positive"),
    ("不安だったけど、行ってみたら最高だった", "positive"),
    ("高いけど、買ってよかった", "positive"),
    ("推しが尊すぎる", "positive"),
    ("娘の寝顔がかわいくてたまらない", "positive"),
    ("このアプリは使いやすくて便利ですね", "positive"),
    ("優勝できたことを誇りに思います", "positive"),
    ("最高じゃないか😊", "positive"),
    ("もう感謝しかない", "positive"),
    ("昨日のライブは感動して涙が出ました", "positive"),
    ("もう全部いやになった", "negative"),
    ("本当につらかった", "negative"),
    ("あの店は全然楽しくない", "negative"),
    ("悲しすぎて言葉が出ない", "negative"),
    ("上司の態度に腹が立つ", "negative"),
    ("期待していたのに、がっかりだった", "negative"),
    ("仕事でミスばかりして落ち込んでいる", "negative"),
    ("明日の面接が不安で仕方ない", "negative"),
    ("ひとりぼっちで寂しい夜を過ごした", "negative"),
    ("疲れすぎてもう何もしたくない", "negative"),
    ("デザインはいいけど、すぐ壊れて最悪だった", "negative"),
    ("おいしくなかったし、接客もひどかった", "negative"),
    ("あのとき謝ればよかったと後悔している", "negative"),
    ("夜道が怖くて走って帰った", "negative"),
    ("虫が出て気持ち悪い", "negative"),
    ("みんなの前で転んで恥ずかしかった", "negative"),
    ("なんで私ばっかり、ふざけるな", "negative"),
    ("会社に行きたくない、もう限界", "negative"),
    ("電車がまた遅れてイライラする", "negative"),
    ("財布を落とした😭", "negative"),
    ("この説明では納得できない", "negative"),
    ("彼のことは好きじゃない", "negative"),
    ("友達に裏切られて許せない", "negative"),
    ("会議は三時に始まります", "neutral"),
    ("駅前に銀行があります", "neutral"),
    ("昨日は図書館で本を二冊借りた", "neutral"),
    ("次の電車は十時発です", "neutral"),
    ("資料を机の上に置いておきました", "neutral"),
    ("東京の人口は約千四百万人である", "neutral"),
]

BASIC_EN = [
    ("I got the job and I'm over the moon!", "positive"),
    ("This is the best coffee I've ever had", "positive"),
    ("Thank you so much for your help", "positive"),
    ("I love how quiet this place is", "positive"),
    ("What a wonderful evening we had", "positive"),
    ("I can't wait for the concert", "positive"),
    ("I'm so proud of my daughter", "positive"),
    ("Phew, what a relief, the tests came back clear", "positive"),
    ("The staff were friendly and helpful", "positive"),
    ("Not bad at all, I'd come again", "positive"),
    ("The start was slow, but the ending was amazing", "positive"),
    ("Although it was expensive, it was worth it", "positive"),
    ("I couldn't be happier with it", "positive"),
    ("That made my day 😊", "positive"),
    ("I don't hate it, it's actually pretty nice", "positive"),
    ("We had a great time at the beach", "positive"),
    ("He is such a sweet and caring man", "positive"),
    ("Finally passed my driving test, yay!", "positive"),
    ("I really enjoyed the book", "positive"),
    ("It works perfectly and looks beautiful", "positive"),
    ("I'm sick of everything", "negative"),
    ("This is the worst service I've ever seen", "negative"),
    ("I feel so lonely since she left", "negative"),
    ("I hate Mondays", "negative"),
    ("The film wasn't good", "negative"),
    ("I'm not happy with this result", "negative"),
    ("It never works and support is useless", "negative"),
    ("I'm terrified of flying", "negative"),
    ("I'm so worried about tomorrow's interview", "negative"),
    ("The food was nice, but the waiter was rude", "negative"),
    ("I was really disappointed by the ending", "negative"),
    ("I wish I hadn't said that, I regret it", "negative"),
    ("My boss makes me furious", "negative"),
    ("That smell is disgusting", "negative"),
    ("I'm completely exhausted and burnt out", "negative"),
    ("I burst into tears when I heard the news", "negative"),
    ("How embarrassing, I forgot her name", "negative"),
    ("I'm fed up with these delays", "negative"),
    ("It's hardly a pleasant place to live", "negative"),
    ("I don't like the new design", "negative"),
    ("He let me down again 😡", "negative"),
    ("My heart is broken", "negative"),
    ("Nothing ever goes right for me", "negative"),
    ("The meeting starts at three", "neutral"),
    ("There is a bank opposite the station", "neutral"),
    ("She bought two books on Tuesday", "neutral"),
    ("The report has twelve pages", "neutral"),
    ("Water boils at one hundred degrees", "neutral"),
    ("I put the keys on the table", "neutral"),
]

DETAILED = [
    ("大好きだよ、ずっと一緒にいたい", "love"),
    ("合格して飛び上がるほど嬉しい", "joy"),
    ("いつも支えてくれてありがとう", "gratitude"),
    ("自分の力でやり遂げたことが誇らしい", "pride"),
    ("検査の結果が良くて安心した", "relief"),
    ("明日からの旅行が楽しみでわくわくする", "excitement"),
    ("まさかの展開にびっくりした", "surprise"),
    ("祖母が亡くなって悲しい", "sadness"),
    ("勝手に消されて本当に腹が立つ", "anger"),
    ("後ろに誰かいる気がして怖い", "fear"),
    ("将来のことが不安でたまらない", "anxiety"),
    ("あの人の食べ方が気持ち悪い", "disgust"),
    ("何度やっても動かなくてイライラする", "frustration"),
    ("誰とも話せなくて寂しい", "loneliness"),
    ("毎日残業でへとへとです", "exhaustion"),
    ("楽しみにしていたのに中止でがっかり", "disappointment"),
    ("もっと話しておけばよかったと後悔している", "regret"),
    ("社会の窓が開いていて恥ずかしかった", "embarrassment"),
    ("会議は三時に始まります", "neutral"),
    ("もう全部いやになった", "exhaustion"),
    ("I miss her so much it hurts, I keep crying", "sadness"),
    ("I adore my little nephew", "love"),
    ("I'm thrilled, I can't wait to go", "excitement"),
    ("I'm delighted with my new bike", "joy"),
    ("I really appreciate everything you did", "gratitude"),
    ("I'm proud of what we built", "pride"),
    ("Thank goodness you're safe, I'm so relieved", "relief"),
    ("Wow, I did not expect that, I'm speechless", "surprise"),
    ("How dare you, I'm absolutely furious", "anger"),
    ("I was scared to death in that lift", "fear"),
    ("I'm nervous and worried about the exam", "anxiety"),
    ("That is gross, it makes me sick", "disgust"),
    ("It's so annoying that it keeps crashing", "frustration"),
    ("I feel so alone, nobody calls me", "loneliness"),
    ("I'm drained, I have no energy left", "exhaustion"),
    ("It was a letdown, I expected more", "disappointment"),
    ("I regret selling that guitar", "regret"),
    ("I was so embarrassed I wanted to hide", "embarrassment"),
    ("The bus leaves at noon", "neutral"),
]


async def label(context: Context, text: str, **more: str) -> FunctionResult:
    return await sentiment_label.call({"text": text, **more}, context)


@pytest.mark.parametrize(("text", "expected"), BASIC_JA)
async def test_basic_label_japanese(contexts: dict[Lang, Context], text: str, expected: str) -> None:
    result = await label(contexts["ja"], text, granularity="basic")
    assert result.data["label"] == expected, result.data


@pytest.mark.parametrize(("text", "expected"), BASIC_EN)
async def test_basic_label_english(contexts: dict[Lang, Context], text: str, expected: str) -> None:
    result = await label(contexts["en"], text, granularity="basic")
    assert result.data["label"] == expected, result.data


@pytest.mark.parametrize(("text", "expected"), DETAILED)
async def test_detailed_label(contexts: dict[Lang, Context], text: str, expected: str) -> None:
    result = await label(contexts["en"], text, granularity="detailed")
    assert result.data["label"] == expected, result.data


async def test_basic_is_the_default_and_names_the_emotion(contexts: dict[Lang, Context]) -> None:
    result = await label(contexts["ja"], "上司の態度に腹が立つ")
    assert result.data["label"] == "negative"
    assert result.data["emotion"] == "anger"
    assert "怒り" in result.summary


async def test_strong_feeling_is_worded_for_speaker_and_for_quoted_text(contexts: dict[Lang, Context]) -> None:
    """One can't know whose feeling it is, so the sentence says what the text shows."""
    ja = await label(contexts["ja"], "本当に腹が立つ！ふざけるな！", granularity="detailed")
    assert "強い怒りが読み取れます" in ja.summary
    assert ja.note is not None
    assert "もしご自身のお気持ち" in ja.note
    en = await label(contexts["en"], "I'm absolutely furious, I hate this!", granularity="detailed")
    assert "strong anger" in en.summary
    assert en.note is not None
    assert "If these are your own feelings" in en.note


async def test_words_relied_on_are_shown(contexts: dict[Lang, Context]) -> None:
    result = await label(contexts["en"], "The food was nice, but the waiter was not friendly")
    assert result.data["evidence"] == ["nice", "not friendly"]
    assert any("friendly" in point for point in result.points)
    ja = await label(contexts["ja"], "全然楽しくなかった")
    assert ja.data["evidence"] == ["楽しくなかった"]


async def test_score_grows_with_an_intensifier_and_shrinks_with_a_diminisher(contexts: dict[Lang, Context]) -> None:
    async def score(text: str) -> float:
        return float((await label(contexts["en"], text)).data["score"])

    assert await score("少し嬉しい") < await score("嬉しい") < await score("すごく嬉しい")
    assert await score("I'm a bit happy") < await score("I'm happy") < await score("I'm very happy")
    assert await score("I'm happy") < await score("I'm happy!!!")
    assert -1 <= await score("最悪最悪最悪最悪最悪！！！") <= 1


async def test_later_clause_weighs_more(contexts: dict[Lang, Context]) -> None:
    for first, second in (
        ("楽しいけど疲れる", "疲れるけど楽しい"),
        ("It was tiring but good", "It was good but tiring"),
    ):
        one = (await label(contexts["ja"], first)).data["score"]
        other = (await label(contexts["ja"], second)).data["score"]
        assert (one < other) == (first[0] == "楽")


async def test_no_word_of_feeling_is_said_plainly(contexts: dict[Lang, Context]) -> None:
    result = await label(contexts["ja"], "会議は三時に始まります")
    assert result.data["emotion"] == "neutral"
    assert result.data["score"] == 0
    assert result.data["evidence"] == []
    assert result.note is not None


async def test_crisis_words_come_with_someone_to_call(contexts: dict[Lang, Context]) -> None:
    ja = await label(contexts["ja"], "もう死にたい")
    assert ja.data["label"] == "negative"
    assert "0120-279-338" in str(ja.note)
    en = await label(contexts["en"], "I want to die")
    assert en.data["label"] == "negative"
    assert "988" in str(en.note)


@pytest.mark.parametrize("text", ["", "  ", "「」"])
async def test_empty_text_is_asked_for(contexts: dict[Lang, Context], text: str) -> None:
    with pytest.raises(FunctionError) as caught:
        await label(contexts["ja"], text)
    assert caught.value.code == "invalid"


@pytest.mark.parametrize("text", ["오늘은 정말 행복해요", "Я очень рад", "Je suis très heureux avec mes amis"])
async def test_other_languages_are_refused_in_a_plain_sentence(contexts: dict[Lang, Context], text: str) -> None:
    with pytest.raises(FunctionError, match="Japanese and English"):
        await label(contexts["en"], text)


def test_lexicon_is_large_and_well_formed() -> None:
    lexicon = _lexicon.lexicon()
    for entries in (lexicon.ja, lexicon.en):
        assert len(entries) >= 350
        assert len({entry.word for entry in entries}) == len(entries)
    used = set()
    for entry in (*lexicon.ja, *lexicon.en, *lexicon.symbols):
        assert -1 <= entry.weight <= 1
        assert entry.emotion in get_args(_lexicon.Emotion)
        used.add(entry.emotion)
    assert used == set(get_args(_lexicon.Emotion))


def test_card_has_examples_in_both_languages() -> None:
    card = sentiment_label.card
    assert {example.lang for example in card.examples} == {"ja", "en"}
    assert 8 <= len(card.examples) <= 12
    assert card.parameters["properties"]["granularity"]["enum"] == ["basic", "detailed"]


async def test_model_reads_what_has_no_word_of_feeling(contexts: dict[Lang, Context]) -> None:
    """Irony is beyond a lexicon; what the lexicon reads, and a cry for help, need no model."""
    async with OllamaServer() as server:
        said = '{"polarity": "negative", "emotion": "disappointment"}'
        server.install("gemma3:4b", reply=lambda _body: Reply([said]))
        settings = contexts["en"].settings.model_copy(update={"replier": "auto", "ollama_url": server.url})
        async with ChatModel(settings) as chat:
            context = replace(contexts["en"], settings=settings, chat=chat)
            result = await label(context, "The zip broke on day two", granularity="basic")
            assert (result.data["label"], result.data["emotion"]) == ("negative", "disappointment")
            await label(context, "I am so happy with it", granularity="basic")
            await label(context, "I want to die")
            assert len(server.bodies("/api/chat")) == 1
            server.remove("gemma3:4b")
            assert (await label(context, "The zip broke on day two")).data["label"] == "neutral"
