"""A Debian archive, verified link by link: signature -> index hash -> package hash -> files.

Nothing is installed and no foreign code runs: packages are opened as archives. Sources: the
repository format (wiki.debian.org/DebianRepository/Format), deb(5), gpgv(1).
"""

from __future__ import annotations

import fnmatch
import lzma
import tarfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, cast

from orchestrator.deadline import Deadline
from orchestrator.debian.dependencies import Index, Package
from orchestrator.debian.download import Published, download
from orchestrator.debian.mirror import KEYRING, mirror
from orchestrator.debian.source import SourcePackage, unpack_source
from orchestrator.errors import ImageError, NotOnMirror, NotPublished, Unavailable
from orchestrator.host import cache, process
from orchestrator.host.tempdirs import working_folder

MOST_RELEASE = 16 * 2**20
"""Most bytes accepted of a Release file, whose size is not published anywhere."""
_MIRROR = "set ISOLAB_MIRROR=URL to use another mirror"
_RECIPE = "check the packages and files named in the image's recipe (images/*.yaml)"


@dataclass(frozen=True)
class ListedIndex:
    """A Release file's entry for one index."""

    sha256: str
    size: int


@dataclass(frozen=True)
class PackageMember:
    """One file or symbolic link of a package; ``path`` has no leading slash."""

    path: str
    mode: int
    data: bytes
    target: str = ""


class Archive:
    """One suite of an archive. Safe to share between threads."""

    def __init__(
        self, suite: str, deadline: Deadline, suites: Callable[[str], Archive] | None = None
    ) -> None:
        self.suite = suite
        self._deadline = deadline
        self._suite = suites or (lambda other: Archive(other, deadline))
        self._lock = threading.Lock()
        self._listed: Mapping[str, ListedIndex] | None = None
        self.outdated: set[str] = set()
        """Architectures that use an earlier index, because the mirror lacks the current one."""

    def resolve(self, arch: str, names: Sequence[str]) -> dict[str, Package]:
        """Look up packages by name.

        A name ending in ``->`` (``linux-image-s390x->``) means the first dependency of that
        package, for metapackages. Raises ImageError for one that the index does not have.
        """
        index = self.index(arch)

        def package(name: str) -> Package:
            if found := index.package(name):
                return found
            raise ImageError(f"Debian {self.suite} has no package {name!r} for {arch}", hint=_RECIPE)

        found = {}
        for name in names:
            found[name] = package(name.removesuffix("->"))
            if name.endswith("->"):
                found[name] = package(index.first_dependency(found[name].name))
        return found

    def fetch(self, packages: Sequence[Package]) -> dict[str, Path]:
        """Download packages in parallel; returns paths by package name, each verified by its hash.

        Raises NotOnMirror for a package that is in the index but not on the mirror, ImageError.
        """
        with ThreadPoolExecutor(4) as pool:
            paths = pool.map(self._fetch_one, packages)
            return {package.name: path for package, path in zip(packages, paths, strict=True)}

    def _fetch_one(self, package: Package) -> Path:
        url = f"{mirror()}/{package.filename}"
        return _cached(_published(url, sha256=package.sha256, size=package.size), self._deadline)

    def index(self, arch: str) -> Index:
        """Every package of an architecture, verified. Raises ImageError."""
        return Index.parse(self._listing(f"binary-{arch}/Packages.xz", arch))

    def covers(self, arch: str) -> bool:
        """Whether the suite has packages of an architecture. Raises ImageError."""
        return f"main/binary-{arch}/Packages.xz" in self._release()

    def source(self, name: str) -> SourcePackage:
        """Look up a source package by name, verified. Raises ImageError."""
        found = SourcePackage.find(name, self._listing("source/Sources.xz", "source"))
        if found is None:
            raise ImageError(f"Debian {self.suite} has no source package {name!r}", hint=_RECIPE)
        return found

    def fetch_source(self, package: SourcePackage) -> dict[str, bytes]:
        """Download a source package and unpack it, with its patches applied: contents by path.

        Raises NotOnMirror, ImageError.
        """
        paths = []
        for name, (sha256, size) in package.archives.items():
            url = f"{mirror()}/{package.directory}/{name}"
            paths.append(_cached(_published(url, sha256=sha256, size=size), self._deadline))
        return unpack_source(paths)

    def another(self, suite: str) -> Archive:
        """Another suite of the same archive."""
        return self if suite == self.suite else self._suite(suite)

    def _listing(self, path: str, part: str) -> bytes:
        """The content of an index, verified; ``part`` is what it lists, for messages. Raises ImageError."""
        path = f"main/{path}"
        listed = self._release().get(path)
        if listed is None:
            raise ImageError(f"Debian {self.suite} has no packages for {part}", hint=_MIRROR)
        folder, base = path.rsplit("/", 1)[0], f"{mirror()}/dists/{self.suite}"
        urls = f"{base}/{folder}/by-hash/SHA256/{listed.sha256}", f"{base}/{path}"
        try:
            packed = _cached(_published(*urls, sha256=listed.sha256, size=listed.size), self._deadline)
        except ImageError:
            # A mirror in the middle of an update may have a Release newer than its indices for
            # days. An earlier index was signed as well; images built from it say so.
            earlier = _verified_earlier(urls[-1])
            if earlier is None:
                raise
            self.outdated.add(part)
            packed = earlier
        try:
            return lzma.decompress(packed.read_bytes())
        except lzma.LZMAError as problem:
            raise ImageError(f"cannot read {urls[-1]}: {problem}", hint=_MIRROR) from None

    def _release(self) -> Mapping[str, ListedIndex]:
        with self._lock:
            if self._listed is None:
                self._listed = _verified_release(self.suite, self._deadline)
            return self._listed


