"""Replies without a model: a function's result in words, a question for what is missing, and plain small talk.

What is not covered is free conversation: it says what it can do and how to get the full model.
"""

import re
from collections.abc import AsyncIterator

from agent.messages import Lang, Result
from agent.replies import Piece, Start, Task, texts

_GREETINGS: tuple[tuple[str, str, str], ...] = (
    # pattern, reply in Japanese, reply in English
    (
        r"おはよう|good morning",
        "おはようございます。今日は何をお手伝いしましょうか？",
        "Good morning! What can I do for you today?",
    ),
    (
        r"こんにちは|こんにちわ|はじめまして|初めまして|やあ$|ハロー|^(hi|hello|hey|yo)\b|nice to meet you",
        "こんにちは。お会いできてうれしいです。何をお手伝いしましょうか？",
        "Hello, nice to meet you too! What can I do for you?",
    ),
    (
        r"こんばんは|こんばんわ|good evening",
        "こんばんは。何をお手伝いしましょうか？",
        "Good evening! What can I do for you?",
    ),
    (
        r"おやすみ|good ?night",
        "おやすみなさい。ゆっくり休んでくださいね。",
        "Good night, sleep well!",
    ),
    (
        r"ありがと|サンキュー|助かった|感謝|\bthank(s| you)\b|\bthx\b|\bcheers\b",
        "どういたしまして。またいつでもどうぞ。",
        "You're welcome! I'm here whenever you need me.",
    ),
    (
        r"さようなら|さよなら|バイバイ|またね|じゃあね|\b(good)?bye\b|see you",
        "またいつでも声をかけてくださいね。",
        "Goodbye! Come back any time.",
    ),
    (
        r"ごめん|すみません$|\bsorry\b",
        "いえいえ、気にしないでください。",
        "No problem at all.",
    ),
)
_WHO = r"(君|きみ|あなた|お前)(は|って|の名前)?.*(誰|だれ|何者|名前)|who are you|what are you\b|your name"
_WHAT = r"何ができ|なにができ|できること|使い方|ヘルプ|what can you do|how (do|can) i use you|\bhelp\b"

_ABILITIES: dict[str, tuple[str, str]] = {
    "weather_info": ("天気", "the weather"),
    "travel_guide": ("旅行先の案内", "travel guides"),
    "celebrity_info": ("有名な人のこと", "well-known people"),
    "shopping_intent": ("買い物の相談", "shopping advice"),
    "sentiment_label": ("文章の気持ちの判定", "the feeling of a text"),
    "schedule_reminder": ("リマインダー", "reminders"),
    "translation_assist": ("よく使う表現の翻訳", "everyday translations"),
}


class OfflineReplier:
    """Makes replies out of results and a few set phrases.

    Args:
        piece: about how many characters a chunk has.
    """

    name = "offline"

    def __init__(self, piece: int = 40) -> None:
        self._piece = piece

    async def reply(self, task: Task) -> AsyncIterator[Piece]:
        """Yields the reply in pieces that end at the end of a clause where they can."""
        yield Start(self.name)
        text = self.text(task)
        while text:
            cut = _clause_end(text, self._piece)
            yield text[:cut]
            text = text[cut:]

    def text(self, task: Task) -> str:
        """The whole reply."""
        route, lang = task.route, task.route.turn.lang
        if task.result is not None:
            return _from_result(lang, task.result)
        if route.function and route.unserved:
            return texts.unserved(lang, route.function)
        if route.function and route.withheld:
            return texts.withheld(lang, route.function)
        if route.function and route.missing:
            return texts.ask(lang, route.function, route.missing)
        return _conversation(lang, route.turn.text, [card.name for card in task.cards])


def _from_result(lang: Lang, result: Result) -> str:
    if result.status == "error":
        return result.error.message if result.error else texts.unable(lang)
    lines = [result.summary or _plainly(result)]
    points = result.data.get("points")
    if isinstance(points, list):
        lines += [("・" if lang == "ja" else "• ") + str(point) for point in points]
    for name in ("note", "source"):
        if value := result.data.get(name):
            label = {"note": "", "source": "出典：" if lang == "ja" else "Source: "}[name]
            lines.append(label + str(value))
    return "\n".join(line for line in lines if line)


def _plainly(result: Result) -> str:
    """A result without a summary, as a worker in another language may give it."""
    shown = {key: value for key, value in result.data.items() if not isinstance(value, dict | list)}
    return "\n".join(f"{key}: {value}" for key, value in shown.items()) or str(result.data)


def _conversation(lang: Lang, text: str, functions: list[str]) -> str:
    for pattern, ja, en in _GREETINGS:
        if re.search(pattern, text, re.IGNORECASE):
            return ja if lang == "ja" else en
    can = _abilities(lang, functions)
    if re.search(_WHO, text, re.IGNORECASE):
        return f"FuncGemmaです。{can}" if lang == "ja" else f"I'm FuncGemma, an assistant on your own machine. {can}"
    if re.search(_WHAT, text, re.IGNORECASE):
        return can
    if lang == "ja":
        return f"自由なおしゃべりには、チャットモデルが必要です（入れ方は「funcgemma models」でわかります）。{can}"
    return f"I'd need my chat model for free conversation (funcgemma models tells how to get it). {can}"


def _abilities(lang: Lang, functions: list[str]) -> str:
    known = [_ABILITIES[name][0 if lang == "ja" else 1] for name in functions if name in _ABILITIES]
    known += [f"「{name}」" if lang == "ja" else name for name in functions if name not in _ABILITIES]
    if not known:
        return "今は使える機能がありません。" if lang == "ja" else "No functions are connected right now."
    if lang == "ja":
        return f"今お手伝いできるのは、{'、'.join(known)}です。"
    listed = ", ".join(known[:-1]) + f" and {known[-1]}" if len(known) > 1 else known[0]
    return f"Right now I can help with {listed}."


def _clause_end(text: str, about: int) -> int:
    """Where to cut off the next piece: behind the clause that ends nearest after `about` characters."""
    if len(text) <= about:
        return len(text)
    found = re.compile(r"[。！？、\n]|[.!?,;] ?| ").search(text, about)
    return found.end() if found and found.end() <= 2 * about else about
