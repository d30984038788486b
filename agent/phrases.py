"""What the terminal client itself says, in both languages."""

import os

from agent.messages import Lang
from agent.settings import Settings

_PHRASES: dict[str, tuple[str, str]] = {
    # name: Japanese, English
    "greeting": (
        "FuncGemmaです。何でも話しかけてください。（/help で使い方、Ctrl-D で終了）",
        "FuncGemma here: say anything. (/help for help, Ctrl-D to leave)",
    ),
    "help": (
        (
            "話しかけると、天気や旅行などは機能が調べ、ほかは会話で答えます。\n"
            "  /functions  使える機能\n"
            "  /history    この会話のやりとり\n"
            "  /new        新しい会話を始める\n"
            "  /quit       終了（Ctrl-D でも）\n"
            "返事の途中で Ctrl-C を押すと取り消します。"
        ),
        (
            "Say something: functions look up the weather and such, anything else is conversation.\n"
            "  /functions  what can be called\n"
            "  /history    what was said in this conversation\n"
            "  /new        a new conversation\n"
            "  /quit       leave (or Ctrl-D)\n"
            "Ctrl-C while a reply comes cancels it."
        ),
    ),
    "unknown": ("{0} というコマンドはありません。/help をご覧ください。", "There is no command {0}; see /help."),
    "too_long": (
        "長すぎます（{0:,}文字）。{1:,}文字以内でお願いします。",
        "That is too long ({0:,} characters). Please keep it under {1:,}.",
    ),
    "interrupted": (
        "終了するには /quit か、もう一度 Ctrl-C を押してください。",
        "To leave, type /quit or press Ctrl-C again.",
    ),
    "new": ("新しい会話を始めます。", "This is a new conversation."),
    "no_history": ("この会話にはまだ何もありません。", "Nothing was said in this conversation yet."),
    "no_functions": ("機能はまだ一つもつながっていません。", "No function has connected yet."),
    "served": ("接続中", "connected"),
    "unserved": ("未接続", "not connected"),
    "unknown_service": ("接続不明", "connection unknown"),
    "offline": ("{0}が停止中です。順番が来るまでお待ちください", "{0} is offline, your turn is waiting"),
    "bus": (
        "バスにつながりません。つながるまでお待ちください",
        "the bus is not reachable, your turn is waiting",
    ),
    "cancelling": (
        "取り消しています。もう一度 Ctrl-C を押すと、待つのをやめます",
        "cancelling; press Ctrl-C again to stop waiting",
    ),
    "abandoned": ("待つのをやめました。", "Stopped waiting for the reply."),
}

_ROLES_JA = {"router": "ルーター", "chat": "チャット", "journal": "ジャーナル"}


def phrase(name: str, lang: Lang, *values: object) -> str:
    """One of the phrases, with its values."""
    return _PHRASES[name][0 if lang == "ja" else 1].format(*values)


def waiting(what: str, lang: Lang) -> str:
    """Why a turn waits: `bus`, `cancelling`, a role, or a function that is away."""
    if what in ("bus", "cancelling"):
        return phrase(what, lang)
    return phrase("offline", lang, _ROLES_JA.get(what, f"「{what}」") if lang == "ja" else what)


def language(settings: Settings) -> Lang:
    """The user's language: as set, otherwise that of the environment."""
    if settings.lang is not None:
        return settings.lang
    # An empty variable counts as unset, as for every program that reads them.
    told = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return "ja" if told.lower().startswith("ja") else "en"
