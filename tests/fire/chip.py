"""A GPIO chip for tests, because few machines have one: the request object of gpiod, whose lines press a camera's button.

Each process of a server runs `connect` first (`python_with_chip`). The configuration and the values are those of gpiod.
"""

from __future__ import annotations

import site
import sys
import threading
import venv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import gpiod
from gpiod.line import Direction, Value

from simulator.client import Control

RELEASE, HALF_PRESS = 17, 27


class Lines(gpiod.LineRequest):
    """Requested lines. They write each change into the log of the process, and RELEASE presses the camera's own button."""

    def __init__(self, control: str, offsets: Iterable[int]) -> None:
        self._control = control
        self._values = dict.fromkeys(offsets, Value.INACTIVE)
        _log(self._values)

    def set_values(self, values: Mapping[int | str, Value]) -> None:
        before = self._values[RELEASE]
        for line, value in values.items():
            assert isinstance(line, int)
            assert line in self._values, "it was requested"
            self._values[line] = Value(value)
        _log(self._values)
        if before is Value.INACTIVE and self._values[RELEASE] is Value.ACTIVE:
            threading.Thread(target=_press, args=(self._control,), daemon=True).start()


def _log(values: Mapping[int, Value]) -> None:
    words = ", ".join(f"{line} {value.name}" for line, value in sorted(values.items()))
    print(f"lines: {words}", file=sys.stderr, flush=True)


def _press(control: str) -> None:
    with Control(control) as camera:
        camera.shutter()


def connect(chip: str, control: str) -> None:
    """Give this process the chip `chip`. Its line RELEASE presses the button of the first camera of a simulator."""

    def request_lines(path: str, config: Mapping[Any, gpiod.LineSettings], consumer: str) -> Lines:
        assert (path, consumer) == (chip, "gphoto-ws-server")
        ((offsets, settings),) = config.items()
        assert settings.direction is Direction.OUTPUT
        assert settings.output_value is Value.INACTIVE
        return Lines(control, offsets)

    setattr(gpiod, "request_lines", request_lines)  # noqa: B010


def python_with_chip(folder: Path, chip: str, control: str) -> Path:
    """Make a virtual environment in `folder`; returns its Python, whose processes have the chip."""
    venv.EnvBuilder(symlinks=True).create(folder)
    lines = [f"import site; site.addsitedir({path!r})" for path in site.getsitepackages()]
    lines.append(f"import tests.fire.chip as chip; chip.connect({chip!r}, {control!r})")
    own = next((folder / "lib").glob("python*/site-packages"))
    (own / "chip.pth").write_text("\n".join(lines) + "\n")
    return folder / "bin" / "python"
