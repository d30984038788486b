"""The sealed context of a call.

A function worker returns a call's context untouched. Sealed (Fernet: AES-128-CBC with HMAC-SHA256), it carries the turn
to the chat worker without showing the dialogue to function workers, and only a call that a router made has one: a
result without a proper seal is refused.
"""

from cryptography.fernet import Fernet, InvalidToken
from pydantic import BaseModel, ConfigDict, ValidationError

from agent.messages import CallContext, Route


class SealError(Exception):
    """Raised when a result's context is not that of a call a router made."""


class _Content(BaseModel):
    model_config = ConfigDict(frozen=True)

    call_id: str
    function: str
    route: Route


class Seal:
    """Seals and opens contexts.

    Args:
        key: 32 random bytes in URL-safe base64, the same for routers and chat workers.
    """

    def __init__(self, key: bytes) -> None:
        self._fernet = Fernet(key)

    def close(self, call_id: str, route: Route) -> CallContext:
        """The context for the call that the route makes."""
        content = _Content(call_id=call_id, function=route.function or "", route=route)
        turn = route.turn
        return CallContext(
            client=turn.client,
            conversation=turn.conversation,
            turn_id=turn.turn_id,
            sealed=self._fernet.encrypt(content.model_dump_json().encode()).decode(),
        )

    def open(self, context: dict[str, object], call_id: str, function: str) -> Route:
        """The route that the call came from.

        Raises:
            SealError: no router made such a call.
        """
        try:
            sealed = CallContext.model_validate(context).sealed
            content = _Content.model_validate_json(self._fernet.decrypt(sealed.encode()))
        except (ValidationError, InvalidToken, ValueError):
            raise SealError("a result for a call that was never made") from None
        if (content.call_id, content.function) != (call_id, function):
            raise SealError("a result for another call than the one it answers")
        return content.route
