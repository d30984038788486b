"""Models for `python -m tests.ollama_server`: rules that look like models, for trying things by hand.

What is not covered: being right. FunctionGemma goes by words in the last message, gemma3:4b repeats its facts.
"""

import argparse
import asyncio
import json
import re
from collections.abc import Mapping
from typing import Any

from tests.ollama_server import OllamaServer, Pulling, Reply

_PACE_S = 0.03
_RULES = (
    # words, function, its arguments: text, or the group of the words that has it
    (r"(?:weather|forecast)(?: like)? (?:in|for|at) ([A-Z]\w+)", "weather_info", {"location": 1}),
    (r"(\w+?)の(?:\w+の)?(?:天気|気温|予報)", "weather_info", {"location": 1}),
    (r"translate (.+) (?:to|into) (\w+)", "translation_assist", {"text": 1, "target_language": 2}),
    (r"(.+?)を(\w+語)(?:に|で)", "translation_assist", {"text": 1, "target_language": 2}),
    (r"[Rr]emind me to (.+)", "schedule_reminder", {"action": "create", "details": 1}),
    (r"[Ww]ho (?:is|was) (.+?)\??$", "celebrity_info", {"person_name": 1}),
    (r"(.+?)(?:って|とは)誰", "celebrity_info", {"person_name": 1}),
    (r"(?:visit|travel to|trip to|see in) ([A-Z]\w+)", "travel_guide", {"destination": 1}),
    (r"(\w+?)(?:の観光|旅行)", "travel_guide", {"destination": 1}),
    (r"(?:buy|shopping for) (?:a |an |some )?(.+?)[.?!]?$", "shopping_intent", {"product_or_service": 1}),
    (r"weather|天気", "get_current_weather", {"location": "Tokyo, Japan"}),
)
_DECLARED = re.compile(r"declaration:([\w.-]+)\{")
_FACTS = re.compile(r"(?:\[What \w+ found\]|【調べた結果（\w+）】)\n(.*?)\n(?:\[End|【ここまで】)", re.DOTALL)
_JAPANESE = re.compile(r"[぀-ヿ]")


def functiongemma(body: Mapping[str, Any]) -> Reply:
    """A call by words in the user's last message, in FunctionGemma's own format; a refusal where there are none."""
    system, text = _asked(body)
    declared = set(_DECLARED.findall(system)) | {tool["function"]["name"] for tool in body.get("tools") or ()}
    for words, function, arguments in _RULES:
        if function in declared and (found := re.search(words, text)):
            told = {key: found[value] if isinstance(value, int) else value for key, value in arguments.items()}
            inner = ",".join(f"{key}:<escape>{value}<escape>" for key, value in sorted(told.items()))
            call = f"<start_function_call>call:{function}{{{inner}}}<end_function_call><start_function_response>"
            return _slowly(call)
    return _slowly("I cannot assist with this request. My tools do something else.<end_of_turn>")


def gemma(body: Mapping[str, Any]) -> Reply:
    """A few sentences with the facts that stand in the prompt; with a `format`, an object of that form."""
    _, text = _asked(body)
    if isinstance(body.get("format"), dict):
        return _slowly(json.dumps(_filled(body["format"]), ensure_ascii=False))
    facts = _FACTS.search(text)
    lines = facts[1].splitlines()[:3] if facts else []
    if _JAPANESE.search(text):
        return _slowly(
            f"お調べしました。{' '.join(lines)} 以上です。" if lines else "はい、お話をうかがいます。どうぞ。"
        )
    said = " ".join(lines)
    return _slowly(f"Here is what I found. {said} That is all." if lines else "I am here. Tell me more about it.")


def _asked(body: Mapping[str, Any]) -> tuple[str, str]:
    """What stands before the dialogue, and the user's last message."""
    if "prompt" in body:
        turns = re.findall(r"<start_of_turn>user\n(.*?)<end_of_turn>", body["prompt"], flags=re.DOTALL)
        return body["prompt"], turns[-1] if turns else body["prompt"]
    messages = body.get("messages") or [{}]
    system = messages[0].get("content", "") if messages[0].get("role") in {"system", "developer"} else ""
    return system, str(messages[-1].get("content", ""))


def _filled(schema: Mapping[str, Any]) -> Any:
    if "enum" in schema:
        return schema["enum"][0]
    kinds = {"object": {}, "array": [], "integer": 0, "number": 0.5, "boolean": False, "null": None}
    if schema.get("type") == "object":
        return {name: _filled(inner) for name, inner in schema.get("properties", {}).items()}
    return kinds.get(schema.get("type", "string"), "…")


def _slowly(text: str) -> Reply:
    return Reply(re.findall(r"<\w+>|\s?[A-Za-z]+|\s?\d+|.", text, flags=re.DOTALL), pace_s=_PACE_S)


def main() -> None:
    """Runs a server until it is interrupted."""
    parser = argparse.ArgumentParser(prog="python -m tests.ollama_server", description="An Ollama without weights.")
    parser.add_argument("--port", type=int, default=11434)
    parser.add_argument("--version", default="0.24.0", help="the version that it tells")
    parser.add_argument("--empty", action="store_true", help="with no models in store; they can be pulled")
    parser.add_argument("--cut-pull", type=int, metavar="N", help="a pull breaks once, after N lines of progress")
    parser.add_argument("--hides-tokens", action="store_true", help="control tokens are left out of the output")
    arguments = parser.parse_args()
    server = OllamaServer(version=arguments.version, hides_tokens=arguments.hides_tokens)
    server.pulling = Pulling(cut_after=arguments.cut_pull, pace_s=0.15)
    server.replies = {"functiongemma": functiongemma, "gemma3:4b": gemma}
    server.pullable = {"functiongemma": 301_000_000, "gemma3:4b": 3_338_801_718, "qwen2.5:7b": 4_683_087_519}
    if not arguments.empty:
        server.install("functiongemma", capabilities=("completion", "tools"))
        server.install("gemma3:4b", size=server.pullable["gemma3:4b"], capabilities=("completion", "vision"))

    async def run() -> None:
        await server.start(arguments.port)
        print(f"{server.url} (Ctrl-C ends it)", flush=True)
        try:
            await asyncio.Event().wait()
        finally:
            await server.stop()

    try:
        asyncio.run(run())
    except KeyboardInterrupt:
        return
