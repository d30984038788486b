"""Log lines: one a message, and nothing in them steers the terminal that they are read on.

What is logged may come from the bus, from people who want a line to look like another one.
"""

import copy
import logging

from agent.transcript import clean, one_line


class LineFormatter(logging.Formatter):
    """Formats a record as one line; a stack trace follows on lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text, without escape sequences and without line breaks in its message."""
        record = copy.copy(record)
        record.msg, record.args = one_line(record.getMessage()), None
        return clean(super().format(record))


def configure(level: int, layout: str) -> None:
    """Has this process log to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(LineFormatter(layout))
    logging.basicConfig(level=level, handlers=[handler])
