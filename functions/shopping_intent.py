"""What to look at when buying something, and where to look for it.

Covers checkpoints by category, comparison of two or three named products, and search links of shops. Knows no prices
and no stock: the links do. Needs no network.
"""

from typing import Any, Literal

from functions import _shopping_guide
from functions._shopping_guide import Category, Kind, Role
from functions.registry import Context, FunctionError, FunctionResult, function

IntentType = Literal["buy", "compare", "research", "deal"]
_POINTS = 6
_FIRST: dict[IntentType | None, Role] = {
    "buy": "shop",
    "compare": "prices",
    "research": "reviews",
    "deal": "prices",
    None: "prices",
}
_LINKS: dict[IntentType | None, int] = {"buy": 3, "compare": 2, "research": 2, "deal": 3, None: 2}


@function(
    effects="none",
    examples=[
        ("新しいイヤホンほしいなあ", {"product_or_service": "イヤホン"}),
        ("ロボット掃除機を買いたい", {"product_or_service": "ロボット掃除機", "intent_type": "buy"}),
        (
            "ルンバとエコバックス、どっちがいい？",
            {"product_or_service": "ルンバとエコバックス", "intent_type": "compare"},
        ),
        ("引っ越し業者ってどこが安い？", {"product_or_service": "引っ越し業者", "intent_type": "deal"}),
        ("マットレスのおすすめを教えて", {"product_or_service": "マットレス", "intent_type": "research"}),
        ("my back would thank me for a decent desk chair", {"product_or_service": "desk chair"}),
        ("Where can I order running shoes?", {"product_or_service": "running shoes", "intent_type": "buy"}),
        (
            "Dyson V15 or Shark Stratos, which one should I get?",
            {"product_or_service": "Dyson V15 or Shark Stratos", "intent_type": "compare"},
        ),
        ("any discounts on a 4K TV right now?", {"product_or_service": "4K TV", "intent_type": "deal"}),
        (
            "Is that rice cooker any good? reviews please",
            {"product_or_service": "rice cooker", "intent_type": "research"},
        ),
    ],
)
async def shopping_intent(
    product_or_service: str, intent_type: IntentType | None = None, *, context: Context
) -> FunctionResult:
    """Shopping help for a product or a paid service: buying, choosing, comparing, reviews, prices, discounts.

    Call it when the user wants to buy or order something, wishes for it in passing, asks which one is good or better,
    or what it costs and where it is cheap.

    Args:
        product_or_service: The product or service as the user wrote it, brand included; two that are compared as one
            text, such as イヤホン, desk chair, ルンバとエコバックス, Dyson V15 or Shark Stratos.
        intent_type: What the user wants: buy (order it), compare (two or more products), research (which one is good,
            reviews), deal (price, discount, where it is cheap).
        context: The turn that asks.
    """
    asked = " ".join(product_or_service.split()).strip(" 「」\"'。、?？!！")
    if not asked:
        raise FunctionError(
            "invalid",
            context.say(
                ja="何をお探しでしょうか。商品やサービスの名前を教えてください。",
                en="What are you looking for? Please name a product or a service.",
            ),
        )
    products = _shopping_guide.split(asked, comparing=intent_type == "compare")
    categories = [_shopping_guide.category(product) for product in products]
    intent = intent_type or ("compare" if len(products) > 1 else None)
    kind: Kind = next((each.kind for each in categories if each), "product")
    checks = _checks(products, categories, kind, context)
    links = _links(products, kind, intent, context)
    # With several products the first page is shown for each of them, otherwise the first pages for the one.
    shown = links[: max(_LINKS[intent], len(products))]
    said = [f"{link['name']}: {link['url']}" for link in shown]
    kept = checks[: _POINTS - len(said)]
    return FunctionResult(
        summary=_summary(products, categories, intent, context),
        data={
            "products": products,
            "categories": [each.id if each else None for each in categories],
            "intent": intent,
            "checks": checks,
            "links": links,
        },
        points=[*said, *kept] if intent == "deal" else [*kept, *said],
        note=context.say(
            ja="価格や在庫は確認していません。リンク先でお確かめください。",
            en="I have not looked up prices or stock: the links show them.",
        ),
        source=context.say(ja="FuncGemmaの内蔵ガイド", en="offline guide of FuncGemma"),
    )


def _checks(products: list[str], categories: list[Category | None], kind: Kind, context: Context) -> list[str]:
    """What to look at: of the category they share, or of each, or in general."""
    known = {each.id: each for each in categories if each}
    if not known:
        return [check[context.lang] for check in _shopping_guide.guide().general[kind]]
    if len(known) == 1:
        # A brand that is not known is compared with one that is: both are of its category.
        return [check[context.lang] for check in next(iter(known.values())).checks]
    return [
        f"{product}: {check[context.lang]}"
        for product, each in zip(products, categories, strict=True)
        if each
        for check in each.checks[:2]
    ]


def _links(products: list[str], kind: Kind, intent: IntentType | None, context: Context) -> list[dict[str, Any]]:
    return [
        {
            "name": page.name
            if len(products) == 1
            else context.say(ja=f"{page.name}（{product}）", en=f"{page.name} ({product})"),
            "url": page.address(product),
            "product": product,
        }
        for page in _shopping_guide.pages(kind, context.lang, _FIRST[intent])
        for product in products
    ]


def _summary(
    products: list[str], categories: list[Category | None], intent: IntentType | None, context: Context
) -> str:
    if len(products) > 1:
        names_ja, names_en = "と".join(f"「{product}」" for product in products), " and ".join(products)
        return context.say(
            ja=f"{names_ja}を比べるときに見るポイントと、価格を調べられるページをまとめました。",
            en=f"Here is what to look at when comparing {names_en}, and where to check their prices.",
        )
    product = products[0]
    name = categories[0].names[context.lang] if categories[0] else product
    shown = (
        product
        if name.casefold() in product.casefold()
        else context.say(ja=f"{product}（{name}）", en=f"{product} ({name})")
    )
    told: dict[IntentType | None, tuple[str, str]] = {
        "buy": (
            f"{shown}を買うときの確認ポイントと、購入できるページをまとめました。",
            f"Here is what to check before buying: {shown}, and where to order it.",
        ),
        "deal": (
            f"{shown}の価格を比べられるページと、選ぶときの確認ポイントをまとめました。",
            f"Here is where to compare prices for {shown}, and what to check before you pay.",
        ),
        "research": (
            f"{shown}を選ぶときの確認ポイントと、口コミを調べられるページをまとめました。",
            f"Here is what to look at when choosing: {shown}, and where to read reviews.",
        ),
    }
    ja, en = told.get(
        intent,
        (
            f"{shown}を選ぶときの確認ポイントと、探せるページをまとめました。",
            f"Here is what to look at when choosing: {shown}, and where to look for it.",
        ),
    )
    return context.say(ja=ja, en=en)
