"""push, pull: files and folders to and from machines that stay."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from orchestrator.cli.output import JSON, check_format, say, say_json
from orchestrator.cli.signals import stop_signals
from orchestrator.cli.ssh import need_client
from orchestrator.errors import Exit, Interrupted, SpecError
from orchestrator.formatting import printable
from orchestrator.progress import Progress, shown
from orchestrator.sessions.exec_command import entry, require_user
from orchestrator.sessions.lookup import find
from orchestrator.sessions.transfer import (
    Received,
    measure,
    receive,
    render_pack,
    render_unpack,
    send,
)
from orchestrator.units import parse_size, size_text

HOME = "."


def split(words: Sequence[str], home: str) -> tuple[tuple[str, ...], str]:
    """What to copy and the folder it goes into: of several words the last, as in cp(1)."""
    if len(words) < 2:
        return tuple(words), home
    return tuple(words[:-1]), words[-1]


def push(name: str, words: tuple[str, ...], user: str, form: str) -> Exit:
    """Files and folders into a machine, as one of its users."""
    check_format(form)
    if not words:
        raise SpecError("name the files to push", hint="isolab push MACHINE FILE… [FOLDER]")
    named, folder = split(words, HOME)
    if len(words) > 1 and Path(folder).is_file() and not folder.startswith("/"):
        raise SpecError(
            f"the last of several words is a folder in the machine, and {folder} is a file here",
            hint=f"to push it too, end with the folder, such as: {' '.join(words)} .",
        )
    resident = find(name)
    require_user(resident, user)
    paths = [Path(word) for word in named]
    total = measure(paths)
    need_client([resident])
    way = entry(resident, user, render_unpack(folder))
    with _moving(form) as progress:
        told = _told(progress, resident.name, total)
        count = send(way.argv, paths, resident.handle.site.users[user], told)
    where = "the home folder" if folder == HOME else folder
    if form == JSON:
        say_json({"machine": resident.name, "files": count, "bytes": total, "to": folder, "user": user})
    else:
        say(f"{resident.name}: {_count(count, total)} in {where} of {user}")
    return Exit.PASSED


def pull(name: str, words: tuple[str, ...], user: str, limit: str, form: str) -> Exit:
    """Files and folders out of a machine, as one of its users."""
    check_format(form)
    if not words:
        raise SpecError("name the files to pull", hint="isolab pull MACHINE PATH… [FOLDER]")
    try:
        most = parse_size(limit)
    except ValueError as problem:
        raise SpecError(f"--limit {limit}: {problem}") from None
    named, folder = split(words, HOME)
    resident = find(name)
    require_user(resident, user)
    need_client([resident])
    target, whole = Path(folder), Received()
    with _moving(form) as progress:
        for path in named:
            way = entry(resident, user, render_pack(path))
            told = _told(progress, resident.name, 0)
            got = receive(way.argv, target, most - whole.size, told)
            whole.files += got.files
            whole.left_out += got.left_out
            whole.size += got.size
    if form == JSON:
        about = {"machine": resident.name, "files": len(whole.files), "bytes": whole.size}
        say_json({**about, "names": whole.files, "left_out": whole.left_out, "to": str(target)})
        return Exit.PASSED
    say(f"{resident.name}: {_count(len(whole.files), whole.size)} now in {target}")
    if whole.left_out:
        listed = ", ".join(printable(one) for one in whole.left_out[:5])
        more = f" and {len(whole.left_out) - 5} more" if len(whole.left_out) > 5 else ""
        say(f"left out, for they are neither files nor folders: {listed}{more}")
    return Exit.PASSED


def _count(files: int, size: int) -> str:
    return f"{files} file{'' if files == 1 else 's'} ({_about(size)})"


def _about(size: int) -> str:
    return f"{size / 2**20:.1f} MiB" if size >= 2**20 else size_text(size)


def _told(progress: Progress, who: str, total: int) -> Callable[[int], None]:
    """Says how much has passed. A tar stream is a little longer than what is in it."""

    def told(count: int) -> None:
        of = f" of {_about(total)}" if total else ""
        if count >= 2**20:
            progress.doing(who, f"{count // 2**20} MiB{of}")

    return told


@contextmanager
def _moving(form: str) -> Iterator[Progress]:
    """Progress, and Ctrl-C as an error with words."""
    try:
        with stop_signals(), shown(quiet=form == JSON and sys.stderr.isatty()) as progress:
            yield progress
    except KeyboardInterrupt:
        raise Interrupted("interrupted: what has arrived is there") from None
