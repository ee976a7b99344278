"""A shell that starts a process again if it was killed: for those that others rely on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

# A status above 128 is a signal's. What ends by itself, or by SIGTERM (143), had a reason.
_KEEP = """\
what=$1 wanted=$2 pause=$3
shift 3
while :; do
  "$@"
  status=$?
  [ $status -gt 128 ] && [ $status -ne 143 ] || exit $status
  sleep "$pause"
  [ -e "$wanted" ] || exit 0
  echo "$what was killed by signal $((status - 128)): starting it again"
done
"""


def render_kept(words: Sequence[str], wanted: Path, pause: float, what: str) -> list[str]:
    """Return the command that runs another, and again ``pause`` seconds after it was killed, as long as the
    file ``wanted`` is there; ``what`` is what its output calls it. Pure."""
    return ["/bin/sh", "-c", _KEEP, "sh", what, str(wanted), str(pause), *words]
