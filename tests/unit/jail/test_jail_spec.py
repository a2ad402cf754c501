from pathlib import Path

import attrs

from codara.adapters.jail.spec import JailLimits, JailSpec
from codara.adapters.jail.wayout import NO_WAY_OUT, NoWayOut

SPEC = JailSpec(
    jail_id="jail_1",
    workspace_id="wsp_1",
    runtime="codex",
    argv=("/opt/codex", "app-server"),
    env={"KEY": "t"},
    workspace=Path("/w"),
    home=Path("/h"),
)


class WayOut(NoWayOut):
    def __init__(self, ports=(8377,), allow_hosts=()):
        self.ports = ports
        self.allow_hosts = allow_hosts


def digest(spec, way_out=None):
    return spec.policy_digest(mode="bwrap", way_out=way_out or WayOut())


def test_the_policy_does_not_depend_on_whose_jail_it_is():
    other = attrs.evolve(SPEC, jail_id="jail_2", workspace=Path("/other"), env={"KEY": "u"})
    assert digest(other) == digest(SPEC)


def test_the_policy_depends_on_what_is_allowed():
    wider = [
        attrs.evolve(SPEC, limits=JailLimits(processes=1)),
        attrs.evolve(SPEC, read_only_workspace=True),
        attrs.evolve(SPEC, program_dirs=(Path("/opt"),)),
    ]
    assert len({digest(spec) for spec in [SPEC, *wider]}) == 4


def test_the_policy_depends_on_where_the_way_out_leads():
    ways = [WayOut(), WayOut(ports=(8377, 3128)), WayOut(allow_hosts=("example.com",)), NO_WAY_OUT]
    assert len({digest(SPEC, way) for way in ways}) == 4
