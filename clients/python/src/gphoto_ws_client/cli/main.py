"""The main function of gphoto-ws: runs one command."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from argparse import Namespace
from collections.abc import Sequence
from contextlib import suppress

from gphoto_ws_client.cli import words
from gphoto_ws_client.cli.arguments import parse, tls, token
from gphoto_ws_client.cli.output import note, open_output, show_json
from gphoto_ws_client.client import Client
from gphoto_ws_client.errors import GphotoWsError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: arguments without the program's name; None for the arguments of this process.

    Returns:
        The exit code; see --help.
    """
    options = parse(argv)
    open_output()
    try:
        if options.check is not None:
            options.check(options)
        code = asyncio.run(_run(options, _client(options)))
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # The reader closed the pipe. Prevent the error message that Python would print when it flushes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return words.OK
    except KeyboardInterrupt:
        return words.INTERRUPTED
    except (GphotoWsError, words.UsageError, OSError) as error:
        if options.json:
            show_json(words.facts(error), sys.stderr)
        else:
            note(words.words(error))
        return words.exit_code(error)


def _client(options: Namespace) -> Client:
    try:
        return Client(
            options.url, token(options.token_file, os.environ), reconnect_for=options.reconnect,
            tls=tls(options, os.environ),
        )  # fmt: skip
    except ValueError as error:
        raise words.UsageError(f"{error}.") from None
    except OSError as error:  # the file of --ca cannot be read
        raise words.UsageError(words.words(error)) from None


async def _run(options: Namespace, client: Client) -> int:
    work = asyncio.ensure_future(_work(options, client))
    terminated = False

    def terminate() -> None:
        nonlocal terminated
        terminated = True
        work.cancel()

    with suppress(NotImplementedError):  # Windows does not support signal handlers
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminate)
    try:
        await work
    except asyncio.CancelledError:
        if not terminated:  # cancelled by Ctrl-C and not by SIGTERM
            raise
        return words.TERMINATED
    return words.OK


async def _work(options: Namespace, client: Client) -> None:
    async with client:
        await options.work(client, options)
