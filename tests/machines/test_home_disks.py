"""Home disks of real guests: what is written stays, whatever happens to the machine; and who may log in."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from bench import HOST, Bench, Kind, living_in, machine_context, on_bench, order_for, template_for
from committed import COMMITTED
from consoles import keep_consoles
from habitat import Home, fresh_home

from orchestrator import drivers
from orchestrator.arch import ARCHITECTURES
from orchestrator.deadline import Cancellation, Deadline
from orchestrator.drivers.guest.identity import make_keys
from orchestrator.drivers.model import Handle, HomeDisk, Order, Template
from orchestrator.drivers.qemu.driver import DRIVER as QEMU
from orchestrator.drivers.qemu.home import InUse
from orchestrator.errors import TransportError
from orchestrator.host import process_table
from orchestrator.machines.homes import ensure_home, fitted, set_student_keys, sync_home
from orchestrator.machines.journal import Journal, member_of
from orchestrator.machines.lifecycle import connected, remove, start
from orchestrator.progress import Progress, SilentProgress
from orchestrator.sessions.lifecycle import renew, take_down
from orchestrator.sessions.lookup import SessionMachine, session_machines
from orchestrator.transport.ssh import Address
from orchestrator.transport.ssh import connected as logged_in

pytestmark = pytest.mark.real

MIB = 2**20
CLONE = Kind("qemu", "arm64", cloned=True)
ASK = 60.0
EVERY = [pytest.param(Kind("qemu", arch), marks=pytest.mark.rotated) for arch in ARCHITECTURES]


@pytest.fixture(scope="module")
def place(request: pytest.FixtureRequest) -> Iterator[Home]:
    with fresh_home() as home, living_in(home):
        keep_consoles(request.session, home.root)
        yield home


@pytest.fixture
def disk(place: Home, request: pytest.FixtureRequest) -> HomeDisk:
    file = place.root / "state/homes" / f"{abs(hash(request.node.name))}.img"
    return ensure_home(file, 64 * MIB, None, Deadline.after(ASK))


def desk(
    place: Home, kind: Kind, disk: HomeDisk, keys: Sequence[str] = (), name: str = "desk", **about: object
) -> Order:
    """A student's machine with this home."""
    order = fitted(order_for(kind, place, name=name, keys=about), disk, keys)
    if not kind.cloned:
        return order
    template = template_for(order)
    assert isinstance(template, Template), template
    return replace(order, template=template)


def again(order: Order) -> Order:
    """The same machine as another one: a run is over when its machine is."""
    name = f"{order.name}-again"
    return replace(order, name=name, scratch=order.scratch.parent / name, logs=order.logs / name)


def shell(machine: Bench, script: str) -> str:
    """What root's shell says."""
    done = machine.command("sh", "-c", script)
    return (done.stdout + done.stderr).decode().strip()


def killed(machine: Bench) -> None:
    """Its QEMU is gone at once."""
    (pid,) = process_table.find(lambda pid: machine.live.handle.tag in process_table.arguments(pid))
    assert process_table.end(pid, patience=0)


