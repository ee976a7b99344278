"""A public key is taken whole, or refused with words."""

from __future__ import annotations

import base64
import contextlib
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from public_keys import ED25519, P256, P384, P521, RSA, SHORT_RSA, ed25519, wire

from orchestrator.submissions.public_key import TYPES, identity, public_key

POINT = base64.b64decode(P256.split()[1])[-65:]
SK_ED25519 = "sk-ssh-ed25519@openssh.com"
SK_ECDSA = "sk-ecdsa-sha2-nistp256@openssh.com"
SK = [
    f"{SK_ED25519} {wire(SK_ED25519.encode(), bytes(32), b'ssh:')}",
    f"{SK_ECDSA} {wire(SK_ECDSA.encode(), b'nistp256', POINT, b'ssh:')}",
]
GOOD = [ED25519, P256, P384, P521, RSA, *SK]


@pytest.mark.parametrize("key", GOOD)
def test_keys_of_every_type_are_taken(key: str) -> None:
    assert public_key(f"  {key}\t") == key
    assert {one.split()[0] for one in GOOD} == {*TYPES}


@pytest.mark.parametrize(
    ("comment", "kept"),
    [
        ("ada@desk", "ada@desk"),
        ("Ada's key, 2027", "Ada_s_key__2027"),
        ("\x1b[31m" + "x" * 99, "__31m" + "x" * 59),
    ],
)
def test_what_is_harmless_of_a_comment_is_kept(comment: str, kept: str) -> None:
    assert public_key(f"{ED25519} {comment}") == f"{ED25519} {kept}"
    assert identity(public_key(f"{ED25519} {comment}")) == ED25519


def damaged(kind: str, *fields: bytes) -> str:
    return f"{kind} {wire(*fields)}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f'command="id" {ED25519}', "a key has options before it"),
        (f"no-pty,{ED25519}", "no public key begins with 'no-pty,ssh-ed25519'"),
        (f"ada {ED25519}", "a key has options before it, or another word"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blbn\n-----END OPENSSH PRIVATE KEY-----", "a private key"),
        ("---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n---- END", "not OpenSSH's form"),
        ("ssh-dss AAAA", "OpenSSH takes no DSA keys"),
        ("ssh-ed25519-cert-v01@openssh.com AAAA", "this is a certificate"),
        ("ssh-ed25519", "nothing follows ssh-ed25519"),
        ("", "no public key begins with ''"),
        (ED25519[:-8] + "!", "the key after ssh-ed25519 is damaged"),
        (ED25519.replace("ssh-ed25519", "ssh-rsa"), "this is no key of type ssh-rsa"),
        (P256.replace("nistp256 ", "nistp384 "), "this is no key of type ecdsa-sha2-nistp384"),
        (damaged("ssh-ed25519", b"ssh-ed25519", bytes(31)), "this is no key"),
        (damaged("ssh-ed25519", b"ssh-ed25519", bytes(32), b"more"), "this is no key"),
        (damaged("ssh-ed25519", b"ssh-ed25519"), "this is no key"),
        (damaged("ecdsa-sha2-nistp256", b"ecdsa-sha2-nistp256", b"nistp256", b"\4" + bytes(64)), "no key"),
        (damaged("ecdsa-sha2-nistp256", b"ecdsa-sha2-nistp256", b"", POINT), "this is no key"),
        (damaged(SK_ED25519, SK_ED25519.encode(), bytes(32), b""), "this is no key"),
        (damaged("ssh-rsa", b"ssh-rsa", b"\3", b"\0" + b"\xff" * 255 + b"\xfe"), "this is no key"),
        (damaged("ssh-rsa", b"ssh-rsa", b"\1", b"\0" + b"\xff" * 256), "this is no key"),
        (damaged("ssh-rsa", b"ssh-rsa", b"\3", b"\xff" * 256), "this is no key"),
        (SHORT_RSA, "this RSA key has 1024 bits: at least 2048 are needed"),
    ],
)
def test_anything_else_is_refused_with_words(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)) as wrong:
        public_key(text)
    assert len(wrong.value.args) == 2
    assert wrong.value.args[1]


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(GOOD),
    st.integers(0, 300),
    st.text(st.characters(codec="utf-8"), max_size=6),
)
def test_a_key_with_anything_put_into_it_is_the_key_or_refused(key: str, at: int, added: str) -> None:
    """No text makes a second line, a word before the key, or another key."""
    with contextlib.suppress(ValueError):
        found = public_key(key[:at] + added + key[at:])
        assert identity(found) == key
        assert re.fullmatch(r"[ -~]+", found)
        assert len(found.split(" ")) <= 3


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(TYPES), st.binary(max_size=80))
def test_no_bytes_are_a_key_of_another_type(kind: str, blob: bytes) -> None:
    with contextlib.suppress(ValueError):
        public_key(f"{kind} {base64.b64encode(blob).decode()}")
        assert blob[4 : 4 + len(kind)].decode() == kind


def test_keys_differ_by_their_numbers() -> None:
    assert public_key(ed25519(1)) != public_key(ed25519(2))
