"""`python -m gphoto_ws_client.cli` is gphoto-ws."""

from gphoto_ws_client.cli import run

run()
