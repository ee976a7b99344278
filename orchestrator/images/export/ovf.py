"""Write appliances for import elsewhere: disk formats by qemu-img(1), OVA as in DMTF's DSP0243.

An OVA is a tar archive of a descriptor (OVF), its manifest with the files' hashes, and the disk, in
that order: DSP0243 1.1.1, section 5.3. Numbers of resource types are CIM's, DSP0004 and
CIM_ResourceAllocationSettingData.
"""

from __future__ import annotations

import os
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from orchestrator.deadline import Deadline
from orchestrator.errors import Unavailable
from orchestrator.host import process
from orchestrator.host.cache import sha256_file
from orchestrator.host.tempdirs import working_folder

FORMATS = ("ova", "vmdk", "vdi", "qcow2", "raw")
QEMU_IMG = "qemu-img"

_OPTIONS = {"vmdk": ("-o", "adapter_type=ide"), "qcow2": ("-c",)}
_STREAM = ("-o", "adapter_type=ide,subformat=streamOptimized")
"""The compressed, sequentially readable form that importers expect in an OVA."""

_SYSTEMS = {"amd64": (101, "otherLinux64Guest", "Linux 64-Bit"), "i386": (36, "otherLinuxGuest", "Linux")}
"""CIM_OperatingSystem's number, VMware's name, and a description."""


@dataclass(frozen=True)
class Appliance:
    """A machine as described in its OVF; sizes in bytes."""

    name: str
    arch: str
    memory: int
    cpus: int
    disk_file: str
    disk_capacity: int
    disk_size: int


def export(raw: Path, form: str, target: Path, name: str, arch: str, deadline: Deadline) -> None:
    """Write a raw disk in one of FORMATS; ``target`` appears only when it is complete.

    Raises Unavailable without qemu-img, ProcessFailed, TimedOut, Interrupted.
    """
    part = target.with_name(f".{target.name}.part")
    try:
        if form == "raw":
            shutil.copyfile(raw, part)
        elif form == "ova":
            _write_ova(raw, part, name, arch, deadline)
        else:
            _convert(raw, form, part, _OPTIONS.get(form, ()), deadline)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _convert(raw: Path, form: str, target: Path, options: tuple[str, ...], deadline: Deadline) -> None:
    if shutil.which(QEMU_IMG) is None:
        raise Unavailable(
            "cannot convert disks: qemu-img is not installed", hint="install the package qemu-utils"
        )
    process.run([QEMU_IMG, "convert", "-f", "raw", "-O", form, *options, raw, target], deadline=deadline)


def _write_ova(raw: Path, target: Path, name: str, arch: str, deadline: Deadline) -> None:
    with working_folder("ova") as folder:
        disk = folder / f"{name}-disk1.vmdk"
        _convert(raw, "vmdk", disk, _STREAM, deadline)
        about = Appliance(
            name=name,
            arch=arch,
            memory=512 * 2**20,
            cpus=1,
            disk_file=disk.name,
            disk_capacity=raw.stat().st_size,
            disk_size=disk.stat().st_size,
        )
        descriptor = folder / f"{name}.ovf"
        descriptor.write_text(render_ovf(about))
        manifest = folder / f"{name}.mf"
        manifest.write_text(render_manifest({p.name: sha256_file(p) for p in (descriptor, disk)}))
        pack_ova(target, [descriptor, manifest, disk])


def render_manifest(hashes: dict[str, str]) -> str:
    """The manifest: a line for each file with its SHA-256, DSP0243 section 5.1. Pure."""
    return "".join(f"SHA256({name})= {sha}\n" for name, sha in hashes.items())


def pack_ova(target: Path, files: list[Path]) -> None:
    """Write a USTAR archive of these files in this order, reproducibly: only contents matter."""
    with tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as archive:
        for path in files:
            entry = tarfile.TarInfo(path.name)
            entry.size, entry.mode = path.stat().st_size, 0o644
            with path.open("rb") as file:
                archive.addfile(entry, file)
    os.chmod(target, 0o644)  # noqa: PTH101 - a file to be passed on


def render_ovf(about: Appliance) -> str:
    """The descriptor. Pure.

    IDE disk and E1000 adapter, because every importer and our kernel support them; the network is
    named NAT, as in VirtualBox and VMware's ovftool.
    """
    number, vmware, words = _SYSTEMS[about.arch]
    megabytes = about.memory // 2**20
    hardware = [
        _item(1, 3, f"{about.cpus} virtual CPU", AllocationUnits="hertz * 10^6", VirtualQuantity=about.cpus),
        _item(2, 4, f"{megabytes} MB of memory", AllocationUnits="byte * 2^20", VirtualQuantity=megabytes),
        _item(3, 5, "IDE controller", Address=0, ResourceSubType="PIIX4"),
        _item(4, 17, "Disk", AddressOnParent=0, HostResource="ovf:/disk/vmdisk1", Parent=3),
        _item(
            5,
            10,
            "Network adapter",
            AddressOnParent=0,
            AutomaticAllocation="true",
            Connection="NAT",
            ResourceSubType="E1000",
        ),
    ]
    name = quoteattr(about.name)
    return _DESCRIPTOR.format(
        name=name,
        title=escape(about.name),
        file=quoteattr(about.disk_file),
        size=about.disk_size,
        capacity=about.disk_capacity,
        number=number,
        vmware=vmware,
        words=words,
        items="".join(hardware),
    )


def _item(instance: int, kind: int, name: str, **more: object) -> str:
    """One hardware item; elements in alphabetical order, as the CIM schema requires."""
    elements = {"ElementName": name, "InstanceID": instance, "ResourceType": kind, **more}
    lines = "".join(
        f"        <rasd:{key}>{escape(str(elements[key]))}</rasd:{key}>\n" for key in sorted(elements)
    )
    return f"      <Item>\n{lines}      </Item>\n"


_DESCRIPTOR = """\
<?xml version="1.0" encoding="UTF-8"?>
<Envelope ovf:version="1.0" xml:lang="en-US"
    xmlns="http://schemas.dmtf.org/ovf/envelope/1"
    xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
    xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
    xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData"
    xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
    xmlns:vmw="http://www.vmware.com/schema/ovf">
  <References>
    <File ovf:href={file} ovf:id="file1" ovf:size="{size}"/>
  </References>
  <DiskSection>
    <Info>Virtual disks</Info>
    <Disk ovf:capacity="{capacity}" ovf:capacityAllocationUnits="byte" ovf:diskId="vmdisk1"
        ovf:fileRef="file1"
        ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/>
  </DiskSection>
  <NetworkSection>
    <Info>Networks</Info>
    <Network ovf:name="NAT">
      <Description>A network with DHCP, reachable from the host</Description>
    </Network>
  </NetworkSection>
  <VirtualSystem ovf:id={name}>
    <Info>A virtual machine for exercises</Info>
    <Name>{title}</Name>
    <OperatingSystemSection ovf:id="{number}" vmw:osType="{vmware}">
      <Info>The guest operating system</Info>
      <Description>{words}</Description>
    </OperatingSystemSection>
    <VirtualHardwareSection>
      <Info>Virtual hardware</Info>
      <System>
        <vssd:ElementName>Virtual hardware</vssd:ElementName>
        <vssd:InstanceID>0</vssd:InstanceID>
        <vssd:VirtualSystemIdentifier>{title}</vssd:VirtualSystemIdentifier>
        <vssd:VirtualSystemType>vmx-10</vssd:VirtualSystemType>
      </System>
{items}    </VirtualHardwareSection>
  </VirtualSystem>
</Envelope>
"""
