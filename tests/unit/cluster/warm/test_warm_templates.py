"""Templates on all hosts, with agents made up: who makes, who gets a copy, and what goes wrong."""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

import pytest

from orchestrator.cluster.agent.protocol import PART
from orchestrator.cluster.model import HostFacts
from orchestrator.cluster.warm.templates import Pair, WarmHost, is_copied, makers, pair_of, warm_templates
from orchestrator.deadline import Deadline, poll
from orchestrator.errors import Interrupted, LabError, TransportError

BIG = bytes(range(256)) * (PART // 200)
"""More than a part."""


@dataclass
class FakeAgent:
    """One that makes templates named after their image and architecture, and knows what it was asked."""

    name: str
    there: dict[str, bytes] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    making: float = 60.0
    broken: str = ""
    damaged: bool = False
    qemu: str = "0"
    arriving: dict[str, bytes] = field(default_factory=dict)

    def ask(self, what: str, deadline: Deadline, **about: Any) -> Generator[Any, None, Any]:
        if what == self.broken:
            raise TransportError(f"{self.name}: the agent is gone\nwith more words")
        known: dict[str, Callable[..., Generator[Any, None, Any]]]
        known = {"warm": self.warm, "give": self.give, "take": self.take}
        return known[what](**about)

    def warm(self, images: list[list[str]], templates: bool) -> Generator[Any, None, Any]:
        found = {}
        for image, arch in images:
            key = f"{image}-{arch}-{self.qemu}"
            if key in self.there or not templates:
                found[key] = self.making if key in self.there else 0.0
                continue
            how = "tested" if key in self.arriving else "made"
            yield {"word": f"{how} {key}"}
            self.log.append(f"{how} {key}")
            self.there[key] = self.arriving.get(key, key.encode() + BIG)
            found[key] = 1.0 if how == "tested" else self.making
        return {"templates": found}

    def give(self, template: str) -> Generator[Any, None, Any]:
        data = self.there[template]
        for at in range(0, len(data), PART):
            yield {"part": base64.b64encode(data[at : at + PART]).decode()}
        return {"digest": hashlib.sha256(data + b"!" * self.damaged).hexdigest()}

    def take(self, template: str, part: str, more: bool, digest: str) -> Generator[Any, None, Any]:
        yield from ()
        data = self.arriving[template] = self.arriving.get(template, b"") + base64.b64decode(part)
        if not more:
            assert hashlib.sha256(data).hexdigest() == digest
            self.log.append(f"took {template}")
        return {"size": len(data)}


def host(agent: FakeAgent, arch: str = "amd64", emulates: tuple[str, ...] = (), cpus: int = 4) -> WarmHost:
    facts = HostFacts(
        agent.name, "0.1.0", "3.11", arch, cpus, 2**33, False, 0.0, "00", emulates, tuple(agent.there)
    )
    return WarmHost(agent.name, agent, facts)


def warm(hosts: list[WarmHost], *pairs: Pair) -> tuple[dict[str, Any], list[str]]:
    said: list[str] = []
    return dict(warm_templates(hosts, pairs, Deadline.after(60), said.append)), said


class TestWhoMakes:
    def test_natively_and_in_shares(self) -> None:
        both = [host(FakeAgent("lab1"), "amd64"), host(FakeAgent("lab2"), "arm64")]
        keys = ["micro-amd64-0", "micro-arm64-0", "micro-s390x-0", "debian-s390x-0"]
        given = makers(dict.fromkeys(keys, both))
        assert "micro-amd64-0" in given["lab1"]
        assert "micro-arm64-0" in given["lab2"]
        assert sorted(map(len, given.values())) == [2, 2]

    def test_more_where_there_are_more_processors(self) -> None:
        hosts = [host(FakeAgent("lab1"), cpus=2), host(FakeAgent("lab2"), cpus=8)]
        given = makers({f"image{n}-amd64-0": hosts for n in range(10)})
        assert (len(given["lab1"]), len(given["lab2"])) == (2, 8)

    def test_only_who_wants_it(self) -> None:
        hosts = [host(FakeAgent("lab1")), host(FakeAgent("lab2"), "arm64")]
        assert makers({"micro-amd64-0": hosts[1:]}) == {"lab2": ["micro-amd64-0"]}

    def test_what_a_key_is_of(self) -> None:
        assert pair_of("my-own-image-amd64-0123abc") == ("my-own-image", "amd64")


@pytest.mark.parametrize(
    ("size", "rate", "making", "copied"),
    [(16e6, 12e6, 4.0, True), (16e6, 1e6, 4.0, False), (16e6, 4e6, 0.0, True), (16e6, 0.0, 60.0, False)],
)
def test_whichever_is_sooner(size: float, rate: float, making: float, copied: bool) -> None:
    assert is_copied(int(size), rate, making) is copied


def test_each_is_made_once_and_the_others_get_copies_that_they_test() -> None:
    agents = [FakeAgent(f"lab{n}") for n in (1, 2, 3)]
    found, said = warm([host(agent) for agent in agents], ("micro", "amd64"), ("debian", "amd64"))
    keys = {"micro-amd64-0", "debian-amd64-0"}
    assert all(one.templates == keys and not one.problem for one in found.values())
    assert sum(line.startswith("made") for agent in agents for line in agent.log) == 2
    assert sorted(one.copied for one in found.values()) == [1, 1, 2]
    assert sorted(agents[2].log) == sorted(f"{how} {key}" for how in ("took", "tested") for key in keys)
    assert agents[0].there == agents[1].there == agents[2].there
    assert any(line.startswith("copying the template micro-amd64-0 (") for line in said)


def test_what_a_host_has_is_copied_from_it_and_not_made_again() -> None:
    first, second = FakeAgent("lab1"), FakeAgent("lab2", {"micro-amd64-0": b"x"})
    found, _ = warm([host(first), host(second)], ("micro", "amd64"))
    assert second.log == []
    assert first.log == ["took micro-amd64-0", "tested micro-amd64-0"]
    assert (found["lab1"].copied, found["lab2"].copied) == (1, 0)


def test_hosts_that_are_warm_are_asked_and_that_is_all() -> None:
    agents = [FakeAgent(f"lab{n}", {"micro-amd64-0": b"x"}) for n in (1, 2)]
    found, said = warm([host(agent) for agent in agents], ("micro", "amd64"))
    assert [agent.log for agent in agents] == [[], []]
    assert said == []
    assert all(one.templates == {"micro-amd64-0"} for one in found.values())


def test_hosts_with_another_qemu_make_their_own() -> None:
    agents = [FakeAgent("lab1"), FakeAgent("lab2", qemu="1"), FakeAgent("lab3", qemu="1")]
    warm([host(agent) for agent in agents], ("micro", "amd64"))
    assert agents[0].log == ["made micro-amd64-0"]
    assert sorted(agents[1].log + agents[2].log) == [
        "made micro-amd64-1",
        "tested micro-amd64-1",
        "took micro-amd64-1",
    ]


def test_what_is_made_sooner_is_made_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.cluster.warm.templates.is_copied", lambda *_: False)
    agents = [FakeAgent("lab1"), FakeAgent("lab2")]
    found, _ = warm([host(agent) for agent in agents], ("micro", "amd64"))
    assert [agent.log for agent in agents] == [["made micro-amd64-0"]] * 2
    assert all(one.templates for one in found.values())


class TestWhatGoesWrong:
    def test_a_host_that_breaks_stands_back_and_the_others_go_on(self) -> None:
        agents = [FakeAgent("lab1", broken="warm"), FakeAgent("lab2"), FakeAgent("lab3")]
        found, said = warm([host(agent) for agent in agents], ("micro", "amd64"))
        assert found["lab1"].problem == "lab1: the agent is gone"
        assert said.count("lab1: the agent is gone") == 1
        assert found["lab2"].templates == found["lab3"].templates == {"micro-amd64-0"}

    @pytest.mark.parametrize("fault", ["give", "digest", "take"])
    def test_a_copy_that_does_not_arrive_is_made_instead(self, fault: str) -> None:
        first, second = FakeAgent("lab1"), FakeAgent("lab2")
        first.damaged = fault == "digest"
        (second if fault == "take" else first).broken = fault
        found, said = warm([host(first), host(second)], ("micro", "amd64"))
        assert second.log == ["made micro-amd64-0"]
        assert found["lab2"].copied == 0
        assert not found["lab2"].problem
        assert any("agent is gone" in line or "its digest is another" in line for line in said)

    @pytest.mark.parametrize("answer", [None, {"templates": 1}, {"templates": {"a": "x"}}, []])
    def test_an_agent_that_answers_nonsense(self, answer: object) -> None:
        class Odd(FakeAgent):
            def warm(self, images: list[list[str]], templates: bool) -> Generator[Any, None, Any]:
                yield {"word": "\x1b[2J"}
                return answer

        found, said = warm([host(Odd("lab1"))], ("micro", "amd64"))
        assert found["lab1"].problem
        assert all(line.isprintable() for line in said)

    def test_parts_that_are_none(self) -> None:
        class Odd(FakeAgent):
            def give(self, template: str) -> Generator[Any, None, Any]:
                yield {"part": "%%%"}
                return {}

        found, said = warm([host(Odd("lab1")), host(FakeAgent("lab2"))], ("micro", "amd64"))
        assert "lab1: what its agent sends is no part of a template" in said
        assert found["lab2"].templates == {"micro-amd64-0"}


def test_what_hosts_are_doing_is_told_apart_from_what_must_be_known() -> None:
    class Talking(FakeAgent):
        def warm(self, images: list[list[str]], templates: bool) -> Generator[Any, None, Any]:
            yield {"word": "micro-amd64: booting a template: \x1b[1mfirmware"}
            yield {"word": "micro-amd64 cannot be prepared: no emulator"}
            return {"templates": {}}

    said: list[str] = []
    done: list[tuple[str, str]] = []
    pairs = [("micro", "amd64")]

    def doing(name: str, what: str) -> None:
        done.append((name, what))

    warm_templates([host(Talking("lab1"))], pairs, Deadline.after(60), said.append, doing)
    assert said == ["lab1: micro-amd64 cannot be prepared: no emulator"]
    assert done == [("lab1", r"micro-amd64: booting a template: \x1b[1mfirmware")]


def test_no_hosts_and_nothing_to_make() -> None:
    assert warm([], ("micro", "amd64")) == ({}, [])
    found, said = warm([host(FakeAgent("lab1"))])
    assert (found["lab1"].templates, said) == (frozenset(), [])


def test_ctrl_c_does_not_wait_for_hosts_that_make_templates() -> None:
    all_asked, ended = threading.Barrier(2, timeout=60), []

    @dataclass
    class Slow(FakeAgent):
        def ask(self, what: str, deadline: Deadline, **about: Any) -> Generator[Any, None, Any]:
            yield from ()
            all_asked.wait()
            if self.name == "lab1":
                raise KeyboardInterrupt
            try:
                poll(lambda: False, deadline, "a template")
            except LabError as problem:
                ended.append(type(problem))
                raise

    with pytest.raises(KeyboardInterrupt):
        warm([host(Slow("lab1")), host(Slow("lab2"))], ("micro", "amd64"))
    assert ended == [Interrupted]
