"""Files on a daemon's host: images that guests boot, and logs of their consoles.

Both are volumes of isolab's own storage pool, local or remote: uploading works for every daemon, and
its guests can read nothing but this folder. Images are named by their content and, like images in
the cache, stay until they are pruned. Source: libvirt.org,
"Storage pool and volume XML format", "API reference" of libvirt-storage.
"""

from __future__ import annotations

import contextlib
import pwd
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

from orchestrator.deadline import Deadline, poll
from orchestrator.drivers.libvirt.connection import library, lookup, missing, raised_as
from orchestrator.drivers.libvirt.domain_xml import Files
from orchestrator.errors import ImageError, LabError, Unavailable
from orchestrator.host import process
from orchestrator.host.cache import locked
from orchestrator.images import Image
from orchestrator.labfile.libvirt_uri import Uri

POOL = "isolab"
SYSTEM_FOLDER = "/var/lib/libvirt/isolab"
SESSION_FOLDER = ".local/share/libvirt/isolab"
_BLOCK = 2**18


def render_pool(folder: str) -> str:
    """Render the pool: a folder that everyone may traverse but only its owner may list."""
    return (
        f"<pool type='dir'><name>{POOL}</name><target><path>{_escaped(folder)}</path>"
        "<permissions><mode>0711</mode></permissions></target></pool>"
    )


def render_volume(name: str, mode: str) -> str:
    """Render an empty volume that grows as it is written, readable by guests if ``mode`` allows. It
    belongs to the daemon's user, which a system daemon's guests do not run as."""
    return (
        f"<volume><name>{_escaped(name)}</name><capacity>0</capacity><target><format type='raw'/>"
        f"<permissions><mode>{mode}</mode></permissions></target></volume>"
    )


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")


def pool(connection: Any, uri: Uri, deadline: Deadline) -> Any:
    """Return isolab's pool, creating it if needed. Raises Unavailable."""
    with raised_as(Unavailable, f"cannot set up a storage pool for images on {uri.where}"):
        found = lookup(lambda: connection.storagePoolLookupByName(POOL))
        if found is None:
            found = _make_pool(connection, uri, deadline)
        elif not found.isActive():
            found.create()
    path = Xml.fromstring(found.XMLDesc()).findtext("./target/path") or ""
    if not path.endswith((SYSTEM_FOLDER, SESSION_FOLDER)):
        raise Unavailable(
            f"the storage pool {POOL!r} on {uri.where} does not belong to isolab: its folder is {path}",
            hint=f"rename it: virsh -c '{uri.text}' pool-edit {POOL}",
        )
    return found


def _make_pool(connection: Any, uri: Uri, deadline: Deadline) -> Any:
    libvirt = library()
    xml = render_pool(f"{_home(uri, deadline)}/{SESSION_FOLDER}" if uri.session else SYSTEM_FOLDER)
    try:
        return connection.storagePoolCreateXML(xml, libvirt.VIR_STORAGE_POOL_CREATE_WITH_BUILD)
    except libvirt.libvirtError:  # another isolab may have created it first
        found = lookup(lambda: connection.storagePoolLookupByName(POOL))
        if found is None:
            raise
        return found


def find_pool(connection: Any) -> Any:
    """Return isolab's pool if it exists and is active, else None."""
    found = lookup(lambda: connection.storagePoolLookupByName(POOL))
    return found if found is not None and found.isActive() else None


def _home(uri: Uri, deadline: Deadline) -> str:
    """Return the home of the user a session belongs to."""
    if uri.remote:
        argv = [*uri.ssh_argv(), 'printf %s "$HOME"']
        return process.run(argv, deadline=deadline.within(60)).stdout.decode().strip()
    if uri.socket:
        return pwd.getpwuid(Path(uri.socket).stat().st_uid).pw_dir
    return str(Path.home())


def provide(connection: Any, uri: Uri, image: Image, console: str, deadline: Deadline) -> Files:
    """Prepare a machine's files on the daemon's host: its image, uploaded if needed, and an empty
    log named ``console``. Raises Unavailable, ImageError, TimedOut, Interrupted."""
    store = pool(connection, uri, deadline)
    kernel = _upload(connection, store, image.kernel, f"{image.key}-kernel", deadline)
    initrd = _upload(connection, store, image.initrd, f"{image.key}-initrd", deadline)
    with raised_as(Unavailable, f"cannot create a console log on {uri.where}"):
        log = store.createXML(render_volume(console, "0600"), 0)
    return Files(kernel, initrd, log.path())


