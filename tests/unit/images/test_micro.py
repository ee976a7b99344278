"""Kernel modules are loaded in the order in which they depend on each other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.images.micro import load_order


def module(*depends: str) -> bytes:
    """The interesting part of a module file: its modinfo strings among other bytes."""
    return b"\x7fELF\0license=GPL\0depends=" + ",".join(depends).encode() + b"\0name=x\0"


def names(wanted: list[str], modules: dict[str, bytes]) -> list[str]:
    return [name for name, _ in load_order(wanted, modules)]


def test_dependencies_come_first_and_once() -> None:
    modules = {
        "virtio_net": module("net_failover", "virtio"),
        "net_failover": module("failover"),
        "failover": module(),
        "virtio": module(),
        "virtio_console": module("virtio"),
    }
    order = names(["virtio_net", "virtio_console"], modules)
    assert order == ["failover", "net_failover", "virtio", "virtio_net", "virtio_console"]


def test_modules_nobody_wants_are_left_out() -> None:
    assert names(["a"], {"a": module(), "b": module("a")}) == ["a"]


def test_what_is_not_there_is_built_into_the_kernel() -> None:
    assert names(["virtio", "a"], {"a": module("virtio_ring")}) == ["a"]


def test_names_with_a_dash_are_the_same_module() -> None:
    assert names(["a"], {"a": module("rng-core"), "rng_core": module()}) == ["rng_core", "a"]


def test_the_bytes_come_along() -> None:
    data = module()
    assert load_order(["a"], {"a": data}) == [("a", data)]


def test_a_module_without_the_field_depends_on_nothing() -> None:
    assert names(["a"], {"a": b"\x7fELF"}) == ["a"]


@given(st.lists(st.lists(st.integers(0, 9), max_size=4), min_size=10, max_size=10))
def test_in_any_graph_each_module_follows_what_it_needs(edges: list[list[int]]) -> None:
    """Dependencies go from higher to lower numbers, so that there is no ring."""
    needs = {f"m{i}": [f"m{j}" for j in lower if j < i] for i, lower in enumerate(edges)}
    order = names(list(needs), {name: module(*lower) for name, lower in needs.items()})
    assert sorted(order) == sorted(needs)
    assert all(order.index(low) < order.index(name) for name, lower in needs.items() for low in lower)
