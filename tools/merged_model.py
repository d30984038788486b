"""An adapter merged into its base model, as a folder that Ollama and transformers can load."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel

from agent.routing.functiongemma import STOPS
from tools import tuning_model
from tools.adapters import TuningError

FORMAT = "functiongemma"
"""The name of the renderer, and of the parser, in Ollama."""
_TOKENIZER = (
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
)


def parameters(num_ctx: int) -> Mapping[str, Any]:
    """What the model is run with where nobody says otherwise: the likeliest token, and the format's stops."""
    return {"temperature": 0, "num_ctx": num_ctx, "stop": list(STOPS)}


def merge(base: str, adapter: Path, folder: Path) -> list[Path]:
    """Writes the merged model in brain floats of 16 bits, as Gemma's own are, with tokenizer and Modelfile.

    Args:
        base: folder or hub name.
        adapter: folder of the adapter.
        folder: where to; what was in it is replaced.

    Returns:
        The files that are the model; the Modelfile is not among them.

    Raises:
        TuningError: base or adapter can't be loaded.
    """
    # Added up in 32 bits: in 16 the smaller part of a change would be rounded away.
    model = tuning_model.load_base(base, torch.device("cpu"), torch.float32)
    try:
        with tuning_model.quietly():
            merged: Any = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
    except (OSError, ValueError, RuntimeError) as error:
        raise TuningError(f"{adapter} holds no adapter for {base}.") from error
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    merged.to(torch.bfloat16).save_pretrained(folder)
    for name in _TOKENIZER:
        # The base model's own files: saved anew, transformers leaves out the one that Ollama reads.
        found = tuning_model.base_file(base, name)
        if found is not None:
            shutil.copyfile(found, folder / name)
    _flatten(folder / "config.json")
    return sorted(folder.iterdir())


def write_modelfile(path: Path, options: Mapping[str, Any]) -> None:
    """Writes the same as `tools.deploy` tells Ollama, for `ollama create NAME -f Modelfile` by hand."""
    lines = ["FROM .", f"RENDERER {FORMAT}", f"PARSER {FORMAT}"]
    for name, value in options.items():
        lines += [f"PARAMETER {name} {json.dumps(one)}" for one in (value if isinstance(value, list) else [value])]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _flatten(path: Path) -> None:
    """Writes the rotary bases under the names of transformers 4 too, which are those that Ollama's converter reads."""
    config = json.loads(path.read_text(encoding="utf-8"))
    rope = config.get("rope_parameters") or {}
    for kind, name in (("full_attention", "rope_theta"), ("sliding_attention", "rope_local_base_freq")):
        if isinstance(rope.get(kind), dict) and "rope_theta" in rope[kind]:
            config.setdefault(name, rope[kind]["rope_theta"])
    path.write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
