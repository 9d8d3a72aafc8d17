"""TLS for wss:// addresses: which certificates are trusted, and why a certificate was rejected."""

from __future__ import annotations

import asyncio
import os
import ssl
from contextlib import suppress
from urllib.parse import urlsplit

from gphoto_ws_client.errors import CertificateRefused

Tls = ssl.SSLContext | str | os.PathLike[str] | bool | None

# Values of SSLCertVerificationError.verify_code: constants X509_V_ERR_... in OpenSSL's x509_vfy.h.
_NOT_YET_VALID, _EXPIRED, _OTHER_HOST, _OTHER_IP = 9, 10, 62, 64
_UNKNOWN_ISSUER = frozenset((18, 19, 20, 21))
_PROBE_S = 3.0


def is_secure(url: str) -> bool:
    """Whether the address begins with wss://."""
    return url.strip()[:6].lower() == "wss://"


def make_context(url: str, tls: Tls) -> ssl.SSLContext | None:
    """The TLS context for an address; None for ws://.

    Args:
        url: the server's address.
        tls: see ClientOptions.

    Raises:
        ValueError: `tls` was given for an address without TLS, or the CA file contains no certificates.
        OSError: the CA file cannot be read.
    """
    if not is_secure(url):
        if tls is not None:
            raise ValueError(f"tls needs an address that begins with wss://, not {url}")
        return None
    if isinstance(tls, ssl.SSLContext):
        return tls
    if tls is None or tls is True:
        return ssl.create_default_context()
    if tls is False:
        return unverified()
    return _trusting(os.fspath(tls))


def unverified() -> ssl.SSLContext:
    """A context that encrypts but accepts any certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _trusting(ca_file: str) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except ssl.SSLError as error:
        raise ValueError(f"{ca_file} contains no certificate in PEM format") from error
    except OSError as error:  # the original error has no file name
        raise OSError(error.errno, error.strerror, ca_file) from error
    # The file may contain the server's own self-signed certificate, which may lack extensions of a certificate
    # authority. The strict check, which is the default since Python 3.13, would reject such a certificate.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def why_refused(url: str, error: ssl.SSLCertVerificationError) -> CertificateRefused:
    """The error for a certificate that is not trusted."""
    code = error.verify_code
    if code in _UNKNOWN_ISSUER:
        reason = "unknown_issuer"
        words = (
            "is not signed by an authority that this machine trusts. Give the client the certificate of that authority, or the "
            "server's own (tls=, --ca)"
        )
    elif code == _EXPIRED:
        reason, words = "expired", "has expired. Renew it on the server, or set the clock of this machine"
    elif code == _NOT_YET_VALID:
        reason, words = "not_yet_valid", "is not valid yet. Look at the clocks of the server and of this machine"
    elif code in (_OTHER_HOST, _OTHER_IP):
        reason = "other_host"
        words = f"is for another name than {_host(url)}. Use the name that is in it as the address"
    else:
        reason, words = "refused", f"is refused: {error.verify_message}"
    return CertificateRefused(f"The certificate of {url} {words}.", details={"reason": reason})


def _host(url: str) -> str:
    with suppress(ValueError):
        return urlsplit(url).hostname or url
    return url


async def other_scheme(url: str) -> str | None:
    """An explanation if the port uses TLS and the address does not, or the other way round; otherwise None.

    Called after the server closed the connection. Connects once more: for a ws:// address with a TLS handshake, for a
    wss:// address with a plain HTTP request.
    """
    secure = is_secure(url)
    try:
        parts = urlsplit(url)
        async with asyncio.timeout(_PROBE_S):
            reader, writer = await asyncio.open_connection(
                parts.hostname, parts.port or (443 if secure else 80), ssl=None if secure else unverified()
            )
            try:
                if secure:
                    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    if await reader.read(5) != b"HTTP/":
                        return None
            finally:
                writer.transport.abort()
    except (OSError, EOFError, ValueError):
        return None
    if secure:
        return f"{url} does not use TLS. Use an address that begins with ws://."
    return f"{url} uses TLS. Use an address that begins with wss://."