def _upload(connection: Any, store: Any, source: Path, name: str, deadline: Deadline) -> str:
    """Return the path of a volume with this content, uploading it if needed. A volume of another size
    is still being written, or was left by a killed client: then it is unused and can be deleted."""
    size = source.stat().st_size
    with locked("libvirt-volumes", name, deadline):
        while True:
            with raised_as(ImageError, f"cannot upload {name}"):
                found = lookup(lambda: store.storageVolLookupByName(name))
                if found is not None and found.info()[1] == size:
                    return str(found.path())
                if found is None or _deleted(found):
                    return _send(connection, store, source, name, deadline)
            deadline.check(f"waiting for another client's upload of {name}")
            deadline.cancellation.wait(0.2)


def _deleted(volume: Any) -> bool:
    """Delete a volume; False while it is in use."""
    try:
        volume.delete(0)
    except library().libvirtError as problem:
        if not missing(problem) and "in use" not in str(problem):
            raise
        return missing(problem)
    return True


def _send(connection: Any, store: Any, source: Path, name: str, deadline: Deadline) -> str:
    volume = store.createXML(render_volume(name, "0644"), 0)
    stream = connection.newStream(0)
    try:
        volume.upload(stream, 0, 0, 0)
        with source.open("rb") as file:
            while block := file.read(_BLOCK):
                deadline.check(f"uploading {name}")
                while block:
                    block = block[stream.send(block) :]
        stream.finish()
    except BaseException:
        with contextlib.suppress(library().libvirtError):
            stream.abort()
        with contextlib.suppress(library().libvirtError):
            volume.delete(0)
        raise
    return str(volume.path())


def fetch(connection: Any, name: str, target: Path) -> None:
    """Append what is new in a console's log to the file ``target``. The daemon's host starts the log
    anew after two mebibytes (virtlogd.conf, max_size); so does this copy."""
    store = find_pool(connection)
    volume = store and lookup(lambda: store.storageVolLookupByName(name))
    if not volume:
        return
    known = target.stat().st_size if target.exists() else 0
    offset = known if known <= volume.info()[1] else 0
    stream = connection.newStream(0)
    volume.download(stream, offset, 0, 0)
    with target.open("ab" if offset else "wb") as file:
        stream.recvAll(lambda _stream, block, _file: file.write(block), None)
    stream.finish()


def remove_console(connection: Any, name: str, deadline: Deadline) -> None:
    """Delete a console's log and its older parts rotated by virtlogd.
    Raises LabError, TimedOut, Interrupted."""
    store = find_pool(connection)
    if store is None:
        return
    with raised_as(LabError, f"cannot remove the console log {name}"):
        refresh(store, deadline)
        for volume in store.listAllVolumes():
            if volume.name().startswith(name):
                _deleted(volume)


def refresh(store: Any, deadline: Deadline) -> None:
    """Have the daemon rescan the folder. It refuses during an upload, by whichever client: then wait.
    Raises TimedOut, Interrupted, libvirtError."""
    libvirt = library()

    def refreshed() -> bool:
        try:
            store.refresh(0)
        except libvirt.libvirtError as problem:
            if "asynchronous jobs" not in str(problem):
                raise
            return False
        return True

    poll(refreshed, deadline, "waiting for uploads to finish before listing the storage pool", interval=0.1)


def volumes(connection: Any) -> Iterator[str]:
    """Return the names of the volumes in isolab's pool."""
    store = find_pool(connection)
    if store is not None:
        yield from store.listVolumes()


def prune(connection: Any, keep: Collection[str]) -> Iterator[str]:
    """Delete images whose keys are not in ``keep``, and yield their names. A running guest has read
    its image and no longer needs it. Raises LabError."""
    store = find_pool(connection)
    if store is None:
        return
    with raised_as(LabError, "cannot remove old images"):
        for volume in store.listAllVolumes():
            key, _, part = volume.name().rpartition("-")
            if part in ("kernel", "initrd") and key not in keep and _deleted(volume):
                yield volume.name()
