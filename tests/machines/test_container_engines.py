"""Containers beyond every driver's contract: limits that hold, and images of other people."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench import DOCKER, PODMAN, Bench, Kind, living_in, on_bench, order_for
from command import isolab
from engines import BASE, base_archive, engine_of, import_base, make_base, remove_images
from habitat import Home, fresh_home, host_lock
from registry import registry

from orchestrator.deadline import Deadline
from orchestrator.drivers.container.engine import engine_command
from orchestrator.host import cache, process
from orchestrator.machines import host_packages
from orchestrator.progress import SilentProgress

pytestmark = pytest.mark.real

MIB = 2**20


@pytest.fixture(
    scope="module", params=[PODMAN, pytest.param(DOCKER, marks=pytest.mark.rotated("docker"))], ids=str
)
def kind(request: pytest.FixtureRequest) -> Iterator[Kind]:
    """With the images of this file to itself: Podman's store is the host's, and they have fixed names."""
    found: Kind = request.param
    with host_lock(f"images-{found.engine}"), engine_of(found):
        try:
            yield found
        finally:
            remove_images(found)


@pytest.fixture(scope="module")
def home(kind: Kind) -> Iterator[Home]:
    with fresh_home() as home, living_in(home):
        yield home


@pytest.fixture(scope="module")
def box(kind: Kind, home: Home) -> Iterator[Bench]:
    order = order_for(kind, home, name="box", keys={"memory": 64 * MIB, "cpus": 1, "pids": 32})
    with on_bench(kind, order) as found:
        yield found


class TestLimits:
    def test_the_kernel_has_them_in_force(self, box: Bench) -> None:
        limits = json.loads((box.order.logs / "limits.json").read_text())
        assert limits["in_force"] == limits["wanted"] == {"memory": 64 * MIB, "cpus": 1, "pids": 32}
        assert limits["unlimited"] == box.live.handle.data["unlimited"] == {}

    @pytest.mark.parametrize(("size", "end"), [("20M", None), ("200M", "SIGKILL")])
    def test_memory_beyond_the_limit_is_deadly(self, box: Bench, size: str, end: str | None) -> None:
        ending = box.run("/bin/sh", "-c", f"exec dd if=/dev/zero of=/dev/null bs={size} count=1")
        assert (ending.signal, ending.killed_for) == (end, "")

    @pytest.mark.parametrize(("number", "code"), [(10, 0), (40, 2)])
    def test_processes_beyond_the_limit_are_not_made(self, box: Bench, number: int, code: int) -> None:
        ending = box.shell(f"for i in $(seq {number}); do sleep 5 & done")
        assert ("can't fork" in ending.stderr) == bool(code)
        assert ending.exit_code == code

    def test_and_the_machine_goes_on(self, box: Bench) -> None:
        assert box.shell("echo still here").stdout == "still here\n"


EXERCISE = """\
title: Who am I
run:
  - {run: "sh ./who.sh"}
  - {run: "sh ./who.sh", user: other}
files: [who.sh]
checks:
  - {that: uid, equals: 1001}
  - {that: made, equals: "by the image"}
  - {that: works_here, equals: true}
