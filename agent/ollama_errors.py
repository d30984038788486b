"""What goes wrong with Ollama, in plain sentences.

Versions differ in how they word an error; what counts is what its user can do about it.
"""

import json
from typing import Any

_UPDATE = "./setup.sh --models"
"""The command that brings Ollama up to date, where it may; otherwise it says how."""


class OllamaError(Exception):
    """Raised when Ollama refuses or fails; one plain sentence, with the command that mends it where there is one.

    Attributes:
        status: HTTP status; None where there was none or the error came under 200. For a prompt that is too long for
            the context it is 400 always: versions differ in how they report that.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        """Keeps the status beside the message."""
        super().__init__(message)
        self.status = status


class OllamaGone(OllamaError):  # noqa: N818 - says what happened
    """Raised when nothing listens there, the connection broke (also mid-stream), or it was silent for too long."""


class ModelMissing(OllamaError):  # noqa: N818 - says what happened
    """Raised when Ollama does not have the model."""


def away(url: str) -> OllamaGone:
    """What to raise where nothing listens at `url`."""
    return OllamaGone(f"Ollama does not answer at {url}; start it with: ollama serve")


def no_address(url: str) -> OllamaGone:
    """What to raise where `url` is none."""
    return OllamaGone(f"{url} is no address of Ollama; set FUNCGEMMA_OLLAMA_URL.")


def refusal(said: str, model: str, status: int | None) -> OllamaError:
    """What to raise for an error that Ollama reported.

    Args:
        said: its own words.
        model: the model that was asked for; empty where none was.
        status: HTTP status; None for an error line under 200.
    """
    low = said.lower()
    if "exceed" in low and "context" in low:
        return OllamaError(f"The prompt is longer than the context of {model} ({said}).", 400)
    if "newer version of ollama" in low:
        return OllamaError(f"This Ollama is too old for {model}; update it with: {_UPDATE}", status)
    if "does not support tools" in low:
        return OllamaError(
            f"{model} takes no tools on this Ollama; if it is functiongemma, update Ollama with: {_UPDATE}", status
        )
    if "more system memory" in low or "out of memory" in low:
        return OllamaError(
            f"There is too little free memory for {model} ({said}); "
            "close other programs, or free models with: funcgemma models --unload",
            status,
        )
    if "no space left" in low:
        return OllamaError(f"The disk is too full for {model}; free some space, then: funcgemma models --pull", status)
    if "pull model manifest" in low and "file does not exist" in low:
        return OllamaError(f"Ollama's library has no model {model}; the names are at ollama.com/library", status)
    # The wording differs from call to call and from version to version; the status does not.
    if status == 404 and model:
        return ModelMissing(
            f"Ollama does not have the model {model}; get it with: funcgemma models --pull (or: ollama pull {model})",
            status,
        )
    if status == 503:
        return OllamaError(f"Ollama is busy, try again in a moment ({said}).", status)
    told = f" ({status})" if status else ""
    return OllamaError(f"Ollama could not do it{told}: {said}", status)


def refused(answer: bytes, model: str, status: int) -> OllamaError:
    """The same for an answer with an error status."""
    return refusal(str(decoded(answer).get("error") or "no reason given"), model, status)


def decoded(text: bytes) -> dict[str, Any]:
    """A JSON object that Ollama sent.

    Raises:
        OllamaError: it is none.
    """
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        said = " ".join(text.decode(errors="replace").split())[:60]
        raise OllamaError(f"What answers there is not Ollama, or a very old one (set FUNCGEMMA_OLLAMA_URL): {said}")
    return found
