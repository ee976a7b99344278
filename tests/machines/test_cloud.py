"""A published cloud image becomes a machine: boot loader, cloud-init, our runner."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator

import pytest
from bench import Bench, Kind, living_in, on_bench, order_for
from cloud_image import cloud_image, served
from consoles import keep_consoles
from habitat import fresh_home

from orchestrator import images
from orchestrator.arch import ARCHITECTURES
from orchestrator.deadline import Deadline
from orchestrator.debian.archive import Archives
from orchestrator.host.cache import sha256_file
from orchestrator.labfile.image_recipe import CloudRecipe
from orchestrator.machines import host_packages
from orchestrator.progress import SilentProgress

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(platform.machine() != "x86_64", reason="the image is built natively for amd64"),
]


@pytest.fixture(scope="module")
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    with fresh_home() as home, living_in(home):
        keep_consoles(request.session, home.root)
        file = cloud_image()
        with served(file.parent) as base:
            source = {"url": f"{base}/{file.name}", "sha256": sha256_file(file)}
            about = {"image": "published", "kind": "cloud", "disk": "2GiB", "sources": {"amd64": source}}
            recipe = CloudRecipe.model_validate(about)
            arch, deadline = ARCHITECTURES["amd64"], Deadline.after(1800)
            host_packages.ensure(host_packages.image_needs(recipe, "amd64"), SilentProgress(), deadline)
            image = images.obtain(recipe, arch, Archives(deadline), SilentProgress(), deadline)
        kind = Kind("qemu", "amd64")
        with on_bench(kind, order_for(kind, home, name="cloudy", image=image, boot_timeout=1800.0)) as found:
            yield found


def test_cloud_init_made_it_this_machine(bench: Bench) -> None:
    assert bench.command("hostname").stdout.strip() == b"cloudy"
    assert b"DataSourceNoCloud" in bench.command("cat", "/run/cloud-init/result.json").stdout
    ids = bench.run("/bin/sh", "-c", "id -u student; id -u other").stdout.split()
    assert ids == ["1000", "1001"]


def test_programs_run_as_on_every_machine(bench: Bench) -> None:
    assert bench.run("/usr/bin/id", "-un").stdout.strip() == "student"
    assert bench.shell("exit 7").exit_code == 7
    assert bench.live.facts.machine == "x86_64"


def test_its_disk_grew_to_what_the_recipe_says(bench: Bench) -> None:
    assert int(bench.command("blockdev", "--getsize64", "/dev/vda").stdout) == 2 * 2**30


def test_its_clock_is_right(bench: Bench) -> None:
    before = time.time()
    inside = int(bench.command("date", "+%s").stdout)
    assert before - 30 <= inside <= time.time() + 30
