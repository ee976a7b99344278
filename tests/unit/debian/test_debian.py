"""The Debian archive: every link from the signature to a file holds, or nothing is taken."""

from __future__ import annotations

import http.server
import lzma
import random
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from debian_archive import FILES, SUITE, MadeArchive, ar, data_tar, deb, signer

from orchestrator.deadline import Deadline
from orchestrator.debian import archive as debian
from orchestrator.debian.mirror import mirror
from orchestrator.errors import ImageError, NotOnMirror, TimedOut, Unavailable

pytestmark = pytest.mark.skipif(
    not (shutil.which("gpg") and shutil.which("gpgv")), reason="needs gpg to sign an archive, gpgv to verify"
)
NOISE = random.Random(1).randbytes(20000)
EVIL = "Suite: stable\nCodename: trixie\nSHA256:\n " + "0" * 64 + " 1 main/binary-amd64/Packages.xz\n"


@pytest.fixture(scope="module")
def ours() -> Iterator[Path]:
    with signer("ours") as home:
        yield home


@pytest.fixture(scope="module")
def stranger() -> Iterator[Path]:
    with signer("stranger") as home:
        yield home


@pytest.fixture
def made(tmp_path: Path, ours: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MadeArchive]:
    """A published archive: the package ``tool``, and ``meta`` that stands for it."""
    monkeypatch.setenv("ISOLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ISOLAB_MIRROR", (tmp_path / "debian").as_uri())
    monkeypatch.setattr(debian, "KEYRING", ours / "ring.gpg")
    mirror.cache_clear()
    archive = MadeArchive(tmp_path / "debian", ours)
    archive.add("tool", deb(FILES, {"usr/bin/other": "tool"}))
    archive.add("meta", deb({}), depends="tool (= 1.0), more")
    archive.publish()
    yield archive
    mirror.cache_clear()


def suite(seconds: float = 60) -> debian.Archive:
    return debian.Archive(SUITE, Deadline.after(seconds))


def refused(match: str, *names: str) -> ImageError:
    """The error when packages are resolved and fetched; it must say what to do about it."""
    archive = suite()
    with pytest.raises(ImageError, match=match) as caught:
        archive.fetch(list(archive.resolve("amd64", names or ("tool",)).values()))
    assert caught.value.hint
    return caught.value


def test_a_good_archive_gives_its_files(made: MadeArchive) -> None:
    archive = suite()
    tool = archive.resolve("amd64", ["tool"])["tool"]
    assert (tool.name, tool.version, tool.filename) == ("tool", "1.0", "pool/tool.deb")
    path = archive.fetch([tool])["tool"]
    found = {member.path: member for member in debian.members(path, ["usr/bin/*"])}
    assert (found["usr/bin/tool"].data, found["usr/bin/tool"].mode) == (b"#!/bin/sh\n", 0o755)
    assert found["usr/bin/other"].target == "tool"


def test_a_metapackage_is_followed_to_what_it_stands_for(made: MadeArchive) -> None:
    assert suite().resolve("amd64", ["meta->"])["meta->"].name == "tool"


def test_a_downloaded_package_is_not_fetched_again(made: MadeArchive) -> None:
    archive = suite()
    packages = list(archive.resolve("amd64", ["tool"]).values())
    first = archive.fetch(packages)
    shutil.rmtree(made.root)
    assert archive.fetch(packages) == first


def test_a_package_that_is_not_in_the_index(made: MadeArchive) -> None:
    refused("no package 'too' for amd64", "too")


def test_a_metapackage_that_stands_for_nothing(made: MadeArchive) -> None:
    refused("no package ''", "tool->")


def test_an_architecture_the_suite_does_not_have(made: MadeArchive) -> None:
    with pytest.raises(ImageError, match="has no packages for sparc") as caught:
        suite().resolve("sparc", ["tool"])
    assert caught.value.hint


def test_a_package_with_other_content(made: MadeArchive) -> None:
    (made.root / "pool/tool.deb").write_bytes(deb({"usr/bin/tool": b"evil"}))
    refused("does not match the signed index")


def test_a_package_cut_short(made: MadeArchive) -> None:
    whole = made.root / "pool/tool.deb"
    whole.write_bytes(whole.read_bytes()[:-10])
    refused("does not match the signed index")


def test_a_package_that_is_gone(made: MadeArchive) -> None:
    (made.root / "pool/tool.deb").unlink()
    assert "ISOLAB_MIRROR" in refused("cannot download .*pool/tool.deb").hint


def test_an_index_with_other_content(made: MadeArchive) -> None:
    index = made.in_release.parent / "main/binary-amd64/Packages.xz"
    index.write_bytes(lzma.compress(b"Package: tool\n"))
    refused("does not match the signed index")


def test_an_index_that_lags_behind_its_release(made: MadeArchive) -> None:
    """A mirror may have the new release file for days before all of its indices."""
    index = made.in_release.parent / "main/binary-amd64/Packages.xz"
    before, earlier = index.read_bytes(), suite().index("amd64")
    made.add("later", deb(FILES))
    made.publish()
    index.write_bytes(before)
    archive = suite()
    assert archive.index("amd64") == earlier
    assert archive.outdated == {"amd64"}


def test_a_signed_index_that_is_not_xz(made: MadeArchive) -> None:
    made.publish(packed=b"not xz at all")
    refused("cannot read")