"""

WHO = """\
touch "mine-$(id -u)" 2>/dev/null && works=true || works=false
[ "$(id -u)" = 1001 ] && works=true
echo "{\\"uid\\": $(id -u), \\"made\\": \\"$(cat /etc/made)\\", \\"works_here\\": $works}"
"""


def write_lab(home: Home, name: str, kind: Kind, recipe: str, exercise: str = EXERCISE) -> Path:
    """A lab of one container with an image of its own and one exercise."""
    lab = home.root / name
    (lab / "who").mkdir(parents=True)
    (lab / "images").mkdir()
    (lab / "images/own.yaml").write_text(recipe)
    machine = f"{{driver: container, engine: {kind.engine}, image: own}}"
    (lab / "lab.yaml").write_text(f"lab: own\nmachines:\n  box: {machine}\nexercises: [./who]\n")
    (lab / "who/exercise.yaml").write_text(exercise)
    (lab / "who/who.sh").write_text(WHO)
    return lab


@pytest.fixture(scope="module")
def base(kind: Kind, tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_base(kind, tmp_path_factory.mktemp("base"))


class TestImages:
    def run(self, home: Home, lab: Path) -> None:
        out = home.root / f"{lab.name}-out"
        answer = isolab(home, "run", lab, "--out", out)
        assert answer.code == 0, answer.stdout + answer.stderr

    def test_a_containerfile_with_a_folder(self, home: Home, kind: Kind, base: str) -> None:
        recipe = "image: own\nkind: containerfile\nfolder: own\nnetwork: none\n"
        lab = write_lab(home, "containerfile", kind, recipe)
        (lab / "images/own").mkdir()
        (lab / "images/own/made").write_text("by")
        text = f'FROM {BASE}\nCOPY made /etc/made\nRUN echo " the image" >>/etc/made && tr -d "\\n" '
        text += '</etc/made >/etc/m && mv /etc/m /etc/made\nUSER 4711\nENTRYPOINT ["/bin/false"]\n'
        (lab / "images/own/Containerfile").write_text(text)
        self.run(home, lab)

    def test_an_image_by_its_digest(self, home: Home, kind: Kind, base: str) -> None:
        lab = write_lab(home, "oci", kind, f"image: own\nkind: oci\nreference: {base}\n")
        text = EXERCISE.replace('  - {that: made, equals: "by the image"}\n', "")
        (lab / "who/exercise.yaml").write_text(text)
        self.run(home, lab)

    def test_an_image_from_a_registry(
        self, home: Home, kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        base_archive(tmp_path / "base.tar")
        with registry(tmp_path / "base.tar") as (reference, asked):
            host = reference.split("/")[0]
            allowed = tmp_path / "registries.conf"  # Docker lets loopback go without TLS by itself
            allowed.write_text(f'[[registry]]\nlocation = "{host}"\ninsecure = true\n')
            monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(allowed))
            lab = write_lab(home, "registry", kind, f"image: own\nkind: oci\nreference: {reference}\n")
            text = EXERCISE.replace('  - {that: made, equals: "by the image"}\n', "")
            (lab / "who/exercise.yaml").write_text(text)
            self.run(home, lab)
            assert f"/v2/suite/base/manifests/{reference.split('@')[1]}" in asked
            (lab / "images/own.yaml").write_text(
                f"image: own\nkind: oci\nreference: {host}/suite/base@sha256:{'1' * 64}\n"
            )
            answer = isolab(home, "run", lab, "--out", home.root / "gone-out")
            assert answer.code == 3
            assert f"image own: `{kind.engine} pull` failed" in answer.stderr

    def test_an_image_the_engine_does_not_have(self, home: Home, kind: Kind) -> None:
        missing = f"sha256:{'0' * 64}"
        lab = write_lab(home, "missing", kind, f"image: own\nkind: oci\nreference: {missing}\n")
        answer = isolab(home, "run", lab, "--out", home.out)
        assert answer.code == 3
        assert f"image own: {kind.engine} has no image {missing}" in answer.stderr

    def test_a_containerfile_that_fails_is_quoted(self, home: Home, kind: Kind, base: str) -> None:
        recipe = "image: own\nkind: containerfile\nfolder: own\nnetwork: none\n"
        lab = write_lab(home, "broken", kind, recipe)
        (lab / "images/own").mkdir()
        text = f"FROM {BASE}\nRUN echo the reason is here >&2; exit 3\n"
        (lab / "images/own/Containerfile").write_text(text)
        answer = isolab(home, "run", lab, "--out", home.root / "broken-out")
        assert answer.code == 3
        assert "image own: `" in answer.stderr
        assert "the reason is here" in answer.stderr

    def test_an_image_without_tar_is_refused(self, home: Home, kind: Kind, base: str) -> None:
        recipe = "image: own\nkind: containerfile\nfolder: own\nnetwork: none\n"
        lab = write_lab(home, "tarless", kind, recipe)
        (lab / "images/own").mkdir()
        (lab / "images/own/Containerfile").write_text(f"FROM {BASE}\nRUN rm /bin/tar\n")
        answer = isolab(home, "run", lab, "--out", home.root / "tarless-out")
        assert answer.code == 3
        assert "no working /bin/tar" in answer.stderr


COMPILED = """\
title: Compiled where it runs
build: {sources: [hello.c], in: guest}
run: ./hello
checks:
  - {that: greeting, equals: hello}
"""
HELLO = """\
#include <stdio.h>
#include "greeting.h"
int main(void) { printf("{\\"greeting\\": \\"%s\\"}\\n", GREETING); }
"""


def compiler_rootfs() -> Path:
    """A root file system with a small compiler, from the host's own archive; made once."""
    host_packages.ensure([host_packages.MMDEBSTRAP], SilentProgress(), Deadline.after(900))

    def fill(folder: Path) -> dict[str, str]:
        wanted = ["--variant=essential", "--include=tcc,libc6-dev", "--dpkgopt=path-exclude=/usr/share/doc/*"]
        release = dict(
            line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line
        )
        suite = release.get("VERSION_CODENAME", "stable").strip('"')
        argv: list[str | Path] = ["mmdebstrap", *wanted, suite, folder / "rootfs.tar"]
        process.run(argv, deadline=Deadline.after(900))
        return {"suite": suite}

    return cache.make("suite", "rootfs-tcc-1", fill, Deadline.after(900)) / "rootfs.tar"


@pytest.fixture(scope="module")
def compiler(kind: Kind) -> str:
    name = "localhost/isolab-suite/tcc:1"
    return import_base(engine_command(kind.engine), compiler_rootfs(), name)


class TestCompilingInside:
    def lab(self, home: Home, name: str, kind: Kind, image: str) -> Path:
        lab = write_lab(home, name, kind, f"image: own\nkind: oci\nreference: {image}\n", COMPILED)
        (lab / "who/hello.c").write_text(HELLO)
        (lab / "who/greeting.h").write_text('#define GREETING "hello"\n')
        return lab

    def outcome(self, home: Home, lab: Path, code: int) -> dict[str, object]:
        answer = isolab(home, "run", lab, "--out", home.root / "out-of" / lab.name)
        assert answer.code == code, answer.stdout + answer.stderr
        line = (home.root / "out-of" / lab.name / "records.jsonl").read_text()
        found: dict[str, object] = json.loads(line)
        return found

    def test_with_the_machines_own_compiler(self, home: Home, kind: Kind, compiler: str) -> None:
        found = self.outcome(home, self.lab(home, "inside", kind, compiler), 0)
        assert (found["status"], found["observations"]) == ("pass", {"greeting": "hello"})

    def test_what_does_not_compile_is_an_error_with_the_compilers_words(
        self, home: Home, kind: Kind, compiler: str
    ) -> None:
        lab = self.lab(home, "wrong", kind, compiler)
        (lab / "who/greeting.h").write_text("#error no greeting today\n")
        found = self.outcome(home, lab, 3)
        assert found["status"] == "error"
        assert "no greeting today" in str(found["reason"])

    def test_a_machine_without_a_compiler_skips_it(self, home: Home, kind: Kind, tmp_path: Path) -> None:
        found = self.outcome(home, self.lab(home, "none", kind, make_base(kind, tmp_path)), 0)
        assert found["status"] == "skip"
        assert "needs a compiler (cc, gcc, clang or tcc), and this machine has none" in str(found["reason"])
