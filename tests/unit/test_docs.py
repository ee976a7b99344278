"""The README and the pages say what is there: links, commands, names, keys and counts."""

from __future__ import annotations

import functools
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from invoke.parser import ParserContext

from orchestrator.arch import ARCHITECTURES
from orchestrator.classes.load import load_class
from orchestrator.classes.spec import Access, ClassLab, ClassSpec, Collect, Quota
from orchestrator.cli.choose import chosen
from orchestrator.cli.classes import ACTIONS as CLASS_ACTIONS
from orchestrator.cli.grammar import fill, spelling
from orchestrator.cli.program import Command
from orchestrator.cluster.hostfile.load import load_hosts
from orchestrator.cluster.hostfile.spec import HostSpec, HostsSpec
from orchestrator.driver_traits import TRAITS, Boundary, drivers_that
from orchestrator.errors import Exit, SpecError
from orchestrator.labfile.builtin import builtin_labs
from orchestrator.labfile.canary_kinds import LABELS
from orchestrator.labfile.image_catalog import least_memory, recipes
from orchestrator.labfile.load import LoadedLab, load_lab
from orchestrator.labfile.models import (
    ANSWERS,
    Build,
    Check,
    Exercise,
    Hidden,
    Lab,
    Machine,
    Needs,
    Network,
    Plot,
    Step,
)
from orchestrator.paths import EXERCISES, LABS, ROOT
from orchestrator.run.adhoc import machines_for

DOCS = ROOT / "docs"
README = ROOT / "README.md"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
PROGRAM = Command()
VERBS = {*PROGRAM.verbs()}
TOPICS = {path.name for path in EXERCISES.iterdir() if path.is_dir()}
OF_READERS = {"my-lab", "cits3007", "exam", "hosts.yaml"}
"""Labs, classes and hosts files that readers are to make themselves."""
IN_A_WHEEL = {"orchestrator/package_data/"}
"""Folders that no checkout has."""
ACTIONS = {"build", "list", "verify", "prune", "export", *CLASS_ACTIONS}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def short(path: Path) -> str:
    return str(path.relative_to(ROOT))


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return FENCE.sub("", page.read_text())


def fenced(page: Path, language: str) -> list[str]:
    return [body for found, body in FENCE.findall(page.read_text()) if found == language]


