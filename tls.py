"""The certificates that the server shows: read at the start, and again on request."""

from __future__ import annotations

import ssl


class TlsError(Exception):
    """A certificate and its key cannot be used; the message says what is needed."""


class Certificates:
    """A certificate chain and its key, PEM files that may be replaced while the server runs.

    Attributes:
        context: for the server; new handshakes show the certificate that was read last.

    Raises:
        TlsError: the files cannot be used.
    """

    def __init__(self, chain: str, key: str) -> None:
        self._chain, self._key = chain, key
        self.context = self._current = self._read()
        # A context of its own for each reading, so that a pair is shown whole or not at all.
        self.context.sni_callback = self._show

    def read_again(self) -> None:
        """Show what the files hold now to new clients; those that are connected notice nothing.

        Raises:
            TlsError: the files cannot be used; the certificate from before is shown on.
        """
        self._current = self._read()

    def _read(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            # An encrypted key is refused; without a password here OpenSSL would ask for one on the terminal.
            context.load_cert_chain(self._chain, self._key, password="")
        except OSError as error:
            raise TlsError(
                "WS_TLS_CERT and WS_TLS_KEY must name a certificate chain and its key, PEM files that the server's user can read"
                f" ({error.strerror})."
            ) from None
        return context

    def _show(self, handshake: ssl.SSLObject | ssl.SSLSocket, name: str | None, context: ssl.SSLContext) -> None:
        handshake.context = self._current
