"""Addresses in the network of the guest, which has no connection to other networks."""

from __future__ import annotations

HOST, GUEST = "10.77.0.1", "10.77.0.2"
"""The addresses of this machine and of the guest."""
TAP = "lab0"
PROXY_PORT, DISK_PORT, USBIP_PORT, SERVER_PORT = 3128, 10809, 3240, 8765
DISK_NAME = "photos"
