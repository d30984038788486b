"""A merged model put into Ollama, compared with the adapter that it was made of, and made the router's model."""

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.messages import Card
from agent.ollama import Ollama, OllamaError, is_too_old, plain
from agent.routing import Decision, Router
from agent.routing.cases import Case, write_text
from agent.routing.ollama import NoCall, OllamaRouter
from agent.routing.validation import validate
from tools.adapters import TuningError
from tools.merged_model import FORMAT
from tools.outcomes import turn_of

_LINE = re.compile(r"^router_model\s*=.*$", re.MULTILINE)


@dataclass(frozen=True)
class Compared:
    """One case: what the adapter makes of it and what the deployed model."""

    case: Case
    adapter: tuple[str | None, Mapping[str, Any]]
    deployed: tuple[str | None, Mapping[str, Any]]

    @property
    def same_function(self) -> bool:
        """Whether both call the same, or nothing."""
        return self.adapter[0] == self.deployed[0]

    @property
    def same(self) -> bool:
        """Whether both make the same call."""
        return self.adapter == self.deployed


async def create(
    ollama: Ollama,
    name: str,
    files: Sequence[Path],
    *,
    parameters: Mapping[str, Any],
    quantize: str | None,
) -> None:
    """Sends the files and has a model made of them.

    Raises:
        OllamaError: Ollama does not answer, or refuses.
        TuningError: it is too old for FunctionGemma's format.
    """
    version = await ollama.version()
    if is_too_old(version):
        told = ".".join(map(str, version))
        raise TuningError(f"Ollama {told} is too old for FunctionGemma's format. Update it with: ./setup.sh --models")
    digests = {file.name: await ollama.push_blob(file) for file in files}
    made = ollama.create(name, digests, renderer=FORMAT, parser=FORMAT, parameters=parameters, quantize=quantize)
    done = False
    async with aclosing(made) as stages:
        async for stage in stages:
            done = stage.status == "success"
    if not done or plain(name) not in await ollama.installed():
        raise OllamaError(f"Ollama did not say that {name} is ready; look into its log.")


async def compare(
    cases: Sequence[Case], cards: Mapping[str, Card], adapter: Router, deployed: OllamaRouter
) -> list[Compared]:
    """Asks both about the same cases.

    Raises:
        OllamaError: the server did not answer.
    """
    await deployed.prepare()
    found: list[Compared] = []
    for case in cases:
        turn = turn_of(case)
        try:
            call = await deployed.ask(turn, cards)
        except NoCall:
            told: tuple[str | None, Mapping[str, Any]] = ("nothing that can be read", {})
        else:
            known = call is not None and call.name in cards
            given = validate(call.name, call.arguments, cards[call.name])[0] if call is not None and known else {}
            told = (call.name if call is not None else None, given)
        decision: Decision = await adapter.route(turn, cards)
        found.append(Compared(case, (decision.function, decision.arguments), told))
    return found


def choose(name: str, file: Path) -> None:
    """Writes into the settings' file that this is the router's model; the rest of the file stays as it is.

    Raises:
        TuningError: the file can't be read.
    """
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    line = f"router_model = {json.dumps(name)}"
    # In front of everything else, where no table has begun.
    text = _LINE.sub(lambda _found: line, text, count=1) if _LINE.search(text) else f"{line}\n{text}"
    try:
        chosen = tomllib.loads(text).get("router_model")
    except tomllib.TOMLDecodeError as error:
        raise TuningError(f"{file} can't be read: {error}. Mend it, then set {line} in it.") from error
    if chosen != name:
        raise TuningError(f"{file} sets router_model in a way that is not understood here. Set {line} in it.")
    write_text(file, text)
