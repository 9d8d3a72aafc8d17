"""One line about the settings that the server uses: those that differ from the defaults, and where each came from."""

from __future__ import annotations

import re

from settings.environment import SECRETS, Loaded, Settings

# The name and password in an address such as https://name:password@booth.example.
_LOGIN = re.compile(r"(?<=//)[^/@]*(?=@)")


def in_force(loaded: Loaded) -> str:
    """The settings that differ from their defaults, each with its value and its source, on one line.

    For a secret, only the source is shown.
    """
    defaults = Settings()
    shown = [
        f"{name.upper()}{'' if name in SECRETS else '=' + _text(value)} ({loaded.sources[name]})"
        for name, value in loaded.settings
        if value != getattr(defaults, name)
    ]
    return f"{', '.join(shown)}; defaults for the rest" if shown else "defaults for all settings"


def _text(value: object) -> str:
    """The value in the form in which it can be set. Text has quotes around it."""
    match value:
        case bool():
            return "yes" if value else "no"
        case tuple():
            return repr(_LOGIN.sub("...", ",".join(value)))
        case str():
            return repr(value)
        case _:
            return f"{value:g}"
