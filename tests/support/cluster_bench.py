"""`isolab bench cluster` on four hosts of this machine, with faults for which one needs power over links and
hosts besides those of every cluster.

``python tests/support/cluster_bench.py [FAULTS [SEED [FIGURES [GUESTS]]]]`` prints the rows; FIGURES is 0 to
leave the figures out, or names some of them; GUESTS is how many of a run's machines are guests. Each host has
a cache of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cluster_hosts import NetHost, NetHosts, hosts
from habitat import fresh_home

from orchestrator import images
from orchestrator.arch import ARCHITECTURES, host_arch
from orchestrator.bench.cluster.faults import Fault, FaultKind
from orchestrator.bench.cluster.hit import Undoing
from orchestrator.bench.cluster.rows import FIGURES, WantedRows, cluster_rows
from orchestrator.cli.bench import isolab_command
from orchestrator.cluster.hostfile.load import load_hosts
from orchestrator.labfile.image_catalog import recipes
from orchestrator.progress import shown

LINKS = tuple(FaultKind(does, "link", lasts=True) for does in ("cut", "mute", "deafen", "unplug"))
POWER = FaultKind("switch off", "host", lasts=True)
CACHE = "/tmp/cache"
"""Of each host, in its own /tmp."""
MEMORY = "3GiB"


@dataclass(frozen=True)
class LinkFaults:
    """Links are cut, half closed or unplugged, and hosts switched off, for some seconds."""

    net: NetHosts
    undoing: Undoing = field(default_factory=Undoing)
    kinds: Sequence[FaultKind] = (*LINKS, POWER)
    switch: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))
    """One thread for all switches: a host goes off with the thread that switched it on."""

    def hit(self, fault: Fault) -> bool:
        host = self.net[fault.host]
        if fault.kind == POWER:
            self.switch.submit(host.off).result()
            self.undoing.after(fault.seconds, lambda: self.switch.submit(host.begin).result())
        else:
            getattr(host, fault.kind.does)()
            self.undoing.after(fault.seconds, lambda: self._heal(host))
        return True

    def _heal(self, host: NetHost) -> None:
        self.switch.submit(_healed, host).result()

    def wait(self) -> None:
        self.undoing.wait()


def _healed(host: NetHost) -> None:
    if host.processes():  # it is on
        host.heal()


@contextmanager
def caches_of_their_own(net: NetHosts) -> Iterator[None]:
    """Give this side and each host a cache with the compiler's libraries, the image of guests, and that whose
    tools processes have."""
    source = Path.home() / ".cache" / "isolab"
    folders = [Path("toolchain"), Path("libc"), Path("cluster-parts")]
    for arch in {"arm64", host_arch().name}:
        found = images.find(recipes()["micro"], ARCHITECTURES[arch])
        assert found is not None, f"isolab images build micro --arch {arch}"
        folders.append(Path("images", found.key))
    mine = net.folder / "cache"
    for cache in (mine, *(host.root / "tmp" / "cache" for host in net.hosts)):
        (cache / "images").mkdir(parents=True)
        for folder in folders:
            if (source / folder).is_dir():
                shutil.copytree(source / folder, cache / folder, copy_function=os.link, symlinks=True)
    os.environ["ISOLAB_CACHE"] = str(mine)
    yield


def main(faults: int, seed: int, figures: str, guests: int) -> None:
    """Print what was measured, as JSON."""
    chosen = [rows for rows in FIGURES if figures == "1" or rows.__name__.removesuffix("_rows") in figures]
    with (
        hosts(more=f"SetEnv ISOLAB_CACHE={CACHE}") as net,
        fresh_home() as home,
        caches_of_their_own(net),
    ):
        os.environ.update(home.variables)
        file = home.root / "hosts.yaml"
        rows = [f'  - {{name: {h.name}, ssh: "root@{h.address}", memory: {MEMORY}}}\n' for h in net.hosts]
        file.write_text("hosts:\n" + "".join(rows))
        wanted, cluster = WantedRows(faults, seed, guests, chosen), load_hosts(file)
        with shown() as progress:
            found = cluster_rows(cluster, wanted, isolab_command, progress, lambda _: (LinkFaults(net),))
            for row in found:
                print(json.dumps({**asdict(row), "met": row.met}), flush=True)


if __name__ == "__main__":
    words = [*sys.argv[1:], *("200", "1", "1", "2")[len(sys.argv) - 1 :]]
    main(int(words[0]), int(words[1]), words[2], int(words[3]))
