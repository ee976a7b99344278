"""The Debian mirror is the setting's, else the one the host's own apt uses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.debian import mirror as module
from orchestrator.debian.mirror import from_apt, mirror, proxy_of
from orchestrator.errors import Unavailable

DEB822 = """\
# Uncomment for sources
Types: deb
{field}
Suites: bookworm bookworm-updates
Components: main
"""


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    mirror.cache_clear()
    yield
    mirror.cache_clear()


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("deb http://deb.example.org/debian bookworm main", "http://deb.example.org/debian"),
        ("deb\thttps://deb.example.org/debian/\tbookworm main", "https://deb.example.org/debian/"),
        (
            "deb [arch=amd64 signed-by=/k.gpg] http://a.example.org/debian sid main",
            "http://a.example.org/debian",
        ),
        ("deb http://a.example.org/sub/debian sid main", "http://a.example.org/sub/debian"),
        ("# deb http://a.example.org/debian sid main", ""),
        ("deb-src http://a.example.org/debian sid main", ""),
        ("deb http://a.example.org/debian-security sid main", ""),
        ("deb http://archive.example.org/ubuntu noble main", ""),
        ("deb cdrom:[Debian 12]/ bookworm main", ""),
        ("deb file:/srv/debian bookworm main", ""),
        ("deb https://tools.example.org/linux/debian bookworm stable", ""),
        ("deb [arch=amd64] https://tools.example.org/linux/debian bookworm stable # main", ""),
        (
            "deb http://snapshot.example.org/archive/debian/20250520T000000Z bookworm main",
            "http://snapshot.example.org/archive/debian/20250520T000000Z",
        ),
        ("", ""),
    ],
)
def test_one_line_style(tmp_path: Path, line: str, found: str) -> None:
    (tmp_path / "sources.list").write_text(f"{line}\n")
    assert from_apt(tmp_path) == found


@pytest.mark.parametrize(
    ("field", "found"),
    [
        ("URIs: http://deb.example.org/debian", "http://deb.example.org/debian"),
        ("URIs:   https://deb.example.org/debian/", "https://deb.example.org/debian/"),
        ("#URIs: http://deb.example.org/debian", ""),
        ("URIs: http://deb.example.org/debian-security", ""),
        ("URIs: http://archive.example.org/ubuntu", ""),
    ],
)
def test_stanza_style(tmp_path: Path, field: str, found: str) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / "debian.sources").write_text(DEB822.format(field=field))
    assert from_apt(tmp_path) == found


@pytest.mark.parametrize("field", ["URIs: {}", "URIs:\n {}", "URIs: http://a.example.org/tool\n {}\n"])
@pytest.mark.parametrize("slashes", ["", "//"])
def test_a_file_with_a_list_of_mirrors(tmp_path: Path, field: str, slashes: str) -> None:
    """As Debian's cloud images have it (apt-transport-mirror(1))."""
    listed = tmp_path / "mirrors" / "debian.list"
    listed.parent.mkdir()
    listed.write_text(
        "# ours\n\nhttps://near.example.org/debian\tpriority:1\nhttps://far.example.org/debian\n"
    )
    (tmp_path / "sources.list.d").mkdir()
    written = field.format(f"mirror+file:{slashes}{listed}").rstrip()
    (tmp_path / "sources.list.d" / "debian.sources").write_text(DEB822.format(field=written))
    assert from_apt(tmp_path) == "https://near.example.org/debian"
    (tmp_path / "sources.list").write_text(f"deb mirror+file:{slashes}{listed} trixie main\n")
    (tmp_path / "sources.list.d" / "debian.sources").unlink()
    assert from_apt(tmp_path) == "https://near.example.org/debian"
    listed.unlink()
    assert from_apt(tmp_path) == ""


@pytest.mark.parametrize("change", ["Types: deb-src", "Components: stable"])
def test_a_stanza_of_something_else(tmp_path: Path, change: str) -> None:
    (tmp_path / "sources.list.d").mkdir()
    text = DEB822.format(field="URIs: http://a.example.org/debian")
    name = change.partition(":")[0]
    lines = [change if line.startswith(name) else line for line in text.splitlines()]
    (tmp_path / "sources.list.d" / "a.sources").write_text("\n".join(lines))
    assert from_apt(tmp_path) == ""


