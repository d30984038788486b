"""The topic table: names, quality of service, retained or not, who may write and who may read.

The broker's ACL, the documentation's table and every subscription come from here.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

Role = Literal["client", "journal", "router", "function", "chat", "operator"]
ROLES: tuple[Role, ...] = ("client", "journal", "router", "function", "chat", "operator")


@dataclass(frozen=True)
class Topic:
    """One row of the table.

    Attributes:
        pattern: levels after the root; `{client}`, `{conversation}`, `{function}`, `{name}` stand for one level each.
        writers: roles that may publish here.
        readers: roles that may read here.
        shared: the roles among the readers that share the messages (one worker gets each).
        qos: 0 or 1.
        retain: whether the broker keeps the last payload.
        payload: name of the model in `agent.messages`.
    """

    pattern: str
    payload: str
    writers: tuple[Role, ...]
    readers: tuple[Role, ...]
    shared: tuple[Role, ...] = ()
    qos: int = 1
    retain: bool = False
    says: str = ""

    def filter(self, **levels: str) -> str:
        """The subscription filter, without the root: levels that are not given become `+`."""
        return re.sub(r"\{(\w+)\}", lambda found: levels.get(found[1], "+"), self.pattern)

    def name(self, **levels: str) -> str:
        """The topic, without the root.

        Raises:
            KeyError: a level is missing.
        """
        return self.pattern.format(**levels)

    def levels(self, name: str) -> dict[str, str] | None:
        """What a topic's name (without the root) has for each placeholder; None if it is another topic."""
        wanted, given = self.pattern.split("/"), name.split("/")
        if len(wanted) != len(given):
            return None
        found: dict[str, str] = {}
        for want, have in zip(wanted, given, strict=True):
            if want.startswith("{"):
                found[want[1:-1]] = have
            elif want != have:
                return None
        return found


EVERYONE = ROLES

SAY = Topic("say/{client}/{conversation}", "Say", ("client",), ("journal",), says="a turn, as typed")
ACCEPTED = Topic("accepted/{client}/{conversation}", "Accepted", ("journal",), ("client",), says="the turn is on disk")
TURN = Topic("turn/{client}/{conversation}", "Turn", ("journal",), ("router",), ("router",), says="with its context")
ROUTE = Topic(
    "route/{client}/{conversation}",
    "Route",
    ("router",),
    ("chat", "journal", "client"),
    ("chat",),
    says="what was decided",
)
CALL = Topic("call/{function}", "Call", ("router",), ("function",), ("function",), says="do it")
RESULT = Topic(
    "result/{function}/{client}/{conversation}",
    "Result",
    ("function",),
    ("chat", "journal", "client"),
    ("chat",),
    says="what it gave",
)
CHUNK = Topic("reply/{client}/{conversation}/chunk", "Chunk", ("chat",), ("client",), qos=0, says="as it is made")
FINAL = Topic(
    "reply/{client}/{conversation}/final",
    "Final",
    ("chat", "journal"),
    ("journal", "client", "chat"),
    says="the whole reply",
)
CANCEL = Topic("cancel/{client}/{conversation}", "Cancel", ("client",), ("chat",), says="stop generating")
NOTICE = Topic("notice/{client}/{conversation}", "Notice", ("function",), ("client",), says="happens by itself")
CARD = Topic("function/{name}", "Card", ("function",), EVERYONE, retain=True, says="what a function takes")
STATUS = Topic("status/{client}", "Status", EVERYONE, EVERYONE, retain=True, says="presence, last will")
DEAD = Topic("dead/{client}", "Dead", EVERYONE, ("operator",), says="refused payloads")

TABLE: tuple[Topic, ...] = (
    SAY, ACCEPTED, TURN, ROUTE, CALL, RESULT, CHUNK, FINAL, CANCEL, NOTICE, CARD, STATUS, DEAD,
)  # fmt: skip


_OWN: Mapping[str, Role] = {
    "journal": "journal", "router": "router", "functions": "function", "chat": "chat", "cli": "client",
    "operator": "operator", "supervisor": "operator",
}  # fmt: skip
_SINGLE = ("journal", "supervisor")


def own_role(client: str) -> Role | None:
    """The role of one of our own clients, as its name says; None for one that was invited."""
    kind, dash, slot = client.partition("-")
    numbered = kind in _OWN and kind not in _SINGLE and slot.isascii() and slot.isdecimal()
    return _OWN[kind] if numbered or (client in _SINGLE and not dash) else None


@dataclass(frozen=True)
class Grant:
    """Who a credential is for: its client id, its role and, for a function worker, its functions."""

    client: str
    role: Role
    functions: tuple[str, ...] = ()


def access(grant: Grant, root: str) -> Iterator[tuple[Literal["read", "write"], str]]:
    """Lines of the ACL for one credential, as (`read` or `write`, topic filter)."""
    if grant.role == "operator":
        # Operators watch everything and may clean up retained cards and statuses; they take no part in turns.
        yield "read", f"{root}/#"
        yield "read", "$SYS/#"
        yield "write", f"{root}/{CARD.filter()}"
        yield "write", f"{root}/{STATUS.filter()}"
        yield "write", f"{root}/{DEAD.filter(client=grant.client)}"
        return
    for topic in TABLE:
        for verb, roles in (("write", topic.writers), ("read", topic.readers)):
            if grant.role in roles:
                for filter_ in _filters(topic, grant, verb):
                    yield verb, f"{root}/{filter_}"  # type: ignore[misc]  # verb is one of the two


def _filters(topic: Topic, grant: Grant, verb: str) -> Iterator[str]:
    own_client = grant.role == "client" or (topic in (STATUS, DEAD) and verb == "write")
    levels = {"client": grant.client} if own_client and not (topic is STATUS and verb == "read") else {}
    placeholder = "name" if topic is CARD else "function"
    if grant.role == "function" and "{" + placeholder + "}" in topic.pattern and (topic is not CARD or verb == "write"):
        for function in grant.functions:
            yield topic.filter(**levels, **{placeholder: function})
    else:
        yield topic.filter(**levels)


def acl(grants: list[Grant], root: str) -> str:
    """The broker's ACL file: each credential gets what its role needs, and nothing else."""
    lines = ["# Made from agent/topics.py; changes here are overwritten."]
    for grant in grants:
        lines += ["", f"user {grant.client}"]
        lines += [f"topic {verb} {filter_}" for verb, filter_ in access(grant, root)]
    return "\n".join(lines) + "\n"


def markdown() -> str:
    """The topic table for the documentation."""
    rows = ["| topic | payload | from | to | QoS |", "| --- | --- | --- | --- | --- |"]
    for topic in TABLE:
        readers = [f"{role} (shared)" if role in topic.shared else role for role in topic.readers]
        to = "everyone" if topic.readers == EVERYONE else ", ".join(readers)
        writers = "everyone" if topic.writers == EVERYONE else ", ".join(topic.writers)
        kept = ", retained" if topic.retain else ""
        rows.append(f"| `{topic.pattern}` | {topic.payload}: {topic.says} | {writers} | {to} | {topic.qos}{kept} |")
    return "\n".join(rows) + "\n"
