"""The command line program gphoto-ws."""

from __future__ import annotations

import sys


def run() -> None:
    """Run the command line and exit with its code."""
    try:
        from gphoto_ws_client.cli.main import main  # imported here, so that Ctrl-C during the import is handled

        code = main()
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)
