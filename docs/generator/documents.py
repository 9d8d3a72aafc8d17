"""The generated documents: paths and contents."""

from __future__ import annotations

from pathlib import Path

from docs.generator import asyncapi, page

_DOCS = Path(__file__).resolve().parent.parent


def written() -> dict[Path, str]:
    """The current content of every generated document, by its path."""
    return {_DOCS / "protocol.md": page.text(), _DOCS / "asyncapi.yaml": asyncapi.text()}
