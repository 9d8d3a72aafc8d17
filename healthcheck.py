"""Asks the running server for /health, for Docker's HEALTHCHECK. The exit code is 0 if a camera is open."""

from __future__ import annotations

import http.client
import ipaddress
import ssl
import sys

from settings.environment import Settings, SettingsError, load

_ANSWER_S = 4.0


def main() -> int:
    """Returns 0 (healthy) or 1 (not healthy, or no answer; the reason is on stderr)."""
    try:
        status, body = ask(load())
    except (SettingsError, OSError, http.client.HTTPException) as error:
        print(f"healthcheck: {error or type(error).__name__}", file=sys.stderr)
        return 1
    if status != http.HTTPStatus.OK:
        print(f"healthcheck: {status}: {body}", file=sys.stderr)
        return 1
    return 0


def ask(settings: Settings, token: str = "") -> tuple[int, str]:
    """The status and body of GET /health.

    Args:
        settings: the settings of the server, with its address.
        token: if it is given, the response contains details. If the settings name a certificate, the token is sent only
            to a server that has this certificate.

    Raises:
        OSError, http.client.HTTPException: there is no response, or the response is not HTTP.
    """
    host, port = _reachable(settings.ws_host), settings.ws_port
    connection: http.client.HTTPConnection
    if settings.ws_tls_cert:
        # The certificate is for the server's public name, not for this address.
        trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusting.check_hostname = False
        if token:
            # Trust exactly this certificate, independent of its issuer.
            trusting.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            trusting.load_verify_locations(settings.ws_tls_cert)
        else:
            trusting.verify_mode = ssl.CERT_NONE
        connection = http.client.HTTPSConnection(host, port, timeout=_ANSWER_S, context=trusting)
    else:
        connection = http.client.HTTPConnection(host, port, timeout=_ANSWER_S)
    try:
        # A token is sent as UTF-8; http.client would encode a string as Latin-1.
        connection.request("GET", "/health", headers={"Authorization": f"Bearer {token}".encode()} if token else {})
        response = connection.getresponse()
        return response.status, response.read().decode(errors="replace")
    finally:
        connection.close()


def _reachable(host: str) -> str:
    """The address to which a program on this machine connects if the server listens on `host`."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.is_unspecified:
        return "127.0.0.1" if address.version == 4 else "::1"
    return host


if __name__ == "__main__":
    sys.exit(main())
