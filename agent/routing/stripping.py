"""Cuts away what surrounds a value: particles, politeness, articles, quotation marks, trailing punctuation."""
# ruff: noqa: E501, RUF100 - the patterns are lists of words

import re

_QUOTES = {"「": "」", "『": "』", "“": "”", "‘": "’", '"': '"', "'": "'", "«": "»", "【": "】"}
_EDGES = " \t\n　、。，．,;:!！?？…~〜"
_BEFORE = re.compile(
    r"^(?:(?:um+|uh+|er+|ah|oh|well|so|ok(?:ay)?|yes|yeah|yep|right|sure|maybe|perhaps|i think|i guess|i mean|let'?s say|make it|"
    r"make that|it'?s|it is|that'?s|i said|say|how about|to|into|in|at|on|for|from|near|around|by|until|about|the one in|"
    r"for the|the|an?|えっと|えーと|ええと|えー|あー|うーん|んー|あ|ああ|じゃあ|では|はい|うん|そうだな|そうですね|やっぱり|やっぱ)"
    r"(?:[\s,、。…!]+|(?<=[ぁ-んー])))",
    re.IGNORECASE,
)
_AFTER = re.compile(
    r"(?:[\s,]+(?:please|pls|plz|thanks|thank you|thx|cheers|i think|i guess|maybe|then|mate|ta|would be (?:great|fine|good))"
    r"|(?:を|で|に|は|が|へ|の|も)?(?:お願いします|おねがいします|お願い|おねがい|たのむ|頼む|頼みます|ください|下さい)|でいいです|でいい|で頼みます|"
    r"(?:です|だよ|だね|だ|ですね|ですが|かな|かしら|やな|やで|や)(?:ー|～)?|(?<=[^ぁ-ん])(?:で|に|を|は|が|へ|の|って|よ|ね|と|なんですけど))$",
    re.IGNORECASE,
)


def bare(text: str) -> str:
    """The value that a short answer holds: "in Boston please" gives "Boston", 「東京で」 gives 「東京」."""
    kept = unquoted(text)
    while True:
        before = kept
        kept = kept.strip(_EDGES)
        for pattern in (_BEFORE, _AFTER):
            shorter = pattern.sub("", kept, count=1)
            if shorter.strip(_EDGES):
                kept = shorter
        kept = unquoted(kept)
        if kept == before:
            return kept


def unquoted(text: str) -> str:
    """The text without a pair of quotation marks around the whole of it."""
    kept = text.strip()
    while len(kept) > 2 and _QUOTES.get(kept[0]) == kept[-1] and kept[0] not in kept[1:-1]:
        kept = kept[1:-1].strip()
    return kept
