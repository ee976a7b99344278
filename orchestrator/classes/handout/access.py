"""The parts of a handout about getting in, from any computer. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator

from orchestrator.classes.handout import commands
from orchestrator.classes.handout.blocks import Block, Lines, Paragraph, Part, Section, Table, Typed, words
from orchestrator.classes.handout.dates import when
from orchestrator.classes.handout.entrance import Entrance, Login
from orchestrator.classes.handout.ssh_config import short_name, ssh_config
from orchestrator.classes.model import Seat
from orchestrator.labfile.ssh_endpoint import fingerprint

_FILE, _FOLDER = "hello.c", "src/"
"""Examples of what is copied."""
_PUBLIC = "id_ed25519.pub"


def getting_in(entrance: Entrance, seat: Seat, contact: str, *, through: bool = True) -> Section:
    """Return how to log in from Linux, macOS and Windows, and how to make a key where the roster has none.
    ``through``: whether programs may reach the machines through the gateway, as editors do; else only what
    the gateway has a name for can be reached."""
    first = entrance.logins[0]
    line = Lines((commands.ssh(entrance, first),), "The line that logs in")
    blocks = [
        Paragraph(words("In a terminal of Linux or macOS, or in PowerShell of Windows, type:")),
        line,
        *_host_keys(entrance),
        *_machines(entrance, through=through),
    ]
    parts = [_keys(entrance, seat)]
    if not all(member.keys for member in seat.members):
        parts.append(_making_a_key(contact))
    if through and any(one.copies or not one.user for one in entrance.logins):
        parts.append(_settings(entrance))
    return Section("getting-in", "How to get in", tuple(blocks), tuple(parts))


def in_the_browser(entrance: Entrance, seat: Seat) -> Section | None:
    """Return the personal link and what to compare; None for a class that has no pages in the browser."""
    if not entrance.link:
        return None
    until = f" until {when(entrance.link_ends)}" if entrance.link_ends else ""
    whose = "yours alone" if len(seat.members) == 1 else "your group's alone"
    blocks: list[Block] = [
        Paragraph(words(f"This link is {whose} and works{until}. It opens your machines without a key:")),
        Lines((entrance.link,), "The personal link", opens=True),
    ]
    if entrance.certificate:
        warning = (
            "The browser warns you, because the server made its certificate itself. Look at the certificate "
            "in the warning, and go on only if its SHA-256 fingerprint is this one:"
        )
        blocks += [
            Paragraph(words(warning)),
            Lines((entrance.certificate,), "The fingerprint of the certificate"),
        ]
    return Section("browser", "In the browser", tuple(blocks))


def copying(entrance: Entrance) -> Section:
    """Return how files get to the machines and back."""
    first = entrance.logins[0]
    lines = _with_tools(entrance, first) if first.copies else _with_a_shell(entrance, first)
    blocks: list[Block] = [
        Paragraph(words("On your own computer, in the folder with your files:")),
        lines,
    ]
    if not first.copies:
        blocks.append(
            Paragraph(words("PowerShell changes what it passes on: type ", Typed("cmd"), " first."))
        )
    else:
        blocks.append(Paragraph(words("Windows has no rsync; there, ", Typed("scp -r"), " copies folders.")))
    return Section("copying", "Copying files", tuple(blocks))


def _host_keys(entrance: Entrance) -> Iterator[Block]:
    if not entrance.host_keys:
        return
    yield Paragraph(
        words(
            "The first time, ssh shows the fingerprint of the server's key. Answer ",
            Typed("yes"),
            " only if it is this one:" if len(entrance.host_keys) == 1 else " only if it is one of these:",
        )
    )
    yield Lines(entrance.host_keys, "Fingerprints of the server's keys")


def _machines(entrance: Entrance, *, through: bool) -> Iterator[Block]:
    there = [login for login in entrance.logins if login.user or through]
    if len(there) < 2:
        return
    rows = ((words(login.machine), words(Typed(commands.ssh(entrance, login)))) for login in there)
    yield Paragraph(words("Each machine has a line of its own:"))
    yield Table("Your machines", ("machine", "type"), tuple(rows))


def _keys(entrance: Entrance, seat: Seat) -> Part:
    blocks: list[Block] = []
    alone = len(seat.members) == 1
    for member in seat.members:
        name = member.student.name or member.student.id
        whom, whose = ("you", "yours") if alone else (name, name)
        if member.keys:
            known = ", ".join(map(_fingerprint, member.keys))
            blocks.append(Paragraph(words(f"The server knows {whom} by the SSH key ", Typed(known), ".")))
        else:
            blocks.append(Paragraph(words(f"The roster has no SSH key of {whose} yet.")))
    where = (
        "The private half of a key is a file on its owner's computer, as a rule ",
        Typed("~/.ssh/id_ed25519"),
        ", on Windows ",
        Typed(r"C:\Users\YOU\.ssh\id_ed25519"),
        ". If yours is elsewhere, say so: ",
        Typed(commands.ssh(entrance, entrance.logins[0], "", "-i", "FILE")),
        ". Nobody else ever needs that file.",
    )
    if seat.keys:
        blocks.append(Paragraph(words(*where)))
    return Part("Your key" if alone else "Your keys", tuple(blocks))


def _making_a_key(contact: str) -> Part:
    to = contact or "your lecturer"
    rows = (
        (words("make it"), words(Typed("ssh-keygen -t ed25519")), words(Typed("ssh-keygen -t ed25519"))),
        (
            words("show it"),
            words(Typed(f"cat ~/.ssh/{_PUBLIC}")),
            words(Typed(rf"type $HOME\.ssh\{_PUBLIC}")),
        ),
    )
    return Part(
        "Making a key",
        (
            Table("Making a key", ("", "Linux, macOS", "Windows (PowerShell)"), rows),
            Paragraph(
                words(
                    "Press Enter when it asks for a file, and choose a passphrase. Send what the second "
                    f"line shows, which begins with ssh-ed25519, to {to}. Never send the file without ",
                    Typed(".pub"),
                    ".",
                )
            ),
            Paragraph(
                words(
                    "OpenSSH comes with Windows 10 and later. If Windows does not know ",
                    Typed("ssh"),
                    ", add “OpenSSH Client” in Settings, Optional features.",
                )
            ),
        ),
    )


def _with_tools(entrance: Entrance, login: Login) -> Lines:
    return Lines(
        (
            commands.scp(entrance, login, _FILE),
            commands.scp_back(entrance, login, _FILE),
            commands.rsync(entrance, login, _FOLDER),
        ),
        "Lines that copy files",
    )


def _with_a_shell(entrance: Entrance, login: Login) -> Lines:
    return Lines(
        (
            commands.put(entrance, login, _FILE),
            commands.get(entrance, login, _FILE),
            commands.put_folder(entrance, login, _FOLDER),
        ),
        "Lines that copy files",
    )


def _settings(entrance: Entrance) -> Part:
    behind = next(one for one in entrance.logins if one.copies or not one.user)
    words_ = words(
        "With these lines in the file ",
        Typed("~/.ssh/config"),
        ", on Windows ",
        Typed(r"C:\Users\YOU\.ssh\config"),
        ", you type ",
        Typed(f"ssh {entrance.alias}"),
        " only. Editors that work on another computer, such as VS Code with “Remote - SSH”, connect to ",
        Typed(short_name(entrance, behind)),
        ".",
    )
    lines = Lines(ssh_config(entrance), "Lines for the SSH configuration")
    return Part("Short names, and editors", (Paragraph(words_), lines))


def _fingerprint(line: str) -> str:
    """Return the fingerprint of a public key line; the line itself if it cannot be read."""
    found = line.split()
    try:
        return fingerprint(base64.b64decode(found[1], validate=True))
    except (IndexError, binascii.Error):
        return line