def members(deb: Path, patterns: Sequence[str], optional: Sequence[str] = ()) -> Iterator[PackageMember]:
    """Yield the files of a package whose path matches one of the shell patterns, in archive order.

    Raises ImageError if the package cannot be read or one of ``patterns`` matches nothing.
    """
    unmatched = set(patterns)
    try:
        with deb.open("rb") as file, _data_archive(file) as archive:
            for entry in archive:
                path = entry.name.removeprefix("./")
                hits = [p for p in (*patterns, *optional) if fnmatch.fnmatchcase(path, p)]
                if not hits or not (entry.isfile() or entry.issym()):
                    continue
                unmatched.difference_update(hits)
                content = archive.extractfile(entry) if entry.isfile() else None
                data = content.read() if content else b""
                yield PackageMember(path, entry.mode, data, entry.linkname if entry.issym() else "")
    except (tarfile.TarError, lzma.LZMAError, EOFError) as problem:
        raise ImageError(f"cannot read package {deb}: {problem}", hint=_RECIPE) from None
    if unmatched:
        raise ImageError(f"{deb}: no file matches {', '.join(sorted(unmatched))}", hint=_RECIPE)


def _data_archive(file: BinaryIO) -> tarfile.TarFile:
    return part_of(file, "data.tar")


def part_of(file: BinaryIO, part: str) -> tarfile.TarFile:
    """Open one of the two archives in a package: ``data.tar`` or ``control.tar`` (deb(5)).

    Raises TarError.
    """
    from debian.arfile import ArError, ArFile

    try:
        for member in ArFile(fileobj=file).getmembers():
            if member.name.startswith(part):
                return tarfile.open(fileobj=cast(IO[bytes], member), mode="r|*")
    except ArError as problem:
        raise tarfile.ReadError(str(problem)) from None
    raise tarfile.ReadError(f"it contains no {part}")


