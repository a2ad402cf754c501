"""What a jailed program must not be able to do, tried with real jails."""

import os
import platform
import socket
import textwrap

import pytest

from codara.adapters.jail import priority, seccomp
from codara.adapters.jail.bubblewrap import Bubblewrap
from codara.adapters.jail.network import listen
from codara.adapters.jail.probe import probe
from codara.adapters.jail.spec import MIB, JailLimits
from codara.errors import JailUnavailable
from tests.fakes.journal import Journal
from tests.jail_setup import Place, need_bubblewrap

pytestmark = pytest.mark.cli

TABLE = seccomp.TABLES[platform.machine()]
NUMBERS = {**TABLE.denied, "clone": TABLE.clone, "clone3": TABLE.clone3}

PRELUDE = """
import ctypes, fcntl, os, pathlib, signal, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(result):
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
def syscall(*words):
    return call(libc.syscall(*words))
"""

# Each is Python that raises OSError when the wall holds.
ESCAPES = {
    "reads the host's accounts": "open('/etc/shadow').read()",
    "reads a file beside the workspace": "open(os.path.join(os.getcwd(), '../outside')).read()",
    "lists the parent of the workspace": ("set(os.listdir('..')) <= {{'work space'}} and call(-1)"),
    "reads root's home": "os.listdir('/root/.ssh')",
    "reads the gateway's environment": "open('/proc/%s/environ' % sys.argv[1]).read()",
    "signals the gateway": "os.kill(int(sys.argv[1]), 0)",
    "writes to /usr": "open('/usr/x', 'w')",
    "writes to the root": "open('/x', 'w')",
    "writes to /etc": "open('/etc/x', 'w')",
    "writes to /dev": "open('/dev/x', 'w')",
    "replaces the accounts": "open('/etc/passwd', 'w')",
    "mounts": "call(libc.mount(b'none', b'/tmp', b'tmpfs', 0, None))",
    "remounts": "call(libc.mount(b'none', b'/usr', None, 32 | 4096, None))",
    "unmounts": "call(libc.umount2(b'/etc/passwd', 2))",
    "uses the new mount calls": "syscall({fsopen}, b'tmpfs', 0)",
    "makes a user namespace": "call(libc.unshare(0x10000000))",
    "makes a mount namespace": "call(libc.unshare(0x20000))",
    "clones into a user namespace": "syscall({clone}, 0x10000000 | 17, 0, 0, 0, 0) or os._exit(0)",
    "uses clone3": "syscall({clone3}, 0, 0)",
    "joins a namespace": "call(libc.setns(os.open('/proc/self/ns/net', 0), 0))",
    "changes its root": "os.chroot('/tmp')",
    "traces": "call(libc.ptrace(0, 0, 0, 0))",
    "reads a process's memory": "syscall({process_vm_readv}, os.getpid(), 0, 0, 0, 0, 0)",
    "types into a terminal": "fcntl.ioctl(0, 0x5412, b'x')",
    "opens the terminal": "open('/dev/tty')",
    "uses the keyring": "syscall({keyctl}, 0, -3, 0, 0, 0)",
    "adds a key": "syscall({add_key}, b'user', b'k', b'v', 1, -3)",
    "loads a bpf program": "syscall({bpf}, 0, 0, 0)",
    "opens performance counters": "syscall({perf_event_open}, 0, 0, -1, -1, 0)",
    "uses userfaultfd": "syscall({userfaultfd}, 1)",
    "uses io_uring": "syscall({io_uring_setup}, 1, 0)",
    "uses an x32 call": "syscall(0x40000000 | 39)",
    "makes a vsock": "socket.socket(40, socket.SOCK_STREAM)",
    "makes a packet socket": "socket.socket(17, socket.SOCK_RAW, 0)",
    "makes a crypto socket": "socket.socket(38, 5, 0)",
    "makes a raw socket": "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)",
    "reaches the host's loopback": "socket.create_connection(('127.0.0.1', int(sys.argv[2])), 5)",
    "reaches an abstract socket": ("socket.socket(socket.AF_UNIX).connect('\\0' + sys.argv[3])"),
    "reaches the internet": "socket.create_connection(('203.0.113.1', 80), 5)",
    "asks a name server": "socket.getaddrinfo('example.com', 80)",
    "changes the core pattern": "open('/proc/sys/kernel/core_pattern', 'w')",
    "presses a system key": "open('/proc/sysrq-trigger', 'w').write('h')",
    "escapes the out-of-memory killer": (
        "os.write(os.open('/proc/self/oom_score_adj', os.O_WRONLY), b'-1000')"
    ),
    "raises its priority": "os.setpriority(os.PRIO_PROCESS, 0, 0)",
    "makes a device": "os.mknod('disk', 0o60600, os.makedev(254, 0))",
    "opens the host's disk": "open('/dev/vda', 'rb')",
    "links a file of the host": "os.link('/usr/bin/env', 'env')",
    "sets the host's name": "socket.sethostname('x')",
    "sets the clock": "__import__('time').clock_settime(0, 0)",
    "becomes root": "os.setuid(0)",
    "finds an inherited descriptor": (
        "[n for n in os.listdir('/proc/self/fd') if int(n) > 3] or call(-1)"
    ),
    "looks through the first process's root": "os.listdir('/proc/1/root/root/.ssh')",
    "leaves by a link in the workspace": (
        "os.path.lexists('away') or os.symlink('/etc/shadow', 'away'); open('away').read()"
    ),
}


