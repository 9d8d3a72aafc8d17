"""What a server needs before other machines may reach it: a token that is not guessed, and better TLS."""

from __future__ import annotations

import ipaddress

from settings import Settings, SettingsError

TOKEN_CHARACTERS = 8


def check(host: str, settings: Settings) -> list[str]:
    """Warnings about the token and TLS for a server that is to listen on `host`.

    Raises:
        SettingsError: other machines could reach it, and a token is missing or too short; says what to do.
    """
    beyond = not is_loopback(host)
    token = settings.api_token
    short = f"API_TOKEN is shorter than {TOKEN_CHARACTERS} characters"
    if beyond and not token:
        raise SettingsError(
            f"Listening on {host} lets other machines in: set API_TOKEN, or listen on this machine only"
            " (WS_HOST=localhost)."
        )
    if beyond and len(token) < TOKEN_CHARACTERS:
        raise SettingsError(f"{short}. Listening on {host} lets other machines guess it: choose a longer one.")
    warnings = []
    if token and len(token) < TOKEN_CHARACTERS:
        warnings.append(f"{short}: it is easily guessed, and log lines may show it.")
    if beyond and not settings.ws_tls_cert:
        warnings.append("listening beyond this machine without TLS: the token can be read on the network")
    return warnings


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens there."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
