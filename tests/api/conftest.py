"""Clients of a scripted server: real sockets, a clock that jumps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr

from armillary.api import Connection, Ptolemy, connect
from tests.api.clocks import JumpClock
from tests.api.wire import Behaviour, WireServer

CANARY = "ptk_live_" + "c0ffee" * 10 + "c0ff"


@dataclass
class Bench:
    """A client, the server it talks to, and its clock."""

    ptolemy: Ptolemy
    server: WireServer
    clock: JumpClock


Serve = Callable[..., Bench]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """``serve(behaviour, behaviour, ..., attempts=1)``: a bench with that script."""
    with ExitStack() as stack:

        def start(*script: Behaviour, max_calls: int | None = None, **limits: Any) -> Bench:
            server = stack.enter_context(WireServer(list(script)))
            clock = JumpClock()
            connection = Connection(server.url, "acme", SecretStr(CANARY), **limits)
            ptolemy = stack.enter_context(connect(connection, clock=clock, max_calls=max_calls))
            return Bench(ptolemy, server, clock)

        yield start


@pytest.fixture(scope="session")
def self_signed(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Files of a certificate for 127.0.0.1 that no authority signed, and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    folder: Path = tmp_path_factory.mktemp("tls")
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(folder / "cert.pem"), str(folder / "key.pem")
