"""What an exported appliance's descriptor says (``golden/ovf``), and what it is packed in.

After a wanted change of the descriptor, run this file with ``tests/support`` on PYTHONPATH.
"""

from __future__ import annotations

import tarfile
from pathlib import Path
from xml.etree import ElementTree

import pytest
from places import GOLDEN

from orchestrator.deadline import Deadline
from orchestrator.errors import LabError
from orchestrator.images.export import ovf
from orchestrator.images.export.ovf import Appliance, pack_ova, render_manifest, render_ovf

FILES = GOLDEN / "ovf"
RASD = "{http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData}"
OVF = "{http://schemas.dmtf.org/ovf/envelope/1}"


def appliance(arch: str, name: str = "isolab-micro") -> Appliance:
    return Appliance(name, arch, 512 * 2**20, 1, f"{name}-disk1.vmdk", 22_327_296, 13_155_840)


@pytest.mark.parametrize("arch", ["amd64", "i386"])
def test_descriptors_are_as_they_were(arch: str) -> None:
    assert render_ovf(appliance(arch)) == (FILES / f"{arch}.ovf").read_text()


def test_the_parts_of_a_descriptor_refer_to_each_other() -> None:
    root = ElementTree.fromstring(render_ovf(appliance("amd64")))
    file = root.find(f"{OVF}References/{OVF}File")
    disk = root.find(f"{OVF}DiskSection/{OVF}Disk")
    assert file is not None
    assert disk is not None
    assert disk.get(f"{OVF}fileRef") == file.get(f"{OVF}id")
    items = {item.findtext(f"{RASD}ResourceType"): item for item in root.iter(f"{OVF}Item")}
    assert set(items) == {"3", "4", "5", "10", "17"}
    assert items["17"].findtext(f"{RASD}HostResource") == f"ovf:/disk/{disk.get(f'{OVF}diskId')}"
    assert items["17"].findtext(f"{RASD}Parent") == items["5"].findtext(f"{RASD}InstanceID")
    networks = [network.get(f"{OVF}name") for network in root.iter(f"{OVF}Network")]
    assert networks == [items["10"].findtext(f"{RASD}Connection")]


def test_elements_of_hardware_are_in_the_order_of_their_schema() -> None:
    for item in ElementTree.fromstring(render_ovf(appliance("amd64"))).iter(f"{OVF}Item"):
        names = [element.tag for element in item]
        assert names == sorted(names)


def test_a_manifest_is_a_line_for_each_file() -> None:
    assert render_manifest({"a.ovf": "0a", "a.vmdk": "0b"}) == "SHA256(a.ovf)= 0a\nSHA256(a.vmdk)= 0b\n"


def test_an_ova_is_a_tar_archive_in_the_order_given(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("z.ovf", "z.mf", "a.vmdk")]
    for file in files:
        file.write_bytes(file.name.encode() * 1000)
    pack_ova(tmp_path / "z.ova", files)
    with tarfile.open(tmp_path / "z.ova", "r:") as archive:
        assert archive.getnames() == ["z.ovf", "z.mf", "a.vmdk"]
        assert {entry.uid for entry in archive} == {0}
    assert (tmp_path / "z.ova").read_bytes()[257:263] == b"ustar\0"


def test_a_raw_disk_is_copied_whole(tmp_path: Path) -> None:
    raw = tmp_path / "disk.raw"
    raw.write_bytes(b"disk" * 10000)
    ovf.export(raw, "raw", tmp_path / "out.img", "m", "amd64", Deadline.after(60))
    assert (tmp_path / "out.img").read_bytes() == raw.read_bytes()


def test_half_a_file_is_not_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = tmp_path / "disk.raw"
    raw.write_bytes(b"disk")
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    (bin_folder / "qemu-img").write_text('#!/bin/sh\nfor last; do :; done\necho half > "$last"\nexit 1\n')
    (bin_folder / "qemu-img").chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_folder}:/usr/bin:/bin")
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(LabError, match="qemu-img"):
        ovf.export(raw, "vdi", out / "disk.vdi", "m", "amd64", Deadline.after(60))
    assert list(out.iterdir()) == []


if __name__ == "__main__":
    FILES.mkdir(exist_ok=True, parents=True)
    for arch in ("amd64", "i386"):
        (FILES / f"{arch}.ovf").write_text(render_ovf(appliance(arch)))
