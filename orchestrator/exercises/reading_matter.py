"""What of an exercise is for people only: its README, which no program uses unless the exercise says so."""

from __future__ import annotations

from orchestrator.compile.included import included
from orchestrator.labfile.check_parameters import README
from orchestrator.labfile.load import LoadedExercise


def reading_matter(exercise: LoadedExercise) -> frozenset[str]:
    """Return the files in the exercise's folder that no program of it, hidden tests included, can use: its
    README, unless it is a file for the machine or a standard input, a source includes it, or a build command
    sees the whole folder."""
    spec = exercise.whole_spec
    if any(build.command for build in spec.build):
        return frozenset()
    sources = {name: build.flags for build in spec.build for name in build.sources}
    named = {*spec.files, *sources, *(step.stdin for step in spec.run if step.stdin)}
    folder = exercise.folder.resolve()
    read = {
        path.resolve()
        for name, flags in sources.items()
        for path in included([folder / name], flags, folder, inside=True)
    }
    used = {README.casefold()} & {name.casefold() for name in named} or (folder / README) in read
    return frozenset() if used else frozenset({README})
