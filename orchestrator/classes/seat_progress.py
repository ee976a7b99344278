"""Progress of one seat's machines among those of many seats."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.progress import Progress

_NOT_YET = "waiting for a free processor"


@dataclass(frozen=True)
class SeatProgress:
    """What ``machines`` of a seat do is shown under the seat's name, but only on a terminal (``one_by_one``):
    elsewhere it would be hundreds of lines. What concerns all seats is shown, and told, once: ``told`` is
    common to them."""

    shown: Progress
    seat: str
    machines: frozenset[str]
    told: set[str]
    one_by_one: bool

    def doing(self, who: str, what: str, expected: float = 0.0) -> None:
        if who not in self.machines:
            self.shown.doing(who, what, expected)
        elif "template" in what:
            self.shown.doing(f"template of {who}", what, expected)
        elif self.one_by_one and what != _NOT_YET:
            self.shown.doing(f"{self.seat}/{who}", what, expected)

    def done(self, who: str, what: str = "") -> None:
        if who not in self.machines:
            self.shown.done(who, what)
            return
        self.shown.done(f"template of {who}")
        self.shown.done(f"{self.seat}/{who}", what)

    def tell(self, text: str) -> None:
        if text not in self.told:
            self.told.add(text)
            self.shown.tell(text)
