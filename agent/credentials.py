"""Who may come in: one credential a client, and the password file and ACL that the broker reads.

Secrets lie in `credentials.json` in the home folder, readable by its owner only. The password file's format is
mosquitto's (`$7$`: PBKDF2 with SHA-512); it is written here so that no secret passes through a command line.
"""

import base64
import contextlib
import fcntl
import hashlib
import hmac
import os
import re
import secrets
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from agent import topics
from agent.address import Address
from agent.certificates import authority, client_file
from agent.settings import PROJECT, Settings
from agent.topics import Grant, Role

_ITERATIONS = 101
"""mosquitto's own default; the secrets are random and long, so that more would only slow connecting down."""
_POOL = 8
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class _Entry(BaseModel):
    """One credential. `role` is None for the key that seals calls, which lets nobody in."""

    model_config = ConfigDict(frozen=True)

    secret: str = Field(repr=False)
    role: Role | None = None
    functions: tuple[str, ...] = ()


_Known = TypeAdapter(dict[str, _Entry])
_BUS = "#bus"


class CredentialError(Exception):
    """Raised when a credential can't be made, found or used; the message says what to do."""


class Credentials:
    """The credentials of one installation.

    Args:
        settings: home folder, topic root, broker's address.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._file = settings.home / "credentials.json"
        self._broker = settings.home / "broker"

    def prepare(self, slots: dict[str, int] | None = None) -> None:
        """Makes what is missing for our own workers and clients, and writes the broker's files anew.

        Args:
            slots: workers a role, one each where not given.
        """
        with self._changing() as known:
            for grant in self._own(slots or {}):
                secret = known[grant.client].secret if grant.client in known else _secret()
                known[grant.client] = _Entry(secret=secret, role=grant.role, functions=grant.functions)
            known.setdefault(_BUS, _Entry(secret=_bus_key()))

    def invite(self, name: str, role: Role, functions: tuple[str, ...] = ()) -> str:
        """Makes a credential for somebody else and gives the URL to connect with.

        Raises:
            CredentialError: the name is taken or can't be part of a topic.
        """
        for one in (name, *functions):
            if not _NAME.fullmatch(one):
                raise CredentialError(f"{one!r} can't be a name: use letters, digits, '-', '_' and '.'.")
        _check_free(name)
        with self._changing() as known:
            if name in known:
                raise CredentialError(f"{name} has a credential already; take it back first: funcgemma revoke {name}")
            self._check_number(known, functions)
            known[name] = _Entry(secret=_secret(), role=role, functions=functions)
        self.reload()
        return self.url(name)

    def permit(self, name: str, functions: tuple[str, ...]) -> None:
        """Makes or widens the credential of a function worker on this machine.

        Raises:
            CredentialError: the name is taken by another kind of client, or can't be part of a topic.
        """
        _check_free(name)
        with self._changing() as known:
            kept = known.get(name, _Entry(secret=_secret(), role="function"))
            if kept.role != "function":
                raise CredentialError(f"{name} is the name of a {kept.role}; give the worker another one.")
            self._check_number(known, functions)
            widened = tuple(sorted({*kept.functions, *functions}))
            known[name] = kept.model_copy(update={"functions": widened})
        self.reload()

    def renew(self, name: str) -> None:
        """Gives a credential another secret: who has the old one is out.

        Raises:
            CredentialError: there is none, or it is one of our own workers'.
        """
        with self._changing() as known:
            _check_revocable(name, known)
            known[name] = known[name].model_copy(update={"secret": _secret()})
        self.reload()

    def revoke(self, name: str) -> tuple[str, ...]:
        """Takes a credential back at once; gives the functions it was for.

        Raises:
            CredentialError: there is none, or it is one of our own workers'.
        """
        with self._changing() as known:
            _check_revocable(name, known)
            functions = known.pop(name).functions
        self.reload()
        return functions

    def grants(self) -> list[Grant]:
        """Everybody who has a credential, and what it is for."""
        return _grants(self._read())

    def address(self, name: str) -> Address:
        """Where the broker is and the credential of `name`.

        Raises:
            CredentialError: there is no such credential, or the broker's URL is none.
        """
        if self._settings.broker_url:
            try:
                return Address.from_url(self._settings.broker_url, self._settings.tls_ca, self._settings.tls_cert)
            except ValueError as error:
                raise CredentialError(f"FUNCGEMMA_BROKER_URL can't be used: {error}") from None
        known = self._read()
        if name not in known:
            raise CredentialError(f"There is no credential for {name}; start FuncGemma first: funcgemma up")
        return Address(
            host=self._settings.host,
            port=self._settings.port,
            username=name,
            password=known[name].secret,
            tls=self._settings.tls,
            ca=authority(self._settings),
            cert=client_file(self._settings, name) if self._settings.tls and self._settings.tls_clients else None,
        )

    def url(self, name: str) -> str:
        """The credential as a URL for any MQTT client."""
        address = self.address(name)
        scheme = "mqtts" if address.tls else "mqtt"
        return f"{scheme}://{quote(name)}:{quote(address.password or '')}@{address.host}:{address.port}"

    def bus_key(self) -> bytes:
        """The key that seals the context of calls, shared by routers and chat workers.

        Raises:
            CredentialError: the home folder has not been prepared.
        """
        known = self._read()
        if _BUS not in known:
            raise CredentialError("There is no key yet; start FuncGemma first: funcgemma up")
        return known[_BUS].secret.encode()

    def share(self) -> str:
        """What ends the names of shared subscriptions; empty where this home folder has no key.

        The broker lets anybody into a group whose name they know, and then loses what it hands to a member that may not
        read it.
        """
        known = self._read()
        if _BUS not in known:
            return ""
        return "-" + hmac.digest(known[_BUS].secret.encode(), b"shared subscriptions", "sha256").hex()[:32]

    @contextlib.contextmanager
    def borrow(self, kind: str) -> Iterator[str]:
        """Lends one of the client ids `kind-0`, `kind-1`, … that no other process uses.

        Two clients of the same id would throw each other off the bus.

        Raises:
            CredentialError: all are in use.
        """
        folder = self._settings.home / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(_POOL):
            name = f"{kind}-{number}"
            with (folder / name).open("w") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                yield name
                return
        raise CredentialError(f"{_POOL} clients run already; close one of them.")

    def reload(self) -> None:
        """Has a running broker read the password file and the ACL again."""
        with contextlib.suppress(FileNotFoundError, ValueError, ProcessLookupError, PermissionError):
            os.kill(int((self._broker / "mosquitto.pid").read_text()), signal.SIGHUP)

    def _check_number(self, known: Mapping[str, _Entry], functions: tuple[str, ...]) -> None:
        number = len({one for entry in known.values() for one in entry.functions} | set(functions))
        if number > self._settings.max_functions:
            raise CredentialError(
                f"That would make {number} functions; FUNCGEMMA_MAX_FUNCTIONS allows {self._settings.max_functions}."
            )

    # ---- files

    def _own(self, slots: dict[str, int]) -> list[Grant]:
        hosted = tuple(
            sorted(
                path.stem for path in (PROJECT / "functions").glob("[a-z]*.py") if path.stem not in ("registry", "web")
            )
        )
        grants = [Grant("journal", "journal")]
        grants += [Grant(f"router-{slot}", "router") for slot in range(slots.get("router", 1))]
        grants += [Grant(f"functions-{slot}", "function", hosted) for slot in range(slots.get("functions", 1))]
        grants += [Grant(f"chat-{slot}", "chat") for slot in range(slots.get("chat", 1))]
        grants += [Grant("supervisor", "operator")]
        for slot in range(_POOL):
            grants += [Grant(f"{kind}-{slot}", "client") for kind in ("cli", "replay")]
            grants += [Grant(f"operator-{slot}", "operator")]
        return grants

    def _read(self) -> dict[str, _Entry]:
        try:
            return _Known.validate_json(self._file.read_bytes())
        except FileNotFoundError:
            return {}

    @contextlib.contextmanager
    def _changing(self) -> Iterator[dict[str, _Entry]]:
        """Gives the credentials for a change, one process at a time, and writes all files when it is done."""
        self._broker.mkdir(parents=True, exist_ok=True)
        self._settings.home.chmod(0o700)
        with (self._settings.home / "credentials.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            before = self._read()
            known = dict(before)
            yield known
            passwords = self._broker / "passwd"
            clients = {name: entry for name, entry in known.items() if entry.role is not None}
            if known != before or not passwords.exists():
                _write(self._file, _Known.dump_json(known, indent=1).decode())
                _write(passwords, "".join(f"{name}:{_hash(entry.secret)}\n" for name, entry in clients.items()))
            _write(self._broker / "acl", topics.acl(_grants(known), self._settings.topic_root))


def _grants(known: Mapping[str, _Entry]) -> list[Grant]:
    return [Grant(name, entry.role, entry.functions) for name, entry in known.items() if entry.role is not None]


def _check_free(name: str) -> None:
    if topics.own_role(name) is not None:
        raise CredentialError(f"{name} is a name of FuncGemma's own; choose another one.")


def _check_revocable(name: str, known: Mapping[str, _Entry]) -> None:
    if name not in known or name == _BUS:
        raise CredentialError(f"Nobody is called {name}; see: funcgemma status")
    if topics.own_role(name) is not None:
        raise CredentialError(f"{name} is one of FuncGemma's own; it can't be revoked.")


def _write(path: Path, text: str) -> None:
    fresh = path.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    fresh.replace(path)


def _secret() -> str:
    return secrets.token_urlsafe(24)


def _bus_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def _hash(secret: str) -> str:
    salt = secrets.token_bytes(12)
    digest = hashlib.pbkdf2_hmac("sha512", secret.encode(), salt, _ITERATIONS, 64)
    return f"$7${_ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"
