"""The shopping function: categories, comparisons, links, both languages."""

from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from agent.messages import Lang
from agent.settings import Settings
from functions import _shopping_guide
from functions.registry import FunctionError, FunctionResult
from functions.shopping_intent import shopping_intent
from tests.conftest import called

NAMED_IN_THE_TASK = {
    "earphones": ("イヤホン", "earphones"),
    "laptop": ("ノートパソコン", "laptop"),
    "phone": ("スマホ", "phone"),
    "robot_vacuum": ("ロボット掃除機", "robot vacuum"),
    "vacuum": ("掃除機", "vacuum cleaner"),
    "fridge": ("冷蔵庫", "fridge"),
    "rice_cooker": ("炊飯器", "rice cooker"),
    "air_conditioner": ("エアコン", "air conditioner"),
    "bike": ("自転車", "bike"),
    "shoes": ("靴", "shoes"),
    "running_shoes": ("ランニングシューズ", "running shoes"),
    "camera": ("カメラ", "camera"),
    "tv": ("テレビ", "TV"),
    "monitor": ("モニター", "monitor"),
    "desk_chair": ("デスクチェア", "desk chair"),
    "mattress": ("マットレス", "mattress"),
    "book": ("本", "books"),
    "game": ("ゲーム", "games"),
    "cosmetics": ("化粧品", "cosmetics"),
    "toys": ("おもちゃ", "toys"),
    "insurance": ("保険", "insurance"),
    "phone_plan": ("格安SIM", "phone plan"),
    "internet": ("光回線", "internet line"),
    "gym": ("ジム", "gym"),
    "moving": ("引っ越し業者", "moving service"),
    "car": ("車", "car"),
    "tyres": ("タイヤ", "tyres"),
    "tent": ("テント", "tent"),
    "coffee": ("コーヒーメーカー", "coffee machine"),
    "pet_food": ("ペットフード", "pet food"),
    "baby": ("ベビー用品", "baby goods"),
}


async def _ask(tmp_path: Path, product: str, intent: str | None = None, lang: Lang = "ja") -> FunctionResult:
    async with called(Settings(home=tmp_path, offline=True, replier="offline"), lang) as context:
        given = {"product_or_service": product} | ({"intent_type": intent} if intent else {})
        return await shopping_intent.call(given, context)


async def test_wish_gives_checks_and_links(tmp_path: Path) -> None:
    result = await _ask(tmp_path, "イヤホン")
    assert result.summary == "イヤホンを選ぶときの確認ポイントと、探せるページをまとめました。"
    assert result.data["categories"] == ["earphones"]
    assert result.points[0] == "有線かワイヤレスか、使う機器につながるか"
    assert len(result.points) == 6
    assert result.points[4].startswith("価格.com: https://search.kakaku.com/")
    assert "確認していません" in str(result.note)
    english = await _ask(tmp_path, "earbuds", lang="en")
    assert english.summary == "Here is what to look at when choosing: earbuds (earphones), and where to look for it."
    assert english.points[4].startswith("Google Shopping: ")


async def test_links_serve_the_language_and_are_encoded(tmp_path: Path) -> None:
    result = await _ask(tmp_path, "靴 & 100%/本革#1?")
    named = {link["name"]: link["url"] for link in result.data["links"]}
    assert list(named)[:4] == ["価格.com", "Amazon.co.jp", "楽天市場", "Yahoo!ショッピング"]
    for name, url in named.items():
        assert url.isascii()
        parts = urlsplit(url)
        assert parts.scheme == "https"
        assert not parts.fragment
        query = [value for values in parse_qs(parts.query).values() for value in values]
        assert any("靴 & 100%/本革#1" in text for text in (unquote(parts.path), *query)), name
    english = await _ask(tmp_path, "salt & pepper mill", lang="en")
    urls = [link["url"] for link in english.data["links"]]
    assert "https://www.amazon.com/s?k=salt%20%26%20pepper%20mill" in urls
    assert [link["name"] for link in english.data["links"]][:3] == ["Google Shopping", "Amazon.com", "eBay"]


@pytest.mark.parametrize(
    ("intent", "first", "points_start"),
    [
        ("deal", "価格.com", "価格.com: "),
        ("buy", "Amazon.co.jp", "用途に合う"),
        ("research", "YouTube（レビュー動画）", "用途に合う"),
        ("compare", "価格.com", "用途に合う"),
    ],
)
async def test_intent_chooses_the_links(tmp_path: Path, intent: str, first: str, points_start: str) -> None:
    result = await _ask(tmp_path, "ノートパソコン", intent)
    assert result.data["links"][0]["name"] == first
    assert result.points[0].startswith(points_start)
    assert len(result.points) == 6


async def test_services_get_other_pages_than_products(tmp_path: Path) -> None:
    result = await _ask(tmp_path, "引っ越し業者", "deal")
    names = [link["name"] for link in result.data["links"]]
    assert names[0] == "Google検索（料金比較）"
    assert "Amazon.co.jp" not in names
    english = await _ask(tmp_path, "car insurance", "research", lang="en")
    assert english.data["links"][0]["name"] == "Trustpilot"
    assert english.data["categories"] == ["insurance"]


