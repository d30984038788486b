"""A small task and a small base model for it: everything that tuning needs, learned in seconds.

A turn is a few words in any order. One of them names what it is about, and the base model knows these words in English:
it calls the functions in their format. The labelled cases use other words for the same, which it has never seen.
"""

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from agent.messages import Card
from agent.routing.cases import case_of
from agent.routing.functiongemma import Toolset
from tests.small_gemma import make_model, make_tokenizer
from tools.shared_prefix import SharedPrefix
from tools.tuning_model import load_base, tokenizer_of

_WHEN = ("now", "later")
CARDS = {
    name: Card(
        name=name,
        description=name,
        parameters={
            "type": "object",
            "properties": {"when": {"type": "string", "enum": list(_WHEN)}},
            "required": [],
        },
    )
    for name in ("lamp", "music", "weather")
}
_KNOWN = {"weather": "rain snow", "music": "song tune", "lamp": "lamp light", None: "hello thanks"}
_NEW = {"weather": "lluvia nieve", "music": "cancion musica", "lamp": "luz farol", None: "hola gracias"}
_OTHERS = (
    "the my a please could you well so oh then there here some that this with for and but maybe really just again "
    "still very much house room street friend morning red green table chair window book coffee garden dog cat"
)
_STEPS, _BATCH, _RATE = 100, 16, 2e-3


def make_cases(number: int) -> list[dict[str, Any]]:
    """Labelled cases in the new words."""
    random = Random(0)
    return [_case(random, _NEW, index) for index in range(number)]


def make_base(path: Path) -> None:
    """Makes the base model in a folder: it learns the functions by their English words."""
    random = Random(1)
    learned = [case_of(_case(random, _KNOWN, index)) for index in range(600)]
    toolset = Toolset(CARDS)
    texts = [case.text for case in learned] + [item["conversation"][0]["content"] for item in make_cases(200)]
    make_tokenizer(path, [*[toolset.prefix] * 20, *texts], size=900)
    make_model(path, layers=2, hidden=128, window=32)
    tokenizer, model = tokenizer_of(str(path)), load_base(str(path), torch.device("cpu"), torch.float32)

    def encode(text: str) -> list[int]:
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])

    pairs = [
        (encode(toolset.turns((), case.text)), encode(toolset.completion(case.function, case.arguments)))
        for case in learned
    ]
    prefix = SharedPrefix(model, encode(toolset.prefix), checkpointing=False)
    optimizer = torch.optim.AdamW(model.parameters(), lr=_RATE, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=_STEPS, pct_start=0.1)
    for _ in range(_STEPS):
        prefix.begin()
        loss = _loss(prefix, random.sample(pairs, _BATCH))
        loss.backward()
        prefix.finish()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
    model.save_pretrained(path)


def _loss(prefix: SharedPrefix, chosen: Sequence[tuple[list[int], list[int]]]) -> torch.Tensor:
    width = max(len(turn) + len(completion) for turn, completion in chosen) - 1
    ids = torch.zeros(len(chosen), width, dtype=torch.long)
    where = torch.zeros(len(chosen), width, dtype=torch.bool)
    for row, (turn, completion) in enumerate(chosen):
        tokens = [*turn, *completion][:-1]
        ids[row, : len(tokens)] = torch.tensor(tokens)
        where[row, len(turn) - 1 : len(tokens)] = True
    targets = torch.tensor([token for _, completion in chosen for token in completion])
    return cross_entropy(prefix.logits(ids, where), targets)


def _case(random: Random, words: dict[str | None, str], number: int) -> dict[str, Any]:
    function = random.choice(list(words))
    said = [*random.sample(_OTHERS.split(), 6), random.choice(words[function].split())]
    arguments = {}
    if function is not None and random.random() < 0.7:
        arguments = {"when": random.choice(_WHEN)}
        said.append(arguments["when"])
    random.shuffle(said)
    return {
        "test_id": f"en-{function or 'no_function'}-b1-{number:03}",
        "lang": "en",
        "conversation": [{"role": "user", "content": "- " + " ".join(said)}],
        "expected_function": function,
        "expected_arguments": arguments,
    }
