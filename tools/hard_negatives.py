"""None cases with a trap: words of the functions without the wish.

A trap is a word of the lists below, a time, a name that is an argument of another case, or a place, a person or goods
that the router knows by name. That it is there can be proven; whether it makes the case hard can not. Cases whose trap is
in the sense, not in a word, are missed: the share that is found is a lower bound.
"""
# ruff: noqa: E501, RUF100 - lists of words are read across

import re
from collections.abc import Iterable, Mapping
from typing import Any

from agent.routing.gazetteer import Gazetteer
from agent.routing.text import normalise
from agent.settings import settings
from tools.near_duplicates import letters
from tools.variety import entities

Item = Mapping[str, Any]

_WORDS = {
    "ja": """東京 大阪 京都 沖縄 北海道 ヨーロッパ アメリカ 天気 気温 雨 降り 降る 降っ 雪 霜 台風 傘 晴れ 暑 寒 風が 雷 梅雨 湿度 予報 虹 桜 旅行 観光 旅 出張 温泉 ホテル 宿 空港 新幹線 電車 飛行機 駅 祭り 花火 名物 お土産 引っ越し 出身 海外
        俳優 歌手 選手 監督 作家 首相 大統領 芸人 アイドル 伝記 映画 ドラマ 漫画 アニメ 小説 曲 ライブ 試合 買 値段 セール 安 高い 通販 注文 届い 店 商品 新品 中古 円 欲し ほし プレゼント 財布
        嬉し うれし 悲し 楽し 怒 泣 つら 疲れ 幸せ 不安 寂し さみし 気持ち 感情 イライラ むか 緊張 予定 会議 予約 約束 アラーム 目覚まし リマインド 締め切り 締切 カレンダー 歯医者 病院 面接 明日 来週 誕生日
        英語 日本語 中国語 韓国語 フランス語 ドイツ語 スペイン語 外国語 翻訳 通訳 訳し 発音 単語 方言 留学 言葉 打ち合わせ 登録""",
    "en": """weather rain raining rained rainy snow snowed snowing sunny storm wind windy cold hot heat umbrella forecast fog thunder sunset
        hail frost warm chilly shower showers tide season
        trip travel traveled travelled holiday vacation hotel flight airport train trains bus beach museum festival abroad visited moved hometown
        actor actress singer band movie film book books novel album song concert match game president team biography famous celebrity
        buy bought buying shop shopping store price prices cheap expensive sale order ordered deal amazon delivery delivered gift brand money wallet
        happy sad angry upset cried crying tired lonely anxious nervous scared mood feeling feelings emotion emotions love loved hate excited
        meeting meetings appointment schedule alarm reminder reminders calendar deadline tomorrow dentist doctor interview booked birthday shift standup remind timer
        english japanese french spanish german chinese korean italian language languages translate translation translator accent fluent saying word words""",
}
_TIME = re.compile(
    r"[0-9一二三四五六七八九十]時|[月火水木金土日]曜|\d:\d\d|\b\d{1,2} ?[ap]m\b|o'clock|\b(mon|tues|wednes|thurs|fri|satur|sun)days?\b"
)
_KINDS = frozenset({"PLACE", "PERSON", "product"})
_CUES = {lang: frozenset(words.split()) for lang, words in _WORDS.items()}


class Hardness:
    """Tells none cases with the functions' words or entities in them.

    Args:
        items: cases with functions; their entities are what a none case may mention.
    """

    def __init__(self, items: Iterable[Item]) -> None:
        names = {letters(value) for found in entities(items).values() for value in found}
        self._names = {name for name in names if len(name) > (1 if not name.isascii() else 3)}
        self._longest = max(map(len, self._names), default=0)
        self._gazetteer = Gazetteer.read(settings().cases.parent / "offline")

    def __call__(self, item: Item) -> bool:
        """Whether the turn, or the dialogue before it, mentions something that a function is about."""
        text = " ".join(message["content"] for message in item["conversation"])
        low = text.lower()
        if any(word in low for word in _CUES["ja"]) or _TIME.search(low):
            return True
        words = re.findall(r"[a-zà-ÿ']+", low)
        if not _CUES["en"].isdisjoint(words):
            return True
        joined = {letters("".join(words[at : at + size])) for at in range(len(words)) for size in (1, 2, 3)}
        if not self._names.isdisjoint(joined):
            return True
        if any(kind in _KINDS for _, _, kind in self._gazetteer.spans(normalise(text))):
            return True
        plain = letters(text)
        return any(
            plain[at : at + size] in self._names
            for at in range(len(plain))
            for size in range(2, min(self._longest, 12) + 1)
            if not plain[at : at + size].isascii()
        )
