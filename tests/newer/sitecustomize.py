"""A version to come, for tests: where the home folder has a file `newer`, all that a process sends has unknown fields.

Python imports this before anything else where its folder is on PYTHONPATH.
"""

import json
import os
from pathlib import Path
from typing import Any

if (Path(os.environ.get("FUNCGEMMA_HOME", "/nowhere")) / "newer").exists():
    from agent.mqtt import MqttBus

    _FREE = {"arguments", "data", "context", "parameters", "details", "took_ms"}
    publish = MqttBus._publish

    async def with_more(self: MqttBus, topic: str, payload: bytes, **others: Any) -> bool:
        """Publishes with fields at every level that no reader knows."""

        def more(value: Any) -> Any:
            if isinstance(value, dict):
                # What these hold is no model's: a new name in there would be a new argument, or a new stage.
                return {
                    **{key: one if key in _FREE else more(one) for key, one in value.items()},
                    "to_come": {"since": 2},
                }
            return [more(one) for one in value] if isinstance(value, list) else value

        if payload:
            payload = json.dumps(more(json.loads(payload))).encode()
        return await publish(self, topic, payload, **others)

    MqttBus._publish = with_more  # type: ignore[method-assign]
