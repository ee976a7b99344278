"""What engines can enforce, what the kernel has in force, and images as engines build them."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from orchestrator.arch import host_arch
from orchestrator.drivers import load
from orchestrator.drivers.container import engine as container_engine
from orchestrator.drivers.container.driver import render_nice
from orchestrator.drivers.container.engine import (
    command,
    docker_cannot,
    engine_command,
    kernel_cannot,
    podman_cannot,
)
from orchestrator.drivers.container.limits import exceeded, in_force, render_limits, wanted
from orchestrator.drivers.guest.layout import SITE
from orchestrator.drivers.model import Handle
from orchestrator.errors import ImageError, SpecError, TeardownError, Unavailable
from orchestrator.images import containerfile, key, layer
from orchestrator.labfile.image_catalog import lab_recipes
from orchestrator.labfile.image_recipe import ContainerfileRecipe, OciRecipe, read
from orchestrator.labfile.models import Machine

BOX = Machine(driver="container", memory=64 * 2**20, cpus=2, pids=40)
ID = "ab" * 32


class TestOptions:
    def test_memory_includes_swap(self) -> None:
        size = str(64 * 2**20)
        assert render_limits(BOX) == (
            ["--memory", size, "--memory-swap", size, "--cpus", "2", "--pids-limit", "40"]
        )

    def test_what_cannot_be_enforced_is_not_asked_for(self) -> None:
        assert render_limits(BOX, {"memory", "cpus"}) == ["--pids-limit", "40"]

    def test_processes_that_cannot_be_limited_are_not_limited_by_the_engine_either(self) -> None:
        assert render_limits(BOX, {"memory", "cpus", "pids"}) == ["--pids-limit", "-1"]

    def test_a_fork_bomb_stops_somewhere(self) -> None:
        assert wanted(Machine(driver="container"))["pids"] == 512


class TestWhatEnginesCannot:
    def test_rootless_podman_with_cgroups_v1(self) -> None:
        found = podman_cannot({"host": {"cgroupVersion": "v1", "cgroupControllers": None}})
        assert set(found) == {"memory", "cpus", "pids"}
        assert all("cgroups v1" in reason for reason in found.values())

    def test_a_controller_that_is_not_delegated(self) -> None:
        found = podman_cannot({"host": {"cgroupVersion": "v2", "cgroupControllers": ["memory", "pids"]}})
        assert list(found) == ["cpus"]
        assert "'cpu' is not delegated" in found["cpus"]

    @pytest.mark.parametrize(
        ("there", "old", "lacking"),
        [
            ({"cgroup.controllers": "cpu memory pids\n"}, (), []),
            ({"cgroup.controllers": "hugetlb\n"}, (), ["memory", "cpus", "pids"]),
            ({"unified/cgroup.controllers": "hugetlb\n"}, ("memory", "cpu", "pids"), []),
            ({"unified/cgroup.controllers": "cpu\n"}, ("memory",), ["pids"]),
            ({}, (), []),
        ],
    )
    def test_nobody_can_set_what_the_kernel_has_no_controller_for(
        self, tmp_path: Path, there: dict[str, str], old: tuple[str, ...], lacking: list[str]
    ) -> None:
        for name, text in there.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text)
        for name in old:
            (tmp_path / name).mkdir()
            (tmp_path / name / "cgroup.procs").touch()
        found = kernel_cannot(tmp_path)
        assert list(found) == lacking
        assert all("no controller" in reason for reason in found.values())

    def test_a_docker_daemon_says_so(self) -> None:
        about = {"MemoryLimit": True, "CpuCfsQuota": True, "PidsLimit": False, "CgroupVersion": "1"}
        assert list(docker_cannot(about)) == ["pids"]

    def test_an_engine_that_says_nothing_enforces_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fake = tmp_path / "docker"
        fake.write_text("#!/bin/sh\necho 'daemon on fire' >&2\nexit 1\n")
        fake.chmod(0o755)
        found = container_engine.unenforced((str(fake),))
        assert set(found) == {"memory", "cpus", "pids"}
        assert "daemon on fire" in found["memory"]


class TestWhichEngine:
    def test_the_socket_of_docker_goes_with_the_machine(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DOCKER_HOST", "unix:///somewhere.sock")
        assert command("docker") == ("docker", "--host", "unix:///somewhere.sock")
        monkeypatch.delenv("DOCKER_HOST")
        assert command("docker") == ("docker",)

    @pytest.mark.parametrize(
        ("wanted", "words"), [("docker", "docker is not installed"), ("podman", r"\(podman\) is installed")]
    )
    def test_none_is_told_with_what_to_do(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: str, words: str
    ) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(Unavailable, match=words) as caught:
            engine_command(wanted)
        assert "package" in caught.value.hint


def _write(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


class TestInForce:
    def test_cgroups_v2(self, tmp_path: Path) -> None:
        group = f"machine.slice/libpod-{ID}.scope"
        _write(
            tmp_path,
            {
                "proc/7/cgroup": f"0::/{group}\n",
                f"sys/fs/cgroup/{group}/memory.max": "67108864\n",
                f"sys/fs/cgroup/{group}/cpu.max": "50000 100000\n",
                f"sys/fs/cgroup/{group}/pids.max": "max\n",
            },
        )
        assert in_force(7, ID, tmp_path) == {"memory": 67108864, "cpus": 0.5, "pids": float("inf")}

    def test_cgroups_v1_beside_an_empty_v2(self, tmp_path: Path) -> None:
        lines = [f"{n}:{name}:/docker/{ID}" for n, name in enumerate(("cpu,cpuacct", "memory", "pids"), 2)]
        _write(
            tmp_path,
            {
                "proc/7/cgroup": "\n".join([*lines, f"0::/docker/{ID}"]) + "\n",
                f"sys/fs/cgroup/memory/docker/{ID}/memory.limit_in_bytes": "9223372036854771712\n",
                f"sys/fs/cgroup/cpu/docker/{ID}/cpu.cfs_quota_us": "200000\n",
                f"sys/fs/cgroup/cpu/docker/{ID}/cpu.cfs_period_us": "100000\n",
                f"sys/fs/cgroup/pids/docker/{ID}/pids.max": "40\n",
            },
        )
        assert in_force(7, ID, tmp_path) == {"memory": float("inf"), "cpus": 2, "pids": 40}

    def test_no_quota_is_no_limit(self, tmp_path: Path) -> None:
        _write(
            tmp_path,
            {
                "proc/7/cgroup": f"2:cpu:/docker/{ID}\n",
                f"sys/fs/cgroup/cpu/docker/{ID}/cpu.cfs_quota_us": "-1\n",
                f"sys/fs/cgroup/cpu/docker/{ID}/cpu.cfs_period_us": "100000\n",
            },
        )
        assert in_force(7, ID, tmp_path) == dict.fromkeys(("memory", "cpus", "pids"), float("inf"))

    def test_another_machines_process_of_the_same_number_is_not_taken_for_it(self, tmp_path: Path) -> None:
        _write(tmp_path, {"proc/7/cgroup": "0::/user.slice\n"})
        assert in_force(7, ID, tmp_path) is None
        assert in_force(8, ID, tmp_path) is None

    def test_less_than_wanted_is_in_force_more_is_not(self) -> None:
        found = {"memory": float("inf"), "cpus": 1.0, "pids": 100.0}
        assert exceeded(wanted(BOX), found) == {
            "memory": "the kernel enforces no such limit",
            "pids": "the limit in force is 100",
        }


class TestRecipes:
    @pytest.mark.parametrize(
        "reference",
        [f"docker.io/library/debian@sha256:{ID}", f"sha256:{ID}", f"127.0.0.1:5000/a/b@sha256:{ID}"],
    )
    def test_an_image_is_named_by_its_digest(self, reference: str) -> None:
        recipe = read({"image": "a", "kind": "oci", "reference": reference})
        assert isinstance(recipe, OciRecipe)

    @pytest.mark.parametrize("reference", ["debian", "debian:12", "debian@sha256:12", "--all@sha256:" + ID])
    def test_a_tag_may_be_another_image_tomorrow(self, reference: str) -> None:
        with pytest.raises(ValidationError, match="reference"):
            read({"image": "a", "kind": "oci", "reference": reference})

    def test_a_lab_brings_its_own(self, tmp_path: Path) -> None:
        _write(tmp_path, {"images/own.yaml": "image: own\nkind: containerfile\nfolder: own\n"})
        recipe = lab_recipes(tmp_path)["own"]
        assert isinstance(recipe, ContainerfileRecipe)
        assert recipe.folder == tmp_path / "images" / "own"

    def test_but_not_under_a_name_of_ours(self, tmp_path: Path) -> None:
        _write(tmp_path, {"images/own.yaml": "image: micro\nkind: containerfile\nfolder: own\n"})
        with pytest.raises(SpecError, match="isolab already has images named micro"):
            lab_recipes(tmp_path)

    def test_a_lab_without_images_has_none(self, tmp_path: Path) -> None:
        assert lab_recipes(tmp_path) == {}


class TestContainerfiles:
    def recipe(self, folder: Path, **keys: Any) -> ContainerfileRecipe:
        return ContainerfileRecipe(image="own", kind="containerfile", folder=folder, **keys)

    def test_any_file_of_the_folder_decides_the_image(self, tmp_path: Path) -> None:
        _write(tmp_path, {"Containerfile": "FROM scratch\n", "data/one": "1"})
        before = key(self.recipe(tmp_path), host_arch())
        assert key(self.recipe(tmp_path), host_arch()) == before
        (tmp_path / "data/one").write_text("2")
        assert key(self.recipe(tmp_path), host_arch()) != before

    def test_nor_owner_nor_time_do(self, tmp_path: Path) -> None:
        _write(tmp_path, {"Containerfile": "FROM scratch\n", "run.sh": "#!/bin/sh\n"})
        (tmp_path / "run.sh").chmod(0o700)
        with tarfile.open(fileobj=io.BytesIO(containerfile.pack(self.recipe(tmp_path)))) as archive:
            found = {entry.name: (entry.mode, entry.uid, entry.mtime) for entry in archive}
        assert found == {"Containerfile": (0o644, 0, 0), "run.sh": (0o755, 0, 0)}

    @pytest.mark.parametrize("file", ["Dockerfile", "../Containerfile"])
    def test_a_file_that_is_not_there_is_told(self, tmp_path: Path, file: str) -> None:
        _write(tmp_path, {"Containerfile": "FROM scratch\n", "in/x": ""})
        with pytest.raises(ImageError, match=f"image own: no {file}"):
            containerfile.pack(self.recipe(tmp_path / "in", file=file))

    def test_somebodys_home_is_not_packed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(containerfile, "MOST_BYTES", 10000)
        _write(tmp_path, {"Containerfile": "FROM scratch\n", "big": "x" * 20000})
        with pytest.raises(ImageError, match="is larger than"):
            containerfile.pack(self.recipe(tmp_path))

    def test_our_layer_undoes_what_an_image_would_start(self) -> None:
        assert {"USER 0:0", "ENTRYPOINT []", "CMD []"} <= set(layer.CONTAINERFILE.splitlines())


@pytest.mark.parametrize(
    ("value", "root", "words"),
    [
        (0, True, []),
        (10, True, ["nice", "-n", "-10"]),
        (10, False, []),
        (-5, True, ["nice", "-n", "5"]),
        (-5, False, ["nice", "-n", "5"]),
    ],
)
def test_an_engine_does_not_hand_on_the_callers_nice_value(value: int, root: bool, words: list[str]) -> None:
    assert render_nice(value, root) == words


def test_a_container_that_cannot_be_removed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for podman, whose storage nobody can make read-only for one container."""
    program = tmp_path / "podman"
    program.write_text("#!/bin/sh\necho 'Error: read-only file system' >&2; exit 1\n")
    program.chmod(0o755)
    scratch = str(tmp_path / "scratch")
    handle = Handle("container", "1-2-3", "box", "", "", "", scratch, SITE, {"engine": [str(program)]})
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(TeardownError, match=r"cannot remove the container:\n.*read-only file system"):
        load("container").down(handle)
