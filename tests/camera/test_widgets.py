"""Values for each type of widget: how they are converted for the camera, and which values are rejected."""

from __future__ import annotations

from typing import Any

import pytest

from camera.errors import ConfigReadonly, InvalidValue, NotSupported
from camera.model import ConfigItem, ConfigRange, WidgetType
from camera.values import WantedValue, accepted, convert
from protocol.errors import RequestError


def item(kind: WidgetType, **values: Any) -> ConfigItem:
    return ConfigItem(**{"name": "it", "label": "It", "type": kind, "value": None, "readonly": False} | values)


ISO = item("radio", choices=("Auto", "100", "200", "6400"))
SPEED = item("menu", choices=("1/125", "1/60", "0.5", "30", "bulb"))
APERTURE = item("radio", choices=("f/2.8", "f/4"))
SWITCH = item("radio", choices=("On", "Off"))
CASE_SENSITIVE = item("radio", choices=("RAW", "raw"))
NO_CHOICES = item("radio")
LEVEL = item("range", range=ConfigRange(-2.0, 2.0, 0.333))
COUNT = item("range", range=ConfigRange(0, 200, 1))
TOGGLE, DATE, TEXT, BUTTON = item("toggle"), item("date"), item("text"), item("button")


@pytest.mark.parametrize(
    ("widget", "requested", "value"),
    [
        (ISO, "200", "200"), (ISO, 200, "200"), (ISO, 200.0, "200"), (ISO, "auto", "Auto"), (ISO, "AUTO", "Auto"),
        (SPEED, "1/125", "1/125"), (SPEED, 0.5, "0.5"), (SPEED, "0.50", "0.5"), (SPEED, 30, "30"),
        (APERTURE, "F/4", "f/4"), (SWITCH, True, "On"), (SWITCH, False, "Off"), (CASE_SENSITIVE, "raw", "raw"),
        (NO_CHOICES, "anything", "anything"),
        (TOGGLE, True, 1), (TOGGLE, 1, 1), (TOGGLE, "on", 1), (TOGGLE, "YES", 1), (TOGGLE, 0, 0), (TOGGLE, "off", 0),
        (TOGGLE, False, 0), (TOGGLE, 1.0, 1),
        (LEVEL, 0, 0.0), (LEVEL, "-2", -2.0), (LEVEL, -1.667, -1.667), (COUNT, 200, 200.0), (COUNT, "7", 7.0),
        (item("range"), "3.5", 3.5), (item("range", range=ConfigRange(0, 1, 0)), 0.123, 0.123),
        (DATE, 0, 0), (DATE, "1700000000", 1700000000), (DATE, 2**31 - 1, 2**31 - 1),
        (DATE, "2030-01-01T00:00:00+00:00", 1893456000),
        (TEXT, "Ada", "Ada"), (TEXT, "", ""), (TEXT, 5, "5"), (TEXT, True, "true"), (TEXT, "Zoë", "Zoë"),
        (BUTTON, True, None), (BUTTON, "1", None), (BUTTON, 1, None),
    ],
)  # fmt: skip
def test_a_value_is_converted_to_the_type_of_the_widget(
    widget: ConfigItem, requested: WantedValue, value: str | float | None
) -> None:
    converted = convert(widget, requested)
    assert (type(converted), converted) == (type(value), value)


