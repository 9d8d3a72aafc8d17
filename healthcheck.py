"""Asks the server of these settings how it is, for Docker's HEALTHCHECK: exit code 0 when its /health is good."""

from __future__ import annotations

import http.client
import ipaddress
import ssl
import sys

from settings import Settings, SettingsError, load

_ANSWER_S = 4.0


def main() -> int:
    """Returns 0 (good) or 1 (bad, or no answer; the reason is on stderr)."""
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
        settings: where the server is.
        token: for the details; only sent to a server that has the certificate of the settings, where it has one.

    Raises:
        OSError, http.client.HTTPException: no answer, or none of HTTP.
    """
    host, port = _reachable(settings.ws_host), settings.ws_port
    connection: http.client.HTTPConnection
    if settings.ws_tls_cert:
        # Its certificate is for the name that clients use, not for this address.
        trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusting.check_hostname = False
        if token:
            trusting.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # this very certificate, whoever issued it
            trusting.load_verify_locations(settings.ws_tls_cert)
        else:
            trusting.verify_mode = ssl.CERT_NONE
        connection = http.client.HTTPSConnection(host, port, timeout=_ANSWER_S, context=trusting)
    else:
        connection = http.client.HTTPConnection(host, port, timeout=_ANSWER_S)
    try:
        # A token is sent as UTF-8; a string would be taken for Latin-1.
        connection.request("GET", "/health", headers={"Authorization": f"Bearer {token}".encode()} if token else {})
        response = connection.getresponse()
        return response.status, response.read().decode(errors="replace")
    finally:
        connection.close()


def _reachable(host: str) -> str:
    """Where a server that is bound there answers on this machine."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.is_unspecified:
        return "127.0.0.1" if address.version == 4 else "::1"
    return host


if __name__ == "__main__":
    sys.exit(main())
