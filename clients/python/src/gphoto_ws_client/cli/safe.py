"""Makes text from cameras and servers (names, messages, values) safe for a terminal and for file names."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection
from pathlib import PurePosixPath

# Characters that Windows does not allow in file names, and names that Windows reserves for devices (Microsoft's page
# "Naming Files, Paths, and Namespaces", and CreateFileW for conin$ and conout$).
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
# Limits for the name and for its suffix, in bytes. ext4, APFS and NTFS allow at least 255 bytes. The remaining bytes
# are for the number that makes a name unique.
_NAME_BYTES, _SUFFIX_BYTES = 200, 20


def printable(text: str) -> str:
    """The text, with escapes such as \\x1b instead of characters that control a terminal or are invisible.

    Escaped are control characters, line ends, marks that change the writing direction, other invisible characters and
    lone surrogates. Spaces of any width are not escaped.
    """
    if text.isprintable():
        return text
    return "".join(one if _is_shown(one) else one.encode("unicode_escape").decode("ascii") for one in text)


def local_name(name: str, taken: Collection[str] = ()) -> str:
    """A local file name, made from the name that a camera or server sent.

    The result is not a hidden file, a command line option, a path or a Windows device, and it is not too long. It
    differs from all names in `taken`, even on a file system that does not distinguish upper and lower case.
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
