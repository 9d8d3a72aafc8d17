"""What is required before other machines can connect: a long token, and either TLS or the setting WS_PLAIN."""

from __future__ import annotations

import ipaddress

from settings.environment import Settings, SettingsError

# If only this machine can connect, a token with fewer characters than this causes a warning.
WARN_BELOW_CHARACTERS = 8
# If other machines can connect, a token with fewer characters than this is refused. Attempts to guess the token are
# delayed, but their number is not limited.
REFUSE_BELOW_CHARACTERS = 16


class ListenRefused(SettingsError):
    """Other machines could connect, but there is no long token or no TLS.

    Attributes:
        fix: a command or a step that solves the problem.
    """

    def __init__(self, words: str, fix: str) -> None:
        super().__init__(words)
        self.fix = fix


def check(host: str, settings: Settings) -> list[str]:
    """Warnings about the token and TLS before the server listens on `host`.

    Raises:
        ListenRefused: other machines could connect without a long token, or without TLS.
    """
    token = settings.api_token
    if is_loopback(host):
        if token and len(token) < WARN_BELOW_CHARACTERS:
            return [
                f"API_TOKEN is shorter than {WARN_BELOW_CHARACTERS} characters: it is easily guessed, and log lines may show it."
            ]
        return []
    new_token = 'echo "API_TOKEN=$(cat /proc/sys/kernel/random/uuid)" >> .env'
    if not token:
        raise ListenRefused(
            f"Listening on {host} lets other machines in: set API_TOKEN, or listen on this machine only"
            " (WS_HOST=localhost).",
            new_token,
        )
    if len(token) < REFUSE_BELOW_CHARACTERS:
        raise ListenRefused(
            f"API_TOKEN is shorter than {REFUSE_BELOW_CHARACTERS} characters. Listening on {host} lets other machines"
            " guess it: choose a longer one.",
            new_token,
        )
    if settings.ws_tls_cert:
        return []
    if not settings.ws_plain:
        raise ListenRefused(
            f"Listening on {host} without TLS lets others on the network read the token and the pictures:"
            " set WS_TLS_CERT and WS_TLS_KEY (--make-cert writes such files),"
            " or WS_PLAIN=yes where that is wanted, as behind a reverse proxy.",
            "the server's option --make-cert, and the two settings that it prints",
        )
    return ["listening beyond this machine without TLS, as WS_PLAIN says: the token can be read on the network"]


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to this address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