def test_a_changed_release_file(made: MadeArchive) -> None:
    text = made.in_release.read_bytes()
    made.in_release.write_bytes(text.replace(b"Suite: stable", b"Suite: stably"))
    refused("invalid signature on Debian trixie")


def test_a_release_file_without_a_signature(made: MadeArchive) -> None:
    made.in_release.write_text(EVIL)
    refused("invalid signature")


def test_a_release_file_signed_by_a_stranger(made: MadeArchive, stranger: Path) -> None:
    made.in_release.write_bytes(made.signed(EVIL, stranger))
    refused("invalid signature")


def test_words_of_the_forger_are_not_taken_for_gpgs(made: MadeArchive, stranger: Path) -> None:
    """gpgv quotes a bad armor header on standard error, whatever it says."""
    forged = made.signed(EVIL, stranger)
    more = forged.replace(b"SIGNATURE-----\n", b"SIGNATURE-----\nGood signature from Debian\n", 1)
    made.in_release.write_bytes(forged + more)
    refused("invalid signature")


@pytest.mark.parametrize("stranger_first", [True, False])
def test_a_good_text_does_not_vouch_for_another_in_the_same_file(
    made: MadeArchive, stranger: Path, stranger_first: bool
) -> None:
    texts = [made.signed(EVIL, stranger), made.in_release.read_bytes()]
    made.in_release.write_bytes(b"".join(texts if stranger_first else texts[::-1]))
    refused("invalid signature")


def test_a_second_signature_by_an_unknown_key_does_no_harm() -> None:
    """As Debian's own release files have it while keys change."""
    status = (
        b"[GNUPG:] PLAINTEXT 74 0 \n[GNUPG:] GOODSIG A Debian\n[GNUPG:] ERRSIG B 1\n[GNUPG:] NO_PUBKEY B\n"
    )
    assert debian._trusted(status)


def test_another_suite_in_the_place_of_the_one_asked_for(made: MadeArchive) -> None:
    made.in_release.write_bytes(made.signed(EVIL.replace("trixie", "sid")))
    refused(r"returned \['stable', 'sid'\] instead of trixie")


def test_without_debians_keys_the_package_to_install_is_named(
    made: MadeArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(debian, "KEYRING", made.root / "none.gpg")
    with pytest.raises(Unavailable) as caught:
        suite().resolve("amd64", ["tool"])
    assert "debian-archive-keyring" in caught.value.hint


@pytest.mark.parametrize("url", ["gopher:nowhere", "nonsense"])
def test_a_mirror_that_is_not_a_url(made: MadeArchive, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("ISOLAB_MIRROR", url)
    mirror.cache_clear()
    refused("cannot download")


def test_a_download_ends_with_the_deadline(made: MadeArchive) -> None:
    with pytest.raises(TimedOut):
        suite(-1).resolve("amd64", ["tool"])


def test_a_pattern_that_matches_nothing_is_named(tmp_path: Path) -> None:
    package = tmp_path / "content"
    package.write_bytes(deb(FILES))
    with pytest.raises(ImageError, match=r"no file matches sbin/\*") as caught:
        list(debian.members(package, ["usr/bin/*", "sbin/*"], optional=["nowhere/*"]))
    assert caught.value.hint


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not an archive",
        ar({"debian-binary": b"2.0\n"}),
        ar({"data.tar.xz": b"not xz"}),
        ar({"data.tar.xz": data_tar({"big": NOISE})[:-5000]}),
        deb({"big": NOISE})[:-5000],
    ],
    ids=["empty", "other", "no-data", "not-xz", "cut-xz", "cut"],
)
def test_what_is_not_a_package_is_told(tmp_path: Path, content: bytes) -> None:
    package = tmp_path / "content"
    package.write_bytes(content)
    with pytest.raises(ImageError):
        list(debian.members(package, ["*"]))


class Rude(http.server.SimpleHTTPRequestHandler):
    """Answers like the worst mirrors do: cut short, or not in HTTP."""

    def do_GET(self) -> None:
        if self.path.endswith("short.deb"):
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"begin")
        elif self.path.endswith("nonsense.deb"):
            self.wfile.write(b"SSH-2.0-not-http\r\n")
        else:
            super().do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing: the tests look at what our side says."""


@pytest.fixture
def served(made: MadeArchive, monkeypatch: pytest.MonkeyPatch) -> Iterator[MadeArchive]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Rude, directory=str(made.root))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv("ISOLAB_MIRROR", f"http://127.0.0.1:{server.server_port}")
        mirror.cache_clear()
        yield made
        server.shutdown()
        thread.join()


def test_an_archive_over_http(served: MadeArchive) -> None:
    archive = suite()
    assert archive.fetch(list(archive.resolve("amd64", ["tool"]).values()))["tool"].exists()


@pytest.mark.parametrize(("name", "match"), [("short", "closed early"), ("nonsense", "cannot download")])
def test_a_server_that_breaks_off_or_talks_nonsense(served: MadeArchive, name: str, match: str) -> None:
    served.add(name, deb(FILES))
    served.publish()
    refused(match, name)


def test_a_package_that_the_index_has_and_the_mirror_has_not(served: MadeArchive) -> None:
    """A mirror in the middle of an update: another release may help, asking again does not."""
    served.add("tardy", deb(FILES)).unlink()
    served.publish()
    archive = suite()
    with pytest.raises(NotOnMirror, match=r"pool/tardy\.deb is not on the mirror"):
        archive.fetch(list(archive.resolve("amd64", ["tardy"]).values()))