async def test_two_products_are_compared_on_what_they_share(tmp_path: Path) -> None:
    result = await _ask(tmp_path, "ルンバとエコバックス", "compare")
    assert result.data["products"] == ["ルンバ", "エコバックス"]
    assert result.data["categories"] == ["robot_vacuum", "robot_vacuum"]
    assert (
        result.summary
        == "「ルンバ」と「エコバックス」を比べるときに見るポイントと、価格を調べられるページをまとめました。"
    )
    assert [point.split(":")[0] for point in result.points[4:]] == ["価格.com（ルンバ）", "価格.com（エコバックス）"]
    english = await _ask(tmp_path, "Dyson V15 or Foomatic 3", lang="en")
    assert english.data["products"] == ["Dyson V15", "Foomatic 3"]
    assert english.data["intent"] == "compare"
    # The brand nobody knows is compared by the category of the one that is known.
    assert english.points[0] == "Corded or cordless, and how long it runs"


async def test_products_of_two_categories_get_checks_of_both(tmp_path: Path) -> None:
    result = await _ask(tmp_path, "tablet vs laptop", lang="en")
    assert [point.split(":")[0] for point in result.points[:4]] == ["tablet", "tablet", "laptop", "laptop"]


@pytest.mark.parametrize(
    ("said", "products"),
    [
        ("iPhone vs Pixel", ["iPhone", "Pixel"]),
        ("iPhoneかPixel", ["iPhone", "Pixel"]),
        ("まくらとマットレス", ["まくら", "マットレス"]),
        ("トースターとオーブンの違い", ["トースター", "オーブン"]),
        ("iPad, Kindle and Surface", ["iPad", "Kindle", "Surface"]),
        ("Bang and Olufsen, Bose or Sonos", ["Bang and Olufsen", "Bose", "Sonos"]),
        ("MacBook Air、ThinkPad、Surface", ["MacBook Air", "ThinkPad", "Surface"]),
        ("敷きふとん", ["敷きふとん"]),
        ("かけふとんカバー", ["かけふとんカバー"]),
        ("ひとり用テント", ["ひとり用テント"]),
        ("おとな用おむつ", ["おとな用おむつ"]),
        ("かばん", ["かばん"]),
    ],
)
def test_split_finds_what_is_compared(said: str, products: list[str]) -> None:
    assert _shopping_guide.split(said, comparing=True) == products


@pytest.mark.parametrize(
    "said", ["Bang and Olufsen speaker", "ほっとカーペットとか", "やわらかソファ", "おもちゃとえほん"]
)
def test_what_may_be_one_product_is_not_split_unless_compared(said: str) -> None:
    assert _shopping_guide.split(said, comparing=False) == [said]


@pytest.mark.parametrize(("found", "names"), NAMED_IN_THE_TASK.items())
def test_categories_are_found_in_both_languages(found: str, names: tuple[str, str]) -> None:
    for name in names:
        each = _shopping_guide.category(name)
        assert each is not None, name
        assert each.id == found


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("いやほん", "earphones"),
        ("ＩＰＨＯＮＥ 17", "phone"),
        ("labtop", "laptop"),
        ("laptop bag", "bag"),
        ("カメラバッグ", "bag"),
        ("炊飯器のおすすめ", "rice_cooker"),
        ("gift for mom", "gift"),
        ("自動車保険", "insurance"),
        ("オレンジ", "food"),
        ("ドローン", "drone"),
        ("iPhoneケース", None),
        ("phone case", None),
        ("テレビ台", None),
        ("カメラの三脚", None),
        ("靴下", None),
        ("日本", None),
        ("ジムニー", None),
    ],
)
def test_category_is_that_of_the_last_noun(said: str, found: str | None) -> None:
    each = _shopping_guide.category(said)
    assert (each.id if each else None) == found


@pytest.mark.parametrize("lang", ["ja", "en"])
async def test_unknown_product_gets_the_general_checklist(tmp_path: Path, lang: Lang) -> None:
    result = await _ask(tmp_path, "zorbulator", "buy", lang)
    general = [check[lang] for check in _shopping_guide.guide().general["product"]]
    assert result.data["categories"] == [None]
    assert result.data["checks"] == general
    assert "zorbulator" in result.summary


@pytest.mark.parametrize(("lang", "says"), [("ja", "何をお探し"), ("en", "What are you looking for")])
async def test_nothing_named_is_asked_for(tmp_path: Path, lang: Lang, says: str) -> None:
    with pytest.raises(FunctionError, match=says) as raised:
        await _ask(tmp_path, " 「」 ", lang=lang)
    assert raised.value.code == "invalid"


def test_guide_is_complete() -> None:
    guide = _shopping_guide.guide()
    assert len(guide.categories) >= 45
    words = [word for each in guide.categories for word in {word.casefold() for word in each.words}]
    assert len(words) == len(set(words))
    for each in guide.categories:
        assert 4 <= len(each.checks) <= 6, each.id
        for check in each.checks:
            assert set(check) == {"ja", "en"}
            assert check["en"].isascii(), check
            assert not check["ja"].isascii(), check
    for kind in ("product", "service"):
        for lang in ("ja", "en"):
            found = [page for page in guide.pages if (page.kind, page.lang) == (kind, lang)]
            assert {page.role for page in found} == {"prices", "shop", "reviews"}
            assert all("{query}" in page.url for page in found)


@pytest.mark.parametrize("each", _shopping_guide.guide().categories, ids=lambda each: each.id)
def test_every_word_leads_to_its_category(each: _shopping_guide.Category) -> None:
    for word in each.words:
        found = _shopping_guide.category(word)
        assert found is not None, word
        assert found.id == each.id, word
