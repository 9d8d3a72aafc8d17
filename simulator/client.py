"""A blocking client of the control port: ``Control("127.0.0.1:41000").state()``.

From the shell: ``python -m simulator.client 127.0.0.1:41000 '{"do":"state"}'``.
"""

from __future__ import annotations

import json
import socket
import sys
from types import TracebackType
from typing import Any, Self

Reply = dict[str, Any]


class ControlError(Exception):
    """The simulator rejected a request. The text lists what is allowed."""


class Control:
    """One connection to a control port. Each method sends one request. Keyword arguments are members of the request."""

    def __init__(self, address: str, timeout: float = 10.0) -> None:
        """Connect to ``HOST:PORT``. Each reply has to come within ``timeout`` seconds.

        Raises:
            OSError: The connection failed.
        """
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), timeout)
        self._lines = self._socket.makefile("rb")

    def close(self) -> None:
        """Close the connection."""
        self._lines.close()
        self._socket.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the connection."""
        self.close()

    def send(self, request: Reply) -> Reply:
        """Send ``request`` unchanged and return the reply, even if it reports an error.

        Raises:
            OSError: The connection was lost, or the reply did not come in time.
        """
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        line = self._lines.readline()
        if not line:
            raise ConnectionResetError("the simulator closed the control connection")
        reply = json.loads(line)
        assert isinstance(reply, dict)
        return reply

    def do(self, command: str, camera: int = 0, **arguments: Any) -> Reply:
        """Run a command.

        Raises:
            ControlError: The simulator rejected the request.
            OSError: The connection was lost, or the reply did not come in time.
        """
        reply = self.send({"do": command, "camera": camera, **arguments})
        if not reply.get("ok"):
            raise ControlError(reply.get("error", "no reason given"))
        return reply

    def state(self, camera: int = 0, sha256: bool = False) -> Reply:
        """The whole state of a camera."""
        return self.do("state", camera, sha256=sha256)

    def releases(self, camera: int = 0) -> list[Reply]:
        """Each opening of the shutter since the reset, with its settings and its files; oldest first."""
        return list(self.do("releases", camera)["releases"])

    def shutter(self, camera: int = 0) -> list[str]:
        """Press the camera's own button; returns the paths of the new files."""
        return list(self.do("shutter", camera)["files"])

    def set(self, property: str, value: str | int, camera: int = 0) -> None:
        """Change a property on the body."""
        self.do("set", camera, property=property, value=value)

    def veto(self, property: str, on: bool = True, camera: int = 0) -> None:
        """Switch the veto of ``property`` on or off. With a veto, the camera ignores new values from the driver."""
        self.do("veto", camera, property=property, on=on)

    def battery(self, level: int, camera: int = 0) -> None:
        """Set the battery to 100, 75, 50, 25 or 0 per cent."""
        self.do("battery", camera, level=level)

    def light(self, *curve: tuple[float, float], camera: int = 0) -> None:
        """Set the light of the scene: (seconds from now, EV at ISO 100), with straight lines between the points."""
        self.do("light", camera, curve=curve)

    def power(self, on: bool, after: float = 0.0, camera: int = 0) -> None:
        """Switch the camera on or off after ``after`` seconds."""
        self.do("power", camera, on=on, after=after)

    def plug(self, camera: int = 0, **arguments: Any) -> str:
        """Plug the camera into USB, and return its address. The arguments are ``busid`` and ``serial``; see ``help``."""
        return str(self.do("plug", camera, **arguments)["address"])

    def unplug(self, camera: int = 0) -> None:
        """Unplug the camera from USB."""
        self.do("unplug", camera)

    def card(self, camera: int = 0, **arguments: Any) -> None:
        """Change the card. The argument is ``full``, ``free_shots`` or ``prefix``; see ``help``."""
        self.do("card", camera, **arguments)

    def movie(self, camera: int = 0, **arguments: Any) -> None:
        """Press the camera's own movie button. The argument is ``prohibit``; see ``help``."""
        self.do("movie", camera, **arguments)

    def write_protect(self, on: bool = True, camera: int = 0) -> None:
        """Switch the write protection of the card on or off."""
        self.do("write_protect", camera, on=on)

    def delete(self, path: str, camera: int = 0) -> None:
        """Delete a file on the body."""
        self.do("delete", camera, path=path)

    def fault(self, kind: str, operation: str | None = None, camera: int = 0, **arguments: Any) -> None:
        """Arm a fault; see ``help`` for its arguments."""
        self.do("fault", camera, kind=kind, operation=operation, **arguments)

    def clear(self, camera: int = 0) -> None:
        """Disarm all faults."""
        self.do("clear", camera)

    def reset(self, camera: int = 0) -> None:
        """Return to the factory state."""
        self.do("reset", camera)

    def help(self) -> Reply:
        """The commands of the control port."""
        return self.do("help")


def main(arguments: list[str]) -> int:
    """Send one request and print the reply; returns the exit code."""
    if len(arguments) != 2:
        print("""usage: python -m simulator.client HOST:PORT '{"do":"state"}'""", file=sys.stderr)
        return 2
    try:
        with Control(arguments[0]) as control:
            reply = control.send(json.loads(arguments[1]))
    except (OSError, ValueError) as error:
        print(f"python -m simulator.client: error: {error}", file=sys.stderr)
        return 2
    print(json.dumps(reply, indent=2))
    return 0 if reply.get("ok") else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