@pytest.mark.parametrize(
    ("widget", "requested", "allowed"),
    [
        (ISO, "201", {"choices": ["Auto", "100", "200", "6400"]}), (ISO, True, {"choices": list(ISO.choices)}),
        (ISO, "", {"choices": list(ISO.choices)}), (CASE_SENSITIVE, "Raw", {"choices": ["RAW", "raw"]}),
        (NO_CHOICES, 5, {"choices": []}),
        (TOGGLE, 2, {"choices": ["0", "1"]}), (TOGGLE, "maybe", {"choices": ["0", "1"]}),
        (COUNT, 201, {"range": {"min": 0, "max": 200, "step": 1}}),
        (COUNT, -1, {"range": {"min": 0, "max": 200, "step": 1}}),
        (COUNT, 0.5, {"range": {"min": 0, "max": 200, "step": 1}}),
        (COUNT, "many", {"range": {"min": 0, "max": 200, "step": 1}}),
        (COUNT, True, {"range": {"min": 0, "max": 200, "step": 1}}),
        (COUNT, "nan", {"range": {"min": 0, "max": 200, "step": 1}}),
        (COUNT, 10**400, {"range": {"min": 0, "max": 200, "step": 1}}),
        (item("range"), "inf", {"type": "range"}),
        (DATE, -1, {"type": "date"}), (DATE, 2**31, {"type": "date"}), (DATE, "soon", {"type": "date"}),
        (DATE, True, {"type": "date"}), (DATE, "0001-01-01T00:00:00+00:00", {"type": "date"}),
        (TEXT, "two\nlines", {"type": "text"}), (TEXT, "nul\0", {"type": "text"}),
        (BUTTON, False, {"type": "button"}), (BUTTON, "press", {"type": "button"}),
    ],
)  # fmt: skip
def test_the_error_for_an_invalid_value_has_the_allowed_values(
    widget: ConfigItem, requested: WantedValue, allowed: dict[str, Any]
) -> None:
    with pytest.raises(InvalidValue) as error:
        convert(widget, requested)
    assert RequestError.from_camera(error.value).details == {"config_name": "it"} | allowed


def test_a_long_value_is_shortened_in_the_message() -> None:
    with pytest.raises(InvalidValue) as error:
        convert(ISO, "x" * 10_000)
    assert len(str(error.value)) < 200


@pytest.mark.parametrize("kind", ["text", "radio", "menu", "toggle", "range", "date", "button"])
def test_setting_a_read_only_widget_is_rejected(kind: WidgetType) -> None:
    with pytest.raises(ConfigReadonly):
        convert(item(kind, readonly=True), 1)


@pytest.mark.parametrize("kind", ["window", "section"])
def test_a_group_of_widgets_has_no_value(kind: WidgetType) -> None:
    with pytest.raises(NotSupported):
        convert(item(kind), 1)


@pytest.mark.parametrize(
    ("after", "value", "expected"),
    [
        (item("radio", value="200"), "200", True), (item("radio", value="100"), "200", False),
        (item("toggle", value=1), 1, True), (item("toggle", value=2), 1, False),
        (item("range", value=1.4, range=ConfigRange(0, 5, 1)), 1.0, True),
        (item("range", value=2.0, range=ConfigRange(0, 5, 1)), 1.0, False),
        (item("text", value="ADA"), "Ada", True), (item("text", value="Ada\0\0 "), " Ada", True),
        (item("text", value="Ad"), "Ada", False), (item("text", value=None), "", True),
        (item("text", value="00020001"), "20001", True), (item("text", value="Bob"), "Ada", False),
        (item("text", value="20301224T180003"), "20301224T180000", True),
        (item("text", value="20301224T180003.5+0100"), "20301224T180000", True),
        (item("text", value="20301225T180003"), "20301224T180000", False),
        (item("text", value="20301224T180003"), "hello", False),
        (item("date", value=1_900_000_003), 1_900_000_000, True), (item("date", value=1_900_000_999), 1_900_000_000, False),
        (item("date", value=1_899_996_401), 1_900_000_000, True),  # differs by the hour of daylight saving time
        (item("date", value=1_800_000_001), 1_800_003_600, False),  # the difference is one hour, but the clock was not set
    ],
)  # fmt: skip
def test_a_value_read_back_is_compared_by_its_type(after: ConfigItem, value: str | float, expected: bool) -> None:
    before = item(after.type, value=1_800_000_000 if after.type == "date" else None)
    assert accepted(before, after, value) is expected
