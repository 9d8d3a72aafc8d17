"""XMP sidecars: small files next to RAW files, with metadata that photo programs read.

RAW files themselves are never changed. The package exiv2 is optional.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from threading import Lock

from store.job_info import JobInfo

ENDING = ".xmp"

# The XMP toolkit in exiv2 is not thread-safe.
_encoding = Lock()


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """What a sidecar says about a picture.

    Attributes:
        words: job, label, artist and others.
        number: the number of the shot in its job; 0 if it has none.
        serial: the serial number of the camera, if it has one.
        taken_at: the time of the release by the clock of this machine, in seconds since 1970.
    """

    words: JobInfo
    number: int
    serial: str | None
    taken_at: float


def problem() -> str | None:
    """Why sidecars cannot be made, in words; None if they can."""
    try:
        import exiv2  # noqa: F401 - imported only if sidecars are made, because it needs 15 MB of memory
    except (ImportError, OSError) as error:
        return str(error)
    return None


def packet(facts: PictureFacts) -> bytes:
    """The content of a sidecar.

    Raises:
        ValueError: the XMP toolkit does not accept it.
    """
    import exiv2

    words = facts.words
    # Names and types: XMP specification, part 1 (dc, xmp) and part 2 (photoshop, xmpDM); aux: Adobe, written by its
    # programs. IPTC calls TransmissionReference the job identifier.
    texts = {
        "Xmp.photoshop.TransmissionReference": words.job,
        "Xmp.photoshop.DateCreated": datetime.fromtimestamp(facts.taken_at).astimezone().isoformat("T", "milliseconds"),
        "Xmp.xmp.Label": words.label,
        "Xmp.xmpDM.shotNumber": str(facts.number or ""),
        "Xmp.dc.creator": words.artist,
        "Xmp.aux.OwnerName": words.owner,
        "Xmp.aux.SerialNumber": facts.serial or "",
    }
    with _encoding:
        data = exiv2.XmpData()
        try:
            for name, text in texts.items():
                if text:
                    data[name] = _plain(text)
            if words.copyright:
                data["Xmp.dc.rights"] = {"x-default": _plain(words.copyright)}
            flags = exiv2.XmpParser.XmpFormatFlags
            code, encoded = exiv2.XmpParser.encode(data, flags.omitPacketWrapper | flags.useCompactFormat, 0)
        except exiv2.Exiv2Error as error:
            raise ValueError(str(error)) from error
    if code:
        raise ValueError(f"exiv2 cannot write it (code {code})")
    return str(encoded).encode()


def _plain(text: str) -> str:
    """The text without characters that XML does not allow. For exiv2, "type=" at the start would be an instruction."""
    allowed = "".join(one if one >= " " and one not in "\ufffe\uffff" else " " for one in text)
    clean = allowed.encode("utf-8", "replace").decode()
    return f" {clean}" if clean.startswith("type=") else clean
