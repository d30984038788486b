"""A Gemma tokenizer's tokens as the bytes that they stand for."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from agent.routing.functiongemma_text import CALL, END_CALL, ESCAPE

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

END_OF_TURN = "<end_of_turn>"
_NEEDED = (CALL, END_CALL, ESCAPE, END_OF_TURN)
_CONTROL = re.compile(r"<(?:[a-z_]+|unused\d+)>")
_BYTE = re.compile(r"<0x([0-9A-F]{2})>")
_NUMERIC = re.compile(rb"[-.]|[0-9]+")


class Vocabulary:
    """The tokens by their bytes and back.

    Args:
        tokenizer: of a Gemma model: spaces are `▁`, bytes without a token of their own `<0x00>` to `<0xFF>`.

    Attributes:
        controls: ids of the tokens that are no text, such as `<end_of_turn>`.
        numeric: tokens that numbers are made of, by id.

    Raises:
        ValueError: FunctionGemma's control tokens are missing.
    """

    def __init__(self, tokenizer: "PreTrainedTokenizerBase") -> None:
        self._tokenizer = tokenizer
        added = {number: token for number, token in tokenizer.added_tokens_decoder.items() if token.special}
        self._texts: dict[int, bytes] = {}
        self._ids: dict[bytes, int] = {}
        controls = set(added)
        for token, number in tokenizer.get_vocab().items():
            spelt = _BYTE.fullmatch(token)
            text = bytes([int(spelt[1], 16)]) if spelt else token.replace("▁", " ").encode()
            self._texts[number] = text
            if number in added or (token.isascii() and _CONTROL.fullmatch(token) and token in _NEEDED):
                controls.add(number)
            elif not spelt:
                self._ids[text] = number
            elif text != b"\0":
                self._ids.setdefault(text, number)
        self.controls = frozenset(controls)
        self.numeric = {
            number: text.decode() for text, number in self._ids.items() if len(text) < 16 and _NUMERIC.fullmatch(text)
        }
        self._longest = max(map(len, self._ids))
        self._controls_by_name: dict[str, int] = {self._texts[number].decode(): number for number in controls}
        missing = [name for name in _NEEDED if name not in self._controls_by_name]
        if missing:
            raise ValueError(f"The tokenizer has no {', '.join(missing)}.")

    def control(self, name: str) -> int:
        """The id of a control token."""
        return self._controls_by_name[name]

    def encode(self, text: str) -> list[int]:
        """A text's tokens; control tokens may be written out in it."""
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def text(self, ids: Iterable[int]) -> str:
        """What tokens stand for, control tokens written out. Bytes that make no character are left out."""
        return b"".join(self._texts[number] for number in ids).decode(errors="ignore")

    def spelling(self, number: int) -> bytes:
        """What a token stands for."""
        return self._texts[number]

    def beginning(self, data: bytes, at: int) -> Iterator[int]:
        """The tokens that `data` may go on with at an offset, control tokens left out."""
        for end in range(at + 1, min(at + self._longest, len(data)) + 1):
            number = self._ids.get(data[at:end])
            if number is not None:
                yield number

    def continuation(self, text: str, done: int) -> Sequence[int]:
        """The tokens of a text behind its first bytes.

        Args:
            text: what is spelt.
            done: bytes of it that have been spelt already, in tokens that may be others.
        """
        ids = self.encode(text)
        for number, token in enumerate(ids):
            if done <= 0:
                return ids[number:] if done == 0 else ()
            done -= len(self._texts[token])
        return ()
