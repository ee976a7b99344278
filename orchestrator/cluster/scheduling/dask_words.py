"""What Dask's exceptions mean."""

from __future__ import annotations

from orchestrator.cluster.scheduling import settings

_NAMES = {
    "KilledWorker": "its worker died twice",
    "NoValidWorkerError": f"it had no worker for {settings.UNPLACEABLE_SECONDS:.0f} s",
    "CommClosedError": "it closed the connection",
}
_EXPIRED, _FOREIGN = "the certificate has expired", "the certificate is of another cluster"
_PARTS = (
    ("certificate has expired", _EXPIRED),
    ("certificate_expired", _EXPIRED),
    ("unknown ca", _FOREIGN),
    ("unknown_ca", _FOREIGN),
    ("certificate verify failed", _FOREIGN),
    ("certificate_required", "it wants a certificate of this cluster"),
    ("certificate required", "it wants a certificate of this cluster"),
    ("stream is closed", "it closed the connection"),
)
"""What exceptions are called, or say, and what that means; the first that fits counts."""


def words(problem: object) -> str:
    """Return what one of Dask's exceptions means, in our words where it is one of those we know."""
    if not isinstance(problem, BaseException):
        return "it said what cannot be read"
    name, text = type(problem).__name__, " ".join(str(problem).split())[:300]
    whole = f"{text} {problem.__cause__ or ''}".lower()
    if name in _NAMES:
        return _NAMES[name]
    return next((meaning for part, meaning in _PARTS if part in whole), text or name)
