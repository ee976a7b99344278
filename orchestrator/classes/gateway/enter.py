"""``enter``: what sshd runs for every login, whatever was asked for: one machine's shell, command or files.

A script for sh(1), so that a login waits for no interpreter. The seat is its argument, from the options of
the key that was used; the machine is the login name.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

SLOTS = 16
"""How many sessions of one seat there may be at a time."""

_SCRIPT = r"""
# Runs for every login to the gateway: enter SEAT
umask 077
PATH=/usr/bin:/bin:/usr/sbin:/sbin
export PATH
unset ENV CDPATH
here=@here@ python=@python@ seat=$1 line=${SSH_ORIGINAL_COMMAND-} name=@name@ through=@through@
try_again='it may be coming up or being reset: try again in a minute; if it stays so, tell your lecturer'

fail() {
	printf 'isolab: %s\n' "$1" >&2
	exit 69 # EX_UNAVAILABLE of sysexits(3)
}

# Set port to where the machine of this name stands.
find_port() {
	port='' at=''
	[ -r "$here/seats/$seat/config" ] || return 1
	while read -r word value; do
		case $word in
		Host) at=$value ;;
		Port) [ "$at" = "$1" ] && port=$value && return 0 ;;
		esac
	done <"$here/seats/$seat/config"
	return 1
}

# Say why there is no machine of this name: there never is one, or not now.
no_machine() {
	case @known@ in
	*"/$1/"*) fail "$1 is not up: $try_again" ;;
	esac
	fail "there is no machine $1: yours are "@names@
}

# Take one of the places that a seat's sessions have; it is held for as long as a program has descriptor 9.
take_slot() {
	slot=$(($$ % @slots@)) left=@slots@
	while [ "$left" -gt 0 ]; do
		exec 9<"$here/slots/$seat/$slot"
		flock -n 9 && return
		slot=$(((slot + 1) % @slots@)) left=$((left - 1))
	done
	fail "you have @slots@ sessions open already, the most there may be: close some"
}

take_slot
sftp=''
case $line in
'isolab sftp')
	find_port "$name" || no_machine "$name"
	sftp=-s line=sftp
	;;
'isolab connect'*)
	wanted=${line#isolab connect}
	wanted=${wanted# }
	[ "$through" = yes ] || fail 'in an examination only ssh itself leads to your machine'
	find_port "${wanted:-$name}" || no_machine "${wanted:-$name}"
	exec "$python" -I -S "$here/relay.py" "$port" "${wanted:-$name}"
	;;
isolab | 'isolab '*)
	exec "$python" -I -S "$here/ask.py" "$here/requests.sock" "$seat"
	;;
*)
	find_port "$name" || no_machine "$name"
	;;
esac

tty=-T
[ -n "${SSH_TTY-}" ] && tty=-tt
exec ssh -F "$here/seats/$seat/config" "$tty" $sftp -- "$name" ${line:+"$line"}
"""


def render_enter(
    inside: Path, python: str, names: Sequence[str], *, login_name: str = "", through: bool = True
) -> str:
    """Return the script. Pure.

    ``inside`` is where it sees the gateway's files, ``python`` an interpreter it may run, ``names`` the names
    that lead to a seat's machines; ``login_name`` is what every login counts as where sshd knows only one
    user. ``through``: students may have connections of their own through the gateway to their machines, which
    can carry others.
    """
    values = {"here": shlex.quote(str(inside)), "python": shlex.quote(python), "slots": str(SLOTS)}
    values |= {"known": shlex.quote(f"/{'/'.join(names)}/"), "names": shlex.quote(", ".join(names))}
    text = _SCRIPT.lstrip()
    values["through"] = "yes" if through else "no"
    values["name"] = shlex.quote(login_name) if login_name else "${LOGNAME:-lab}"
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    return "#!/bin/sh\n" + text
