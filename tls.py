"""The server's TLS certificates: loaded at the start, and again on request."""

from __future__ import annotations

import ssl


class TlsError(Exception):
    """The certificate and key cannot be used; the message says what is required."""


class Certificates:
    """A certificate chain and its key: PEM files that may be replaced while the server runs.

    Attributes:
        context: the context for the server. New handshakes use the certificate that was loaded last.

    Raises:
        TlsError: the files cannot be used.
    """

    def __init__(self, chain: str, key: str) -> None:
        self._chain, self._key = chain, key
        self.context = self._current = self._read()
        # Each loading creates a new context, so that certificate and key always match. `_show` makes each handshake use
        # the newest context.
        self.context.sni_callback = self._show

    def read_again(self) -> None:
        """Load the files again for new connections. Open connections are not affected.

        Raises:
            TlsError: the files cannot be used; the previous certificate stays in use.
        """
        self._current = self._read()

    def _read(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            # An encrypted key is rejected. Without the argument `password`, OpenSSL would ask the user for the password
            # on the terminal.
            context.load_cert_chain(self._chain, self._key, password="")
        except OSError as error:
            raise TlsError(
                "WS_TLS_CERT and WS_TLS_KEY must name a certificate chain and its key, PEM files that the server's user can read"
                f" ({error.strerror})."
            ) from None
        return context

    def _show(self, handshake: ssl.SSLObject | ssl.SSLSocket, name: str | None, context: ssl.SSLContext) -> None:
        handshake.context = self._current
