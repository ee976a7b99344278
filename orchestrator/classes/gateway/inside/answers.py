"""Whether an SSH server answers at a port of this host's loopback: answers.py PORT.

Runs by itself, as the gateway's user, with nothing but the standard library.
"""

import socket
import sys

PATIENCE_SECONDS = 5

if __name__ == "__main__":
    try:
        with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=PATIENCE_SECONDS) as line:
            sys.exit(0 if line.recv(4) == b"SSH-" else 1)
    except OSError:
        sys.exit(1)
