"""Has every function forget a conversation: `python -m functions._forgetting`, a process for `funcgemma log forget`.

Reads `{"client", "conversation", "call_ids", "look"}` from standard input; prints, by function, a list of what the user
may still be counting on. With `look` nothing is deleted.
"""

import json
import sys

from agent.settings import settings
from functions.registry import Conversation, load


def main() -> None:
    """The process."""
    asked = json.load(sys.stdin)
    conversation = Conversation(asked["client"], asked["conversation"], asked["call_ids"])
    found = {
        name: function.forget(settings(), conversation, look=asked["look"])
        for name, function in load().items()
        if function.forget is not None
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
