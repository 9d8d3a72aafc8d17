"""The generated documents: where each stands and what it holds."""

from __future__ import annotations

from pathlib import Path

from docs.generator import asyncapi, page

_DOCS = Path(__file__).resolve().parent.parent


def written() -> dict[Path, str]:
    """Every generated document by its path, as it has to be now."""
    return {_DOCS / "protocol.md": page.text(), _DOCS / "asyncapi.yaml": asyncapi.text()}
