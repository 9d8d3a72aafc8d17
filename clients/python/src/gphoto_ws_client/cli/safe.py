"""What the other side chose (names, messages, values of cameras and servers), made safe for a terminal and a folder."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection
from pathlib import PurePosixPath

# Windows takes none of these in a name, and these stems with any suffix are devices there (CreateFileW, naming rules).
_FORBIDDEN = frozenset('<>:"|?*\\/')
_DEVICES = frozenset(
    (
        "con",
        "prn",
        "aux",
        "nul",
        "conin$",
        "conout$",
        *(f"{port}{n}" for port in ("com", "lpt") for n in "0123456789¹²³"),
    )
)
# ext4, APFS and NTFS take 255; the rest is for a number.
_NAME_BYTES, _SUFFIX_BYTES = 200, 20


def printable(text: str) -> str:
    """The text with escapes such as \\x1b in place of what a terminal acts on or does not show.

    Control characters, line ends, marks that turn the direction of writing, other invisible ones and lone
    surrogates; a space of any width stays.
    """
    if text.isprintable():
        return text
    return "".join(one if _is_shown(one) else one.encode("unicode_escape").decode("ascii") for one in text)


def local_name(name: str, taken: Collection[str] = ()) -> str:
    """A name for a file here, from the one that a camera or a server gave it.

    Never hidden, an option, a path, a device of Windows, or longer than any file system takes; other than the names
    in `taken`, also where upper and lower case are the same.
    """
    wanted = name.rpartition("/")[2]
    clean = "".join("_" if one in _FORBIDDEN or not _is_shown(one) else one for one in wanted).strip().rstrip(". ")
    if clean.startswith((".", "-")) or clean.partition(".")[0].rstrip().lower() in _DEVICES:
        clean = f"_{clean}"
    parts = PurePosixPath(clean or "picture")
    suffix = _cut(parts.suffix, _SUFFIX_BYTES)
    stem = _cut(parts.stem, _NAME_BYTES - len(suffix.encode()))
    folded = {one.casefold() for one in taken}
    chosen, number = f"{stem}{suffix}", 1
    while chosen.casefold() in folded:
        number += 1
        chosen = f"{stem}-{number}{suffix}"
    return chosen


def _is_shown(char: str) -> bool:
    return char.isprintable() or unicodedata.category(char) == "Zs"


def _cut(text: str, most: int) -> str:
    return text.encode()[:most].decode(errors="ignore")
