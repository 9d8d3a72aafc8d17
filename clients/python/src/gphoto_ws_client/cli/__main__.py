"""`python -m gphoto_ws_client.cli` runs gphoto-ws."""

from gphoto_ws_client.cli import run

run()
