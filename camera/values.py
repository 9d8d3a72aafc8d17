"""Converts a value to the type of a configuration widget and checks it before the camera gets it.

libgphoto2 does not check values. An invalid value has one of three effects: the camera rejects it with error -1, the
camera ignores it, or the widget becomes unusable. This module uses `ConfigItem` and no objects of the library.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

from camera.errors import ConfigReadonly, InvalidValue, NotSupported, ValueVetoed
from camera.escapes import unescaped
from camera.model import ConfigItem, ConfigValue

# Names that different camera makers use for the same value of capturetarget or liveviewsize.
_SAME_VALUES: tuple[frozenset[str], ...] = (
    frozenset(("memory card", "card")),
    frozenset(("internal ram", "sdram", "ram")),
    frozenset(("small", "qvga")),
    frozenset(("medium", "vga")),
    frozenset(("large", "xga")),
)
_UNKNOWN = 2  # libgphoto2's value of a toggle whose state cannot be read

WantedValue = str | int | float | bool

_YES = ("1", "true", "on", "yes")
_NO = ("0", "false", "off", "no")
# How far a value may be from the nearest step, as a fraction of the step. Cameras report 1/3 as 0.333.
_STEP_TOLERANCE = 0.02
# DATE widgets contain a time_t; the oldest cameras support up to 2**31 - 1.
_LAST_SECOND = 2**31 - 1
# Accepted differences, in seconds, between a clock that was set and the clock that is read back: the delay of a slow
# camera or connection, and summer time.
_CLOCK_S, _SUMMER_TIME_S = 10, 3600
_PTP_DATE = "%Y%m%dT%H%M%S"  # ISO 15740, 5.3.5.3


def reads_unknown(item: ConfigItem) -> bool:
    """Whether the item is a toggle whose state cannot be read."""
    return item.type == "toggle" and item.value == _UNKNOWN


def same_value(one: str, other: str) -> bool:
    """Whether two names mean the same value, for example f/5.6 and 5.6."""
    first, second = one.lower().removeprefix("f/"), other.lower().removeprefix("f/")
    return first == second or any({first, second} <= words for words in _SAME_VALUES)


def convert(item: ConfigItem, wanted: WantedValue) -> str | int | float | None:
    """Convert a value to the widget's own type. Returns None for a button.

    Raises:
        ConfigReadonly: the camera does not allow a change now.
        InvalidValue: the setting does not accept the value; the message lists the allowed values.
        NotSupported: `item` is a section or a window, which has no value.
    """
    if item.type in ("window", "section"):
        raise NotSupported(f"{item.name} is a {item.type} and has no value. Set one of the settings in it.")
    if item.readonly:
        raise ConfigReadonly(f"{item.name} is read-only on this camera at the moment.", config_name=item.name)
    match item.type:
        case "radio" | "menu":
            return _choice(item, wanted)
        case "toggle":
            return _toggle(item, wanted)
        case "range":
            return _in_range(item, wanted)
        case "date":
            return _date(item, wanted)
        case "button":
            if _text(wanted).lower() not in _YES:
                raise _refuse(item, wanted, "Send true to press it.", type="button")
            return None
        case _:
            return _plain_text(item, wanted)


def accepted(before: ConfigItem, after: ConfigItem, value: ConfigValue) -> bool:
    """Whether a camera accepted a written value, judged by the value that was read back.

    Args:
        before, after: the setting as read before and after the write.
        value: the written value.
    """
    match after.type:
        case "radio" | "menu" | "toggle":
            return after.value == value
        case "range":
            if after.range and isinstance(after.value, int | float) and isinstance(value, float):
                return abs(after.value - value) <= max(abs(after.range.step) / 2, 1e-6)
            return True
        case "date":
            return _date_accepted(before.value, after.value, value)
        case "text":
            return _text_accepted(after.value, value)
        case _:
            return True


def _date_accepted(before: ConfigValue, after: ConfigValue, value: ConfigValue) -> bool:
    if not isinstance(after, int) or not isinstance(value, int):
        return after == value
    # On some cameras libgphoto2 ignores summer time, so a difference of one hour is accepted, unless the clock is
    # unchanged.
    unchanged = isinstance(before, int) and abs(after - before) <= _CLOCK_S
    off = abs(after - value)
    return off <= _CLOCK_S or (abs(off - _SUMMER_TIME_S) <= _CLOCK_S and not unchanged)


def _text_accepted(after: ConfigValue, value: ConfigValue) -> bool:
    read_back, wanted = _normalized(str(after or "")), _normalized(str(value))
    if read_back == wanted or (_number(read_back) is not None and _number(read_back) == _number(wanted)):
        return True
    try:  # if both texts are times, a small difference is accepted, because the camera's clock is running
        off = datetime.strptime(read_back[:15], _PTP_DATE) - datetime.strptime(wanted[:15], _PTP_DATE)
    except ValueError:
        return False
    return abs(off.total_seconds()) <= _CLOCK_S


def _normalized(text: str) -> str:
    """The text in a form for comparison: padding is removed, and all letters are upper case."""
    return " ".join(text.replace("\0", " ").split()).upper()


def vetoed(after: ConfigItem) -> ValueVetoed:
    """The error for a setting that does not have the written value, although the camera reported no error."""
    free = after.type in ("text", "date")
    why = "It does not accept this value." if free else "It may depend on the mode dial or the lens."
    return ValueVetoed(
        f"The camera kept {after.name} at {_shortened(str(after.value))}. {why}",
        config_name=after.name,
        value=after.value,
        choices=after.choices or None,
    )


def _text(wanted: WantedValue) -> str:
    return str(wanted).lower() if isinstance(wanted, bool) else str(wanted)


def _number(wanted: WantedValue) -> float | None:
    if isinstance(wanted, bool):
        return None
    try:
        number = float(wanted)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _choice(item: ConfigItem, wanted: WantedValue) -> str:
    text = _text(wanted)
    if text in item.choices:
        return text
    if not item.choices and isinstance(wanted, str):
        return _plain_text(item, text)  # some drivers list no choices; only the camera knows them
    if isinstance(wanted, bool):
        words = _YES if wanted else _NO
        matches = [choice for choice in item.choices if choice.lower() in words]
    else:
        matches = [choice for choice in item.choices if same_value(choice, text)]
        number = _number(wanted)
        if not matches and number is not None:
            matches = [choice for choice in item.choices if _number(choice) == number]
    if len(matches) != 1:
        raise _refuse(item, wanted, f"Allowed: {_shown(item.choices)}.", choices=item.choices)
    return matches[0]


def _toggle(item: ConfigItem, wanted: WantedValue) -> int:
    text = _text(wanted).lower()
    if text in _YES or wanted == 1:
        return 1
    if text in _NO or wanted == 0:
        return 0
    raise _refuse(item, wanted, "Allowed: true or false.", choices=("0", "1"))


def _in_range(item: ConfigItem, wanted: WantedValue) -> float:
    number, limits = _number(wanted), item.range
    if limits is None:
        if number is None:
            raise _refuse(item, wanted, "Allowed: a number.", type="range")
        return number
    allowed = {"min": limits.min, "max": limits.max, "step": limits.step}
    words = f"Allowed: {limits.min:g} to {limits.max:g} in steps of {limits.step:g}."
    if number is None or not limits.min <= number <= limits.max:
        raise _refuse(item, wanted, words, range=allowed)
    if limits.step > 0:
        steps = (number - limits.min) / limits.step
        if abs(steps - round(steps)) > _STEP_TOLERANCE:
            raise _refuse(item, wanted, words, range=allowed)
    return number


def _date(item: ConfigItem, wanted: WantedValue) -> int:
    number = _number(wanted)
    if number is None and isinstance(wanted, str):
        try:
            number = datetime.fromisoformat(wanted).timestamp()
        except (ValueError, OverflowError):
            number = None
    if number is None or not 0 <= number <= _LAST_SECOND:
        raise _refuse(item, wanted, "Allowed: seconds since 1970, or a date such as 2030-12-24T18:00:00.", type="date")
    return int(number)


def _plain_text(item: ConfigItem, wanted: WantedValue) -> str:
    text = _text(wanted)
    if any(character < " " for character in text):
        raise _refuse(item, wanted, "Allowed: text without control characters.", type="text")
    try:
        unescaped(text)
    except ValueError as error:
        raise _refuse(item, wanted, f"In text, {error}.", type="text") from error
    return text


def _shown(choices: tuple[str, ...]) -> str:
    return ", ".join(choices[:12]) + (f" and {len(choices) - 12} more" if len(choices) > 12 else "")


def _refuse(item: ConfigItem, wanted: WantedValue, words: str, **allowed: Any) -> InvalidValue:
    shown = _shortened(_text(wanted))
    return InvalidValue(f"{shown!r} is not a valid value for {item.name}. {words}", config_name=item.name, **allowed)


def _shortened(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."
