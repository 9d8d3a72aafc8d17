"""The proxy through which the guest's apt and pip reach the internet. It accepts only CONNECT for HTTPS.

`nsenter --net=/proc/self/fd/N python -m lab.proxy FD`: FD is a socket that listens in the network of the guest. The
connections to the outside are made in the network of this machine.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from contextlib import suppress

_HTTPS = 443
_PIECE = 65536


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        method, target, _ = head.split("\r\n", 1)[0].split(" ")
        host, _, port = target.rpartition(":")
        if method != "CONNECT" or port != str(_HTTPS):
            writer.write(b"HTTP/1.1 403 Only CONNECT to port 443\r\n\r\n")
            return
        outside, to_outside = await asyncio.open_connection(host, _HTTPS)
        writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
        await asyncio.gather(_copy(reader, to_outside), _copy(outside, writer))
    except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        print(f"proxy: {error!r}", file=sys.stderr)
    finally:
        writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await reader.read(_PIECE):
            writer.write(piece)
            await writer.drain()
    writer.close()


async def _run(listener: socket.socket) -> None:
    async with await asyncio.start_server(_serve, sock=listener) as server:
        await server.serve_forever()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(_run(socket.socket(fileno=int(sys.argv[1]))))
