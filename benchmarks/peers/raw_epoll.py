"""The lower bound of the CPU time: sends one prepared message repeatedly to every connection, and uses only epoll.

`python -m benchmarks.peers.raw_epoll`. There is no handshake: a viewer gets messages as soon as it is connected.
"""

from __future__ import annotations

import select
import socket

from benchmarks import samples
from server.frame_connection import wire_message


def main() -> None:
    """Serve until the process is ended."""
    message = memoryview(wire_message((samples.message(0),), False))
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    poll = select.epoll()
    poll.register(listener, select.EPOLLIN)
    viewers: dict[int, tuple[socket.socket, int]] = {}
    print(listener.getsockname()[1], flush=True)
    while True:
        for fd, _ in poll.poll():
            if fd == listener.fileno():
                sock, _ = listener.accept()
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                viewers[sock.fileno()] = sock, 0
                poll.register(sock, select.EPOLLOUT)
                continue
            sock, offset = viewers[fd]
            try:
                offset += sock.send(message[offset:])
            except BlockingIOError:
                continue
            except ConnectionError:
                poll.unregister(fd)
                sock.close()
                del viewers[fd]
                continue
            viewers[fd] = sock, offset % len(message)


if __name__ == "__main__":
    main()
