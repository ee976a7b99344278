"""What the gateway's sshd and ssh are told, line by line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.classes.gateway.accounts import render_etc
from orchestrator.classes.gateway.authorized_keys import render_authorized_keys
from orchestrator.classes.gateway.client_config import render_config, render_known_hosts
from orchestrator.classes.gateway.folder import Folder
from orchestrator.classes.gateway.public_key import key_fingerprint, key_line, owners
from orchestrator.classes.gateway.server_config import Version, render_server_config
from orchestrator.classes.gateway.standing import Place
from orchestrator.errors import SpecError
from orchestrator.labfile.ssh_endpoint import Endpoint

ADA = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB+mHI25sRlwPTi0GHKNdbxabxr93BfKdEHlpkA03VVk"
BOB = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEWqL6UcYfAIGx1h9oTtHN1a7mORSqwYiNwAXPQcuFFS"
ENTER = Path("/etc/isolab/enter")
PLACE = Place("ada", "desk", "mark", 40001, "0000000b7373682d65643235353139" + "00000020" + "11" * 32)


def test_a_key_opens_its_seats_machines_and_nothing_else() -> None:
    found = render_authorized_keys(
        {"ada": [f"{ADA} ada@laptop"], "bob": [BOB]}, {"ada": [40002, 40001]}, ENTER, "s3cret"
    )
    assert found == (
        'restrict,pty,port-forwarding,permitopen="127.0.0.1:40001",permitopen="127.0.0.1:40002",'
        'command="exec setpriv --pdeathsig TERM -- /bin/sh /etc/isolab/enter ada s3cret" ' + ADA + "\n"
        'restrict,pty,command="exec setpriv --pdeathsig TERM -- /bin/sh /etc/isolab/enter bob s3cret" '
        + BOB + "\n"
    )  # fmt: skip


def test_a_path_with_quotes_cannot_end_the_command() -> None:
    found = render_authorized_keys({"ada": [ADA]}, {}, Path('/home/a"b\\c d/enter'), "s")
    assert found == (
        'restrict,pty,command="exec setpriv --pdeathsig TERM -- /bin/sh '
        "'/home/a\\\"b\\\\c d/enter' ada s\" " + ADA + "\n"
    )


def test_one_key_is_one_seats() -> None:
    assert owners({"ada": [ADA, f"{ADA} again"], "bob": [BOB]}) == {ADA: "ada", BOB: "bob"}
    with pytest.raises(SpecError, match="is that of two seats, ada and bob"):
        owners({"ada": [ADA], "bob": [f"{ADA} copied"]})


def test_the_fingerprint_is_that_of_ssh_keygen() -> None:
    assert key_fingerprint(ADA) == "SHA256:jzI+kPYrRlSPePp9pxVEHs9ndK9I2GaPuTypggMQtj4"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ssh-ed25519",
        "AAAAC3NzaC1lZDI1NTE5AAAAIB",
        f'command="sh" {ADA}',
        f"{ADA}\n{BOB}",
        ADA.replace("AAAAC3", "AAAAC4"),
        ADA.replace("ed25519", "rsa", 1),
        "ssh-ed25519 not*base64",
        "-----BEGIN OPENSSH PRIVATE KEY----- x",
    ],
)
def test_what_is_no_public_key(text: str) -> None:
    with pytest.raises(SpecError):
        key_line(text)


@settings(max_examples=40)
@given(st.text(max_size=60), st.text(max_size=60))
def test_no_text_around_a_key_becomes_an_option(before: str, after: str) -> None:
    try:
        line = key_line(f"{before} {ADA} {after}")
    except SpecError:
        return
    assert line == ADA


CONFIG = """\
ListenAddress 0.0.0.0:2222
HostKey /etc/isolab/host_key
AuthorizedKeysFile /etc/isolab/authorized_keys
AllowUsers lab desk
StrictModes no
PidFile none
UsePAM no
UseDNS no
LogLevel VERBOSE
AuthenticationMethods publickey
PasswordAuthentication no
HostbasedAuthentication no
PermitRootLogin no
AllowTcpForwarding local
PermitListen none
GatewayPorts no
AllowStreamLocalForwarding no
AllowAgentForwarding no
X11Forwarding no
PermitTunnel no
PermitUserRC no
PermitUserEnvironment no
PrintMotd no
PrintLastLog no
Compression no
Subsystem sftp isolab sftp
LoginGraceTime 60
MaxAuthTries 8
MaxSessions 20
MaxStartups 200:30:400
ClientAliveInterval 30
ClientAliveCountMax 6
KbdInteractiveAuthentication no
PerSourceMaxStartups 100
UnusedConnectionTimeout 10m
"""


def configured(listen: Endpoint, version: Version) -> str:
    folder = Folder(Path("/state/gateway"), "token234")
    return render_server_config(listen, ["lab", "desk"], folder, "/etc/isolab", version)


def test_sshd_allows_keys_and_nothing_else() -> None:
    assert configured(Endpoint("0.0.0.0", 2222), (9, 2)) == CONFIG


def test_each_version_of_sshd_is_told_what_it_understands() -> None:
    on_six = Endpoint("::", 2222)
    assert configured(on_six, (9, 2)).startswith("ListenAddress [::]:2222\n")
    newest = configured(on_six, (10, 0)).splitlines()
    assert newest[-1].startswith("PerSourcePenalties ")
    oldest = configured(on_six, (8, 4))
    assert "ChallengeResponseAuthentication no\n" in oldest
    for name in ("KbdInteractive", "PerSource", "UnusedConnection"):
        assert name not in oldest


def test_the_gateways_ssh_knows_the_machine_and_shows_one_key() -> None:
    found = render_config({"desk": PLACE, "lab": PLACE}, Path("/etc/isolab/seats/ada"), ["python3", "d %s"])
    desk, lab = found.split("Host ")[1:]
    assert desk.splitlines()[1:] == lab.splitlines()[1:]
    lines = desk.splitlines()
    assert lines[0] == "desk"
    for line in (
        "    Port 40001",
        "    User student",
        f"    HostKeyAlias {PLACE.alias}",
        "    StrictHostKeyChecking yes",
        '    IdentityFile "/etc/isolab/seats/ada/key"',
        "    IdentitiesOnly yes",
        "    ClearAllForwardings yes",
        "    ProxyCommand python3 'd %%s' 40001 desk",
    ):
        assert line in lines
    blob = "AAAAC3NzaC1lZDI1NTE5AAAAIBERERERERERERERERERERERERERERERERERERERERER"
    assert render_known_hosts({"desk": PLACE, "lab": PLACE}) == f"{PLACE.alias} ssh-ed25519 {blob}\n"


def test_a_machine_that_replaces_another_has_another_alias() -> None:
    other = Place("ada", "desk", "mark", 40001, PLACE.host_key[:-2] + "22")
    assert PLACE.alias != other.alias


def test_login_names_are_one_user_without_rights() -> None:
    assert render_etc(["lab", "desk"], 60602, 60602)["passwd"] == (
        "lab:*:60602:60602::/:/bin/sh\ndesk:*:60602:60602::/:/bin/sh\n"
    )
