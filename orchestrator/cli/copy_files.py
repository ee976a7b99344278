"""push, pull: copy files and folders to and from running machines."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from orchestrator.cli.output import JSON, check_format, say, say_json
from orchestrator.cli.signals import stop_signals
from orchestrator.cli.ssh import need_client
from orchestrator.cli.swapped import require_machine_first
from orchestrator.errors import Exit, Interrupted, SpecError
from orchestrator.formatting import counted, printable
from orchestrator.progress import Progress, shown
from orchestrator.sessions.exec_command import entry, require_user
from orchestrator.sessions.lookup import find
from orchestrator.sessions.outgoing import Outgoing, outgoing
from orchestrator.sessions.transfer import (
    Received,
    receive,
    render_pack,
    send,
)
from orchestrator.units import parse_size, size_text

HOME = "."
Enter = Callable[[Sequence[str]], Sequence[str]]
"""Returns the command line on this host that runs one, absolute path first, in a machine."""


def split(words: Sequence[str], home: str) -> tuple[tuple[str, ...], str]:
    """Split arguments into what to copy and the target folder: the last of several, as in cp(1)."""
    if len(words) < 2:
        return tuple(words), home
    return tuple(words[:-1]), words[-1]


def push(name: str, words: tuple[str, ...], user: str, form: str) -> Exit:
    """Copy files and folders to a machine, as one of its users."""
    check_format(form)
    what = outgoing_named("push", name, words)
    machine = find(name)
    require_user(machine, user)
    uid = machine.handle.site.users[user]
    need_client([machine])
    return sent(machine.name, words, what, user, uid, form, lambda argv: entry(machine, user, argv).argv)


def outgoing_named(verb: str, name: str, words: Sequence[str]) -> Outgoing:
    """Return what ``push`` arguments name. Raises SpecError."""
    if not words:
        raise SpecError("no files to push", hint="isolab push MACHINE FILE… [FOLDER]")
    named, folder = split(words, HOME)
    if len(words) > 1 and Path(folder).is_file() and not folder.startswith("/"):
        raise SpecError(
            f"the last argument is the folder on the machine, but {folder} is a local file",
            hint=f"to push it too, add the folder: {' '.join(words)} .",
        )
    require_machine_first(verb, name, words)
    return outgoing([Path(word) for word in named])


def sent(
    name: str, words: Sequence[str], what: Outgoing, user: str, uid: int, form: str, enter: Enter
) -> Exit:
    """Copy what ``words`` name to the machine that ``enter`` leads into, and say so."""
    _, folder = split(words, HOME)
    with _transferring(form) as progress:
        count = send(enter, folder, what, uid, _progress_of(progress, name, what.size))
    where = "the home folder" if folder == HOME else folder
    if form == JSON:
        about = {"machine": name, "files": count, "bytes": what.size, "to": folder, "user": user}
        say_json({**about, "left_out": what.left_out})
        return Exit.PASSED
    say(f"{name}: copied {_count(count, what.size)} to {printable(where)} as {user}")
    _say_left_out(what.left_out, "skipped")
    return Exit.PASSED


def _say_left_out(names: Sequence[str], what: str) -> None:
    if names:
        listed = ", ".join(printable(one) for one in names[:5])
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        say(f"{what}: {listed}{more}")


def pull(name: str, words: tuple[str, ...], user: str, limit: str, form: str) -> Exit:
    """Copy files and folders from a machine, as one of its users."""
    check_format(form)
    most = limit_of(limit)
    require_paths(name, words)
    machine = find(name)
    require_user(machine, user)
    need_client([machine])
    return received(machine.name, words, most, form, lambda argv: entry(machine, user, argv).argv)


def limit_of(text: str) -> int:
    """Return ``--limit`` in bytes. Raises SpecError."""
    try:
        return parse_size(text)
    except ValueError as problem:
        raise SpecError(f"--limit {text}: {problem}") from None


def require_paths(name: str, words: Sequence[str]) -> None:
    """Raise SpecError unless arguments of ``pull`` name something, and the machine comes first."""
    if not words:
        raise SpecError("no files to pull", hint="isolab pull MACHINE PATH… [FOLDER]")
    require_machine_first("pull", name, words)


def received(name: str, words: Sequence[str], most: int, form: str, enter: Enter) -> Exit:
    """Copy what ``words`` name from the machine that ``enter`` leads into, at most ``most`` bytes, and say
    so."""
    named, folder = split(words, HOME)
    target, whole = Path(folder), Received()
    with _transferring(form) as progress:
        for path in named:
            on_progress = _progress_of(progress, name, 0)
            got = receive(enter(render_pack(path)), target, most - whole.size, on_progress, path)
            whole.files += got.files
            whole.left_out += got.left_out
            whole.size += got.size
    if form == JSON:
        about = {"machine": name, "files": len(whole.files), "bytes": whole.size}
        say_json({**about, "names": whole.files, "left_out": whole.left_out, "to": str(target)})
        return Exit.PASSED
    say(f"{name}: copied {_count(len(whole.files), whole.size)} to {printable(str(target))}")
    _say_left_out(whole.left_out, "skipped (not regular files or folders)")
    return Exit.PASSED


def _count(files: int, size: int) -> str:
    return f"{counted(files, 'file')} ({_about(size)})"


def _about(size: int) -> str:
    return f"{size / 2**20:.1f} MiB" if size >= 2**20 else size_text(size)


def _progress_of(progress: Progress, who: str, total: int) -> Callable[[int], None]:
    """Return a callback that reports the bytes sent or received: a little more than the files' size, as tar
    adds headers."""

    def on_progress(count: int) -> None:
        of = f" of {_about(total)}" if total else ""
        if count >= 2**20:
            progress.doing(who, f"{count // 2**20} MiB{of}")

    return on_progress


@contextmanager
def _transferring(form: str) -> Iterator[Progress]:
    """Show progress; turn Ctrl-C into an Interrupted error."""
    try:
        with stop_signals(), shown(quiet=form == JSON and sys.stderr.isatty()) as progress:
            yield progress
    except KeyboardInterrupt:
        raise Interrupted("interrupted: files copied so far were kept") from None
