"""Pass bytes on between standard input and output and a port of this host's loopback: relay.py PORT NAME.

Runs by itself, as the gateway's user, with nothing but the standard library.
"""

import os
import selectors
import socket
import sys

BLOCK = 65536


def _main() -> int:
    port, name = int(sys.argv[1]), sys.argv[2]
    try:
        line = socket.create_connection(("127.0.0.1", port), timeout=10)
    except OSError:
        print(
            f"isolab: {name} does not answer: it may be being reset; try again in a minute", file=sys.stderr
        )
        return 69
    line.settimeout(None)
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with selectors.DefaultSelector() as both, line:
        both.register(line, selectors.EVENT_READ)
        both.register(0, selectors.EVENT_READ)
        while True:
            for key, _ in both.select():
                if key.fileobj is line:
                    block = line.recv(BLOCK)
                    if not block:
                        return 0
                    view = memoryview(block)
                    while view:
                        view = view[os.write(1, view) :]
                elif block := os.read(0, BLOCK):
                    line.sendall(block)
                else:
                    both.unregister(0)
                    line.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    try:
        sys.exit(_main())
    except OSError:  # either side went away
        sys.exit(1)
