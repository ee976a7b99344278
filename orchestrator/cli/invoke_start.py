"""Loads Invoke without two modules that it imports and no verb uses: a quarter of the time of a start.

``unittest.mock``, which loads asyncio, is for Invoke's ``MockContext``; its YAML is for settings files, which
are not read here.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

_UNUSED = {"unittest.mock": ("Mock",), "invoke.vendor.yaml": ()}
"""Modules, and the names that Invoke imports from them."""


def load() -> None:
    """Import ``invoke``, with an empty module in place of each unused one; these are gone afterwards.

    Whoever imports such a module later gets the real one. An Invoke that needs more of them than their
    names is imported as usual.
    """
    if "invoke" in sys.modules:
        return
    absent = [name for name in _UNUSED if name not in sys.modules]
    for name in absent:
        sys.modules[name] = _empty(name)
    try:
        importlib.import_module("invoke")
    except (ImportError, AttributeError, TypeError):
        for name in [one for one in sys.modules if one.partition(".")[0] == "invoke"]:
            del sys.modules[name]
    finally:
        for name in absent:
            sys.modules.pop(name, None)


def _empty(name: str) -> ModuleType:
    module = ModuleType(name)
    for needed in _UNUSED[name]:
        setattr(module, needed, type(needed, (), {}))
    return module