@pytest.fixture(scope="module", autouse=True)
def bubblewrap():
    need_bubblewrap()


@pytest.fixture
def journal():
    return Journal()


@pytest.fixture
async def jails(journal):
    made = Bubblewrap(journal)
    await made.start_up()
    yield made
    await made.close()


@pytest.fixture
async def place(jails, journal, tmp_path):
    (tmp_path / "outside").write_text("secret")
    tmp_path.chmod(0o700)
    made = Place(jails, journal, tmp_path)
    await made.make()
    yield made
    await made.close()


@pytest.fixture
def targets():
    """A port and an abstract socket of the host."""
    name = f"codara-test-{os.getpid()}"
    with listen(0) as port, socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind("\0" + name)
        abstract.listen(1)
        yield [str(port.getsockname()[1]), name]


@pytest.mark.parametrize("attempt", ESCAPES)
async def test_a_jailed_program_never(attempt, place, targets):
    script = (
        PRELUDE
        + "try:\n    "
        + ESCAPES[attempt].format_map(NUMBERS)
        + "\n    print('escaped')\nexcept OSError as failure:\n    print('held', failure)\n"
    )
    code, said, complaint = await place.run(place.python(script, str(os.getpid()), *targets))
    assert (said[:4], code) == ("held", 0), said + complaint


async def test_the_variables_are_ours_alone(place, monkeypatch):
    monkeypatch.setenv("CODARA_MASTER_KEY", "secret")
    _, said, _ = await place.run(place.spec("/usr/bin/env", env={"AGENT": "yes"}))
    names = {line.partition("=")[0] for line in said.splitlines()}
    assert "CODARA_MASTER_KEY" not in names
    assert {"HOME", "AGENT", "HTTPS_PROXY", "NO_PROXY"} <= names


async def test_work_and_home_can_be_written_and_belong_to_the_jails_user(place):
    script = "cd; touch mine; cd - >/dev/null; touch work; pwd; id -un"
    code, said, complaint = await place.run(place.spec("/bin/sh", "-c", script))
    assert (code, complaint) == (0, "")
    assert said.splitlines() == [str(place.workspace), "codara"]
    owner = place.workspace.stat().st_uid
    assert (place.workspace / "work").stat().st_uid == owner
    assert (place.home / "mine").stat().st_uid == owner


async def test_a_read_only_workspace_cannot_be_written(place):
    spec = place.spec("/bin/sh", "-c", "touch x", read_only_workspace=True)
    code, _, complaint = await place.run(spec)
    assert code != 0
    assert "Read-only" in complaint


async def test_program_folders_cannot_be_written(place):
    script = f"touch {place.spec('x').program_dirs[0]}/x"
    code, _, complaint = await place.run(place.spec("/bin/sh", "-c", script))
    assert code != 0
    assert "Read-only" in complaint


