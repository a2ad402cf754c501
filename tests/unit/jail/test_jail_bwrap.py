from pathlib import Path

import pytest

from codara.adapters.jail import bwrap
from codara.adapters.jail.spec import JailLimits


def a_command(**changes):
    given = {
        "mark": "codara-1-2-jail_1",
        "argv": ("/opt/agent/run", "--serve"),
        "env": {"HOME": "/home/codara"},
        "home": bwrap.Mount(source=Path("/h"), inside=Path("/home/codara"), writable=True, fd=11),
        "programs": (
            bwrap.Mount(source=Path("/p"), inside=Path("/opt/agent"), writable=False, fd=12),
        ),
        "workspace": bwrap.Mount(source=Path("/w"), inside=Path("/data/w"), writable=True, fd=13),
        "begins_in": Path("/data/w"),
        "limits": JailLimits(),
        "uid": 10001,
        "passwd_fd": 20,
        "group_fd": 21,
        "seccomp_fd": 22,
        "info_fd": 23,
        "block_fd": 24,
    }
    return bwrap.Command(**(given | changes))


def has(words, *wanted):
    return any(tuple(words[at : at + len(wanted)]) == wanted for at in range(len(words)))


@pytest.mark.parametrize(
    "option",
    [
        "--unshare-user",
        "--disable-userns",
        "--unshare-pid",
        "--unshare-net",
        "--unshare-ipc",
        "--die-with-parent",
        "--new-session",
        "--clearenv",
    ],
)
def test_every_wall_is_asked_for(option):
    assert option in a_command().arguments()


def test_all_capabilities_are_dropped():
    assert has(a_command().arguments(), "--cap-drop", "ALL")


def test_folders_are_bound_by_their_descriptors():
    words = a_command().arguments()
    assert has(words, "--bind-fd", "13", "/data/w")
    assert has(words, "--bind-fd", "11", "/home/codara")
    assert has(words, "--ro-bind-fd", "12", "/opt/agent")


def test_an_older_bubblewrap_gets_paths():
    place = bwrap.Mount(source=Path("/w"), inside=Path("/data/w"), writable=True)
    assert has(a_command(workspace=place).arguments(), "--bind", "/w", "/data/w")


def test_a_read_only_workspace_is_bound_read_only():
    place = bwrap.Mount(source=Path("/w"), inside=Path("/data/w"), writable=False, fd=13)
    assert has(a_command(workspace=place).arguments(), "--ro-bind-fd", "13", "/data/w")


def test_the_root_is_closed_after_the_last_mount():
    words = a_command().arguments()
    closing = words.index("--remount-ro", words.index("/data/w"))
    mounts = [at for at, word in enumerate(words) if "bind" in word or word == "--tmpfs"]
    assert words[closing + 1] == "/"
    assert max(mounts) < closing


def test_no_memory_file_system_is_unbounded():
    words = a_command().arguments()
    for at, word in enumerate(words):
        if word == "--tmpfs":
            assert words[at - 4] == "--size"


def test_the_hosts_accounts_are_not_bound():
    words = a_command().arguments()
    assert has(words, "--ro-bind-data", "20", "/etc/passwd")
    assert "/etc" not in words
    assert "/etc/shadow" not in words


def test_the_gate_stands_before_the_limits_and_the_limits_before_the_agent():
    program = a_command().program()
    assert program[:2] == ["/bin/sh", "-c"]
    assert program.index("/usr/bin/prlimit") < program.index("/opt/agent/run")
    assert "--nproc=256" in program


def test_accounts_inside_hold_one_user():
    assert bwrap.passwd(7) == b"codara:x:7:7:codara:/home/codara:/bin/sh\n"
    assert bwrap.group(7) == b"codara:x:7:\n"
