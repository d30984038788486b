"""A certificate authority of our own: it signs the broker's certificate and those of clients."""

import ipaddress
import os
import socket
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from agent.certificates import CertificateError, folder
from agent.settings import Settings

_VALID = timedelta(days=3650)
_HOSTS = ("localhost", "127.0.0.1", "::1")


def certify(settings: Settings, hosts: Sequence[str] = ()) -> Path:
    """Makes a certificate for the broker, and an authority for it where there is none; gives the authority's file.

    Args:
        settings: home folder, and the address that the broker listens on.
        hosts: further names and addresses by which others reach it.

    Raises:
        CertificateError: a name is none.
    """
    there = folder(settings)
    there.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (there / "ca.key").exists():
        _make_authority(there)
    names: list[x509.GeneralName] = []
    for host in dict.fromkeys((*_HOSTS, settings.host, socket.gethostname(), *hosts)):
        try:
            names.append(x509.IPAddress(ipaddress.ip_address(host)))
        except ValueError:
            try:
                names.append(x509.DNSName(host))
            except ValueError:
                raise CertificateError(f"{host!r} is neither a host's name nor an address.") from None
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _issued(there, "FuncGemma broker", key.public_key(), ExtendedKeyUsageOID.SERVER_AUTH, names)
    _write(there / "broker.key", _pem(key))
    _write(there / "broker.pem", certificate)
    return there / "ca.pem"


def make_client(there: Path, name: str, path: Path) -> None:
    """Makes the certificate of a client with its key in one file.

    Args:
        there: the folder of the authority.
        name: of the client.
        path: the file.

    Raises:
        CertificateError: there is no authority of our own.
    """
    if not (there / "ca.key").exists():
        raise CertificateError("There is no authority to make certificates yet. Make one: funcgemma certify")
    path.parent.mkdir(exist_ok=True, mode=0o700)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _issued(there, name, key.public_key(), ExtendedKeyUsageOID.CLIENT_AUTH)
    _write(path, _pem(key) + certificate)


def _make_authority(there: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("FuncGemma authority")
    usage = _usage(signs_certificates=True)
    certificate = (
        _begun(name, name, key.public_key(), key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    _write(there / "ca.key", _pem(key))
    _write(there / "ca.pem", certificate.public_bytes(serialization.Encoding.PEM))


def _issued(
    there: Path,
    name: str,
    key: ec.EllipticCurvePublicKey,
    use: x509.ObjectIdentifier,
    names: Sequence[x509.GeneralName] = (),
) -> bytes:
    signer = serialization.load_pem_private_key((there / "ca.key").read_bytes(), None)
    issuer = x509.load_pem_x509_certificate((there / "ca.pem").read_bytes())
    if not isinstance(signer, ec.EllipticCurvePrivateKey):
        raise CertificateError(f"{there / 'ca.key'} is not the key that we made.")
    builder = _begun(_name(name), issuer.subject, key, signer.public_key())
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([use]), critical=False)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _begun(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, signer: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        # Clocks differ.
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, content: bytes) -> None:
    fresh = path.with_name(path.name + ".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    fresh.replace(path)
