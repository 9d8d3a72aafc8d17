"""The console page: its HTML, style and scripts in one response. A policy blocks all other scripts and styles."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

_FOLDER = Path(__file__).with_name("console")
# In the order in which the files are joined to one script. With one script, the files share one scope, and the browser
# needs no further requests.
_SCRIPTS = ("elements.js", "wire.js", "login.js", "cameras.js", "live.js", "picture.js", "shots.js", "controls.js", "settings.js",
            "storage.js", "events.js", "main.js")  # fmt: skip
_STYLE_HERE, _SCRIPT_HERE = "/* style */", "/* script */"


class ConsolePage:
    """The console page as it is sent to a browser.

    Attributes:
        body: HTML with its style and script.
        kind: the content type.
        etag: identifies this version of the page.
        headers: additional headers of the response.
    """

    kind = "text/html; charset=utf-8"

    def __init__(self) -> None:
        style = _read("console.css")
        script = "\n".join(_read(name) for name in _SCRIPTS)
        html = _read("console.html").replace(_STYLE_HERE, style, 1).replace(_SCRIPT_HERE, script, 1)
        self.body = html.encode()
        self.etag = f'"{hashlib.sha256(self.body).hexdigest()[:32]}"'
        self.headers = {
            "Cache-Control": "no-cache",  # browsers may store the page, but must check for a newer version
            "ETag": self.etag,
            "Content-Security-Policy": _policy(style, script),
        }


def _read(name: str) -> str:
    return (_FOLDER / name).read_text("utf-8")


def _policy(style: str, script: str) -> str:
    """The policy allows only this style, this script, images from the script, and connections to this server."""
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
