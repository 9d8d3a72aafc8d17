"""The console page: its files made into one answer, and the policy that lets nothing else run in it."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

_FOLDER = Path(__file__).with_name("console")
# In the order in which they stand in the page: one script, so that there is one scope and nothing to load.
_SCRIPTS = ("elements.js", "wire.js", "login.js", "cameras.js", "live.js", "picture.js", "shots.js", "controls.js", "settings.js",
            "storage.js", "events.js", "main.js")  # fmt: skip
_STYLE_HERE, _SCRIPT_HERE = "/* style */", "/* script */"


class ConsolePage:
    """The page as it is sent.

    Attributes:
        body: HTML with its style and its script inside.
        kind: its content type.
        etag: changes with it.
        headers: what is sent along, beside what every answer has.
    """

    kind = "text/html; charset=utf-8"

    def __init__(self) -> None:
        style = _read("console.css")
        script = "\n".join(_read(name) for name in _SCRIPTS)
        html = _read("console.html").replace(_STYLE_HERE, style, 1).replace(_SCRIPT_HERE, script, 1)
        self.body = html.encode()
        self.etag = f'"{hashlib.sha256(self.body).hexdigest()[:32]}"'
        self.headers = {
            "Cache-Control": "no-cache",  # kept, but asked for again: it goes with this server's version
            "ETag": self.etag,
            "Content-Security-Policy": _policy(style, script),
        }


def _read(name: str) -> str:
    return (_FOLDER / name).read_text("utf-8")


def _policy(style: str, script: str) -> str:
    """Only this style and this script run, pictures are those the script made, and connections come back here."""
    return "; ".join((
        "default-src 'none'",
        f"script-src {_hash(script)}",
        f"style-src {_hash(style)}",
        "img-src blob: data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    ))  # fmt: skip


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
