#!/usr/bin/python3
"""Runs in the guest, as root: attaches a camera to the USB bus of the guest, as `usbip attach` does.

usage: lab-attach [BUSID]. The protocol: https://docs.kernel.org/usb/usbip_protocol.html.
"""

import socket
import struct
import sys
from pathlib import Path

SERVER = ("10.77.0.1", 3240)
CONTROLLER = Path("/sys/devices/platform/vhci_hcd.0")
VERSION, REQUEST_IMPORT = 0x0111, 0x8003
REPLY = struct.Struct(">HHI")
DEVICE = struct.Struct(">256s32s3I3H6B")
HIGH_SPEED_HUB, FREE = "hs", "004"


def receive(connection: socket.socket, size: int) -> bytes:
    """Exactly `size` bytes."""
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            sys.exit("the simulator closed the connection")
        data += piece
    return data


def main() -> None:
    """Import the device, and give its connection to the kernel."""
    busid = sys.argv[1] if len(sys.argv) > 1 else "1-1"
    connection = socket.create_connection(SERVER, 10.0)
    connection.settimeout(None)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.sendall(REPLY.pack(VERSION, REQUEST_IMPORT, 0) + busid.encode().ljust(32, b"\0"))
    _, _, status = REPLY.unpack(receive(connection, REPLY.size))
    if status:
        sys.exit(f"the simulator replied with status {status}")
    _, _, bus, device, speed, *_ = DEVICE.unpack(receive(connection, DEVICE.size))
    ports = [line.split() for line in (CONTROLLER / "status").read_text().splitlines()[1:]]
    port = next(int(number) for hub, number, state, *_ in ports if hub == HIGH_SPEED_HUB and state == FREE)
    (CONTROLLER / "attach").write_text(f"{port} {connection.fileno()} {bus << 16 | device} {speed}")


main()
