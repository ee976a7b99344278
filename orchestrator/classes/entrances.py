"""The ways in to a class, for its handouts: the gateway, the pages, and the personal link of each seat."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from orchestrator.classes import gateway
from orchestrator.classes.background import service
from orchestrator.classes.gateway.keys import host_key_fingerprint
from orchestrator.classes.gateway.standing import LAB
from orchestrator.classes.handout.entrance import Entrance, Login
from orchestrator.classes.model import LoadedClass, Seat
from orchestrator.errors import Unavailable
from orchestrator.labfile.image_catalog import recipes
from orchestrator.labfile.image_recipe import KINDS

LINK_DAYS = 200
"""How long a personal link works in a class without an end: a term."""
GRACE = timedelta(days=1)
"""How long a link works after the class's end: for extensions, and to look at what was handed in."""


def host_of(found: LoadedClass) -> str:
    """Return the name of this server as students type it: what the class file says, else its own."""
    if found.spec.access.host:
        return found.spec.access.host
    full = socket.getfqdn()
    return socket.gethostname() if full.startswith("localhost") else full


def require_entrances(found: LoadedClass) -> None:
    """Raise Unavailable or SpecError if students could not get in once machines are up: a port is taken that
    the gateway or the pages need, or a library is missing. What runs already is not looked at."""
    try:
        if not gateway.alive(found):
            gateway.require_free(gateway.endpoint(found))
    except Unavailable:
        if not gateway.alive(found):  # else another isolab just started it
            raise
    if found.spec.access.web is None or service(found) is not None:
        return
    from orchestrator.classes.web.serve import require_place  # with modules of the extra

    try:
        require_place(found)
    except Unavailable:
        if service(found) is None:
            raise


def entrances(found: LoadedClass, seats: Sequence[Seat]) -> list[tuple[Seat, Entrance]]:
    """Return the ways in for each of these seats. Each gets a new personal link where the class has pages;
    links given before go on. Raises SpecError, Unavailable."""
    return [(seat, _entrance(found, seat)) for seat in seats]


def _entrance(found: LoadedClass, seat: Seat) -> Entrance:
    link, ends, certificate = "", None, ""
    if found.spec.access.web is not None:
        from orchestrator.classes.web.certificate import certificate_of  # with modules of the extra
        from orchestrator.classes.web.tokens import is_loopback, issue, web_endpoint

        now = datetime.now(UTC)
        ends = (found.spec.end + GRACE) if found.spec.end else now + timedelta(days=LINK_DAYS)
        ends = max(ends, now + GRACE)
        link = issue(found, seat.name, ends - now)
        if not is_loopback(web_endpoint(found).host):
            pair = certificate_of(found)
            certificate = pair.fingerprint if pair.made else ""
    return Entrance(
        host=host_of(found),
        port=gateway.endpoint(found).port,
        logins=tuple(_logins(found)),
        host_keys=(host_key_fingerprint(found),),
        alias=found.name,
        link=link,
        link_ends=ends,
        certificate=certificate,
    )


def _logins(found: LoadedClass) -> Iterator[Login]:
    """Yield the machines of a seat, then those for everybody."""
    machines = {**found.spec.machines, **found.spec.shared}
    known = {**recipes(), **found.machines.recipes}
    name_at_gateway = gateway.login_name()
    for number, (name, machine) in enumerate(machines.items()):
        user = name_at_gateway if number == 0 else (name if name_at_gateway == LAB else "")
        # A machine of our own init has a shell, and nothing that scp, sftp or rsync could ask for.
        yield Login(name, user, copies=not KINDS[known[machine.image].kind].our_init)
