"""Where the gateway listens, as the class file says."""

from __future__ import annotations

from orchestrator.classes.listen import parse_listen
from orchestrator.classes.model import LoadedClass
from orchestrator.errors import SpecError
from orchestrator.labfile.ssh_endpoint import Endpoint


def endpoint(found: LoadedClass) -> Endpoint:
    """Return the address and port where the gateway listens. Raises SpecError."""
    text = found.spec.access.listen
    try:
        return parse_listen(text)
    except ValueError as problem:
        raise SpecError(
            f"access: listen: {text!r}: {problem}", hint="such as 0.0.0.0:2222, [::]:2222 or 127.0.0.1:2222"
        ) from None
