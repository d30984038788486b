"""Many short texts as one array of bytes, which is read at once: files of arrays keep them so.

The texts stand one after another in UTF-8 with a line break between them, so that none may hold one.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

_BETWEEN = "\n"


def joined(texts: Iterable[str]) -> NDArray[np.uint8]:
    """The array [bytes] of texts without line breaks."""
    return np.frombuffer(_BETWEEN.join(texts).encode(), np.uint8)


def split(array: NDArray[np.uint8]) -> list[str]:
    """The texts of an array; none of an empty one."""
    text = array.tobytes().decode()
    return text.split(_BETWEEN) if text else []
