"""The filter is run here by a small interpreter of classic BPF."""

import errno
import struct

import pytest

from codara.adapters.jail import seccomp

ALLOWED = seccomp.ALLOW
MACHINES = sorted(seccomp.TABLES)


def verdict(machine, call, arguments=(), *, audit=None):
    table = seccomp.TABLES[machine]
    data = struct.pack(
        "<iIQ6Q", call, audit or table.audit, 0, *arguments, *[0] * (6 - len(arguments))
    )
    code = list(struct.iter_unpack("<HBBI", seccomp.program(machine)))
    at, value = 0, 0
    while True:
        operation, if_true, if_false, operand = code[at]
        at += 1
        match operation:
            case seccomp.LOAD:
                (value,) = struct.unpack_from("<I", data, operand)
            case seccomp.JUMP_EQ:
                at += if_true if value == operand else if_false
            case seccomp.JUMP_GE:
                at += if_true if value >= operand else if_false
            case seccomp.JUMP_SET:
                at += if_true if value & operand else if_false
            case seccomp.RETURN:
                return operand
            case _:
                raise AssertionError(operation)


def refused(number):
    return seccomp.REFUSE | number


@pytest.mark.parametrize("machine", MACHINES)
def test_every_call_of_the_table_is_refused(machine):
    for name, call in seccomp.TABLES[machine].denied.items():
        assert verdict(machine, call) == refused(errno.EPERM), name


@pytest.mark.parametrize("machine", MACHINES)
def test_no_number_is_listed_twice(machine):
    table = seccomp.TABLES[machine]
    numbers = [*table.denied.values(), table.clone, table.clone3, table.ioctl, table.socket]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize(("machine", "call"), [("x86_64", 0), ("x86_64", 59), ("aarch64", 221)])
def test_ordinary_calls_pass(machine, call):
    assert verdict(machine, call) == ALLOWED


@pytest.mark.parametrize("machine", MACHINES)
def test_a_foreign_architecture_kills(machine):
    assert verdict(machine, 1, audit=0x40000003) == seccomp.KILL_PROCESS


def test_the_x32_numbers_are_refused():
    assert verdict("x86_64", seccomp.X32_BIT | 1) == refused(errno.EPERM)


@pytest.mark.parametrize("machine", MACHINES)
def test_clone_may_not_make_namespaces(machine):
    call = seccomp.TABLES[machine].clone
    assert verdict(machine, call, [0x10000000]) == refused(errno.EPERM)
    assert verdict(machine, call, [0x01200011]) == ALLOWED


@pytest.mark.parametrize("machine", MACHINES)
def test_clone3_is_said_not_to_exist(machine):
    assert verdict(machine, seccomp.TABLES[machine].clone3) == refused(errno.ENOSYS)


@pytest.mark.parametrize("request_number", [0x5412, 0x541C, 0x5412 | 1 << 40])
def test_typing_into_a_terminal_is_refused_whatever_the_high_bits(request_number):
    assert verdict("x86_64", 16, [0, request_number]) == refused(errno.EPERM)


def test_other_terminal_requests_pass():
    assert verdict("x86_64", 16, [0, 0x5413]) == ALLOWED


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("family", [1, 2, 10, 16])
def test_the_families_programs_need_pass(machine, family):
    assert verdict(machine, seccomp.TABLES[machine].socket, [family]) == ALLOWED


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("family", [17, 38, 40])
def test_packet_alg_and_vsock_do_not(machine, family):
    call = seccomp.TABLES[machine].socket
    assert verdict(machine, call, [family]) == refused(errno.EAFNOSUPPORT)


def test_an_unknown_machine_has_no_filter():
    with pytest.raises(KeyError):
        seccomp.program("vax")
