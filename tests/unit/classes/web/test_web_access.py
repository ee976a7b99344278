"""Who gets in where: links, sessions, and every route with everybody's cookies."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocketDisconnect
from web_client import HOUR, ORIGIN, Served, served

from orchestrator.classes.web.tokens import LECTURER, issue, revoke
from orchestrator.errors import SpecError

OPEN = {"/s/{token}", "/", "/leave", "/static/{name}"}
"""All that may be asked for without a session."""


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("web")) as found:
        yield found


def http_routes(room: Served) -> list[tuple[str, str]]:
    routes = [route for route in room.client.app.routes if isinstance(route, Route)]  # type: ignore[attr-defined]
    return [
        (method, route.path)
        for route in routes
        for method in sorted(route.methods or ())
        if route.path not in OPEN and method != "HEAD"
    ]


def sockets(room: Served) -> list[str]:
    return [r.path for r in room.client.app.routes if isinstance(r, WebSocketRoute)]  # type: ignore[attr-defined]


def filled(path: str, seat: str) -> str:
    values = {"seat": seat, "machine": "desk", "number:int": "1"}
    return re.sub(r"{([^}]+)}", lambda match: values[match[1]], path)


@pytest.fixture(scope="module")
def wrong_cookies(room: Served) -> dict[str, str]:
    """Everybody who must not get to seat s2 or to the lecturer's pages, by what is wrong with the cookie; and
    a student of s2, who must not get to the lecturer's."""
    revoked = room.secret("s2")
    revoke(room.found, "s2")
    ended = room.secret("s2")
    with room.tokens._database.opened() as database:
        database.execute("UPDATE web_access SET expires = ? WHERE who = 's2'", (time.time(),))
    link = room.tokens.new_link("s2", HOUR)
    return {
        "none": "",
        "ended": ended,
        "revoked": revoked,
        "made up": "A" * 32,
        "the link itself": link,
        "another's": room.secret("s1"),
        "a student's": room.secret("s2"),
    }


def test_every_route_is_there_to_be_asked(room: Served) -> None:
    asked = http_routes(room)
    assert ("PUT", "/seats/{seat}/file/{machine}") in asked
    assert ("POST", "/lecturer/extend") in asked
    assert len(asked) == 14
    assert len(sockets(room)) == 3
    for _, path in asked:
        assert path.startswith(("/seats/{seat}/", "/lecturer/"))


def test_no_route_opens_to_a_cookie_that_is_not_its_own(room: Served, wrong_cookies: dict[str, str]) -> None:
    before = len(room.actions.done)
    for method, path in http_routes(room):
        for wrong, secret in wrong_cookies.items():
            if wrong == "a student's" and "{seat}" in path:
                continue  # her own
            headers = {"Origin": ORIGIN} | ({"Cookie": f"__Host-isolab={secret}"} if secret else {})
            answer = room.client.request(method, filled(path, "s2"), headers=headers, content=b"{}")
            expected = 403 if wrong in ("another's", "a student's") else 401
            assert answer.status_code == expected, (method, path, wrong)
            assert "s2" not in answer.text
    assert len(room.actions.done) == before


def test_no_socket_opens_to_a_cookie_that_is_not_its_own(room: Served, wrong_cookies: dict[str, str]) -> None:
    for path in sockets(room):
        for wrong, secret in wrong_cookies.items():
            if wrong == "a student's" and "{seat}" in path:
                continue  # her own
            headers = {"Origin": ORIGIN} | ({"Cookie": f"__Host-isolab={secret}"} if secret else {})
            expected = 4403 if wrong in ("another's", "a student's") else 4401
            with (
                room.socket(filled(path, "s2"), headers=headers) as socket,
                pytest.raises(WebSocketDisconnect) as closed,
            ):
                socket.receive_bytes()
            assert closed.value.code == expected, (path, wrong)


def test_a_seat_that_does_not_exist_looks_like_another_s(room: Served) -> None:
    for seat in ("s1", "nobody", "..%2f..%2fetc"):
        answer = room.client.get(f"/seats/{seat}/", headers=room.headers("s2"))
        assert answer.status_code in (403, 404)
        assert "nobody" not in answer.text


