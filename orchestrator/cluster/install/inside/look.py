"""Say which Python this is and what of isolab is below a folder: look.py FOLDER, "" for the usual one.

Prints one line: a word, and JSON.
"""

import importlib.util
import json
import sys
import sysconfig
from pathlib import Path

USUAL = "~/.local/share/isolab/cluster"
NEEDED = ("ctypes", "lzma", "sqlite3", "ssl", "zlib")


def _main() -> None:
    folder = Path(sys.argv[1] or USUAL).expanduser().absolute()
    found = {
        "python": str(Path(sys.executable).resolve()),
        "release": f"{sys.version_info[0]}.{sys.version_info[1]}",
        "abi": sysconfig.get_config_var("SOABI") or "",
        "folder": str(folder),
        "lacks": [name for name in NEEDED if importlib.util.find_spec(name) is None],
        "parts": sorted(path.name for path in folder.glob("parts/[!.]*")),
        "versions": sorted(path.parent.name for path in folder.glob("versions/*/tried")),
    }
    print("isolab-look", json.dumps(found))


if __name__ == "__main__":
    _main()
