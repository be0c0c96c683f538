"""Carries connections from the loopback of a box to a socket outside: a program of its own, standard library alone.

Called as `python -I -S -c TEXT SOCKET PORT -- COMMAND…`, with this file as the text. The command takes this process's
place; what forwards ends with the box.
"""

import contextlib
import os
import signal
import socket
import sys
import threading

_CHUNK = 1 << 16


def main() -> None:
    """Listen, then become the command."""
    door, port, command = sys.argv[1], int(sys.argv[2]), sys.argv[4:]
    listener = socket.create_server(("127.0.0.1", port))
    if os.fork() == 0:
        # Whoever reads the command's output is not to wait for us.
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nothing, descriptor)
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_carry, args=(client, door), daemon=True).start()
    listener.close()
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        # Python ignores them, and the command would go on to.
        signal.signal(number, signal.SIG_DFL)
    os.execv(command[0], command)


def _carry(client: socket.socket, door: str) -> None:
    with client, socket.socket(socket.AF_UNIX) as server:
        try:
            server.connect(door)
        except OSError:
            return
        back = threading.Thread(target=_pump, args=(server, client), daemon=True)
        back.start()
        _pump(client, server)
        back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(_CHUNK):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    main()
