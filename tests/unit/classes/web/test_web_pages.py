"""What the pages' buttons do, and what a seat is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import WebSocketTestSession
from web_client import Served, served

from orchestrator.classes.web.machines import MOST_BYTES
from orchestrator.classes.web.site import MOST_TRANSFERS
from orchestrator.classes.web.tokens import LECTURER
from orchestrator.report.html.markdown import to_html


@pytest.fixture(scope="module")
def the_room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("web")) as found:
        yield found


@pytest.fixture
def room(the_room: Served) -> Served:
    the_room.actions.done.clear()
    the_room.actions.uploaded.clear()
    return the_room


def news_until(socket: WebSocketTestSession, kind: str, **about: object) -> dict[str, Any]:
    """The next news of a kind with these values."""
    while True:
        news: dict[str, Any] = json.loads(socket.receive_text())
        if news["kind"] == kind and about.items() <= news.items():
            return news


def test_a_check_is_told_in_words_to_all_pages_of_the_seat(room: Served) -> None:
    headers = room.headers("s1")
    with (
        room.socket("/seats/s1/news", headers=headers) as one,
        room.socket("/seats/s1/news", headers=headers) as other,
    ):
        answer = room.client.post(
            "/seats/s1/check", headers=headers, json={"lab": "small", "exercise": "fine"}
        )
        assert answer.status_code == 202
        for socket in (one, other):
            done = news_until(socket, "job", state="done")
            assert done["title"] == "1 of 2 tests passed"
            assert done["good"] is False
            assert done["lines"][1] == {"text": "it prints 42, not 41", "good": False}
    assert ("check", "s1", "small", "fine") in room.actions.done
    with room.socket("/seats/s1/news", headers=headers) as later:
        assert news_until(later, "job")["title"] == "1 of 2 tests passed"


@pytest.mark.parametrize("path", ["check", "hand-in"])
def test_only_exercises_of_open_labs(room: Served, path: str) -> None:
    for about in ({"lab": "small", "exercise": "../fine"}, {"lab": "other", "exercise": "fine"}):
        answer = room.client.post(f"/seats/s1/{path}", headers=room.headers("s1"), json=about)
        assert answer.status_code == 400
        assert "no open lab" in answer.json()["error"]


def test_reset_of_a_machine_that_is_not_hers_is_refused(room: Served) -> None:
    headers = room.headers("s1")
    answer = room.client.post("/seats/s1/reset", headers=headers, json={"machine": "../s2/desk"})
    assert answer.status_code == 400
    with room.socket("/seats/s1/news", headers=headers) as socket:
        room.client.post("/seats/s1/reset", headers=headers, json={"machine": "desk"})
        assert news_until(socket, "job", state="done", what="resetting desk")["title"] == "desk is fresh"


def test_messages_reach_who_is_there_and_who_comes_later(room: Served) -> None:
    with room.socket("/seats/s1/news", headers=room.headers("s1")) as socket:
        sent = {"text": "  time \x1b[2J is <up>\u202e "}
        assert room.client.post("/lecturer/message", headers=room.headers(LECTURER), json=sent).json() == {
            "said": "sent to 2"
        }
        assert news_until(socket, "message")["text"] == "time \\x1b[2J is <up>\\u202e"
    with room.socket("/seats/s2/news", headers=room.headers("s2")) as later:
        assert news_until(later, "message")["text"].startswith("time")


@pytest.mark.parametrize("text", ["", "   ", "x" * 2001, 7])
def test_messages_are_bounded(room: Served, text: object) -> None:
    answer = room.client.post("/lecturer/message", headers=room.headers(LECTURER), json={"text": text})
    assert answer.status_code == 400


def test_more_time_is_told_to_all(room: Served) -> None:
    lecturer = room.headers(LECTURER)
    with room.socket("/seats/s1/news", headers=room.headers("s1")) as socket:
        assert news_until(socket, "ends")["time"] == ""
        room.client.post("/lecturer/extend", headers=lecturer, json={"minutes": 15})
        assert news_until(socket, "ends")["time"] == "2099-01-01T00:00:00+00:00"
    assert ("extend", ("s1", "s2"), 900.0) in room.actions.done
    for minutes in (0, -5, 1e9, True, "15"):
        answer = room.client.post("/lecturer/extend", headers=lecturer, json={"minutes": minutes})
        assert answer.status_code == 400


def test_a_file_goes_in_as_it_is_and_to_all_from_the_lecturer(room: Served) -> None:
    content = bytes(range(256)) * 1000
    answer = room.client.put(
        "/seats/s1/file/desk",
        params={"folder": "small/fine", "name": "ü.bin"},
        headers=room.headers("s1"),
        content=content,
    )
    assert answer.status_code == 200
    room.client.put("/lecturer/file?name=hint.txt", headers=room.headers(LECTURER), content=b"look")
    assert room.actions.uploaded == {
        ("s1", "small/fine", "ü.bin"): content,
        ("s1", "", "hint.txt"): b"look",
        ("s2", "", "hint.txt"): b"look",
    }


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "/etc/passwd", "a\0b", "a\nb", "x" * 300])
def test_names_that_are_none_are_refused(room: Served, name: str) -> None:
    for path, who in (("/seats/s1/file/desk", "s1"), ("/lecturer/file", LECTURER)):
        answer = room.client.put(path, params={"name": name}, headers=room.headers(who), content=b"x")
        assert answer.status_code == 400
    assert not room.actions.uploaded


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../b", "a\0b", "x/" * 600])
def test_paths_out_of_the_home_folder_are_refused(room: Served, path: str) -> None:
    headers = room.headers("s1")
    assert room.client.get("/seats/s1/file/desk", params={"path": path}, headers=headers).status_code == 400
    assert (
        room.client.get("/seats/s1/files/desk", params={"folder": path}, headers=headers).status_code == 400
    )
    answer = room.client.put(
        "/seats/s1/file/desk", params={"folder": path, "name": "x"}, headers=headers, content=b"x"
    )
    assert answer.status_code == 400


def test_a_file_that_is_too_large_is_refused_before_it_comes(room: Served) -> None:
    headers = room.headers("s1", **{"Content-Length": str(MOST_BYTES + 1)})
    answer = room.client.put("/seats/s1/file/desk?name=x", headers=headers, content=iter([b"x"]))
    assert answer.status_code == 413


def test_a_download_is_never_a_page(room: Served) -> None:
    answer = room.client.get("/seats/s1/file/desk?path=x.html", headers=room.headers("s1"))
    assert answer.content == b"s1's x.html"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''x.html"
    answer = room.client.get("/seats/s1/file/desk?path=gone", headers=room.headers("s1"))
    assert answer.status_code == 400
    assert "no such file" in answer.json()["error"]


def test_a_seat_moves_few_files_at_a_time(room: Served) -> None:
    room.site._transfers["s1"] = MOST_TRANSFERS
    try:
        for answer in (
            room.client.get("/seats/s1/files/desk", headers=room.headers("s1")),
            room.client.get("/seats/s1/file/desk?path=x", headers=room.headers("s1")),
            room.client.put("/seats/s1/file/desk?name=x", headers=room.headers("s1"), content=b"x"),
        ):
            assert answer.status_code == 503
            assert "on their way" in answer.json()["error"]
        assert room.client.get("/seats/s2/files/desk", headers=room.headers("s2")).status_code == 200
    finally:
        room.site._transfers.clear()
    room.client.get("/seats/s1/file/desk?path=x", headers=room.headers("s1"))
    assert not +room.site._transfers


def test_a_key_is_one_line(room: Served) -> None:
    headers = room.headers("s1")
    for key in ("", "a\nb", "x" * 9000, "\x1b"):
        assert room.client.post("/seats/s1/keys", headers=headers, json={"key": key}).status_code == 400
    room.client.post("/seats/s1/keys", headers=headers, json={"key": " ssh-ed25519 AAAA me \n"})
    assert room.actions.done[-1] == ("key", "s1", "ssh-ed25519 AAAA me")


def test_the_board_tells_who_is_in(room: Served) -> None:
    with room.socket("/lecturer/board", headers=room.headers(LECTURER)) as board:
        rows = news_until(board, "rows")
        assert [row["label"] for row in rows["rows"]] == ["s1", "s2"]
        assert rows["summary"] == {"seats": 2, "up": 2, "in": 0, "handed_in": 0}
    with room.socket("/seats/s2/news", headers=room.headers("s2")) as student:
        news_until(student, "ends")
        with room.socket("/lecturer/board", headers=room.headers(LECTURER)) as board:
            rows = news_until(board, "rows")
            assert [row["present"] for row in rows["rows"]] == ["", "browser"]
    with room.socket("/seats/s2/news", headers=room.headers(LECTURER)) as looking:
        news_until(looking, "ends")
        assert room.site.in_browser() == {}


def test_a_readme_cannot_be_a_page_of_its_own() -> None:
    hostile = """# Title <script>alert(1)</script>
<img src=x onerror=alert(1)> ![words](https://evil.example/x.png)
[good](https://example.org/a) [bad](javascript:alert(1)) [file](skeleton/pair.c)

| a | b |
|---|---|
| 1 | 2 |
"""
    html = to_html(hostile)
    assert "<script" not in html
    assert "<img" not in html
    assert "words" in html
    assert html.count("<a ") == 1
    assert 'href="https://example.org/a"' in html
    assert "file" in html
    assert "skeleton" not in html
    assert "<table>" in html
