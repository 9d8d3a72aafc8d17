"""The client and the command line over TLS: trusted certificates, and the errors for untrusted certificates."""

from __future__ import annotations

import datetime
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from gphoto_ws_client import CertificateRefused, Client, ConnectionFailed

from tests.client.shell import Shell
from tests.support.rig import TOKEN, Server

StartServer = Callable[..., Server]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """A certificate authority that only these tests trust."""
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    """A file with the authority's certificate."""
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return str(tmp_path / "ca.pem")


@pytest.fixture
def tls_server(authority: trustme.CA, tmp_path: Path, new_server: Callable[..., Server]) -> StartServer:
    """A function that starts a server with a certificate for a given name and period."""

    def start(
        name: str = "127.0.0.1",
        not_before: datetime.datetime | None = None,
        not_after: datetime.datetime | None = None,
    ) -> Server:
        issued = authority.issue_cert(name, not_before=not_before, not_after=not_after)
        chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
        for pem in issued.cert_chain_pems:
            pem.write_to_path(chain, append=True)
        issued.private_key_pem.write_to_path(key)
        return new_server(WS_TLS_CERT=str(chain), WS_TLS_KEY=str(key))

    return start


async def _certificate_error(server: Server, **options: Any) -> CertificateRefused:
    with pytest.raises(CertificateRefused) as caught:
        async with Client(server.uri, server.token, **options):
            pass
    assert (caught.value.code, caught.value.retryable) == ("certificate_refused", False)
    return caught.value


async def test_a_ca_file_or_a_context_is_trusted_and_False_trusts_any_certificate(
    tls_server: StartServer, authority: trustme.CA, ca_file: str
) -> None:
    server = tls_server()
    context = ssl.create_default_context()
    authority.configure_trust(context)
    for trusted in (ca_file, Path(ca_file), context, False):
        async with Client(server.uri, server.token, tls=trusted) as client:
            assert (await client.ping()).message == "pong"
    error = await _certificate_error(server)
    assert error.details == {"reason": "unknown_issuer"}
    assert "is not signed by an authority that this machine trusts. Give the client the certificate" in error.message


async def test_a_self_signed_certificate_is_trusted_if_it_is_given_as_tls(
    tmp_path: Path, new_server: Callable[..., Server]
) -> None:
    certificate, key = _self_signed(tmp_path)
    server = new_server(WS_TLS_CERT=certificate, WS_TLS_KEY=key)
    async with Client(server.uri.replace("127.0.0.1", "localhost"), server.token, tls=certificate) as client:
        assert client.connected
    assert (await _certificate_error(server)).details["reason"] == "unknown_issuer"


async def test_a_certificate_for_another_name_is_rejected(tls_server: StartServer, ca_file: str) -> None:
    error = await _certificate_error(tls_server("cameras.example"), tls=ca_file)
    assert error.details["reason"] == "other_host"
    assert "is for another name than 127.0.0.1. Use the name that is in it" in error.message


@pytest.mark.parametrize(
    ("days", "reason", "words"),
    [
        ((-9, -2), "expired", "has expired. Renew it on the server"),
        ((2, 9), "not_yet_valid", "is not valid yet. Look at the clocks"),
    ],
)
async def test_an_expired_or_future_certificate_is_rejected(
    tls_server: StartServer, ca_file: str, days: tuple[int, int], reason: str, words: str
) -> None:
    now = datetime.datetime.now(datetime.UTC)
    first, last = (now + datetime.timedelta(days=day) for day in days)
    error = await _certificate_error(tls_server(not_before=first, not_after=last), tls=ca_file)
    assert (error.details["reason"], words in error.message) == (reason, True)


async def test_the_error_explains_ws_to_a_tls_port_and_wss_to_a_plain_port(
    tls_server: StartServer, bare_server: Server, ca_file: str
) -> None:
    secure = tls_server()
    with pytest.raises(ConnectionFailed, match=r"uses TLS\. Use an address that begins with wss://"):
        async with Client(secure.uri.replace("wss:", "ws:"), secure.token):
            pass
    with pytest.raises(ConnectionFailed, match=r"does not use TLS.*begins with ws://"):
        async with Client(bare_server.uri.replace("ws:", "wss:"), bare_server.token, tls=ca_file):
            pass


def test_conflicting_options_are_rejected_before_connecting(ca_file: str, tmp_path: Path) -> None:
    for tls in (ca_file, False, ssl.create_default_context()):
        with pytest.raises(ValueError, match="begins with wss://"):
            Client("ws://127.0.0.1:1", TOKEN, tls=tls)
    (tmp_path / "none.pem").write_text("no certificate")
    with pytest.raises(ValueError, match="no certificate in PEM form"):
        Client("wss://127.0.0.1:1", TOKEN, tls=tmp_path / "none.pem")
    with pytest.raises(FileNotFoundError, match=r"nowhere\.pem"):
        Client("wss://127.0.0.1:1", TOKEN, tls=tmp_path / "nowhere.pem")


def test_the_command_line_accepts_ca_and_insecure(
    tls_server: StartServer, installed_shell: Callable[[Server], Shell], ca_file: str
) -> None:
    shell = installed_shell(tls_server())
    nothing = "No camera is connected."
    assert shell.succeed("cameras", "--ca", ca_file).text == nothing
    assert shell.succeed("--ca", ca_file, "cameras").text == nothing
    assert shell.succeed("cameras", "--insecure").text == nothing
    assert shell.succeed("cameras", GPHOTO_WS_CA=ca_file).text == nothing
    done = shell.run("cameras")
    assert (done.code, "--ca" in done.err, "Traceback" in done.err) == (3, True, False)
    done = shell.run("cameras", "--url", shell.environment["GPHOTO_WS_URL"].replace("wss:", "ws:"))
    assert (done.code, "begins with wss://" in done.err) == (3, True)


def test_the_command_line_rejects_conflicting_options(bare_shell: Shell, ca_file: str) -> None:
    for options, words in (
        (("--ca", ca_file), "--ca needs an address that begins with wss://"),
        (("--insecure",), "--insecure needs"),
        (("--ca", ca_file, "--insecure", "--url", "wss://127.0.0.1:1"), "cannot be combined"),
        (("--ca", "nowhere.pem", "--url", "wss://127.0.0.1:1"), "nowhere.pem: No such file"),
        (("--ca", ".", "--url", "wss://127.0.0.1:1"), ""),
    ):
        done = bare_shell.run("cameras", *options)
        assert (done.code, words in done.err) == (2, True), done.err
    # The environment variable is accepted with ws://, because it may have been set for another server.
    bare_shell.succeed("cameras", GPHOTO_WS_CA=ca_file)


def _self_signed(folder: Path) -> tuple[str, str]:
    """Write a minimal self-signed certificate and its key, and return both paths.

    The certificate has no key usage and no constraints, like the certificates that openssl makes.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - datetime.timedelta(1),
                                now + datetime.timedelta(9))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / "own.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "own.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(folder / "own.pem"), str(folder / "own.key")
