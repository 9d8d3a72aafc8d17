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
from .usb.descriptors import UsbIdentity


@dataclass(frozen=True)
class Maker:
    """What differs between makers. ``model`` and ``usb`` are those of the default model."""

    model: str
    layout: Layout
    dialect: Callable[[Body], Dialect]
    usb: UsbIdentity


MAKERS: Mapping[str, Maker] = {
    "canon": Maker(
        "Canon EOS 550D", CANON_LAYOUT, CanonEos, UsbIdentity(0x04A9, 0x31EA, "Canon Inc.", "Canon Digital Camera")
    ),
    "nikon": Maker("D7100", NIKON_LAYOUT, NikonDslr, UsbIdentity(0x04B0, 0x0430, "NIKON", "NIKON DSC D7100")),
}
