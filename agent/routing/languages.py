"""Names of languages in Japanese and English, and which of those a turn names is the target and which the source."""
# ruff: noqa: E501, RUF100 - a table is read across

import re
from collections.abc import Mapping

from agent.routing.text import normalise

_TABLE = """
ja 日本語 にほんご 和訳 邦訳 和文 japanese nihongo|en 英語 えいご 英訳 英文 english|zh 中国語 ちゅうごくご 中文 北京語 中訳 マンダリン 台湾華語 普通話 chinese mandarin|ko 韓国語 かんこくご 朝鮮語 ハングル korean
fr フランス語 仏語 ふらんすご 仏訳 french|de ドイツ語 独語 どいつご 独訳 german|es スペイン語 すぺいんご 西語 spanish castilian espanol|it イタリア語 いたりあご 伊語 italian|pt ポルトガル語 ブラジル語 portuguese
ru ロシア語 ろしあご 露語 russian|uk ウクライナ語 ukrainian|pl ポーランド語 polish|cs チェコ語 czech|sk スロバキア語 スロヴァキア語 slovak|hu ハンガリー語 hungarian|ro ルーマニア語 romanian|bg ブルガリア語 bulgarian
sr セルビア語 serbian|hr クロアチア語 croatian|sl スロベニア語 slovenian slovene|el ギリシャ語 ギリシア語 greek|tr トルコ語 turkish|ar アラビア語 あらびあご arabic|he ヘブライ語 hebrew|fa ペルシャ語 ペルシア語 persian farsi
hi ヒンディー語 ヒンディ語 ヒンズー語 hindi|ur ウルドゥー語 ウルドゥ語 urdu|bn ベンガル語 bengali bangla|ta タミル語 tamil|te テルグ語 telugu|mr マラーティー語 marathi|gu グジャラート語 gujarati|pa パンジャーブ語 パンジャブ語 punjabi|kn カンナダ語 kannada|ml マラヤーラム語 malayalam
ne ネパール語 ネパールご nepali|si シンハラ語 sinhala sinhalese|th タイ語 thai|vi ベトナム語 ヴェトナム語 べとなむご vietnamese|id インドネシア語 いんどねしあご indonesian bahasa|ms マレー語 マレーシア語 malay|tl タガログ語 フィリピン語 tagalog filipino|km クメール語 カンボジア語 khmer cambodian
lo ラオス語 ラオ語 lao|my ミャンマー語 ビルマ語 burmese|mn モンゴル語 mongolian|bo チベット語 tibetan|nl オランダ語 dutch flemish|sv スウェーデン語 swedish|no ノルウェー語 norwegian|da デンマーク語 danish|fi フィンランド語 finnish|is アイスランド語 icelandic
et エストニア語 estonian|lv ラトビア語 latvian|lt リトアニア語 lithuanian|ga アイルランド語 ゲール語 irish gaelic gaeilge|gd scottish_gaelic スコットランド・ゲール語|cy ウェールズ語 welsh|ca カタルーニャ語 カタロニア語 catalan|eu バスク語 basque|gl ガリシア語 galician|la ラテン語 latin|eo エスペラント語 エスペラント esperanto
sw スワヒリ語 swahili kiswahili|am アムハラ語 amharic|yo ヨルバ語 yoruba|ig イボ語 igbo|ha ハウサ語 hausa|zu ズールー語 zulu|xh コサ語 xhosa|af アフリカーンス語 afrikaans|so ソマリ語 somali|sq アルバニア語 albanian|mk マケドニア語 macedonian|bs ボスニア語 bosnian|be ベラルーシ語 belarusian
ka ジョージア語 グルジア語 georgian|hy アルメニア語 armenian|az アゼルバイジャン語 azerbaijani|kk カザフ語 kazakh|uz ウズベク語 uzbek|ky キルギス語 kyrgyz|ps パシュトー語 pashto|ku クルド語 kurdish|yi イディッシュ語 yiddish|mt マルタ語 maltese|lb ルクセンブルク語 luxembourgish
haw ハワイ語 hawaiian|mi マオリ語 maori|sm サモア語 samoan|yue 広東語 cantonese|ht ハイチ語 haitian_creole|ceb セブアノ語 cebuano|jv ジャワ語 javanese|br ブルトン語 breton|fj フィジー語 fijian|nv ナバホ語 navajo|iu イヌクティトゥット語 イヌイット語 inuktitut|st ソト語 sesotho sotho|gv マン島語 manx|tw トウィ語 twi
"""
_CODES: Mapping[str, str] = {
    name.replace("_", " "): code
    for group in _TABLE.strip().replace("\n", "|").split("|")
    for code, *names in [group.split()]
    for name in names
}
_MENTION = re.compile(
    "|".join(
        rf"\b{re.escape(name)}\b" if name.isascii() else re.escape(name)
        for name in sorted(_CODES, key=len, reverse=True)
    )
)
KNOWN = frozenset(_CODES.values())
"""The codes of all languages here."""

_SOURCE_AFTER = re.compile(
    r"^(から|(の|で書かれた|で届いた)(文|メール|手紙|歌詞|看板|説明|メニュー|単語|言葉|[「『\"“]| ?[a-z])|って|を|っぽい| to | into |-to-)"
)
_TARGET_AFTER = re.compile(
    r"^(に|へ|で(?!書かれ)|だと|では|版|、|$|なら|やと|で$| for | version| translation)|^[。!?.]"
)
_SOURCE_BEFORE = re.compile(r"(from|this|that|the|a|an|some|of|in) (the )?$")
_TARGET_BEFORE = re.compile(
    r"(in|into|to|in polite|for|an?|it's) (plain |polite |simple |formal |proper |brazilian )?$|[,—-] ?$|^$"
)


def language_code(name: str) -> str | None:
    """The ISO 639-1 code for a code or a name ("英語", "French"), or None."""
    plain = normalise(name)
    if plain in KNOWN:
        return plain
    if plain.split("-")[0] in KNOWN and 5 <= len(plain) <= 7 and "-" in plain:
        return plain.split("-")[0]
    return _CODES.get(plain) or _CODES.get(f"{plain}語")


def named_languages(text: str, quoted: str = "") -> tuple[str | None, str | None]:
    """Reads (source, target) out of a turn, as ISO 639-1 codes.

    Args:
        text: the turn.
        quoted: the part that is to be translated; languages named in it say nothing.
    """
    plain = normalise(text)
    inner = normalise(quoted)
    if inner and inner != plain:
        plain = plain.replace(inner, "\x00", 1)
    source: str | None = None
    targets: list[tuple[int, str]] = []
    found = list(_MENTION.finditer(plain))
    for mention in found:
        name, code = mention[0], _CODES[mention[0]]
        before, after = plain[: mention.start()], plain[mention.end() :]
        toward = 2 * (name.endswith("訳") or _TARGET_AFTER.search(after) is not None)
        if name.isascii():
            toward += 2 * (_TARGET_BEFORE.search(before) is not None)
        away = 3 * (_SOURCE_AFTER.search(after) is not None)
        if name.isascii():
            away += 2 * (before.endswith(("from ", "from the ")))
            opens = after[:3].strip(" ,:")[:1]
            away += 3 * (opens in ('"', "'", "\x00", "“") and len(found) > 1 and not after.startswith(" for"))
        if away > toward and (len(found) > 1 or after.startswith("から") or before.endswith("from ")):
            source = source or code
        else:
            targets.append((toward - away, code))
    target = max(reversed(targets), key=lambda pair: pair[0])[1] if targets else None
    return source, target if target != source else None
