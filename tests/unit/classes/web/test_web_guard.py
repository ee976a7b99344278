"""What every request must show and every answer has: origin, size, headers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.websockets import WebSocketDisconnect
from web_client import ORIGIN, Served, served

from orchestrator.classes.web.guard import MOST_BODY, Rate
from orchestrator.classes.web.tokens import LECTURER


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("web")) as found:
        yield found


CHECK = {"lab": "small", "exercise": "fine"}


@pytest.mark.parametrize(
    "other",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://testserver"},
        {"Origin": "https://testserver.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {},
    ],
)
def test_nothing_is_changed_by_a_request_from_another_page(room: Served, other: dict[str, str]) -> None:
    cookie = room.headers("s1")["Cookie"]
    before = len(room.actions.done)
    for path in ("/seats/s1/check", "/seats/s1/reset", "/seats/s1/keys", "/leave"):
        answer = room.client.post(path, headers={"Cookie": cookie, **other}, json=CHECK)
        assert answer.status_code == 403, path
    answer = room.client.put("/seats/s1/file/desk?name=x", headers={"Cookie": cookie, **other}, content=b"x")
    assert answer.status_code == 403
    assert len(room.actions.done) == before
    assert not room.actions.uploaded


def test_a_form_of_ours_without_an_origin_is_let_through(room: Served) -> None:
    cookie = room.headers("s1")["Cookie"]
    answer = room.client.post("/leave", headers={"Cookie": cookie, "Sec-Fetch-Site": "same-origin"})
    assert answer.status_code == 303


@pytest.mark.parametrize("other", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "same-origin"}, {}])
def test_a_socket_from_another_page_is_refused(room: Served, other: dict[str, str]) -> None:
    cookie = room.headers("s1")["Cookie"]
    for path in ("/seats/s1/news", "/seats/s1/terminals/desk/1"):
        with (
            pytest.raises(WebSocketDisconnect),
            room.socket(path, headers={"Cookie": cookie, **other}),
        ):
            pass


def test_every_answer_has_the_headers_and_pages_have_nothing_inline(room: Served) -> None:
    for who, path in (
        ("s1", "/seats/s1/"),
        ("s1", "/seats/s2/"),
        ("s1", "/seats/s1/machines"),
        (LECTURER, "/lecturer/"),
        ("", "/"),
        ("", "/nowhere"),
        ("", "/static/style.css"),
    ):
        answer = room.client.get(path, headers=room.headers(who))
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "nonce" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "<style" not in answer.text
        assert " style=" not in answer.text
        assert " onclick=" not in answer.text
        assert "<script>" not in answer.text
        assert "http://" not in answer.text


def test_bodies_are_bounded_whether_or_not_they_say_their_size(room: Served) -> None:
    headers = room.headers("s1")
    big = b'{"lab":"' + b"x" * MOST_BODY + b'"}'
    assert room.client.post("/seats/s1/check", headers=headers, content=big).status_code == 413
    answer = room.client.post("/seats/s1/check", headers=headers, content=iter([big[:9], big[9:]]))
    assert answer.status_code == 413
    assert ("check", "s1", "small", "fine") not in room.actions.done


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"lab":1,"exercise":2}', b"[" * 20000, b"\xff"])
def test_bodies_that_are_no_json_object_are_refused(room: Served, body: bytes) -> None:
    answer = room.client.post("/seats/s1/check", headers=room.headers("s1"), content=body)
    assert answer.status_code == 400
    assert "expected" in answer.json()["error"]


def test_a_rate_forgets_and_keeps_addresses_apart() -> None:
    rate = Rate(2, 60)
    for _ in range(2):
        assert not rate.exceeded("a")
        rate.note("a")
    assert rate.exceeded("a")
    assert not rate.exceeded("b")
    assert not Rate(2, 0.0, rate._tries).exceeded("a")


def test_names_on_pages_are_escaped(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("names")
    with served(folder, 1, title="A <script>alert(1)</script> & more") as room:
        for who, path in (("s1", "/seats/s1/"), (LECTURER, "/lecturer/"), ("", "/")):
            text = room.client.get(path, headers=room.headers(who)).text
            assert "<script>alert" not in text
            assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in text


def test_the_origin_is_that_of_the_scheme_the_browser_used(room: Served) -> None:
    assert ORIGIN.startswith("https")
    plain = {"Origin": "http://testserver", "Cookie": f"isolab={room.secret('s1')}"}
    answer = room.client.post("http://testserver/seats/s1/check", headers=plain, json=CHECK)
    assert answer.status_code == 202
