"""Connect ssh to a machine's SSH server: dial.py PORT NAME, as ssh_config(5) has it for ProxyUseFdpass.

ssh by itself would let small packets wait for each other, which costs it 40 ms some times over, and its own
words for a machine that is not there say nothing to a student. Runs by itself, as the gateway's user, with
nothing but the standard library.
"""

import array
import os
import signal
import socket
import sys

CONNECT_SECONDS = 10
ANSWER_SECONDS = 30
"""How long a machine may take to begin to answer: it may be emulated and busy."""


def _main() -> None:
    port, name = int(sys.argv[1]), sys.argv[2]
    try:
        line = socket.create_connection(("127.0.0.1", port), timeout=CONNECT_SECONDS)
        line.settimeout(ANSWER_SECONDS)
        if not line.recv(1, socket.MSG_PEEK):
            raise OSError
    except OSError:
        print(
            f"isolab: {name} does not answer: it may be coming up or being reset: try again in a minute; "
            "if it stays so, tell your lecturer",
            file=sys.stderr,
            flush=True,
        )
        os.kill(os.getppid(), signal.SIGTERM)  # ssh, which has nothing to add
        return
    line.setblocking(True)
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    rights = array.array("i", [line.fileno()])
    with socket.socket(fileno=1) as ssh:
        ssh.sendmsg([b"\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])


if __name__ == "__main__":
    _main()
