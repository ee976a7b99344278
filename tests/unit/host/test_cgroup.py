"""What control groups leave to a process, in both versions of their files."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.host import cgroup, resources
from orchestrator.host.cgroup import CgroupLimits, limits

MIB = 2**20


def found(tmp_path: Path, own: str, files: dict[str, str]) -> CgroupLimits:
    """The limits with this /proc/self/cgroup and these files below /sys/fs/cgroup."""
    (tmp_path / "own").write_text(own)
    for name, text in files.items():
        place = tmp_path / "mounted" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return limits(tmp_path / "mounted", tmp_path / "own")


def test_a_container_of_version_2(tmp_path: Path) -> None:
    files = {
        "memory.max": f"{768 * MIB}\n",
        "memory.current": f"{300 * MIB}\n",
        "memory.stat": f"anon {100 * MIB}\ninactive_file {200 * MIB}\n",
        "cpu.max": "50000 100000\n",
    }
    assert found(tmp_path, "0::/\n", files) == CgroupLimits(668 * MIB, 0.5)


def test_a_container_of_version_1_whose_path_is_its_hosts(tmp_path: Path) -> None:
    own = "4:memory:/docker/0123\n3:cpu,cpuacct:/docker/0123\n1:name=systemd:/docker/0123\n"
    files = {
        "memory/memory.limit_in_bytes": f"{768 * MIB}\n",
        "memory/memory.usage_in_bytes": f"{300 * MIB}\n",
        "memory/memory.stat": f"inactive_file 1\ntotal_inactive_file {200 * MIB}\n",
        "cpu,cpuacct/cpu.cfs_quota_us": "150000\n",
        "cpu,cpuacct/cpu.cfs_period_us": "100000\n",
    }
    assert found(tmp_path, own, files) == CgroupLimits(668 * MIB, 1.5)


def test_a_group_above_may_leave_less(tmp_path: Path) -> None:
    files = {
        "user.slice/a.service/memory.max": f"{900 * MIB}\n",
        "user.slice/a.service/memory.current": "0\n",
        "user.slice/memory.max": f"{500 * MIB}\n",
        "user.slice/memory.current": f"{100 * MIB}\n",
        "user.slice/a.service/cpu.max": "max 100000\n",
    }
    assert found(tmp_path, "0::/user.slice/a.service\n", files) == CgroupLimits(400 * MIB, None)


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"memory.max": "max\n", "cpu.max": "max 100000\n"},
        {"memory/memory.limit_in_bytes": "9223372036854771712\n", "cpu/cpu.cfs_quota_us": "-1\n"},
        {"memory.max": "\n", "cpu.max": "\n"},
    ],
)
def test_without_limits_there_are_none(tmp_path: Path, files: dict[str, str]) -> None:
    own = "4:memory:/\n3:cpu:/\n0::/\n"
    assert found(tmp_path, own, files) == CgroupLimits(None, None)


def test_files_that_are_not_there_are_no_limits(tmp_path: Path) -> None:
    assert limits(tmp_path, tmp_path / "missing") == CgroupLimits(None, None)


def test_more_in_use_than_allowed_leaves_nothing(tmp_path: Path) -> None:
    files = {"memory.max": "100\n", "memory.current": "300\n"}
    assert found(tmp_path, "0::/\n", files).memory == 0


def test_the_host_has_no_more_than_its_group_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroup, "limits", lambda: CgroupLimits(None, None))
    whole = resources.this_host()
    monkeypatch.setattr(cgroup, "limits", lambda: CgroupLimits(MIB, 0.5))
    assert (resources.this_host().memory, resources.this_host().cpus) == (MIB, 1)
    monkeypatch.setattr(cgroup, "limits", lambda: CgroupLimits(2**59, 999.0))
    assert resources.this_host().cpus == whole.cpus