def test_a_stanza_with_several_lines_comments_and_one_switched_off(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / "many.sources").write_text(
        "# by hand\n\nEnabled: No\nURIs: http://off.example.org/debian\n\n"
        "# on\nTypes: deb\nURIs: http://on.example.org/security\n# more\n http://on.example.org/debian\n"
    )
    assert from_apt(tmp_path) == "http://on.example.org/debian"


def test_the_first_debian_mirror_of_all_files_counts(tmp_path: Path) -> None:
    more = tmp_path / "sources.list.d"
    more.mkdir()
    (tmp_path / "sources.list").write_text("deb http://other.example.org/tool stable main\n")
    (more / "a.list.disabled").write_text("deb http://no.example.org/debian sid main\n")
    (more / "b.list").write_text("deb http://yes.example.org/debian sid main\n")
    (more / "c.sources").write_text(DEB822.format(field="URIs: http://late.example.org/debian"))
    assert from_apt(tmp_path) == "http://yes.example.org/debian"


def test_a_host_without_apt_has_none(tmp_path: Path) -> None:
    assert from_apt(tmp_path / "etc" / "apt") == ""


def test_the_setting_wins_and_loses_its_slash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISOLAB_MIRROR", "http://mine.example.org/debian/")
    assert mirror() == "http://mine.example.org/debian"


def test_a_host_that_is_not_debian_takes_it_from_the_distribution_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = tmp_path / "Debian.info"
    template.write_text("Suite: sid\nBaseURI: http://data.example.org/debian/\n")
    monkeypatch.delenv("ISOLAB_MIRROR", raising=False)
    monkeypatch.setattr(module, "_SOURCES", tmp_path)
    monkeypatch.setattr(module, "_TEMPLATE", template)
    assert mirror() == "http://data.example.org/debian"


def test_no_mirror_at_all_is_told_with_the_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ISOLAB_MIRROR", raising=False)
    monkeypatch.setattr(module, "_SOURCES", tmp_path)
    monkeypatch.setattr(module, "_TEMPLATE", tmp_path / "none")
    with pytest.raises(Unavailable, match="no Debian mirror") as caught:
        mirror()
    assert "ISOLAB_MIRROR" in caught.value.hint


@pytest.fixture
def apt_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The stand-in for apt-config(8), which prints what is written to it."""
    program = tmp_path / "bin" / "apt-config"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ncat {tmp_path}/settings\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setenv("ISOLAB_MIRROR", "http://mine.example.org/debian")
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    module._apt_proxies.cache_clear()
    yield tmp_path / "settings"
    module._apt_proxies.cache_clear()


FILE = "http://mine.example.org/debian/dists/sid/Release"


@pytest.mark.parametrize(
    ("settings", "url", "found"),
    [
        ('Acquire::http::Proxy "http://cache:3142/";', FILE, "http://cache:3142/"),
        ('Acquire::http::Proxy "DIRECT";', FILE, ""),
        ('Acquire::https::Proxy "http://cache:3142/";', FILE, ""),
        ('Acquire::http::Proxy "http://a:1";\nAcquire::http::Proxy::mine.example.org "DIRECT";', FILE, ""),
        ('Acquire::http::Proxy::mine.example.org "http://b:2";', FILE, "http://b:2"),
        ('Acquire::http::Proxy "http://cache:3142/";', "http://images.example.org/cloud.qcow2", ""),
        ("APT \"\";", FILE, ""),
    ],
)  # fmt: skip
def test_apts_own_proxy_is_for_the_mirror(apt_config: Path, settings: str, url: str, found: str) -> None:
    apt_config.write_text(settings + "\n")
    assert proxy_of(url) == found


def test_the_environments_proxy_comes_before_apts(apt_config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    apt_config.write_text('Acquire::http::Proxy "http://cache:3142/";\n')
    monkeypatch.setenv("http_proxy", "http://mine:1")
    assert proxy_of(FILE) == ""
