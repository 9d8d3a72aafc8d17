"""The makers whose cameras can be simulated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .body import Body
from .canon.dialect import CanonEos
from .canon.properties import LAYOUT as CANON_LAYOUT
from .card import Layout
from .dialect import Dialect
from .nikon.dialect import NikonDslr
from .nikon.properties import LAYOUT as NIKON_LAYOUT


@dataclass(frozen=True)
class Maker:
    """What differs between makers. ``model`` is the default name of the model."""

    model: str
    layout: Layout
    dialect: Callable[[Body], Dialect]


MAKERS: Mapping[str, Maker] = {
    "canon": Maker("Canon EOS 550D", CANON_LAYOUT, CanonEos),
    "nikon": Maker("D7100", NIKON_LAYOUT, NikonDslr),
}
