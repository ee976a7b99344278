"""Where isolab keeps things: the settings, and a scratch folder that nobody else can meddle with."""

from __future__ import annotations

import os
import pwd
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from orchestrator import ownership, paths
from orchestrator.errors import Unavailable


@pytest.mark.parametrize(
    ("variable", "folder"),
    [
        ("ISOLAB_CACHE", paths.cache_dir),
        ("ISOLAB_STATE", paths.state_dir),
        ("ISOLAB_SCRATCH", paths.scratch_base),
    ],
)
def test_the_environment_names_a_folder_which_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, folder: Callable[[], Path]
) -> None:
    monkeypatch.setenv(variable, str(tmp_path / "a" / "b"))
    assert folder() == tmp_path / "a" / "b"
    assert folder().is_dir()


@pytest.mark.parametrize(
    ("ours", "xdg", "default", "folder"),
    [
        ("ISOLAB_CACHE", "XDG_CACHE_HOME", ".cache/isolab", paths.cache_dir),
        ("ISOLAB_STATE", "XDG_STATE_HOME", ".local/state/isolab", paths.state_dir),
    ],
)
def test_without_a_setting_the_desktop_standard_decides(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ours: str,
    xdg: str,
    default: str,
    folder: Callable[[], Path],
) -> None:
    monkeypatch.delenv(ours, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv(xdg, raising=False)
    assert folder() == tmp_path / default
    monkeypatch.setenv(xdg, str(tmp_path / "xdg"))
    assert folder() == tmp_path / "xdg" / "isolab"


def test_the_default_scratch_folder_is_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ISOLAB_SCRATCH", raising=False)
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    assert paths.scratch_base() == tmp_path / f"isolab-{os.getuid()}"
    assert paths.scratch_base().stat().st_mode & 0o777 == 0o711


def test_each_state_folder_has_a_scratch_folder_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ISOLAB_SCRATCH", str(tmp_path / "s"))
    found = set()
    for state in ("a", "b", "a"):
        monkeypatch.setenv("ISOLAB_STATE", str(tmp_path / state))
        mine = paths.scratch_dir()
        assert mine.parent == tmp_path / "s"
        assert (mine / paths.STATE_NOTE).read_text() == f"{tmp_path / state}\n"
        assert mine.name == ownership.token_in(tmp_path / state)
        found.add(mine)
    assert len(found) == 2


def test_of_many_that_make_the_first_token_all_have_the_same(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: ownership.token(tmp_path), range(32)))) == 1
    assert [path.name for path in tmp_path.iterdir()] == [ownership.FILE]


@pytest.mark.parametrize("damage", ["", "short\n", "../../etc\n", "ABCDEFGH\n"])
def test_a_damaged_token_is_told_and_not_used(tmp_path: Path, damage: str) -> None:
    (tmp_path / ownership.FILE).write_text(damage)
    with pytest.raises(Unavailable, match="owner-token is damaged") as caught:
        ownership.token(tmp_path)
    assert "remove it" in caught.value.hint


@pytest.fixture
def narrow() -> Iterator[None]:
    """The umask of a careful user."""
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.mark.usefixtures("narrow")
def test_folders_are_as_open_as_they_must_be_whatever_the_umask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ISOLAB_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("ISOLAB_SCRATCH", str(tmp_path / "above" / "s"))
    mine = paths.scratch_dir()
    paths.make_folder(mine / "run" / "vm", 0o711)
    for folder in (mine / "run" / "vm", mine / "run", mine, mine.parent, mine.parent.parent):
        assert folder.stat().st_mode & 0o777 == 0o711
    with pytest.raises(FileExistsError):
        paths.make_folder(mine / "run" / "vm", 0o711)


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "ISOLAB_STATE", "ISOLAB_CACHE", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)


def entry(home: Path) -> SimpleNamespace:
    return SimpleNamespace(pw_dir=str(home), pw_name="me")


