"""The server over TLS (wss), its certificates and their renewal."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import signal
import socket
import ssl
import subprocess
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import psutil
import pytest
import trustme
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidMessage

import machine_names
from server import limits
from tests.support.entry import run
from tests.support.rig import Client, Server
from tests.support.waiting import until
from tests.support.wire import still_answers
from tls import Certificates, TlsError


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """A certificate authority that only these tests trust."""
    return trustme.CA()


@pytest.fixture
def tls_settings(authority: trustme.CA, tmp_path: Path) -> dict[str, str]:
    """The two settings for a server with a certificate for 127.0.0.1."""
    issued = authority.issue_cert("127.0.0.1")
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    for pem in issued.cert_chain_pems:
        pem.write_to_path(chain, append=True)
    issued.private_key_pem.write_to_path(key)
    return {"WS_TLS_CERT": str(chain), "WS_TLS_KEY": str(key)}


async def test_a_server_with_a_certificate_uses_wss(
    new_server: Callable[..., Server], authority: trustme.CA, tls_settings: dict[str, str]
) -> None:
    server = new_server("--simulate", **tls_settings)
    assert server.uri.startswith("wss://")
    trusting_context = ssl.create_default_context()
    authority.configure_trust(trusting_context)
    async with await Client.connect(server, ssl=trusting_context) as client:
        await still_answers(client)
        await client.command("start_live_view", fps=30)
        for _ in range(20):
            await client.event("live_view_frame", within=10)
        await client.command("stop_live_view")
        await client.command("capture_image")
        client.binary.clear()
        reply = await client.command("download_last_image", transfer="binary")
        complete = await client.event("transfer_complete")
        picture = b"".join(message[16:] for message in client.binary)
        assert (len(picture), hashlib.sha256(picture).hexdigest()) == (reply["size"], complete["sha256"])
    assert server.stop() == 0


async def test_tls_handshakes_have_a_timeout_and_bounded_memory(
    new_server: Callable[..., Server], authority: trustme.CA, tls_settings: dict[str, str]
) -> None:
    server = new_server(**tls_settings)
    address = ("127.0.0.1", int(server.uri.rpartition(":")[2]))
    before = psutil.Process(server.process.pid).num_fds()
    async with AsyncExitStack() as stack:
        silent = [stack.enter_context(socket.create_connection(address)) for _ in range(2 * limits.TLS_HANDSHAKES)]
        # The server closes the connections above the limit, and also their descriptors.
        await until(lambda: sum(_closed_by_server(connection) for connection in silent) >= limits.TLS_HANDSHAKES)
        assert psutil.Process(server.process.pid).num_fds() <= before + limits.TLS_HANDSHAKES
        # The server closes the other connections after their timeout, and then accepts new clients.
        await until(lambda: all(map(_closed_by_server, silent)))
        trusting_context = ssl.create_default_context()
        authority.configure_trust(trusting_context)
        async with await Client.connect(server, ssl=trusting_context) as client:
            await still_answers(client)
    assert server.stop() == 0


def _closed_by_server(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


async def test_a_client_that_does_not_trust_the_certificate_does_not_connect(
    new_server: Callable[..., Server], tls_settings: dict[str, str]
) -> None:
    server = new_server(**tls_settings)
    with pytest.raises(ssl.SSLCertVerificationError):
        await connect(server.uri)
    assert server.stop() == 0


async def test_a_client_without_tls_is_rejected(
    new_server: Callable[..., Server], tls_settings: dict[str, str]
) -> None:
    server = new_server(**tls_settings)
    with pytest.raises((InvalidMessage, ConnectionError)):
        await connect(server.uri.replace("wss:", "ws:"))
    assert server.stop() == 0


def certificate_of(server: Server) -> bytes:
    """The certificate that a new client gets, in DER."""
    unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unverified.check_hostname = False
    unverified.verify_mode = ssl.CERT_NONE
    address = ("127.0.0.1", int(server.uri.rpartition(":")[2]))
    with (
        socket.create_connection(address, timeout=20) as plain,
        unverified.wrap_socket(plain, server_hostname=None) as secure,
    ):
        certificate = secure.getpeercert(binary_form=True)
    assert certificate
    return certificate


async def test_sighup_reloads_the_certificate_and_keeps_the_old_one_if_the_new_one_is_invalid(
    new_server: Callable[..., Server], authority: trustme.CA, tls_settings: dict[str, str]
) -> None:
    server = new_server("--simulate", **tls_settings)
    trusting_context = ssl.create_default_context()
    authority.configure_trust(trusting_context)
    first = certificate_of(server)
    async with await Client.connect(server, ssl=trusting_context) as client:
        renewed = authority.issue_cert("127.0.0.1", "booth.example")
        Path(tls_settings["WS_TLS_CERT"]).write_bytes(b"".join(pem.bytes() for pem in renewed.cert_chain_pems))
        server.process.send_signal(signal.SIGHUP)  # the key file still belongs to the old certificate
        server.wait_for_log(
            "ERROR .*SIGHUP: the certificate could not be reloaded; the previous one stays in use: WS_TLS_CERT and WS_TLS_KEY"
        )
        assert certificate_of(server) == first
        renewed.private_key_pem.write_to_path(tls_settings["WS_TLS_KEY"])
        server.process.send_signal(signal.SIGHUP)
        server.wait_for_log("INFO .*SIGHUP: certificate and key reloaded")
        second = certificate_of(server)
        assert second == ssl.PEM_cert_to_DER_cert(renewed.cert_chain_pems[0].bytes().decode())
        Path(tls_settings["WS_TLS_KEY"]).unlink()
        server.process.send_signal(signal.SIGHUP)
        server.wait_for_log(r"ERROR .*\(No such file or directory\)")
        assert certificate_of(server) == second
        async with await Client.connect(server, ssl=trusting_context) as other:
            await still_answers(other)
        await still_answers(client)
    assert server.stop() == 0


async def test_sighup_without_tls_changes_nothing(new_server: Callable[..., Server]) -> None:
    server = new_server("--simulate")
    async with await Client.connect(server) as client:
        serial = (await client.command("get_camera_info"))["serial"]
        server.process.send_signal(signal.SIGHUP)
        server.wait_for_log("INFO .*SIGHUP: there is no certificate")
        assert (await client.command("get_camera_info"))["serial"] == serial
    assert server.stop() == 0


def test_a_key_with_a_password_is_rejected_without_a_prompt(tls_settings: dict[str, str]) -> None:
    key = Path(tls_settings["WS_TLS_KEY"])
    encrypted = subprocess.run(
        ["openssl", "pkcs8", "-topk8", "-in", key, "-passout", "pass:secret"],
        capture_output=True,
        check=True,
        timeout=30,
    ).stdout
    key.write_bytes(encrypted)
    with pytest.raises(TlsError, match="WS_TLS_KEY"):
        Certificates(tls_settings["WS_TLS_CERT"], str(key))


async def test_a_certificate_of_make_cert_is_valid_for_its_names(
    new_server: Callable[..., Server], tmp_path: Path
) -> None:
    folder = tmp_path / "made"
    folder.mkdir()
    result = run(tmp_path, "--make-cert", str(folder))
    assert (result.returncode, result.stderr) == (0, "")
    settings = dict(line.split("=", 1) for line in result.stdout.splitlines() if line.startswith("WS_TLS_"))
    assert sorted(path.name for path in folder.iterdir()) == ["tls-cert.pem", "tls-key.pem"]
    assert [oct((folder / name).stat().st_mode & 0o777) for name in ("tls-key.pem", "tls-cert.pem")] == [
        "0o600",
        "0o644",
    ]
    server = new_server(WS_HOST="0.0.0.0", **settings)
    assert "WARNING" not in server.log
    trusting_context = ssl.create_default_context(cafile=settings["WS_TLS_CERT"])
    trusting_context.verify_flags |= ssl.VERIFY_X509_STRICT  # Python 3.13 sets this flag by default
    port = server.uri.rpartition(":")[2]
    for name in ("localhost", "127.0.0.1", *machine_names.names(), *machine_names.addresses()):
        url_host = f"[{name}]" if ":" in name else name
        async with connect(f"wss://{url_host}:{port}", host="127.0.0.1", ssl=trusting_context):
            pass
    assert server.stop() == 0


@pytest.mark.parametrize("existing", ["tls-cert.pem", "tls-key.pem"])
def test_make_cert_overwrites_no_file(tmp_path: Path, existing: str) -> None:
    (tmp_path / existing).write_text("precious")
    result = run(tmp_path, "--make-cert")
    assert result.returncode == 1
    assert f"{existing} exists" in result.stderr
    assert [path.read_text() for path in tmp_path.iterdir()] == ["precious"]


def test_without_openssl_the_error_says_how_to_install_it(tmp_path: Path) -> None:
    result = run(tmp_path, "--make-cert", PATH=str(tmp_path))
    assert (result.returncode, "apt-get install openssl" in result.stderr) == (1, True)
    assert list(tmp_path.iterdir()) == []


def test_the_error_for_a_missing_folder_names_it(tmp_path: Path) -> None:
    result = run(tmp_path, "--make-cert", str(tmp_path / "nowhere"))
    assert (result.returncode, f"{tmp_path / 'nowhere'}: No such file" in result.stderr) == (1, True)


async def test_over_tls_responses_have_strict_transport_security(
    new_server: Callable[..., Server], authority: trustme.CA, tls_settings: dict[str, str]
) -> None:
    server = new_server(**tls_settings)
    trusting_context = ssl.create_default_context()
    authority.configure_trust(trusting_context)
    netloc = server.uri.removeprefix("wss://")
    for path, status in (("/health", 503), ("/" + "x" * 9000, 414)):
        connection = http.client.HTTPSConnection(netloc, timeout=20, context=trusting_context)
        connection.request("GET", path)
        reply = await asyncio.to_thread(connection.getresponse)
        assert (reply.status, reply.headers["Strict-Transport-Security"]) == (status, "max-age=2592000")
        connection.close()
    assert server.stop() == 0
