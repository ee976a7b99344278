"""The class: submissions that are files in ``submissions/``, and those that cannot be files in git."""

from __future__ import annotations

import io
import os
import shutil
import socket
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
SUBMISSIONS = HERE / "submissions"
RIGHT = (SUBMISSIONS / "right/sum/answer.c").read_bytes()
ANSWER = "sum/answer.c"
MIB = 2**20

Maker = Callable[[Path], None]


def make_class(folder: Path) -> None:
    """Make the folder of all submissions, one for each student, as a lecturer would have it."""
    shutil.copytree(SUBMISSIONS, folder)
    for name, maker in MADE.items():
        (folder / name / "sum").mkdir(parents=True)
        maker(folder / name)
    for raw in IDS:
        _answers(folder / os.fsdecode(raw), RIGHT)


def make_one(name: str, folder: Path) -> None:
    """Make the folder of a class in which one student hands in."""
    folder.mkdir()
    shutil.copytree(SUBMISSIONS / name, folder / name)


def _answers(place: Path, source: bytes) -> None:
    (place / "sum").mkdir(parents=True, exist_ok=True)
    (place / ANSWER).write_bytes(source)


def _padded(size: int) -> bytes:
    """The right answer with a comment before it, this many bytes in all."""
    frame = len(b"/*\n*/\n") + len(RIGHT)
    lines = b"all work and no play\n" * (size // 21 + 1)
    return b"/*\n" + lines[: size - frame - 1] + b"\n*/\n" + RIGHT


def _largest(place: Path) -> None:
    _answers(place, _padded(MIB - 1))


def _too_large(place: Path) -> None:
    _answers(place, _padded(MIB + 1))


def _utf16(place: Path) -> None:
    _answers(place, RIGHT.decode().encode("utf-16"))


def _crlf(place: Path) -> None:
    _answers(place, b"\xef\xbb\xbf" + RIGHT.replace(b"\n", b"\r\n"))


def _nul_bytes(place: Path) -> None:
    _answers(place, RIGHT.replace(b"return 0;", b"return\0 0;\0"))


def _empty(place: Path) -> None:
    _answers(place, b" \n")


def _many_warnings(place: Path) -> None:
    lines = b"".join(b"static int unused_%d(void) { int x; return x; }\n" % number for number in range(4000))
    _answers(place, RIGHT.replace(b"int main", lines + b"int main"))


def _many_errors(place: Path) -> None:
    _answers(place, b"this is not <b>C</b> \x1b[2J;\n" * 10_000)


def _link_out(place: Path) -> None:
    (place / ANSWER).symlink_to("/etc/passwd")


def _link_to_folder(place: Path) -> None:
    (place / "sum").rmdir()
    (place / "sum").symlink_to("/")


def _link_to_another(place: Path) -> None:
    (place / ANSWER).symlink_to("../../right/sum/answer.c")


def _fifo(place: Path) -> None:
    os.mkfifo(place / ANSWER)


def _socket(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        # Its address may have 107 bytes, which a folder for tests may exceed.
        descriptor = os.open(place / "sum", os.O_PATH)
        one.bind(f"/proc/self/fd/{descriptor}/answer.c")
        os.close(descriptor)


def _folder(place: Path) -> None:
    (place / ANSWER).mkdir()


def _deep(place: Path) -> None:
    """Deeper than a path may be long."""
    _answers(place, RIGHT)
    here = os.open(place, os.O_DIRECTORY)
    for _ in range(60):
        os.mkdir("d" * 100, dir_fd=here)
        inside = os.open("d" * 100, os.O_DIRECTORY, dir_fd=here)
        os.close(here)
        here = inside
    os.close(here)


def _odd_names(place: Path) -> None:
    _answers(place, RIGHT)
    odd = (
        b"two\nlines", b"\x1b[2J\x1b]0;graded\x07", b"<script>alert(1)<", b"not \xff\xfe UTF-8", b"=1+1",
        b"`````", b"-rf", b"a\rb", "\u202egpj.c".encode(), b"x" * 250, b"answer.c ", b"answer.c\n",
    )  # fmt: skip
    for name in odd:
        (place / "sum" / os.fsdecode(name)).write_bytes(name)


def _zip(place: Path, entries: list[tuple[str | zipfile.ZipInfo, bytes]], name: str = "work.zip") -> None:
    with zipfile.ZipFile(place / name, "w", zipfile.ZIP_DEFLATED) as file:
        for where, data in entries:
            file.writestr(where, data)


def _zipped(place: Path) -> None:
    _zip(place, [(ANSWER, RIGHT)])


def _zip_bomb(place: Path) -> None:
    """A gigabyte of zeros in a megabyte."""
    with (
        zipfile.ZipFile(place / "work.zip", "w", zipfile.ZIP_DEFLATED) as file,
        file.open(ANSWER, "w", force_zip64=True) as inside,
    ):
        for _ in range(1024):
            inside.write(bytes(MIB))


def _nested_bomb(place: Path) -> None:
    """Ten archives in each of ten archives, five times."""
    data, name = bytes(MIB), "answer.c"
    for level in range(5):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
            for number in range(10):
                file.writestr(f"{number}/{name}", data)
        data, name = buffer.getvalue(), f"level{level}.zip"
    (place / "work.zip").write_bytes(data)


def _lying_zip(place: Path) -> None:
    """Its list of files says that each has ten bytes."""
    _zip(place, [(ANSWER, bytes(64 * MIB))])
    raw = bytearray((place / "work.zip").read_bytes())
    entry = raw.rindex(b"PK\x01\x02")
    raw[entry + 24 : entry + 28] = struct.pack("<I", 10)
    raw[26 - 4 : 26] = struct.pack("<I", 10)
    (place / "work.zip").write_bytes(raw)


def _many_files(place: Path) -> None:
    _zip(place, [(f"sum/{number}", b"") for number in range(100_000)])


def _escaping_zip(place: Path) -> None:
    evil = b"#error this came from elsewhere\n"
    out = ("../right/sum/answer.c", "../../escaped", "/tmp/isolab-hostile-was-here", "sum/../../../escaped")
    windows = ("C:\\escaped", "..\\escaped")
    _zip(place, [(ANSWER, RIGHT), *((name, evil) for name in (*out, *windows))])


def _linking_zip(place: Path) -> None:
    """A link to a folder of the host, and a file that is to be written through it."""
    link = zipfile.ZipInfo("out")
    link.external_attr = 0o120777 << 16
    _zip(place, [(link, b"/tmp"), ("out/isolab-hostile-was-here", b""), (ANSWER, RIGHT)])


def _strange_tar(place: Path) -> None:
    """Links, a device and a FIFO, with the right names."""
    with tarfile.open(place / "work.tar.gz", "w:gz") as file:
        for name, kind, target in (
            (ANSWER, tarfile.SYMTYPE, "/etc/passwd"),
            ("direct/answer.c", tarfile.LNKTYPE, "/etc/passwd"),
            ("sum/null", tarfile.CHRTYPE, ""),
            ("sum/fifo", tarfile.FIFOTYPE, ""),
        ):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname, entry.devmajor, entry.devminor = kind, target, 1, 3
            file.addfile(entry)


def _cut_zip(place: Path) -> None:
    _zipped(place)
    raw = (place / "work.zip").read_bytes()
    (place / "work.zip").write_bytes(raw[: len(raw) // 2])


MADE: dict[str, Maker] = {
    "answer-as-folder": _folder,
    "answer-as-socket": _socket,
    "compiler-errors-without-end": _many_errors,
    "compiler-warnings-without-end": _many_warnings,
    "deep-folders": _deep,
    "empty-source": _empty,
    "fifo-for-a-source": _fifo,
    "largest-source": _largest,
    "link-to-a-folder": _link_to_folder,
    "link-to-another-student": _link_to_another,
    "link-to-etc-passwd": _link_out,
    "nul-bytes-in-source": _nul_bytes,
    "odd-names": _odd_names,
    "right-with-crlf": _crlf,
    "right-zipped": _zipped,
    "tar-of-links-and-devices": _strange_tar,
    "too-large-source": _too_large,
    "utf-16-source": _utf16,
    "zip-bomb": _zip_bomb,
    "zip-bomb-nested": _nested_bomb,
    "zip-cut-short": _cut_zip,
    "zip-of-100000-files": _many_files,
    "zip-that-escapes": _escaping_zip,
    "zip-that-lies": _lying_zip,
    "zip-with-a-link": _linking_zip,
}
IDS = (
    b"<img src=x onerror=alert(1)>", b"=cmd()", b"two\nlines", b"not \xff UTF-8", b"\x1b[2J\x1b]0;graded\x07",
)  # fmt: skip
"""Students whose ids are as odd, and whose work is right."""
