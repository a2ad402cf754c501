"""How much memory a jail takes: its first process and all below it."""

import subprocess
import sys

from codara.adapters.jail.weights import weigh

MIB = 1 << 20
HOME = ("wsp_1", "codex")
HEAVY = "held = bytearray(b'x' * (40 << 20)); print(flush=True); input()"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {HEAVY!r}])"


def test_a_process_weighs_what_its_children_weigh():
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        assert 40 * MIB <= weigh({HOME: parent.pid})[HOME] < 120 * MIB
        parent.communicate(b"\n")


def test_a_process_that_is_gone_weighs_nothing():
    with subprocess.Popen([sys.executable, "-c", "pass"]) as child:
        child.wait()
    assert weigh({HOME: child.pid}) == {HOME: 0}
