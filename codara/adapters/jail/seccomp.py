"""The jail's system call filter: a BPF deny-list, built without a library."""

import errno
import platform
import struct
from collections.abc import Mapping

import attrs

LOAD, JUMP_EQ, JUMP_GE, JUMP_SET, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06

ALLOW = 0x7FFF0000
KILL_PROCESS = 0x80000000
REFUSE = 0x00050000

NUMBER, ARCHITECTURE = 0, 4
ARGUMENTS = (16, 24, 32, 40, 48, 56)
"""Offsets of the low 32 bits of each argument in `struct seccomp_data`, little endian."""

X32_BIT = 0x40000000
NAMESPACE_FLAGS = 0x7E020000
"""CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET}"""
TERMINAL_REQUESTS = (0x5412, 0x541C)
"""TIOCSTI and TIOCLINUX type into somebody's terminal; the kernel reads 32 bits of a request."""
SOCKET_FAMILIES = (1, 2, 10, 16)
"""UNIX, INET, INET6 and NETLINK: AF_VSOCK is a door to the hypervisor, AF_ALG and others no use."""

# fmt: off
COMMON = {
    "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427,
    "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432,
    "fspick": 433, "pidfd_getfd": 438, "mount_setattr": 442, "quotactl_fd": 443,
    "open_tree_attr": 467,
}
X86_64 = {
    "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "kcmp": 312,
    "keyctl": 250, "add_key": 248, "request_key": 249, "bpf": 321, "perf_event_open": 298,
    "userfaultfd": 323, "mount": 165, "umount2": 166, "pivot_root": 155, "unshare": 272,
    "setns": 308, "chroot": 161, "kexec_load": 246, "kexec_file_load": 320, "init_module": 175,
    "finit_module": 313, "delete_module": 176, "reboot": 169, "swapon": 167, "swapoff": 168,
    "acct": 163, "quotactl": 179, "settimeofday": 164, "clock_settime": 227,
    "clock_adjtime": 305, "adjtimex": 159, "name_to_handle_at": 303, "open_by_handle_at": 304,
    "nfsservctl": 180, "vhangup": 153, "syslog": 103, "fanotify_init": 300, "sethostname": 170,
    "setdomainname": 171, "iopl": 172, "ioperm": 173, "modify_ldt": 154, "uselib": 134,
    "_sysctl": 156, "create_module": 174, "get_kernel_syms": 177, "query_module": 178,
    "lookup_dcookie": 212,
}
AARCH64 = {
    "ptrace": 117, "process_vm_readv": 270, "process_vm_writev": 271, "kcmp": 272,
    "keyctl": 219, "add_key": 217, "request_key": 218, "bpf": 280, "perf_event_open": 241,
    "userfaultfd": 282, "mount": 40, "umount2": 39, "pivot_root": 41, "unshare": 97,
    "setns": 268, "chroot": 51, "kexec_load": 104, "kexec_file_load": 294, "init_module": 105,
    "finit_module": 273, "delete_module": 106, "reboot": 142, "swapon": 224, "swapoff": 225,
    "acct": 89, "quotactl": 60, "settimeofday": 170, "clock_settime": 112,
    "clock_adjtime": 266, "adjtimex": 171, "name_to_handle_at": 264, "open_by_handle_at": 265,
    "nfsservctl": 42, "vhangup": 58, "syslog": 116, "fanotify_init": 262, "sethostname": 161,
    "setdomainname": 162, "lookup_dcookie": 18,
}
# fmt: on


@attrs.frozen(kw_only=True)
class Table:
    """One architecture: its audit number, what is refused, and the calls whose arguments count."""

    audit: int
    denied: Mapping[str, int]
    clone: int
    clone3: int
    ioctl: int
    socket: int
    x32: bool = False


TABLES = {
    "x86_64": Table(
        audit=0xC000003E,
        denied=COMMON | X86_64,
        clone=56,
        clone3=435,
        ioctl=16,
        socket=41,
        x32=True,
    ),
    "aarch64": Table(
        audit=0xC00000B7, denied=COMMON | AARCH64, clone=220, clone3=435, ioctl=29, socket=198
    ),
}


def program(machine: str | None = None) -> bytes:
    """The filter as `struct sock_filter[]`, for `bwrap --seccomp`; KeyError on other machines.

    A refused call fails with EPERM, clone3 with ENOSYS so that the C library falls back to clone,
    an unwanted socket family with EAFNOSUPPORT. A foreign architecture kills the process.
    """
    table = TABLES[machine or platform.machine()]
    code = [_load(ARCHITECTURE), _jump(JUMP_EQ, table.audit, 1, 0), _return(KILL_PROCESS)]
    code.append(_load(NUMBER))
    if table.x32:
        code += [_jump(JUMP_GE, X32_BIT, 0, 1), _refuse(errno.EPERM)]
    for number in table.denied.values():
        code += [_jump(JUMP_EQ, number, 0, 1), _refuse(errno.EPERM)]
    code += [_jump(JUMP_EQ, table.clone3, 0, 1), _refuse(errno.ENOSYS)]
    code += _on_argument(table.clone, 0, _namespaces())
    code += _on_argument(table.ioctl, 1, _terminal_requests())
    code += _on_argument(table.socket, 0, _socket_families())
    return b"".join([*code, _return(ALLOW)])


def _on_argument(call: int, argument: int, checks: list[bytes]) -> list[bytes]:
    block = [_load(ARGUMENTS[argument]), *checks, _return(ALLOW)]
    return [_jump(JUMP_EQ, call, 0, len(block)), *block]


def _namespaces() -> list[bytes]:
    return [_jump(JUMP_SET, NAMESPACE_FLAGS, 0, 1), _refuse(errno.EPERM)]


def _terminal_requests() -> list[bytes]:
    pairs = [(_jump(JUMP_EQ, number, 0, 1), _refuse(errno.EPERM)) for number in TERMINAL_REQUESTS]
    return [instruction for pair in pairs for instruction in pair]


def _socket_families() -> list[bytes]:
    last = len(SOCKET_FAMILIES)
    jumps = [_jump(JUMP_EQ, family, last - at, 0) for at, family in enumerate(SOCKET_FAMILIES)]
    return [*jumps, _refuse(errno.EAFNOSUPPORT)]


def _load(offset: int) -> bytes:
    return struct.pack("<HBBI", LOAD, 0, 0, offset)


def _jump(code: int, value: int, if_true: int, if_false: int) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, value)


def _return(value: int) -> bytes:
    return struct.pack("<HBBI", RETURN, 0, 0, value)


def _refuse(number: int) -> bytes:
    return _return(REFUSE | number)
