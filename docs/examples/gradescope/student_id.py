"""Print whose submission this is: the id that the roster has for an e-mail address, else the address itself.

usage: student_id.py submission_metadata.json [roster.csv]

Gradescope's metadata names people by their e-mail address. Of a group, the first one stands for all. Without
metadata, as when the recipe is tried out, the id is "submission".
"""

import csv
import json
import re
import sys
from pathlib import Path

_FOLDER = re.compile(r"[A-Za-z0-9@_+=,][A-Za-z0-9@_+=,.-]{0,119}")


def email_of(metadata: str) -> str:
    """Return the address of the first user; "" if there is no metadata."""
    try:
        return str(json.loads(Path(metadata).read_bytes())["users"][0]["email"]).strip()
    except FileNotFoundError:
        return ""


def id_of(email: str, roster: str) -> str:
    """Return the roster's id for an address; upper and lower case are the same."""
    lines = Path(roster).read_text(encoding="utf-8-sig").splitlines()
    separator = max(",;", key="".join(lines[:1]).count)
    for row in csv.DictReader(lines, delimiter=separator):
        about = {str(key).strip().casefold(): str(value).strip() for key, value in row.items()}
        if about.get("email", "").casefold() == email.casefold():
            return about["id"]
    sys.exit(f"{email!a} is not on the roster")


def main(metadata: str, *roster: str) -> None:
    """Print the id, or exit with a message."""
    try:
        email = email_of(metadata)
        found = id_of(email, roster[0]) if email and roster else email or "submission"
    except (OSError, ValueError, KeyError, IndexError, TypeError) as problem:
        sys.exit(f"cannot read who handed in: {type(problem).__name__}: {problem}")
    if not _FOLDER.fullmatch(found):
        sys.exit(f"the id {found!a} cannot be the name of a folder")
    print(found)


if __name__ == "__main__":
    main(*sys.argv[1:])
