"""Which files a lab needs on another host, and where they are in its bundle.

Exercises of one topic share files by their place (``../support/child.c``), so a topic's folder keeps its
form: ``topics/0/<exercise>/…`` and ``topics/0/<shared file>``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path, PurePosixPath

from orchestrator.errors import SpecError
from orchestrator.formatting import counted, size_words
from orchestrator.labfile.load import LoadedExercise
from orchestrator.labfile.shared import shared_files
from orchestrator.labfile.writable_copy import entries

MOST_BYTES, MOST_FILES = 256 * 2**20, 20_000
"""Of a bundle: what students write and lecturers hand out is small. Images travel in another way."""


class Contents:
    """The files of a bundle: their paths in it, and where each is on this host. Raises SpecError where there
    is too much, naming the folder."""

    def __init__(self, left_out: Collection[str] = ()) -> None:
        """``left_out`` are folders of exercises that do not travel."""
        self._left_out = frozenset(left_out)
        self.files: dict[str, Path] = {}
        self._topics: dict[Path, str] = {}
        self._bytes = 0

    def add(self, inside: str, file: Path) -> str:
        """Add a file; returns its path in the bundle. Raises OSError."""
        if inside not in self.files:
            self._bytes += file.stat().st_size
            self.files[inside] = file
            if self._bytes > MOST_BYTES or len(self.files) > MOST_FILES:
                raise _too_much(file.parent)
        return inside

    def add_folder(self, inside: str, folder: Path, left_out: Collection[str] = ()) -> str:
        """Add all files of a folder, links followed; what is no file, and what is in one of the folders that
        are ``left_out``, is not added. Raises OSError."""
        for entry in entries(folder):
            if not (entry.folder or entry.left_out or entry.path.partition("/")[0] in left_out):
                self.add(f"{inside}/{entry.path}", folder / entry.path)
        return inside

    def add_exercise(self, exercise: LoadedExercise) -> str:
        """Add an exercise's folder and what it shares with others. Raises OSError."""
        folder = exercise.folder.resolve()
        topic = self._topics.setdefault(folder.parent, f"topics/{len(self._topics)}")
        inside = f"{topic}/{folder.name}"
        if exercise.built is None:
            self.add_folder(inside, folder, self._left_out)
        else:  # built already, maybe in a folder with much else
            named = [*exercise.spec.files, *(step.stdin for step in exercise.spec.run if step.stdin)]
            for name in named:
                if not Path(name).is_absolute():
                    self.add(f"{inside}/{name}", folder / name)
        try:
            shared = shared_files(folder, exercise.whole_spec.shares)
        except (OSError, ValueError) as problem:
            raise SpecError(f"{exercise.name}: what it shares is not there any more: {problem}") from None
        for name in shared:
            self.add(str(PurePosixPath(topic) / name), folder.parent / name)
        return inside

    def add_programs(self, number: int, built: Mapping[str, Mapping[str, Path]]) -> dict[str, dict[str, str]]:
        """Add an exercise's programs, by architecture and name; returns their paths in the bundle."""
        return {
            arch: {name: self.add(f"built/{number}/{arch}/{name}", file) for name, file in programs.items()}
            for arch, programs in sorted(built.items())
        }


def _too_much(folder: Path) -> SpecError:
    return SpecError(
        f"the lab's files are more than {size_words(MOST_BYTES)} or {counted(MOST_FILES, 'file')}; the last "
        f"was in {folder}",
        hint="a lab is sent to hosts whole: keep in its folders only what exercises need",
    )
