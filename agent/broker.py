"""The broker: finds mosquitto, and runs it with `mosquitto.conf` for this home folder and port."""

import asyncio
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from agent.certificates import broker_files
from agent.settings import PROJECT, Settings

_UNPACKED = PROJECT / ".local" / "mosquitto"
"""Where set-up unpacks mosquitto when it may not install it."""
_SBIN = "/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin:/usr/local/opt/mosquitto/sbin"


class BrokerMissing(Exception):  # noqa: N818 - what is the matter
    """Raised when there is no mosquitto on this machine."""

    def __init__(self) -> None:
        super().__init__(
            "mosquitto is not installed. Run: make setup   "
            "(or install it yourself: apt install mosquitto, dnf install mosquitto, brew install mosquitto)"
        )


def program(settings: Settings) -> tuple[Path, Mapping[str, str]]:
    """The mosquitto program, and the environment that it needs on top of ours.

    Raises:
        BrokerMissing: there is none.
    """
    if settings.mosquitto is not None:
        return settings.mosquitto, {}
    unpacked = _UNPACKED / "usr" / "sbin" / "mosquitto"
    if unpacked.exists():
        libraries = sorted({str(path.parent) for path in (_UNPACKED / "usr" / "lib").glob("**/*.so*")})
        return unpacked, {"LD_LIBRARY_PATH": ":".join(libraries)}
    found = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:{_SBIN}")
    if found is None:
        raise BrokerMissing
    return Path(found), {}


def configuration(settings: Settings) -> str:
    """`mosquitto.conf` with this installation's port, folders and certificates.

    Raises:
        CertificateError: TLS is wanted, and there is no certificate.
    """
    text = (PROJECT / "mosquitto.conf").read_text(encoding="utf-8")
    listener = f"listener {settings.port} {settings.host}"
    if settings.tls:
        certificate, key = broker_files(settings)
        listener += f"\ncertfile {certificate}\nkeyfile {key}"
        if settings.tls_clients:
            listener += f"\ncafile {certificate.with_name('ca.pem')}\nrequire_certificate true"
    text = re.sub(r"^listener .*$", lambda _: listener, text, flags=re.MULTILINE)
    # A packet has its topic and properties beside the payload.
    packet = f"max_packet_size {settings.max_packet + 65536}"
    text = re.sub(r"^max_packet_size .*$", packet, text, flags=re.MULTILINE)
    home = settings.home.resolve()
    return re.sub(r"^(\w+) data/run/", lambda found: f"{found[1]} {home}/", text, flags=re.MULTILINE)


async def start(settings: Settings, log: Path) -> asyncio.subprocess.Process:
    """Starts mosquitto; returns at once, its port opens a moment later. It writes to `log`.

    Raises:
        BrokerMissing: there is none.
        CertificateError: TLS is wanted, and there is no certificate.
    """
    path, environment = program(settings)
    file = settings.home.resolve() / "broker" / "mosquitto.conf"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(configuration(settings), encoding="utf-8")
    with log.open("ab") as output:
        return await asyncio.create_subprocess_exec(
            path,
            "-c",
            file,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **environment},
            start_new_session=True,
        )
