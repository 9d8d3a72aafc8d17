"""What a server needs before other machines may reach it: a token that is not guessed, and TLS or a word that none is wanted."""

from __future__ import annotations

import ipaddress

from settings import Settings, SettingsError

# On this machine alone, a shorter token is warned of.
TOKEN_CHARACTERS = 8
# Beyond this machine, a shorter one is refused: guesses are not limited in number, only slowed down.
TOKEN_CHARACTERS_BEYOND = 16


class Exposed(SettingsError):
    """Other machines could reach the server, and something is missing.

    Attributes:
        fix: one command, or one thing to do.
    """

    def __init__(self, words: str, fix: str) -> None:
        super().__init__(words)
        self.fix = fix


def check(host: str, settings: Settings) -> list[str]:
    """Warnings about the token and TLS for a server that is to listen on `host`.

    Raises:
        Exposed: other machines could reach it without what that needs; says what to do.
    """
    token = settings.api_token
    if is_loopback(host):
        if token and len(token) < TOKEN_CHARACTERS:
            return [
                f"API_TOKEN is shorter than {TOKEN_CHARACTERS} characters: it is easily guessed, and log lines may show it."
            ]
        return []
    new_token = 'echo "API_TOKEN=$(cat /proc/sys/kernel/random/uuid)" >> .env'
    if not token:
        raise Exposed(
            f"Listening on {host} lets other machines in: set API_TOKEN, or listen on this machine only"
            " (WS_HOST=localhost).",
            new_token,
        )
    if len(token) < TOKEN_CHARACTERS_BEYOND:
        raise Exposed(
            f"API_TOKEN is shorter than {TOKEN_CHARACTERS_BEYOND} characters. Listening on {host} lets other machines"
            " guess it: choose a longer one.",
            new_token,
        )
    if settings.ws_tls_cert:
        return []
    if not settings.ws_plain:
        raise Exposed(
            f"Listening on {host} without TLS lets others on the network read the token and the pictures:"
            " set WS_TLS_CERT and WS_TLS_KEY (--make-cert writes such files),"
            " or WS_PLAIN=yes where that is wanted, as behind a reverse proxy.",
            "the server's option --make-cert, and the two settings that it prints",
        )
    return ["listening beyond this machine without TLS, as WS_PLAIN says: the token can be read on the network"]


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens there."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
