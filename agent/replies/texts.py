"""What the assistant itself says, in both languages: questions, refusals, excuses."""

from collections.abc import Mapping, Sequence

from agent.messages import Lang

_ROLES_JA = {"router": "ルーター", "chat": "チャット", "function": "機能", "journal": "ジャーナル"}


def empty(lang: Lang) -> str:
    """To a turn without text."""
    return (
        "何も入力されていないようです。もう一度お願いします。"
        if lang == "ja"
        else "There was no text. Please try again."
    )


def too_long(lang: Lang, length: int, limit: int) -> str:
    """To a turn over the limit."""
    if lang == "ja":
        return f"長すぎます（{length:,}文字）。{limit:,}文字以内でお願いします。"
    return f"That is too long ({length:,} characters). Please keep it under {limit:,}."


_TOO_MUCH: Mapping[str, tuple[str, str]] = {
    "rate": (
        "送信が速すぎます（1秒あたり{number:g}件まで）。少し待ってから、もう一度お願いします。",
        "That is too fast: {number:g} turns a second at most. Please wait a moment and say it again.",
    ),
    "turns": (
        "返事を待っている発言が多すぎます（{number:g}件まで）。返事が来てから、もう一度お願いします。",
        "Too many turns are waiting for a reply: {number:g} at most. Please say it again after the next reply.",
    ),
    "conversations": (
        "返事を待っている会話が多すぎます（{number:g}件まで）。返事が来てから、もう一度お願いします。",
        "Too many conversations are waiting for a reply: {number:g} at most. Please say it again after the next reply.",
    ),
}


def too_much(lang: Lang, limit: str, number: float) -> str:
    """To a turn of a client that has used up its quota."""
    return _TOO_MUCH[limit][0 if lang == "ja" else 1].format(number=number)


def result_too_large(lang: Lang, function: str, size: int, limit: int) -> str:
    """In place of a result over the limit."""
    if lang == "ja":
        return f"「{function}」の結果が大きすぎます（{size:,}バイト。上限は{limit:,}バイト）。"
    return f"What {function} found is too large: {size:,} bytes, {limit:,} at most."


def unserved(lang: Lang, function: str) -> str:
    """To a call of a function whose worker is away."""
    if lang == "ja":
        return f"「{function}」は今つながっていません。担当のワーカーが動き出してから、もう一度お願いします。"
    return f"{function} is not connected right now. Please ask again once its worker is running."


def withheld(lang: Lang, function: str) -> str:
    """To a call that a dry run may not make."""
    if lang == "ja":
        return f"試行のため、「{function}」は呼び出していません。"
    return f"This is a dry run, so {function} was not called."


def no_answer_from_function(lang: Lang, function: str) -> str:
    """Where a function never answered."""
    if lang == "ja":
        return f"「{function}」から返事がありませんでした。しばらくしてから、もう一度お願いします。"
    return f"{function} did not answer. Please try again in a while."


def no_answer_from_role(lang: Lang, role: str, *, online: bool) -> str:
    """Where a worker never answered."""
    if lang == "ja":
        state = "応答しませんでした" if online else "停止しています"
        return f"{_ROLES_JA[role]}が{state}。「funcgemma status」で状態を確認してください。"
    return f"The {role} {'did not answer' if online else 'is not running'}. Please look at: funcgemma status"


_ASK: Mapping[str, tuple[str, str]] = {
    "weather_info.location": ("どこの天気をお調べしますか？", "Which place would you like the weather for?"),
    "travel_guide.destination": ("どちらの旅行情報をお調べしますか？", "Which destination are you interested in?"),
    "celebrity_info.person_name": ("どなたについてお調べしますか？", "Who would you like to know about?"),
    "shopping_intent.product_or_service": ("何をお探しですか？", "What are you looking for?"),
    "sentiment_label.text": ("どの文章の気持ちを見ましょうか？", "Which text should I look at?"),
    "schedule_reminder.action": (
        "予定を追加しますか、確認しますか、それとも取り消しますか？",
        "Should I add a reminder, look one up, or cancel one?",
    ),
    "translation_assist.text": ("どの言葉を訳しましょうか？", "What would you like translated?"),
    "translation_assist.target_language": ("何語に訳しましょうか？", "Which language should I translate it into?"),
}


def ask(lang: Lang, function: str, missing: Sequence[str]) -> str:
    """Asks for the first argument that is missing."""
    first = missing[0]
    known = _ASK.get(f"{function}.{first}")
    if known is not None:
        return known[0] if lang == "ja" else known[1]
    if lang == "ja":
        return f"「{function}」に必要な「{first}」を教えてください。"
    return f"What should “{first.replace('_', ' ')}” be for {function}?"


def cancelled(lang: Lang) -> str:
    """The whole of a reply that was cancelled before it began."""
    return "（取り消しました）" if lang == "ja" else "(cancelled)"


def unable(lang: Lang) -> str:
    """Where a reply could not be made."""
    if lang == "ja":
        return "すみません、返事を作れませんでした。もう一度お願いします。"
    return "Sorry, I could not make a reply. Please try again."