class TestWhatIsWrittenStays:
    @pytest.mark.parametrize("kind", [*EVERY, CLONE], ids=str)
    def test_after_its_qemu_was_killed(self, place: Home, disk: HomeDisk, kind: Kind) -> None:
        order = desk(place, kind, disk)
        with on_bench(kind, order) as first:
            mounts = shell(first, "grep ' /home/student ' /proc/mounts")
            assert {"ext4", "nosuid", "nodev"} <= set(mounts.replace(",", " ").split())
            assert shell(first, "stat -c '%u:%g %a' /home/student; ls /home/student") == "1000:1000 700"
            said = first.shell(
                "cd /home/student && echo mine >a && echo old >b && echo new >b && mkdir -p c/d"
            )
            assert said.exit_code == 0, said.stderr
            assert shell(first, COMMITTED) == ""
            killed(first)
        with on_bench(kind, again(order)) as second:
            assert (
                shell(second, "cd /home/student; cat a b; ls -d c/d; stat -c %u a") == "mine\nnew\nc/d\n1000"
            )

    def test_a_clone_knows_nothing_of_another_home(self, place: Home, disk: HomeDisk) -> None:
        """Nor of the size of its template's: one made larger since is asked again."""
        other = ensure_home(place.root / "state/homes/other.img", 96 * MIB, None, Deadline.after(ASK))
        other = replace(other, size=disk.size)
        with (
            on_bench(CLONE, desk(place, CLONE, disk, name="one")) as one,
            on_bench(CLONE, desk(place, CLONE, other, name="two")) as two,
        ):
            shell(one, "echo one >/home/student/who; sync")
            assert shell(two, "ls /home/student") == ""
            sizes = [int(shell(m, "cat /sys/block/vda/size")) * 512 for m in (one, two)]
        assert sizes == [64 * MIB, 96 * MIB]

    def test_it_grows_with_the_quota_and_keeps_what_is_in_it(self, place: Home, disk: HomeDisk) -> None:
        order = desk(place, CLONE, disk)
        assert disk.file is not None
        with on_bench(CLONE, order) as first:
            before = int(
                shell(
                    first, "echo kept >/home/student/kept; sync; df -k /home/student | awk 'END {print $2}'"
                )
            )
            assert ensure_home(disk.file, 160 * MIB, None, Deadline.after(ASK)).size == 64 * MIB  # in use
        assert ensure_home(disk.file, 160 * MIB, None, Deadline.after(ASK)).size == 160 * MIB
        with on_bench(CLONE, again(order)) as second:
            after = int(shell(second, "df -k /home/student | awk 'END {print $2}'"))
            assert shell(second, "cat /home/student/kept") == "kept"
        assert after - before > 90 * 1024

    def test_a_full_home_is_full_for_its_student_only(self, place: Home, disk: HomeDisk) -> None:
        order = desk(place, CLONE, disk)
        with on_bench(CLONE, order) as first:
            done = first.shell("dd if=/dev/zero of=/home/student/big bs=1M 2>&1; sync", timeout=120)
            assert "No space left" in done.stdout
        with on_bench(CLONE, again(order)) as second:
            with login(second) as student:
                assert student("whoami") == "student"
            assert shell(second, "ls /home/student") == "big"