@pytest.mark.usefixtures("homeless")
@pytest.mark.parametrize("variable", ["HOME", "XDG_STATE_HOME"])
def test_a_home_of_another_user_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    (tmp_path / "theirs").mkdir()
    monkeypatch.setenv(variable, str(tmp_path / "theirs"))
    monkeypatch.setattr(pwd, "getpwuid", lambda _: entry(tmp_path / "mine"))
    monkeypatch.setattr(paths, "_foreign", lambda path: path == tmp_path / "theirs")
    assert paths.state_dir() == tmp_path / "mine" / ".local" / "state" / "isolab"
    assert bool(paths.foreign_home()) == (variable == "HOME")
    assert list((tmp_path / "theirs").iterdir()) == []


@pytest.mark.parametrize(
    ("owner", "me", "writable", "foreign"),
    [(5, 5, True, False), (5, 0, True, True), (5, 6, True, False), (5, 6, False, True), (5, 5, False, False)],
)
def test_whose_home_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: int, me: int, writable: bool, foreign: bool
) -> None:
    monkeypatch.setattr(Path, "stat", lambda _: SimpleNamespace(st_uid=owner))
    monkeypatch.setattr(os, "getuid", lambda: me)
    monkeypatch.setattr(os, "access", lambda *_: writable)
    assert paths._foreign(tmp_path) is foreign


@pytest.mark.usefixtures("homeless")
def test_a_home_that_is_no_absolute_path_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "here")
    with pytest.raises(Unavailable, match="HOME is not an absolute path: 'here'") as caught:
        paths.state_dir()
    assert "ISOLAB_STATE" in caught.value.hint


@pytest.mark.usefixtures("homeless")
def test_without_home_the_password_database_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pwd, "getpwuid", lambda _: entry(tmp_path))
    assert paths.cache_dir() == tmp_path / ".cache" / "isolab"

    def unknown(_: int) -> None:
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    with pytest.raises(Unavailable, match="HOME is not set") as caught:
        paths.cache_dir()
    assert "set HOME" in caught.value.hint


@pytest.mark.usefixtures("homeless")
def test_a_home_that_cannot_be_made_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/proc/nobodys")
    with pytest.raises(Unavailable, match=r"cannot create /proc/nobodys") as caught:
        paths.state_dir()
    assert "ISOLAB_STATE" in caught.value.hint


def test_a_state_folder_we_may_not_write_to_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISOLAB_STATE", str(tmp_path))
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr(os, "getuid", lambda: 0)
    with pytest.raises(Unavailable, match=r"cannot write to the state folder .*: it is read-only"):
        paths.state_dir()
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    with pytest.raises(Unavailable, match="which belongs to ") as caught:
        paths.state_dir()
    assert "chown" in caught.value.hint
    assert "ISOLAB_STATE" in caught.value.hint


def test_a_path_too_long_for_sockets_is_told(tmp_path: Path) -> None:
    rest = paths.SOCKET_BYTES - len(os.fsencode(tmp_path)) - 1
    paths.require_socket_path(tmp_path, "x" * rest)
    with pytest.raises(Unavailable, match="108 bytes, 107 are possible") as caught:
        paths.require_socket_path(tmp_path, "x" * (rest + 1))
    assert "ISOLAB_SCRATCH" in caught.value.hint


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ISOLAB_SCRATCH", str(tmp_path / "scratch"))
    return tmp_path / "scratch"


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o1777])
def test_a_scratch_folder_others_can_write_to_is_refused(scratch: Path, mode: int) -> None:
    scratch.mkdir()
    scratch.chmod(mode)
    with pytest.raises(Unavailable, match="only this user can write") as caught:
        paths.scratch_dir()
    assert "ISOLAB_SCRATCH" in caught.value.hint


def test_a_scratch_folder_of_somebody_else_is_refused(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch.mkdir(mode=0o700)
    ours = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: ours + 1)
    with pytest.raises(Unavailable, match="only this user can write"):
        paths.scratch_dir()


def test_a_scratch_folder_that_is_a_link_is_refused(scratch: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    scratch.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Unavailable, match="only this user can write"):
        paths.scratch_dir()