async def test_an_agent_and_what_it_starts_give_way_to_the_gateway(place):
    script = "nice; setsid -w nice; cat /proc/self/autogroup 2>/dev/null"
    _, said, _ = await place.run(place.spec("/bin/sh", "-c", script))
    lower = str(min(os.nice(0) + priority.NICE, priority.LOWEST))
    own, started, *session = said.splitlines()
    assert (own, started) == (lower, lower)
    if os.geteuid() == 0:
        assert [line.split()[-1] for line in session] in ([], [lower])


async def test_a_fork_bomb_stays_inside(place):
    script = """
        import os
        made = 0
        try:
            while made < 5000:
                if os.fork() == 0:
                    import signal; signal.pause()
                made += 1
        except OSError:
            print(made)
        os.kill(-1, 9)
    """
    limits = JailLimits(processes=40)
    _, said, _ = await place.run(place.python(textwrap.dedent(script), limits=limits))
    assert 1 < int(said) <= 40


async def test_a_memory_hog_is_killed_where_memory_is_limited(place):
    limits = JailLimits(memory=128 * MIB)
    script = "x = bytearray(512 * 1024 * 1024); print(len(x))"
    spec = place.python(script, limits=limits)
    jail = await place.start(spec)
    try:
        code = await jail.wait()
    finally:
        await jail.close(grace=0)
    if any("memory" in name for name in jail.limits):
        assert code == 137
    else:
        assert code == 0


async def test_a_big_file_is_refused(place):
    limits = JailLimits(file_size=MIB)
    script = "import os; os.truncate(os.open('big', 66), 1 << 40)"
    code, _, complaint = await place.run(place.python(script, limits=limits))
    assert code != 0
    assert not (place.workspace / "big").exists() or (place.workspace / "big").stat().st_size == 0
    assert "too large" in complaint or code == 128 + 25


@pytest.mark.parametrize("folder", ["/tmp", "/dev/shm"])
async def test_memory_file_systems_are_bounded(place, folder):
    limits = JailLimits(tmp=MIB, shm=MIB)
    script = f"open('{folder}/x', 'wb').write(bytes(2 << 20))"
    code, _, complaint = await place.run(place.python(script, limits=limits))
    assert code != 0
    assert "No space left" in complaint


async def test_only_the_broker_and_the_proxy_answer_inside(place, journal):
    script = """
        import socket
        for port in (8377, 3128, 80, 8000):
            try:
                socket.create_connection(("127.0.0.1", port), 5); print(port)
            except OSError:
                pass
        with socket.create_connection(("127.0.0.1", 3128)) as proxy:
            proxy.sendall(b"CONNECT evil.example:443 HTTP/1.1\\r\\n\\r\\n")
            print(proxy.recv(100).split()[1].decode())
    """
    _, said, _ = await place.run(place.python(textwrap.dedent(script)))
    assert said.split() == ["8377", "3128", "403"]
    assert ("evil.example", 443) in [
        (facts["host"], facts["port"]) for name, _, facts in journal.told if name == "egress_denied"
    ]


async def test_no_sockets_of_the_gateway_are_left_in_a_dead_jail(place):
    jail = await place.start(place.spec("/bin/true"))
    await jail.wait()
    await jail.close()
    assert not jail.alive


async def test_a_missing_workspace_is_explained(place):
    spec = place.spec("/bin/true", workspace=place.workspace / "nowhere")
    with pytest.raises(JailUnavailable, match="folders: "):
        await place.start(spec)


async def test_a_linked_workspace_is_refused(place, tmp_path):
    (tmp_path / "link").symlink_to("/etc")
    with pytest.raises(JailUnavailable):
        await place.start(place.spec("/bin/true", workspace=tmp_path / "link"))


async def test_the_self_test_passes_here():
    found = await probe()
    assert found.ok, [check for check in found.checks if not check.ok]
    assert {"host_loopback", "hypervisor_socket", "way_out"} <= {
        check.name for check in found.checks
    }