class TestOneMachineOnly:
    def test_a_second_one_is_refused_in_words(
        self, place: Home, disk: HomeDisk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("orchestrator.drivers.qemu.home.RELEASED_SECONDS", 0.2)
        order = desk(place, CLONE, disk)
        with on_bench(CLONE, order):
            told = pytest.raises(
                InUse, match=r"desk-again: its home disk is in use by another machine: .*img"
            )
            with told, on_bench(CLONE, again(order)):
                pass
            with pytest.raises(InUse), on_bench(CLONE, replace(again(order), template=None)):
                pass

    def test_qemus_own_locks_are_on(self, place: Home, disk: HomeDisk) -> None:
        """They keep away programs that do not know of ours."""
        with on_bench(CLONE, desk(place, CLONE, disk)) as machine:
            (pid,) = process_table.find(lambda pid: machine.live.handle.tag in process_table.arguments(pid))
            assert disk.file is not None
            inode = disk.file.stat().st_ino
            rows = [row.split() for row in Path("/proc/locks").read_text().splitlines()]
            held = {int(row[6]) for row in rows if row[1] == "OFDLCK" and row[5].endswith(f":{inode}")}
            assert process_table.arguments(pid)
        assert 0 in held  # ours
        assert any(100 <= byte < 300 for byte in held)  # QEMU's, by its file-posix.c


@dataclass(frozen=True)
class Standing:
    """A machine of a session, as `isolab up` leaves it."""

    order: Order
    handle: Handle

    @property
    def there(self) -> SessionMachine:
        (found,) = [machine for machine in session_machines() if machine.handle.tag == self.handle.tag]
        return found


def stand(order: Order, session: str) -> Standing:
    context = machine_context()
    driver = drivers.load("qemu")
    with contextlib.ExitStack() as undo:
        started = start(order, driver, context, undo, member_of(session, "lab.yaml", order))
        with connected(started, context):
            pass
        Journal().keep([started.handle])
        undo.pop_all()
    return Standing(order, started.handle)


@contextlib.contextmanager
def asking(handle: Handle) -> Iterator[Callable[[str], str]]:
    """Root's shell on a machine that stands."""
    with QEMU.connect(handle, Deadline.after(ASK)) as transport:
        yield (
            lambda script: (
                transport.run(["sh", "-c", script], deadline=Deadline.after(ASK)).stdout.decode().strip()
            )
        )


def test_work_survives_reset_down_and_another_template(place: Home, disk: HomeDisk) -> None:
    """And the keys that may log in come along."""
    own = make_keys()
    order = desk(place, CLONE, disk, [own.client_public.decode().strip()])
    first = stand(order, "class.ann")
    with asking(first.handle) as ask:
        ask("echo one >/home/student/work")
    with QEMU.connect(first.handle, Deadline.after(ASK)) as transport:
        sync_home(transport, Deadline.after(ASK))
    fresh = renew(first.there, SilentProgress(), Cancellation())
    with asking(fresh) as ask:
        assert ask("cat /home/student/work") == "one"
        assert own.client_public.decode().split()[1] in ask("cat /home/student/.ssh/authorized_keys")
        ask("echo two >>/home/student/work; sync")
    assert take_down([first.there], SilentProgress()) == []
    larger = desk(place, CLONE, disk, name="large", memory="320MiB")
    assert larger.template != order.template
    second = stand(larger, "class.ann")
    with asking(second.handle) as ask:
        assert ask("cat /home/student/work") == "one\ntwo"
    assert take_down([second.there], SilentProgress()) == []


@contextlib.contextmanager
def login(machine: Bench, private: bytes | None = None) -> Iterator[Callable[[str], str]]:
    """A student's own login over the forwarded port; with the machine's own key unless ``private``."""
    folder = Path(machine.live.handle.scratch)
    address = QEMU.address(machine.live.handle, Deadline.after(ASK))
    key = address.client_key
    if private is not None:
        key = folder / "student_key"
        key.write_bytes(private)
        key.chmod(0o600)
    student = Address(**{**address.__dict__, "user": "student", "client_key": key})
    with logged_in(student, machine.order.name, Deadline.after(ASK)) as transport:
        yield (
            lambda script: (
                transport.run(["sh", "-c", script], deadline=Deadline.after(ASK)).stdout.decode().strip()
            )
        )


class TestWhoMayLogIn:
    def test_her_keys_and_lines_of_her_own_and_later_others(self, place: Home, disk: HomeDisk) -> None:
        ann, bob, hers = (make_keys() for _ in range(3))
        public = {
            name: keys.client_public.decode().strip()
            for name, keys in {"ann": ann, "bob": bob, "hers": hers}.items()
        }
        order = desk(place, CLONE, disk, [public["ann"]])
        with on_bench(CLONE, order) as machine:
            with login(machine, ann.client_private) as student:
                assert student("whoami; pwd") == "student\n/home/student"
                student(f"echo '{public['hers']}' >>.ssh/authorized_keys")
            set_student_keys(
                machine.live.transport, machine.live.handle.site, [public["bob"]], Deadline.after(ASK)
            )
            for keys in (bob, hers):
                with login(machine, keys.client_private) as student:
                    assert student("whoami") == "student"
            with login(machine) as student:  # the machine's own
                assert student("whoami") == "student"
            with pytest.raises(TransportError), login(machine, ann.client_private):
                pass

    @pytest.mark.rotated
    @pytest.mark.parametrize(
        "harm",
        [
            "rm -rf .ssh; echo x >.ssh",
            "chmod 777 . .ssh; chmod 666 .ssh/*",
            "ln -sf /etc/passwd .ssh/authorized_keys",
            "rm -rf .ssh; ln -s /root/.ssh .ssh",
            "rm .ssh/authorized_keys; mkfifo .ssh/authorized_keys",
        ],
    )
    def test_who_broke_her_ssh_folder_gets_in_again(self, place: Home, disk: HomeDisk, harm: str) -> None:
        keys = make_keys()
        order = desk(place, CLONE, disk, [keys.client_public.decode().strip()])
        with on_bench(CLONE, order) as first:
            assert first.shell(f"cd /home/student && {harm} && sync").exit_code == 0
            before = shell(first, "cat /etc/passwd")
        with on_bench(CLONE, again(order)) as second:
            with login(second, keys.client_private) as student:
                assert student("whoami") == "student"
            assert shell(second, "cat /etc/passwd") == before
            assert len(shell(second, "cat /root/.ssh/authorized_keys").splitlines()) == 1


def test_a_student_has_so_many_processes_and_root_can_end_them(place: Home, disk: HomeDisk) -> None:
    order = desk(place, CLONE, disk)
    order = replace(order, machine=order.machine.model_copy(update={"pids": 40}))
    with on_bench(CLONE, order) as machine:
        with login(machine) as student:
            student(
                "i=0; while [ $i -lt 100 ]; do sleep 1000 </dev/null >/dev/null 2>&1 & i=$((i+1)); done; true"
            )
            there = int(shell(machine, "ps -o user,comm | grep -c 'student *sleep'"))
        assert 20 < there <= 40
        # Whoever is told to end does so in turn.
        waits = "while ps -o user,comm | grep -q 'student *sleep'; do sleep 0.1; done"
        assert shell(machine, f"busybox killall sleep; {waits}") == ""


class Told(SilentProgress):
    """What people were told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def tell(self, line: str) -> None:
        self.lines.append(line)


def came_up(order: Order, progress: Progress) -> Handle:
    handle = QEMU.prepare(order)
    return QEMU.up(order, handle, Deadline.after(600), progress)


class TestADamagedHome:
    def test_is_repaired_in_the_guest(self, place: Home) -> None:
        """The first superblock is overwritten: there are copies, on all but the smallest disks."""
        disk = ensure_home(place.root / "state/homes/large.img", 256 * MIB, None, Deadline.after(ASK))
        order = desk(place, CLONE, disk)
        with on_bench(CLONE, order) as first:
            shell(first, "echo kept >/home/student/kept; sync")
        overwrite(disk, 1024, bytes(1024))
        progress = Told()
        handle = came_up(again(order), progress)
        try:
            with asking(handle) as ask:
                assert ask("cat /home/student/kept") == "kept"
            assert any("was damaged and has been repaired" in line for line in progress.lines)
        finally:
            remove(handle, QEMU, Journal())

    def test_beyond_repair_the_machine_works_and_says_so(self, place: Home, disk: HomeDisk) -> None:
        order = desk(place, CLONE, disk)
        overwrite(disk, 0, b"not a file system " * (32 * MIB // 18))
        assert disk.file is not None
        before = disk.file.stat().st_size
        progress = Told()
        handle = came_up(order, progress)
        try:
            with asking(handle) as ask:
                assert "a reset tries again" in ask("cat /home/student/HOME-DISK-NOT-MOUNTED.txt")
                assert ask("grep -c ' /home/student ' /proc/mounts") == "0"
            assert any("its home disk is not mounted" in line for line in progress.lines)
            assert disk.file.stat().st_size == before
        finally:
            remove(handle, QEMU, Journal())


def overwrite(disk: HomeDisk, where: int, what: bytes) -> None:
    assert disk.file is not None
    with disk.file.open("rb+") as file:
        file.seek(where)
        file.write(what)


@pytest.mark.rotated
@pytest.mark.xdist_group("debian")
def test_a_debian_desk(place: Home, disk: HomeDisk) -> None:
    """Where the student is root: what others need of her home is not in it."""
    keys = [make_keys() for _ in range(2)]
    lines = [pair.client_public.decode().strip() for pair in keys]
    kind = Kind("qemu", HOST, cloned=True, image="debian")
    order = desk(place, kind, disk, lines[:1])
    order = replace(order, machine=order.machine.model_copy(update={"pids": 60}))
    with on_bench(kind, order) as first:
        with login(first, keys[0].client_private) as student:
            assert student("ls -A; bash -c 'ulimit -u'") == ".bash_logout\n.bashrc\n.profile\n60"
            student("echo work >work; sudo rm .bashrc; echo r | sudo tee root; sudo chown root: .; sync")
        set_student_keys(first.live.transport, first.live.handle.site, lines[1:], Deadline.after(ASK))
        with login(first, keys[1].client_private) as student:
            assert student("whoami") == "student"
        killed(first)
    with on_bench(kind, again(order)) as second, login(second, keys[0].client_private) as student:
        assert student("ls -A; stat -c %U . root") == ".bash_logout\n.profile\nroot\nwork\nstudent\nroot"


def test_a_machine_without_a_home_has_nothing_of_one(place: Home) -> None:
    with on_bench(CLONE, order_for(CLONE, place, name="plain")) as machine:
        assert (
            shell(machine, "ls /lib/modules/home /sys/block /usr/sbin/e2fsck.static 2>/dev/null")
            == "/sys/block:"
        )
