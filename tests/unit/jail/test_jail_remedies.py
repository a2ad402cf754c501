import pytest

from codara.adapters.jail.remedies import explain
from codara.adapters.jail.spawner import Spawner
from codara.errors import JailUnavailable


@pytest.mark.parametrize(
    ("complaint", "layer", "remedy"),
    [
        (b"bwrap: setting up uid map: Permission denied", "user namespaces", "sysctl"),
        (b"bwrap: No permissions to create a new namespace", "user namespaces", "Docker"),
        (b"bwrap: loopback: Failed RTM_NEWADDR: Operation not permitted", "user names", "AppArmor"),
        (b"bwrap: Can't find source path /w: Permission denied", "folders", "jail.uid"),
        (b"bwrap: something new", "bubblewrap", "codara doctor"),
        (b"", "bubblewrap", "no message"),
    ],
)
def test_the_layer_and_the_remedy_are_named(complaint, layer, remedy):
    message = explain(complaint).message
    assert message.startswith(layer)
    assert remedy in message


async def test_a_missing_bubblewrap_is_named_with_its_remedy(monkeypatch, tmp_path):
    monkeypatch.setattr("codara.adapters.jail.spawner.SYSTEM_PATH", str(tmp_path))
    spawner = Spawner(10001)
    with pytest.raises(JailUnavailable, match="apt-get install bubblewrap"):
        await spawner.start()
    spawner.close()


async def test_a_machine_without_a_filter_is_refused(monkeypatch):
    monkeypatch.setattr("platform.machine", lambda: "vax")
    monkeypatch.setattr("codara.adapters.jail.spawner.shutil.which", lambda *_, **__: "/bin/echo")
    monkeypatch.setattr(
        "codara.adapters.jail.spawner.subprocess.run",
        lambda *_, **__: type("Ran", (), {"stdout": b"--disable-userns --size --perms"}),
    )
    spawner = Spawner(10001)
    with pytest.raises(JailUnavailable, match="seccomp"):
        await spawner.start()
    spawner.close()
