"""Certificates, orders, what a peer may say, and what may come out of a pickle."""

from __future__ import annotations

import json
import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrator.cluster.model import Unit
from orchestrator.cluster.scheduling import certificates, peers, unpickling
from orchestrator.cluster.scheduling.certificates import Credentials, Role, holder, issue
from orchestrator.cluster.scheduling.orders import signer, verified
from orchestrator.errors import SpecError, Unavailable
from orchestrator.labfile.plan import Job

NOW = datetime(2030, 1, 1, tzinfo=UTC)
UNIT = Unit("run", "bundle", (Job("run", "lab", "m", "", ("one",)),))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cluster")


def test_the_authority_is_made_once_and_its_key_is_for_its_owner_only(folder: Path) -> None:
    assert certificates.authority(folder) == certificates.authority(folder)
    for path in (folder / "tls").glob("ca.*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_credentials_are_valid_for_their_role_and_days(folder: Path) -> None:
    made = issue(folder, Role.HOST, "a", days=7)
    made.check(Role.HOST, datetime.now(UTC))
    assert made.ends < datetime.now(UTC) + timedelta(days=8)
    assert "PRIVATE" not in repr(made)


@pytest.mark.parametrize(
    ("days", "words"), [(8, "expired at .* and the clock here says"), (-1, "valid only from")]
)
def test_credentials_of_another_time_are_refused_in_words(folder: Path, days: int, words: str) -> None:
    made = issue(folder, Role.HOST, "a", days=7)
    with pytest.raises(Unavailable, match=words):
        made.check(Role.HOST, datetime.now(UTC) + timedelta(days=days))


def test_credentials_of_another_cluster_role_or_none_are_refused_in_words(
    folder: Path, tmp_path: Path
) -> None:
    made, foreign = issue(folder, Role.HOST, "a"), issue(tmp_path, Role.HOST, "a")
    wrong = {
        "of another cluster": replace(made, authority=foreign.authority),
        "not one of this cluster": Credentials("", "no certificate", ""),
    }
    for words, credentials in wrong.items():
        with pytest.raises(Unavailable, match=words):
            credentials.check(Role.HOST, datetime.now(UTC))
    with pytest.raises(Unavailable, match="not for a controller"):
        made.check(Role.CONTROLLER, datetime.now(UTC))


def test_a_name_that_is_too_long_for_a_certificate_is_refused(folder: Path) -> None:
    with pytest.raises(SpecError, match="at most 64"):
        issue(folder, Role.HOST, "h" * 65)


def test_the_holder_of_a_certificate_is_what_its_subject_says() -> None:
    shown = {"subject": ((("organizationalUnitName", "host"),), (("commonName", "a"),))}
    assert holder(shown) == ("host", "a")
    assert holder(None) == ("", "")


def test_an_order_is_verified_by_the_key_of_its_cluster(folder: Path) -> None:
    orders = signer(folder)
    found = verified(orders.order(UNIT, "a", "topic"), orders.public_key, "a")
    assert (found.unit, found.topic) == (UNIT, "topic")
    assert signer(folder).public_key == orders.public_key


def test_an_order_of_somebody_else_for_somebody_else_or_changed_is_refused(
    folder: Path, tmp_path: Path
) -> None:
    orders = signer(folder)
    order = orders.order(UNIT, "a", "topic")
    changed = json.dumps({**json.loads(order), "body": json.loads(order)["body"].replace("lab", "law")})
    for wrong, host, words in (
        (signer(tmp_path).order(UNIT, "a", "topic"), "a", "somebody other than its controller"),
        (changed, "a", "somebody other"),
        (order, "b", "gave to a"),
        ("no order", "a", "no unit"),
        ("[]", "a", "no unit"),
    ):
        with pytest.raises(Unavailable, match=words):
            verified(wrong, orders.public_key, host)


@pytest.mark.parametrize(
    "message",
    [
        {"op": "register-worker", "name": "a"},
        [{"op": "task-finished", "key": "k"}, {"op": "log-event", "topic": "isolab-run-1", "msg": {}}],
        {"op": "heartbeat_worker", "address": "x"},
        "OK",
    ],
)
def test_a_worker_may_say_what_a_worker_must(message: object) -> None:
    peers.require(message, "a")


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"op": "register-worker", "name": "b"}, "calls itself 'b'"),
        ({"op": "register-client"}, "may not ask for 'register-client'"),
        ({"op": "run_function"}, "run_function"),
        ({"op": "broadcast"}, "broadcast"),
        ([{"op": "task-finished"}, {"op": "update-graph"}], "update-graph"),
        ({"op": "task-finished", "worker": "tls://other"}, "for another worker"),
        ({"op": "log-event", "topic": "print", "msg": {}}, "topic 'print'"),
        ({"op": ["unhashable"]}, "may not ask for"),
        (7, "no message"),
    ],
)
def test_whatever_else_a_worker_says_is_refused(message: object, words: str) -> None:
    with pytest.raises(peers.Refused, match=words):
        peers.require(message, "a")


class _Calls:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("false",)


@pytest.mark.parametrize("allowed", [unpickling.SCHEDULER, unpickling.WORKER, unpickling.CONTROLLER])
def test_a_pickle_that_names_another_function_is_refused(allowed: frozenset[str]) -> None:
    with pytest.raises(pickle.UnpicklingError, match="may not come out of a message"):
        unpickling.loads(pickle.dumps(_Calls()), allowed)


def test_plain_values_come_out_of_a_pickle() -> None:
    value = {"a": [1, "two", (3.0, b"four", None)]}
    assert unpickling.loads(pickle.dumps(value), unpickling.WORKER) == value


def test_keys_are_made_once_though_many_want_them_first(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = {one.public_key for one in pool.map(lambda _: signer(tmp_path), range(16))}
        roots = set(pool.map(lambda _: certificates.authority(tmp_path), range(16)))
    assert (len(keys), len(roots)) == (1, 1)
