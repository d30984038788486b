"""Languages: their ISO 639-1 codes, their names in Japanese and English, and which one a text is in."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from functions._nearness import nearest


@dataclass(frozen=True)
class Language:
    """A language; `aliases` are further names, its own among them."""

    code: str
    ja: str
    en: str
    aliases: Sequence[str] = ()

    def name(self, lang: str) -> str:
        """Its name in `lang`, ja or en."""
        return self.ja if lang == "ja" else self.en


_TABLE = """
ja 日本語 Japanese|jp,jpn,nihongo,にほんご,和文,邦訳,日文,일본어,japonais,japonés,japanisch,giapponese
en 英語 English|eng,えいご,英文,英訳,イングリッシュ,米語,アメリカ英語,イギリス英語,american english,\
british english,영어,anglais,inglés,englisch,inglese
zh 中国語 Chinese|cn,chi,zho,中文,汉语,漢語,普通话,ちゅうごくご,簡体字,簡体中国語,中国語（簡体字）,\
北京語,マンダリン,mandarin,mandarin chinese,simplified chinese,中訳,华语,\
繁体字,繁体中国語,台湾華語,traditional chinese,\
중국어,chinois,chino,chinesisch,cinese
ko 韓国語 Korean|kr,kor,かんこくご,朝鮮語,コリア語,ハングル,hangul,한국어,조선말,韩语,coréen,coreano,koreanisch
fr フランス語 French|fra,fre,仏語,仏訳,ふらんすご,français,francais,フレンチ,法语,프랑스어,\
francés,französisch,francese
es スペイン語 Spanish|spa,西語,すぺいんご,español,espanol,castilian,castellano,スパニッシュ,西班牙语,스페인어,\
espagnol,spanisch,spagnolo
de ドイツ語 German|deu,ger,独語,独訳,どいつご,deutsch,ジャーマン,德语,독일어,allemand,alemán,tedesco
it イタリア語 Italian|ita,伊語,いたりあご,italiano,イタリアン,意大利语,이탈리아어,italien,italienisch
pt ポルトガル語 Portuguese|por,葡語,português,portugues,ブラジルポルトガル語,ブラジル語,brazilian portuguese,brazilian
ru ロシア語 Russian|rus,露語,русский
ar アラビア語 Arabic|ara,العربية
hi ヒンディー語 Hindi|hin,ヒンディ語,ヒンズー語,हिन्दी
bn ベンガル語 Bengali|ben,bangla,বাংলা
ur ウルドゥー語 Urdu|urd,ウルドゥ語,اردو
fa ペルシア語 Persian|fas,per,ペルシャ語,farsi,فارسی
tr トルコ語 Turkish|tur,türkçe,turkce
vi ベトナム語 Vietnamese|vie,ヴェトナム語,tiếng việt
th タイ語 Thai|tha,ภาษาไทย
id インドネシア語 Indonesian|ind,bahasa indonesia
ms マレー語 Malay|msa,may,マレーシア語,bahasa melayu
tl タガログ語 Tagalog|tgl,フィリピノ語,フィリピン語,filipino
nl オランダ語 Dutch|nld,dut,蘭語,nederlands
sv スウェーデン語 Swedish|swe,スエーデン語,svenska
no ノルウェー語 Norwegian|nor,norsk,bokmål
da デンマーク語 Danish|dan,dansk
fi フィンランド語 Finnish|fin,suomi
is アイスランド語 Icelandic|isl,ice,íslenska
pl ポーランド語 Polish|pol,polski
cs チェコ語 Czech|ces,cze,čeština
sk スロバキア語 Slovak|slk,slo,slovenčina
hu ハンガリー語 Hungarian|hun,magyar
ro ルーマニア語 Romanian|ron,rum,română
bg ブルガリア語 Bulgarian|bul,български
el ギリシャ語 Greek|ell,gre,ギリシア語,ελληνικά
uk ウクライナ語 Ukrainian|ukr,українська
sr セルビア語 Serbian|srp,srpski,српски
hr クロアチア語 Croatian|hrv,hrvatski
sl スロベニア語 Slovenian|slv,slovene,slovenščina
lt リトアニア語 Lithuanian|lit,lietuvių
lv ラトビア語 Latvian|lav,latviešu
et エストニア語 Estonian|est,eesti
he ヘブライ語 Hebrew|heb,iw,עברית
sw スワヒリ語 Swahili|swa,kiswahili
mn モンゴル語 Mongolian|mon,монгол
ne ネパール語 Nepali|nep,नेपाली
my ミャンマー語 Burmese|mya,bur,ビルマ語,myanmar
km クメール語 Khmer|khm,カンボジア語,cambodian
lo ラオス語 Lao|ラオ語,laotian
ta タミル語 Tamil|tam,தமிழ்
te テルグ語 Telugu|tel,తెలుగు
si シンハラ語 Sinhala|sin,sinhalese
ka ジョージア語 Georgian|kat,グルジア語,ქართული
hy アルメニア語 Armenian|hye,հայերեն
kk カザフ語 Kazakh|kaz,қазақ
uz ウズベク語 Uzbek|uzb,oʻzbek
af アフリカーンス語 Afrikaans|afr
ca カタルーニャ語 Catalan|cat,カタロニア語,català
eu バスク語 Basque|eus,euskara
ga アイルランド語 Irish|gle,gaeilge,irish gaelic
cy ウェールズ語 Welsh|cym,cymraeg
la ラテン語 Latin|lat,latina
eo エスペラント語 Esperanto|エスペラント,epo
"""

_SCRIPTS = (
    ("ja", r"[ぁ-ゖァ-ヺ]"), ("ko", r"[가-힣ᄀ-ᇿㄱ-ㆎ]"), ("zh", r"[一-鿿]"), ("th", r"[\u0e00-\u0e7f]"),
    ("ar", r"[\u0600-\u06ff]"), ("he", r"[\u0590-\u05ff]"), ("hi", r"[\u0900-\u097f]"), ("el", r"[\u0370-\u03ff]"),
    ("ru", r"[\u0400-\u04ff]"),
)  # fmt: skip
_WORDS = """
en the a an is are am was i you he she it we they my your to of in and not do does what where how this that \
with
fr le la les un une des je tu il elle nous vous est suis sont et ne pas que qui où dans avec pour mon ma votre \
très c'est
es el la los las un una yo tú usted es soy está estoy son y no que de en con por para mi su muy dónde cómo qué
de der die das ein eine ich du er sie wir ihr ist bin sind und nicht zu mit für mein dein wo wie was sehr es \
auf
it il lo la gli un una io tu lei è sono siamo e non che di con per mio tuo dove come cosa molto sta questo
"""


@cache
def table() -> Mapping[str, Language]:
    """Every language known here, by code."""
    found = {}
    for line in _TABLE.strip().splitlines():
        names, _, aliases = line.partition("|")
        code, ja, en = names.split(" ", 2)
        found[code] = Language(code, ja, en, tuple(aliases.split(",")) if aliases else ())
    return found


@cache
def _by_name() -> Mapping[str, str]:
    index: dict[str, str] = {}
    for language in table().values():
        for name in (language.code, language.ja, language.en, *language.aliases):
            index.setdefault(_folded(name), language.code)
    return index


def code(name: str) -> str | None:
    """The code of a language named in any way (`EN-us`, `English`, `英語に`, `Frensh`); None where it is unknown."""
    key = _folded(name)
    index = _by_name()
    tries = [key, re.sub(r"[-_][a-z0-9-]+$", "", key)]
    tries.append(re.sub(r"(?:へ|に|で|の|を)?(?:翻訳|訳|直し)?(?:して|する)?(?:へ|に|で|を|訳)?$", "", key))
    tries.append(re.sub(r"^(?:in|into|to|from|the)\s+|\s+language$|で言うと$", "", key))
    for attempt in tries:
        if attempt in index:
            return index[attempt]
    # Codes are too short for a near miss: "ko" is one letter from "no".
    long = [known for known in index if len(known) > 3]
    near = nearest(key, long, least=0.8) if len(key) > 3 else []
    return index[near[0]] if near else None


def detect(text: str) -> str | None:
    """The language of a text by its script or, in Latin script, its commonest words; None where neither tells.

    Han characters alone are given as zh though they may be Japanese: the caller knows more.
    """
    for known, script in _SCRIPTS:
        if re.search(script, text):
            return known
    words = re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)?", text.casefold().replace("’", "'"))
    counts = {known: sum(word in common for word in words) for known, common in _common_words().items()}
    best = max(counts, key=lambda known: counts[known])
    alone = sum(count == counts[best] for count in counts.values()) == 1
    return best if counts[best] and alone else None


@cache
def _common_words() -> Mapping[str, frozenset[str]]:
    lines = (line.split() for line in _WORDS.strip().splitlines())
    return {known: frozenset(words) for known, *words in lines}


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold().strip(" 「」\"'.。")