def inline(page: Path) -> list[str]:
    """Inline code, on one line each."""
    return [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", prose(page))]


def flat(page: Path) -> str:
    """The page's text on one line, for sentences that are wrapped."""
    return " ".join(page.read_text().split())


def anchors(page: Path) -> set[str]:
    """The anchors GitHub gives the page's headings."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE):
        text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        anchor = re.sub(r"[^\w\- ]", "", text).strip().replace(" ", "-")
        copies = [anchor, *(f"{anchor}-{count}" for count in range(1, 9))]
        found.add(next(name for name in copies if name not in found))
    return found


def section(page: Path, heading: str) -> str:
    found = re.search(rf"^## {heading}$(.*?)(?=^## |\Z)", page.read_text(), re.MULTILINE | re.DOTALL)
    assert found, f"{short(page)} has no section {heading}"
    return found[1]


def keys(text: str) -> set[str]:
    """What the first columns of the tables in ``text`` name in code."""
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("|")]
    return {name for cell in rows for name in re.findall(r"`([\w-]+)`", cell)}


def fields(model: Any) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


@pytest.mark.parametrize("page", PAGES, ids=short)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def commands(page: Path) -> Iterator[list[str]]:
    """Every command line of isolab that the page shows, as words after ``isolab``."""
    for body in fenced(page, "sh"):
        for line in body.replace("\\\n", " ").splitlines():
            yield from _isolab_in(line)
    for code in inline(page):
        if re.match(r"(\./)?isolab [a-zA-Z-]", code):
            yield from _isolab_in(code)
        elif code.startswith("--only "):  # a choice of the lab that the page is about
            lab = page.stem if (LABS / page.stem).is_dir() else "separation"
            yield ["run", lab, *shlex.split(code)]


def _isolab_in(line: str) -> Iterator[list[str]]:
    placeholders = re.sub(r"<(\w+)>", lambda name: name[1].upper(), line)
    lexer = shlex.shlex(placeholders, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if word not in {"|", ";", "&&", "||"}:
            words.append(word)
            continue
        end = next((place for place, one in enumerate(words) if one in {">", "<", ">>"}), len(words))
        kept = [one for one in words[:end] if not re.match(r"[A-Z_]+=", one)]
        if kept and kept[0] in {"isolab", "./isolab"}:
            yield kept[1:]
        words = []


def parsed(words: list[str]) -> ParserContext | None:
    """The verb with its arguments; None for a verb alone, named in a sentence. Raises SpecError."""
    words = [word for word in words if word not in {"--help", "--version", "VERB", "help"}]
    if not words or words[0].startswith("--print-completion-script"):
        return None
    if words[0] not in VERBS:
        raise SpecError(f"there is no verb {words[0]}")
    if len(words) < 2:
        return None
    verb = PROGRAM.verbs()[words[0]]
    fill(verb, words[1:])
    return verb.context


@functools.cache
def lab_at(written: str) -> LoadedLab:
    """A built-in lab by its name, or the lab at a path in the checkout."""
    path = builtin_labs().get(written) or ROOT / written
    return load_lab(path, EXERCISES, images=least_memory(recipes()))


def unknown(verb: ParserContext) -> list[str]:
    """What the arguments name and is not there."""
    values: Mapping[str, Any] = {name: argument.value for name, argument in verb.args.items()}

    def names(option: str) -> set[str]:
        value = values.get(option) or ()
        listed = [value] if isinstance(value, str) else value
        return {one for word in listed for one in word.split(",") if one and not one.isupper()}

    wrong = {*(names("image") - {*recipes()}), *(names("arch") - {*ARCHITECTURES})}
    wrong |= (names("driver") - {*drivers_that(lambda traits: traits.guest)}) | (names("action") - ACTIONS)
    wrong |= names("kind") - {"lab", "exercise", "hidden", "class", "policy", "image", "hosts"}
    if names("on"):
        machines_for(",".join(names("on")))
    lab = str(values.get("lab") or "")
    if lab and not lab.isupper() and lab not in OF_READERS:
        try:
            loaded = lab_at(lab)
        except SpecError:
            return sorted({*wrong, lab})
        wrong |= names("only") - {*loaded.lab.machines}
        exercises = [exercise.name for exercise in loaded.exercises]
        wrong |= {one for one in names("exercise") if not _matches(one, exercises)}
    return sorted(wrong)


def _matches(written: str, known: list[str]) -> bool:
    try:
        return bool(chosen([written], known, "exercise"))
    except SpecError:
        return False


@pytest.mark.parametrize("page", PAGES, ids=short)
def test_commands_are_understood_and_name_what_is_there(page: Path) -> None:
    wrong = {}
    for words in commands(page):
        try:
            verb = parsed(words)
        except SpecError as problem:
            wrong[shlex.join(words)] = [str(problem)]
            continue
        if verb and unknown(verb):
            wrong[shlex.join(words)] = unknown(verb)
    assert wrong == {}


def test_stale_commands_are_noticed() -> None:
    for words in (["launch", "separation"], ["run", "separation", "--onyl", "vm"], ["fetch"]):
        with pytest.raises(SpecError):
            parsed(words)
    stale = parsed(["run", "separation", "--only", "vm,arm65", "--exercise", "ipc/pip", "--driver", "qemu"])
    assert stale
    assert unknown(stale) == ["arm65", "ipc/pip"]
    action = parsed(["class", "plann", "CLASS"])
    assert action
    assert unknown(action) == ["plann"]
    for lab in ("separatoin", "labs/separatoin"):
        nowhere = parsed(["run", lab])
        assert nowhere
        assert unknown(nowhere) == [lab]


def test_commands_are_found() -> None:
    """The test above would pass on pages in which it finds nothing."""
    assert sum(1 for _ in commands(README)) >= 6
    assert sum(1 for page in PAGES for _ in commands(page)) > 90


@pytest.mark.parametrize("page", PAGES, ids=short)
def test_files_and_exercises_named_are_there(page: Path) -> None:
    code = [*inline(page), *fenced(page, "sh")]
    found = re.findall(r"(?<![\w./-])(?:labs|tests|orchestrator|docs|images/guest)/[\w./-]*", " ".join(code))
    paths = {path.rstrip(".") for path in found if not re.search(r"[A-Z]{3}", path)}
    named = {one for one in code if re.fullmatch(r"[a-z]+/[a-z0-9-]+", one) and one.split("/")[0] in TOPICS}
    assert sorted(path for path in paths - IN_A_WHEEL if not (ROOT / path).exists()) == []
    assert sorted(name for name in named if not (EXERCISES / name / "exercise.yaml").is_file()) == []


@pytest.mark.parametrize("page", [page for page in PAGES if page != DOCS / "performance.md"], ids=short)
def test_counts_are_those_of_the_labs(page: Path) -> None:
    """Where figures are measured, those of the day are told."""
    text = flat(page)
    separation = lab_at("separation")
    size = (str(len(separation.lab.machines)), str(len(separation.exercises)))
    whole = (str(len([*LABS.glob("*/lab.yaml")])), str(len([*EXERCISES.rglob("exercise.yaml")])))
    assert {*re.findall(r"(\d+) labs (?:and|with) (\d+) exercises", text)} <= {whole}
    assert {*re.findall(r"(\d+) machines, (\d+) exercises", text)} <= {size}
    assert {*re.findall(r"(\d+) exercises on (\d+) machines", text)} <= {size[::-1]}
    assert {*re.findall(r"separation\b.{0,80}? all (\d+) machines", text)} <= {size[0]}
    tried = re.findall(r"\btry \S+\.c\b[^`|]{0,60}?(\d+) machines", text)
    assert {*tried} <= {str(len(machines_for("all")))}


def test_the_readme_counts_what_there_is() -> None:
    text = flat(README)
    assert re.search(r"\d+ labs and \d+ exercises", text)
    assert re.search(r"\d+ machines, \d+ exercises", text)


@pytest.mark.parametrize(
    ("page", "file"),
    [
        (README, "first.yaml"),
        (DOCS / "lab-format.md", "lab.yaml"),
        (DOCS / "exercise-format.md", "byte-order/exercise.yaml"),
    ],
    ids=str,
)
def test_examples_are_shown_as_they_are(page: Path, file: str) -> None:
    assert (DOCS / "examples" / file).read_text() in fenced(page, "yaml")


@pytest.mark.parametrize("lab", sorted((DOCS / "examples").glob("*.yaml")), ids=short)
def test_examples_are_valid(lab: Path) -> None:
    assert lab_at(short(lab)).exercises


def test_every_key_of_a_lab_file_is_described() -> None:
    page = DOCS / "lab-format.md"
    ssh = keys(section(DOCS / "providers" / "ssh.md", "Keys"))
    assert keys(section(page, "Keys of the file")) == fields(Lab)
    assert keys(section(page, "Keys of a machine")) | ssh == fields(Machine)
    assert keys(section(DOCS / "networks.md", "Keys")) == fields(Network)
    (row,) = re.findall(r"^\| `driver` \|([^|]*)\|", page.read_text(), re.MULTILINE)
    assert re.findall(r"`(\w+)`", row) == list(TRAITS)


@pytest.mark.parametrize(
    ("heading", "expected"),
    [
        ("Keys of the file", fields(Exercise)),
        ("Build", fields(Build)),
        ("Measurements", fields(Plot) | {*ANSWERS}),
        ("Canaries", {*LABELS}),
        ("Checks", fields(Check)),
        ("Exercises that students solve", fields(Hidden)),
    ],
)
def test_every_key_of_an_exercise_file_is_described(heading: str, expected: set[str]) -> None:
    assert keys(section(DOCS / "exercise-format.md", heading)) == expected


def test_every_step_need_and_boundary_of_an_exercise_file_is_described() -> None:
    page = DOCS / "exercise-format.md"
    assert fields(Step) <= keys(section(page, "Steps and users"))
    assert fields(Needs) <= keys(section(page, "Needs, and reasons to skip"))
    (listed,) = re.findall(r"`boundary` \(a list of ([^)]*)\)", flat(page))
    assert re.findall(r"`([\w-]+)`", listed) == [boundary.value for boundary in Boundary]


CLASS_FILE = {
    "": ClassSpec,
    "Labs": ClassLab,
    "Quota": Quota,
    "Access": Access,
    "Collect": Collect,
}


@pytest.mark.parametrize(("heading", "model"), CLASS_FILE.items(), ids=str)
def test_every_key_of_a_class_file_is_described(heading: str, model: Any) -> None:
    top, *parts = section(DOCS / "class.md", "The class file").split("\n### ")
    described = {part.partition("\n")[0]: part for part in parts} | {"": top}
    assert keys(described[heading]) == fields(model)
    assert not keys(described["Machines"])


def test_the_class_shown_is_valid_and_its_roster_describes_every_column(tmp_path: Path) -> None:
    page = DOCS / "class.md"
    ((_, text),) = FENCE.findall(section(page, "The class file"))
    roster = next(body for kind, body in FENCE.findall(section(page, "The roster")) if kind == "csv")
    (tmp_path / "class.yaml").write_text(text)
    (tmp_path / "roster.csv").write_text(roster)
    found = load_class(tmp_path)
    assert [bool(seat.keys) for seat in found.seats] == [True, False, False]
    assert found.seats[0].name in inline(page)
    assert keys(section(page, "The roster")) == {*roster.partition("\n")[0].split(",")}


def test_every_key_of_a_hosts_file_is_described() -> None:
    assert keys(section(DOCS / "cluster.md", "The hosts file")) == fields(HostsSpec) | fields(HostSpec)


def test_the_hosts_files_shown_are_valid(tmp_path: Path) -> None:
    shown = [text for text in fenced(DOCS / "cluster.md", "yaml") if "\nhosts:" in text]
    assert len(shown) == 2
    for text in shown:
        (tmp_path / "hosts.yaml").write_text(text)
        assert len(load_hosts(tmp_path).hosts) == 3


def test_every_verb_and_exit_code_is_described() -> None:
    page = DOCS / "commands.md"
    described = {code.split()[0] for code in re.findall(r"`([^`]+)`", section(page, "Verbs"))}
    assert described >= VERBS
    listed = re.findall(r"^\| `(--[a-z-]+)", section(page, "`run`"), re.MULTILINE)
    assert set(listed) == _options("run")
    codes = re.findall(r"^\| (\d+) \|", section(page, "Exit codes"), re.MULTILINE)
    assert codes == [str(int(code)) for code in Exit]


def _options(verb: str) -> set[str]:
    return {f"--{spelling(one)}" for one in PROGRAM.verbs()[verb].options}


def test_every_setting_is_described() -> None:
    read = {
        name
        for path in (ROOT / "orchestrator").rglob("*.py")
        for name in re.findall(r'"(ISOLAB_[A-Z]+)"', path.read_text())
    }
    read |= {*re.findall(r"ISOLAB_[A-Z]+", (ROOT / "isolab").read_text())}
    guests = {"ISOLAB_TAG", "ISOLAB_CANARY", "ISOLAB_ADDRESS", "ISOLAB_PEERS", "ISOLAB_PADDING"}
    assert read - guests == keys(section(DOCS / "install.md", "Folders and settings"))
