"""A dictionary that remembers what came last."""

from collections import OrderedDict
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Recent(OrderedDict[K, V]):
    """Keeps so many entries; one more takes the place of the one that has been there longest.

    Args:
        most: how many.
    """

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def __setitem__(self, key: K, value: V) -> None:
        """Puts an entry in; one that is there already keeps its place."""
        super().__setitem__(key, value)
        if len(self) > self._most:
            self.popitem(last=False)
