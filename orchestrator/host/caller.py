"""What a process inherits from the shell it is started from, and would hand on to all that it starts.

Programs in machines are guarded by the runner (images/guest/surroundings.c); this is for QEMU, engines and
tools, which would fail for reasons nobody looks for in `ulimit -v` or `trap '' CHLD`. Signals that tell
isolab itself to end stay as they are: nohup(1) means what it says.
"""

from __future__ import annotations

import resource
import signal

_ALSO_OURS = (
    signal.SIGCHLD, signal.SIGALRM, signal.SIGVTALRM, signal.SIGPROF, signal.SIGUSR1, signal.SIGUSR2,
    signal.SIGURG, signal.SIGIO, signal.SIGWINCH,
)  # fmt: skip
_NO_LIMIT = (
    resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_DATA, resource.RLIMIT_FSIZE, resource.RLIMIT_RSS,
)  # fmt: skip
_STACK, _FILES = 8 * 2**20, 4096


def shed() -> None:
    """Undo what the caller's shell may have set: ignored and blocked signals, limits. To be called first."""
    for number in _ALSO_OURS:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for limit in _NO_LIMIT:
        _raise(limit, resource.RLIM_INFINITY)
    _raise(resource.RLIMIT_STACK, _STACK)
    _raise(resource.RLIMIT_NOFILE, _FILES)


def _raise(limit: int, wanted: int) -> None:
    """Raise a limit, as far as its hard value or our privileges allow; never lower it."""
    soft, hard = resource.getrlimit(limit)
    infinity = resource.RLIM_INFINITY
    if soft == infinity or (wanted != infinity and soft >= wanted):
        return
    enough = hard == infinity or (wanted != infinity and hard >= wanted)
    try:
        resource.setrlimit(limit, (wanted, hard if enough else wanted))
    except (ValueError, OSError):  # not root, or root without CAP_SYS_RESOURCE
        resource.setrlimit(limit, (hard, hard))
