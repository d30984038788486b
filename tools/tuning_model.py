"""The base model for training and merging: found, loaded, put where it computes."""

import hashlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, Gemma3ForCausalLM, PreTrainedTokenizerBase
from transformers.utils.hub import cached_file

from tools.adapters import TuningError, sha256


def tokenizer_of(base: str) -> PreTrainedTokenizerBase:
    """The base model's tokenizer.

    Raises:
        TuningError: there is none.
    """
    try:
        found: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(base)
    except (OSError, ValueError) as error:
        raise _absent(base) from error
    return found


def load_base(base: str, device: torch.device, dtype: torch.dtype) -> Gemma3ForCausalLM:
    """The base model on a device.

    Raises:
        TuningError: there is none, or it is of another kind.
    """
    try:
        model = AutoModelForCausalLM.from_pretrained(base, dtype=dtype)
    except (OSError, ValueError) as error:
        raise _absent(base) from error
    if not isinstance(model, Gemma3ForCausalLM):
        raise TuningError(f"{base} is a model of type {model.config.model_type} instead of Gemma 3's text model.")
    # Its signature is lost in a wrapper.
    movable: Any = model
    found: Gemma3ForCausalLM = movable.to(device)
    return found


def fingerprint(base: str) -> str:
    """A hash that tells base models apart: of the weights' file, or of the configuration where they are in parts."""
    for name in ("model.safetensors", "config.json"):
        found = base_file(base, name)
        if found is not None:
            return sha256(found)
    return hashlib.sha256(base.encode()).hexdigest()


def base_file(base: str, name: str) -> Path | None:
    """A file of the base model's folder, or of the copy that was downloaded; None where it has none such."""
    folder = Path(base)
    if folder.is_dir():
        return folder / name if (folder / name).is_file() else None
    try:
        found = cached_file(base, name, _raise_exceptions_for_missing_entries=False)
    except OSError:
        return None
    return Path(found) if found else None


def device_of(name: str) -> torch.device:
    """The device of this name; `auto` is the fastest there is.

    Raises:
        TuningError: it isn't there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise TuningError(f"There is no {name} here to compute on. Leave --device out.") from error


@contextmanager
def quietly() -> Iterator[None]:
    """PEFT asks transformers under a name that it has given up; nobody here can mend that."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing`", category=FutureWarning)
        yield


def precision_of(device: torch.device) -> torch.dtype:
    """Brain floats of 16 bits where the device computes with them, which is what Gemma was trained in; else 32."""
    half = (device.type == "cuda" and torch.cuda.is_bf16_supported()) or (
        device.type == "mps" and torch.backends.mps.is_macos_or_newer(14, 0)
    )
    return torch.bfloat16 if half else torch.float32


def _absent(base: str) -> TuningError:
    return TuningError(
        f"The model {base} can't be loaded. Set FUNCGEMMA_PEFT_BASE or --base-model to its folder, or accept its terms "
        "on huggingface.co and run: .venv/bin/hf auth login"
    )
