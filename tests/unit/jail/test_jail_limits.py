from codara.adapters.jail import limits
from codara.adapters.jail.marks import mark
from codara.adapters.jail.spec import JailLimits

LIMITS = JailLimits(memory=1000, processes=5)


def a_tree(tmp_path, membership, files):
    own = tmp_path / "membership"
    own.write_text(membership)
    root = tmp_path / "cgroup"
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return limits.probe(root, own)


def test_without_control_groups_there_is_nothing_to_confine_with(tmp_path):
    assert limits.probe(tmp_path, tmp_path / "none").level == "none"


def test_v1_hierarchies_are_used_where_we_are_in_them(tmp_path):
    files = {"memory/us/tasks": "", "pids/tasks": ""}
    groups = a_tree(tmp_path, "4:memory:/us\n8:pids:/\n0::/\n", files)
    assert groups.level == "cgroup1"
    assert groups.folders == (tmp_path / "cgroup/memory/us", tmp_path / "cgroup/pids")


def test_a_delegated_v2_group_comes_first(tmp_path):
    files = {"us/cgroup.controllers": "cpu memory pids", "us/cgroup.subtree_control": ""}
    groups = a_tree(tmp_path, "0::/us\n", files)
    assert groups.level == "cgroup2"
    assert (tmp_path / "cgroup/us/cgroup.subtree_control").read_text() == "+memory +pids"


def test_a_v2_group_without_these_controllers_is_of_no_use(tmp_path):
    groups = a_tree(tmp_path, "0::/\n", {"cgroup.controllers": "hugetlb"})
    assert groups.level == "none"


def test_a_jail_is_put_in_a_group_of_its_own(tmp_path):
    group = tmp_path / mark("jail_1")
    group.mkdir()
    for name in ("memory.max", "pids.max", "cgroup.procs"):
        (group / name).write_text("")
    groups = limits.Groups(level="cgroup2", folders=(tmp_path,))
    assert groups.confine("jail_1", 77, LIMITS) == ("cgroup2.memory=1000", "cgroup2.pids=20")
    assert (group / "memory.max").read_text() == "1000"
    assert (group / "cgroup.procs").read_text() == "77"


def test_what_cannot_be_enforced_is_not_claimed(tmp_path):
    groups = limits.Groups(level="cgroup2", folders=(tmp_path / "missing",))
    assert groups.confine("jail_1", 77, LIMITS) == ()


def test_a_group_is_removed_and_removing_it_again_is_harmless(tmp_path):
    groups = limits.Groups(level="cgroup2", folders=(tmp_path,))
    (tmp_path / mark("jail_1")).mkdir()
    groups.remove("jail_1")
    groups.remove("jail_1")
    assert list(tmp_path.iterdir()) == []


def test_the_sweep_removes_only_groups_of_gateways_that_are_gone(tmp_path):
    mine, other = tmp_path / mark("jail_1"), tmp_path / "someone-elses"
    lost = tmp_path / "codara-4194999-1-jail_2"
    for group in (mine, other, lost):
        group.mkdir()
    limits.Groups(level="cgroup2", folders=(tmp_path,)).sweep()
    assert set(tmp_path.iterdir()) == {mine, other}