def _verified_release(suite: str, deadline: Deadline) -> Mapping[str, ListedIndex]:
    """The suite's indices by path, from a Release file whose signature gpgv accepted."""
    if not KEYRING.exists():
        raise Unavailable(
            f"Debian's archive keys are missing on this host ({KEYRING})",
            hint="install the package debian-archive-keyring",
        )
    with working_folder("release") as folder:
        signed, plain = folder / "InRelease", folder / "Release"
        _from_mirror(_published(f"{mirror()}/dists/{suite}/InRelease"), signed, deadline)
        command: list[str | Path] = ["gpgv", "--quiet", "--status-fd", "1", "--keyring", KEYRING]
        verdict = process.run(
            [*command, "--output", plain, signed], deadline=deadline.within(30), check=False
        )
        if not plain.exists() or not _trusted(verdict.stdout):
            raise ImageError(
                f"invalid signature on Debian {suite} at {mirror()}:\n{verdict.tail()}",
                hint="check the mirror, the host's clock, and the package debian-archive-keyring",
            )
        return _parse_release(plain.read_text(), suite)


def _trusted(status: bytes) -> bool:
    """Whether gpgv's status lines (GnuPG's doc/DETAILS) report one text with a good signature.

    Its exit status does not do: gpgv fails if any signature is by an unknown key. Nor does its
    standard error, which may quote what a forger wrote.
    """
    words = [line.split()[1] for line in status.splitlines() if line.startswith(b"[GNUPG:] ")]
    return b"GOODSIG" in words and words.count(b"PLAINTEXT") == 1 and not {b"BADSIG", b"ERROR"} & {*words}


def _parse_release(text: str, suite: str) -> Mapping[str, ListedIndex]:
    from debian.deb822 import Release

    release = Release(text.splitlines())
    names = [release[field] for field in ("Suite", "Codename") if field in release]
    if suite not in names:
        raise ImageError(f"the mirror returned {names} instead of {suite}", hint=_MIRROR)
    return {row["name"]: ListedIndex(row["sha256"], int(row["size"])) for row in release.get("SHA256", ())}


def _published(*urls: str, sha256: str = "", size: int = 0) -> Published:
    return Published(
        urls,
        sha256,
        described_by="the signed index" if sha256 else "the format of Release files",
        if_other=f"the mirror may be updating; try again later, or {_MIRROR}",
        if_absent=f"check the network, or {_MIRROR}",
        size=size,
        most=MOST_RELEASE,
    )


def _cached(file: Published, deadline: Deadline) -> Path:
    """Return a file by its hash, downloading it unless it is cached. Raises ImageError."""

    def fetch(folder: Path) -> dict[str, object]:
        _from_mirror(file, folder / "content", deadline)
        return {"sha256": file.sha256, "from": file.urls[-1]}

    return cache.make("archive", file.sha256[:32], fetch, deadline) / "content"


def _from_mirror(file: Published, target: Path, deadline: Deadline) -> None:
    try:
        download(file, target, deadline)
    except NotPublished:
        raise NotOnMirror(
            f"{file.urls[-1]} is not on the mirror",
            hint=f"the mirror may be updating; try again later, or {_MIRROR}",
        ) from None


def _verified_earlier(url: str) -> Path | None:
    """The newest cached file from this address; it was verified when it was downloaded."""
    found = []
    for folder in cache.place("archive", "").glob("*"):
        if (folder / cache.META).exists() and cache.meta(folder).get("from") == url:
            found.append(folder / "content")
    return max(found, key=lambda path: path.stat().st_mtime, default=None)


class Archives:
    """The suites in use by this process, each verified once."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._suites: dict[str, Archive] = {}
        self._lock = threading.Lock()
        self._noted = False

    def first_note(self) -> bool:
        """Return whether nothing has been noted about the mirror yet: people need to be told once."""
        with self._lock:
            first, self._noted = not self._noted, True
        return first

    def suite(self, name: str) -> Archive:
        with self._lock:
            return self._suites.setdefault(name, Archive(name, self._deadline, self.suite))
