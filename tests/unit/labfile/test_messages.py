"""Wrong values in lab and exercise files: the words, the suggestion and the place."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab_files import (
    GOOD_EXERCISE,
    exercise_mistakes,
    machine_mistakes,
    make_folder,
    write_exercise,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path)


@pytest.mark.parametrize(
    ("written", "meant"),
    [("256MB", "256MiB"), ("1.5G", "1536MiB"), ("2g", "2GiB"), ("512", "512MiB"), ("268435456", "256MiB")],
)
def test_sizes_need_our_units(folder: Path, written: str, meant: str) -> None:
    found = machine_mistakes(folder, f"m: {{driver: qemu, memory: »{written}}}")
    reason = "expected a size such as 256MiB (units: B, KiB, MiB, GiB)"
    assert found == [f"» {reason} (did you mean '{meant}'?)"]


@pytest.mark.parametrize(
    ("written", "meant"), [("5sec", "5s"), ("5", "5s"), ("2.5", "2.5s"), ("1m", "1min"), ("2 Hours", "2h")]
)
def test_durations_need_our_units(folder: Path, written: str, meant: str) -> None:
    found = machine_mistakes(folder, f"m: {{driver: qemu, boot_timeout: »{written}}}")
    reason = "expected a duration such as 5s (units: ms, s, min, h)"
    assert found == [f"» {reason} (did you mean '{meant}'?)"]


@pytest.mark.parametrize("written", ["lots", "1h30min", "'5 potatoes'"])
def test_nothing_is_suggested_where_nothing_can_be_guessed(folder: Path, written: str) -> None:
    found = machine_mistakes(folder, f"m: {{driver: qemu, boot_timeout: »{written}}}")
    assert found == ["» expected a duration such as 5s (units: ms, s, min, h)"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [("aarch64", "arm64"), ("x86_64", "amd64"), ("arm", "armhf"), ("ppc64le", "ppc64el"), ("x86", "i386"),
     ("i686", "i386"), ("powerpc", "ppc64el"), ("ARM64", "arm64"), ("risc64", "riscv64")],
)  # fmt: skip
def test_architectures_have_debians_names(folder: Path, written: str, meant: str) -> None:
    (found,) = machine_mistakes(folder, f"m: {{driver: qemu, arch: »{written}}}")
    assert found.startswith("» expected one of: amd64, arm64, ")
    assert found.endswith(f"(did you mean '{meant}'?)")


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        ("m: {driver: qemu, cpus: »two}", "expected a whole number"),
        ("m: {driver: qemu, cpus: »'2'}", "expected a whole number (remove the quotes)"),
        ("m: {driver: qemu, cpus: »true}", "expected a whole number"),
        ("m: {driver: qemu, cpus: »0}", "expected 1 or more"),
        ("m: {driver: qemu, cpus: »65}", "expected 64 or less"),
        ("m: {driver: qemu, accel: »KVM}", "expected one of: auto, kvm, tcg (did you mean 'kvm'?)"),
        ("m: {driver: qemu, image: »[micro]}", "expected text"),
        ("m:»", "expected a mapping (key: value) (write {} to use the defaults)"),
        ("m: »qemu", "expected a mapping (key: value)"),
    ],
)
def test_wrong_values_are_told_in_plain_words(folder: Path, machine: str, expected: str) -> None:
    assert machine_mistakes(folder, machine) == [f"» {expected}"]


def test_machine_names_have_a_pattern(folder: Path) -> None:
    (found,) = machine_mistakes(folder, "»Big_VM: {driver: qemu}")
    assert found.startswith("» expected a name of")
    assert found.endswith("(did you mean 'big-vm'?)")


# Exercise files


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("files: [»pipe.c]", "no file 'pipe.c' (did you mean 'pipes.c'?)"),
        ("files: [»../lab]", "'../lab' points outside its folder"),
        ("files: [»/etc/passwd]", "'/etc/passwd' points outside its folder"),
        ("files: [».]", "'.' is not a file"),
        ('files: [»"a\\0"]', "no file 'a\\x00'"),
        ("files: »pipes.c", "expected a list"),
        ("needs: {root: »yes}", "expected true or false (did you mean 'true'?)"),
        ("needs: {kernel: »5.10.1}",
         "expected a kernel version such as >=5.10 (did you mean '>=5.10.1'?)"),
        ("needs: {boundary: [vm, »emulate]}",
         "expected one of: process, user-emulation, sandbox, container, vm, emulated"
         " (did you mean 'emulated'?)"),
        ("shows: {capacity: »5}", "expected text (put it in quotes)"),
        ("timeout: »10", "expected a duration such as 5s (units: ms, s, min, h) (did you mean '10s'?)"),
        ("timeout: »0s", "expected a duration longer than zero"),
        ("output_limit: »64kb",
         "expected a size such as 256MiB (units: B, KiB, MiB, GiB) (did you mean '64KiB'?)"),
        ("checks: [{that: x, »equal: 1}]", "unknown key 'equal' (did you mean 'equals'?)"),
        ("checks: [»{that: x, matches: '('}]",
         "invalid regular expression: missing ), unterminated subpattern at position 0"),
        ("checks: [{that: x, at_least: »'3'}]", "expected a number (remove the quotes)"),
        ("checks: [{that: x, equals: 1, where: {bits: »16}}]", "expected one of: 32, 64"),
    ],
)  # fmt: skip
def test_mistakes_of_exercises_are_placed_in_their_file(folder: Path, line: str, expected: str) -> None:
    assert exercise_mistakes(folder, GOOD_EXERCISE + line + "\n") == [f"» {expected}"]


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        ("»./a 'x", "cannot parse the command: no closing quotation"),
        ("»'  '", "expected a command"),
        ("»5", "expected a command, or a list of steps"),
        ("[{run: cat, user: »rot}]", "expected one of: student, other, root (did you mean 'root'?)"),
    ],
)
def test_commands_must_split_into_words(folder: Path, run: str, expected: str) -> None:
    assert exercise_mistakes(folder, f"title: t\nrun: {run}\n") == [f"» {expected}"]


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        ("{sources: [»b.c]}", "no file 'b.c'"),
        ("[{sources: [pipes.c]}, {sources: [»b.c]}]", "no file 'b.c'"),
        ("»{sources: []}", "expected either sources or a command"),
        ("»{sources: [pipes.c], command: make}", "expected either sources or a command"),
        ("{sources: [pipes.c], headers: [»b.h]}", "no file 'b.h'"),
        ("{sources: [pipes.c], headers: [»../b.h]}", "'../b.h' points outside its folder"),
        ("»{command: make, headers: [shared.h]}", "headers apply only to sources compiled on the controller"),
        (
            "»{sources: [pipes.c], headers: [shared.h], in: guest}",
            "headers apply only to sources compiled on the controller",
        ),
        ("{sources: [pipes.c], output: »../x}", "expected a file name without a folder"),
        ("{sources: [pipes.c], in: »gest}", "expected one of: controller, guest (did you mean 'guest'?)"),
    ],
)
def test_what_is_built_must_be_there(folder: Path, build: str, expected: str) -> None:
    (folder / "shared.h").write_text("")
    assert exercise_mistakes(folder, f"title: t\nrun: ./a\nbuild: {build}\n") == [f"» {expected}"]


def test_a_source_does_not_lead_out_through_a_link(folder: Path) -> None:
    write_exercise(folder / "mine")
    (folder / "mine/link.c").symlink_to("/etc/passwd")
    found = exercise_mistakes(folder, "title: t\nrun: ./a\nbuild: {sources: [»link.c]}\n")
    assert found == ["» 'link.c' points outside its folder"]


def test_a_bomb_in_an_exercise_is_a_problem_of_that_file(folder: Path) -> None:
    lines = ["a: &a0 [x, x]"] + [f"b{n}: &a{n} [{f'*a{n - 1}, ' * 9}]" for n in range(1, 20)]
    (found,) = exercise_mistakes(folder, "\n".join(lines))
    assert "with aliases expanded, the file has more than 10000 values" in found
