"""Put files that were sent to a home folder into their places: all of them, or none, and over nothing.

They are sent to a folder of their own first, in the same file system: a disk that is full shows there, and
from there each is only renamed. What the student has of the same name is renamed before, never overwritten.
"""

from __future__ import annotations

STAGE = ".isolab-push"
"""The folder in a home folder that files are sent to. What a push that was killed left the next removes."""
PLACE_SECONDS = 300.0
KEPT, SAME = "K", "S"
"""Beginnings of lines that the script prints: ``K ~2 NAME`` for what was NAME and is NAME~2 now, ``S NAME``
for a file that was there already, the same."""

_DISCARD = f"""\
cd "$1" || exit 44
[ -d {STAGE} ] && [ ! -L {STAGE} ] && find {STAGE} -type d -exec chmod u+rwx '{{}}' ';'
rm -rf {STAGE}
"""

_PLACE = f"""\
trap '' HUP PIPE
cd "$1" || exit 44
stage=$PWD/{STAGE}
names=$(cat)
log=
break='
'
note() {{ log="$1$break$log"; }}
keep() {{
  end='~'
  number=2
  while [ -e "./$1$end" ] || [ -L "./$1$end" ]; do end="~$number"; number=$((number + 1)); done
  mv -- "./$1" "./$1$end" && note "{KEPT} $end $1"
}}
is_there() {{ [ -e "./$1" ] || [ -L "./$1" ]; }}
same() {{
  if [ -L "$stage/$1" ] || [ -L "./$1" ]; then
    [ -L "$stage/$1" ] && [ -L "./$1" ] && [ "$(readlink "$stage/$1")" = "$(readlink "./$1")" ]
  else
    [ -f "./$1" ] && cmp -s "$stage/$1" "./$1"
  fi
}}
folder() {{
  [ -w "$stage/$1" ] && [ -x "$stage/$1" ] || {{ mode=$(stat -c %a "$stage/$1"); chmod u+rwx "$stage/$1"; }}
  [ -d "./$1" ] && [ ! -L "./$1" ] && return
  if is_there "$1"; then keep "$1" || return 1; fi
  mkdir -- "./$1" || return 1
  note "D ${{mode:-}} $1"
}}
file() {{
  if is_there "$1"; then
    if same "$1"; then note "{SAME} $1"; return; fi
    keep "$1" || return 1
  fi
  mv -- "$stage/$1" "./$1" && note "F $1"
}}
place() {{
  while IFS= read -r name; do
    mode=
    case $name in
      */) folder "${{name%/}}" || return 1 ;;
      *) file "$name" || return 1 ;;
    esac
  done <<END
$names
END
}}
undo() {{
  while IFS= read -r line; do
    rest=${{line#* }}
    case $line in
      'F '*) rm -f -- "./$rest" ;;
      'D '*) rmdir -- "./${{rest#* }}" ;;
      '{KEPT} '*) mv -- "./${{rest#* }}${{rest%% *}}" "./${{rest#* }}" ;;
    esac
  done <<END
$log
END
}}
finish() {{
  while IFS= read -r line; do
    rest=${{line#* }}
    case $line in 'D '[0-7]*) chmod "${{rest%% *}}" "./${{rest#* }}" ;; esac
  done <<END
$log
END
}}
place || {{ undo; exit 1; }}
finish
rm -rf {STAGE}
printf '%s' "$log"
exit 0
"""
"""Names come on standard input, and are all read before the first is touched; what has been done stands in a
variable, the last first, so that undoing it needs no room on a disk. A folder that is read-only becomes so
when all is in it."""


def place_command(home: str) -> list[str]:
    """Return the command that puts the files in ``STAGE`` of a home folder into their places there. Pure."""
    return ["/bin/sh", "-c", _PLACE, "sh", home]


def discard_command(home: str) -> list[str]:
    """Return the command that removes ``STAGE`` from a home folder, whatever is there. Pure."""
    return ["/bin/sh", "-c", _DISCARD, "sh", home]