def test_everybody_gets_to_her_own_and_the_lecturer_to_all(room: Served) -> None:
    for who, path in (("s1", "/seats/s1/"), (LECTURER, "/seats/s1/"), (LECTURER, "/lecturer/")):
        assert room.client.get(path, headers=room.headers(who)).status_code == 200
    assert room.client.get("/", headers=room.headers("s1")).headers["location"] == "/seats/s1/"
    assert room.client.get("/", headers=room.headers(LECTURER)).headers["location"] == "/lecturer/"


def test_a_link_becomes_a_cookie_that_scripts_and_other_sites_do_not_get(room: Served) -> None:
    answer = room.client.get(f"/s/{room.tokens.new_link('s1', HOUR)}")
    cookie = answer.headers["set-cookie"]
    assert re.match(
        r"__Host-isolab=[\w-]{32}; HttpOnly; Max-Age=\d+; Path=/; SameSite=strict; Secure$", cookie
    )
    assert 'content="0;url=/seats/s1/"' in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    room.client.cookies.clear()


def test_secrets_are_long_and_stored_by_their_digests_only(room: Served) -> None:
    link = room.tokens.new_link("s1", HOUR)
    entered = room.tokens.enter(link)
    assert entered is not None
    assert len(link) >= 22  # 128 bits in base64url
    stored = b"".join(file.read_bytes() for file in (room.found.folder.parent / "state").rglob("class.db"))
    assert b"web_access" in stored
    for secret in (link, entered[0]):
        assert secret.encode() not in stored


def test_a_session_ends_with_sign_out_and_the_link_goes_on(room: Served) -> None:
    link = room.tokens.new_link("s1", HOUR)
    first, second = (room.tokens.enter(link) for _ in range(2))
    assert first
    assert second
    room.client.post("/leave", headers={"Origin": ORIGIN, "Cookie": f"__Host-isolab={first[0]}"})
    assert room.tokens.session(first[0]) is None
    assert room.tokens.session(second[0]) is not None
    assert room.tokens.enter(link) is not None


def test_who_left_the_roster_is_not_let_in(room: Served) -> None:
    secret = room.secret("s1")
    room.tokens._known.discard("s1")
    try:
        assert room.tokens.session(secret) is None
    finally:
        room.tokens._known.add("s1")
    with pytest.raises(SpecError, match="no seat 's9'"):
        room.tokens.new_link("s9", HOUR)


def test_tries_of_links_are_limited_for_each_address(tmp_path_factory: pytest.TempPathFactory) -> None:
    with served(tmp_path_factory.mktemp("tries"), 1) as room:
        codes = [room.client.get(f"/s/wrong{number}").status_code for number in range(22)]
        assert codes == [401] * 20 + [429] * 2
        assert room.client.get(f"/s/{room.tokens.new_link('s1', HOUR)}").status_code == 429
        assert room.client.get("/seats/s1/", headers=room.headers("s1")).status_code == 200


@pytest.mark.parametrize(
    ("access", "base"),
    [
        ({"web": "0.0.0.0:8443", "host": "lab.example.org"}, "https://lab.example.org:8443/s/"),
        ({"web": "192.0.2.7:443"}, "https://192.0.2.7:443/s/"),
        ({"web": "[2001:db8::7]:8443"}, "https://[2001:db8::7]:8443/s/"),
        ({"web": "127.0.0.1:8080"}, "http://127.0.0.1:8080/s/"),
        ({"web": "127.0.0.1:8080", "host": "lab.example.org"}, "https://lab.example.org/s/"),
    ],
)
def test_links_name_the_server_as_people_reach_it(
    tmp_path_factory: pytest.TempPathFactory, access: dict[str, str], base: str
) -> None:
    with served(tmp_path_factory.mktemp("links"), 1, access=access) as room:
        assert re.fullmatch(re.escape(base) + r"[\w-]{32}", issue(room.found, "s1", HOUR))


def test_a_class_without_a_web_server_has_no_links(tmp_path_factory: pytest.TempPathFactory) -> None:
    with (
        served(tmp_path_factory.mktemp("none"), 1, access={}) as room,
        pytest.raises(SpecError, match="has no web server"),
    ):
        issue(room.found, "s1", HOUR)
