"""`funcgemma invite`, `certify` and `revoke`: who may come onto the bus.

Which options they take is in `agent.cli`.
"""

import argparse

import uvloop

from agent import certificates, revocation
from agent.credentials import Credentials
from agent.home_lock import running
from agent.settings import Settings


def invite(arguments: argparse.Namespace, settings: Settings) -> int:
    """Makes a credential and prints what its owner needs.

    Raises:
        CredentialError: the name is taken, or can't be part of a topic.
        CertificateError: there is no authority that would make its certificate.
    """
    credentials = Credentials(settings)
    credentials.prepare()
    functions = tuple(arguments.function or ())
    print(credentials.invite(arguments.name, "client" if arguments.client else "function", functions))
    if settings.tls:
        print(f"authority to trust: {certificates.authority(settings) or 'the system’s'}")
        if settings.tls_clients:
            print(f"certificate to show: {certificates.client_file(settings, arguments.name)}")
    return 0


def certify(arguments: argparse.Namespace, settings: Settings) -> int:
    """Makes the broker's certificate, and the authority where there is none.

    Raises:
        CertificateError: a host is none, or the authority's key is not ours.
    """
    from agent import authority  # noqa: PLC0415 - cryptography is for this command only

    made = authority.certify(settings, arguments.hosts)
    print(f"Made. Clients elsewhere trust it with FUNCGEMMA_TLS_CA={made}")
    return 0


def revoke(arguments: argparse.Namespace, settings: Settings) -> int:
    """Takes a credential back; who is connected with it is put out.

    Raises:
        CredentialError: there is none, or it is one of our own workers'.
    """
    reachable = settings.external_broker or running(settings) is not None
    uvloop.run(revocation.revoke(settings, arguments.name, reachable=reachable))
    if settings.external_broker:
        print("Have your broker read its password and ACL files again; until then it lets them in.")
        return 0
    print(f"{arguments.name} can no longer connect.")
    return 0
