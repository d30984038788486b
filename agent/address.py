"""Where a broker is and who we are to it, and how the connection to it is made safe."""

import ssl
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field

from agent.buffered_socket import SecureSocket
from agent.bus import BusError


class AccessError(BusError):
    """Raised when the broker does not let this client in."""


class Address(BaseModel):
    """Where a broker is and who we are to it.

    Attributes:
        ca: certificate authority to trust with TLS, PEM; None for the system's.
        cert: certificate to show, with its key, PEM.
    """

    model_config = ConfigDict(frozen=True)

    host: str = "127.0.0.1"
    port: int = 1883
    username: str | None = None
    password: str | None = Field(None, repr=False)
    tls: bool = False
    ca: Path | None = None
    cert: Path | None = None

    @classmethod
    def from_url(cls, url: str, ca: Path | None = None, cert: Path | None = None) -> "Address":
        """Reads `mqtt://name:secret@host:port` or `mqtts://…`.

        Raises:
            ValueError: it is neither.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
            raise ValueError(f"{parts.scheme or 'That'} is no MQTT address; use mqtt://name:secret@host:port.")
        tls = parts.scheme == "mqtts"
        return cls(
            host=parts.hostname,
            port=parts.port or (8883 if tls else 1883),
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            tls=tls,
            ca=ca,
            cert=cert,
        )

    def tls_context(self) -> ssl.SSLContext | None:
        """How the connection is made safe; None without TLS. The broker's certificate and name are checked always.

        Raises:
            AccessError: a certificate can't be read.
        """
        if not self.tls:
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca)
            context.sslsocket_class = SecureSocket
            if self.cert is not None:
                context.load_cert_chain(self.cert)
        except OSError as error:
            raise AccessError(f"The certificates for {self.host}:{self.port} can't be read: {error}") from None
        return context
