"""Where the certificates for TLS are: an authority, the broker's certificate, and one for each client where wanted.

They lie in `tls/` in the home folder, for their owner only; `agent.authority` makes them. Whoever has certificates from
elsewhere puts them there as `broker.pem` and `broker.key`, and names their authority in `FUNCGEMMA_TLS_CA`.
"""

from pathlib import Path

from agent.settings import Settings


class CertificateError(Exception):
    """Raised when a certificate is missing or can't be made; the message says what to do."""


def folder(settings: Settings) -> Path:
    """Where the certificates are."""
    return settings.home.resolve() / "tls"


def authority(settings: Settings) -> Path | None:
    """The authority that clients trust: the one that is set, or our own where there is one; None for the system's."""
    own = folder(settings) / "ca.pem"
    return settings.tls_ca or (own if own.exists() else None)


def broker_files(settings: Settings) -> tuple[Path, Path]:
    """Certificate and key of our own broker.

    Raises:
        CertificateError: there are none.
    """
    files = folder(settings) / "broker.pem", folder(settings) / "broker.key"
    if not all(file.exists() for file in files):
        raise CertificateError("There is no certificate for the broker yet. Make one: funcgemma certify")
    return files


def client_file(settings: Settings, name: str) -> Path:
    """The certificate of a client with its key in one file, made where it is missing.

    Raises:
        CertificateError: there is no authority of our own.
    """
    path = folder(settings) / "clients" / f"{name}.pem"
    if not path.exists():
        # Who needs none of it loads no cryptography for it.
        from agent.authority import make_client  # noqa: PLC0415

        make_client(folder(settings), name, path)
    return path
