"""What a shell would make of a command and isolab does not: pipes, variables, patterns. Pure."""

from __future__ import annotations

import re

BUILTINS = frozenset({
    ".", ":", "alias", "bg", "cd", "command", "eval", "exec", "exit", "export", "fg", "hash", "jobs",
    "local", "read", "readonly", "return", "set", "shift", "source", "times", "trap", "type", "ulimit",
    "umask", "unalias", "unset", "wait",
})  # fmt: skip
"""Commands that exist only in a shell."""

_PATTERNS = (
    (re.compile(r"\d*(?:<<<|<<|>>|<|>)(?:&\d?)?|&&|\|\||\|&?|;|&|[()]"), "is an operator of a shell"),
    (re.compile(r"`|\$(?:\w+|\{[^}]*\}?|\(|[?#@*!$-])"), "is replaced by a shell"),
    (re.compile(r"(?<!\S)\S*(?:[*?]|\[[^\s\]]+\])\S*"), "is a shell's pattern of file names"),
    (re.compile(r"(?<!\S)~[\w./-]*"), "is a shell's short form of a home folder"),
    (re.compile(r"\S*\{[^{}\s]*(?:,|\.\.)[^{}\s]*\}\S*"), "is expanded by a shell"),
    (re.compile(r"(?<!\S)#\S*"), "is a shell's comment"),
    (re.compile(r"^\s*[A-Za-z_]\w*=\S*"), "sets a variable in a shell"),
    (re.compile(r"\n"), "ends a command in a shell"),
)


def shell_syntax(command: str) -> tuple[str, str] | None:
    """Return the first part of a command that only a shell understands, and what it is; None if there is
    none. What is quoted is an argument as it is, there and here."""
    bare = _unquoted(command.strip())
    found = [
        (match.start(), command.strip()[match.start() : match.end()], words)
        for pattern, words in _PATTERNS
        if (match := pattern.search(bare))
    ]
    return min(found)[1:] if found else None


def _unquoted(command: str) -> str:
    """Return the command with characters that are quoted for a shell replaced by one without a meaning."""
    kept: list[str] = []
    quote, escaped = "", False
    for char in command:
        expanded = quote == '"' and (char in "$`{}_" or char.isalnum() or kept[-1:] == ["$"])
        plain = not escaped and (not quote or expanded)
        if escaped:
            escaped = False
        elif char == "\\" and quote != "'":
            escaped, plain = True, False
        elif char == quote:
            quote, plain = "", False
        elif not quote and char in "'\"":
            quote, plain = char, False
        kept.append(char if plain else "\x01")
    return "".join(kept)
