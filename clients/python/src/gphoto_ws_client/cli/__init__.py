"""The command line gphoto-ws."""

from __future__ import annotations

import sys


def run() -> None:
    """Run the command line and exit with its code."""
    try:
        from gphoto_ws_client.cli.main import main  # here: Ctrl-C while it loads is no error either

        code = main()
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)
