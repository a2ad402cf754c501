"""Where settings come from, which source wins, and how a wrong one is named."""

import base64
from pathlib import Path

import pytest

from codara.config.load import load, user_config_dir
from codara.config.settings import Settings, WorkspaceSettings
from codara.errors import ConfigInvalid, MasterKeyInvalid

KEY = base64.b64encode(bytes(32)).decode()


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """No configuration of the machine is seen."""
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def written(folder: Path, text: str, name: str = "codara.toml") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(text)
    return path


def test_without_a_file_the_defaults_hold():
    loaded = load(None, {})
    assert loaded.path is None
    assert loaded.settings.server.port == 8000
    assert set(loaded.sources.values()) == {"default"}


def test_the_file_wins_over_the_default_and_the_environment_over_the_file(tmp_path):
    path = written(tmp_path, '[server]\nhost = "0.0.0.0"\nport = 1234\n')
    loaded = load(path, {"UAG_PORT": "4321"})
    assert (loaded.settings.server.host, loaded.settings.server.port) == ("0.0.0.0", 4321)
    assert loaded.sources["server.host"] == f"file {path}"
    assert loaded.sources["server.port"] == "environment UAG_PORT"
    assert loaded.sources["server.data_dir"] == "default"


def test_an_empty_variable_counts_as_not_set():
    assert load(None, {"UAG_PORT": ""}).sources["server.port"] == "default"


def test_the_file_is_looked_for_in_the_order_of_the_contract(tmp_path):
    named = written(tmp_path, "", "named.toml")
    by_environment = written(tmp_path, "", "environment.toml")
    here = written(tmp_path / "cwd", "")
    of_user = written(tmp_path / "conf" / "codara", "")
    environ = {"UAG_CONFIG_PATH": str(by_environment), "XDG_CONFIG_HOME": str(tmp_path / "conf")}
    assert load(named, environ).path == named
    assert load(None, environ).path == by_environment
    assert load(None, environ | {"CODARA_CONFIG": str(named)}).path == named
    del environ["UAG_CONFIG_PATH"]
    assert load(None, environ).path == here
    here.unlink()
    assert load(None, environ).path == of_user
    of_user.unlink()
    assert load(None, environ).path is None


def test_the_users_folder_is_below_their_home():
    assert user_config_dir({}) == Path("~/.config/codara").expanduser()


def test_a_named_file_that_is_missing_is_an_error(tmp_path):
    with pytest.raises(ConfigInvalid, match=r"missing\.toml: there is no such"):
        load(tmp_path / "missing.toml", {})


def test_an_unknown_key_is_named_with_file_line_and_a_guess(tmp_path):
    path = written(tmp_path, "# mine\n[server]\nhost = 'x'\n\nprot = 1\n")
    with pytest.raises(ConfigInvalid) as refused:
        load(path, {})
    assert refused.value.message == (
        f"{path}:5: server.prot: unknown key; did you mean server.port?"
    )


def test_an_unknown_table_is_named_with_its_line(tmp_path):
    path = written(tmp_path, "[server]\n\n[sever.tls]\ncert = 1\n")
    with pytest.raises(ConfigInvalid, match=r"codara\.toml:3: sever: unknown key"):
        load(path, {})


def test_an_unknown_key_at_the_top_is_named(tmp_path):
    path = written(tmp_path, "port = 1\n")
    with pytest.raises(ConfigInvalid, match=r":1: port: unknown key"):
        load(path, {})


def test_a_value_where_a_table_belongs_is_named(tmp_path):
    path = written(tmp_path, "server = 1\n")
    with pytest.raises(ConfigInvalid, match=r":1: server: expected a table, not 1"):
        load(path, {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[server]\nport = '80'", ":2: server.port: expected a whole number, not '80'"),
        ("[server]\nport = true", ":2: server.port: expected a whole number, not true"),
        ("[server]\nport = 70000", ":2: server.port: expected at most 65535, not 70000"),
        ("[server]\nhost = 1", ":2: server.host: expected a text, not 1"),
        ("[server]\nhost = ''", ":2: server.host: expected a text, not an empty one"),
        ("[server]\ncors_origins = 'x'", ":2: server.cors_origins: expected a list, not 'x'"),
        ("[server]\ncors_origins = [1]", "server.cors_origins: expected a list of texts, not 1"),
        ("[server]\nmax_body_bytes = '1 mile'", 'expected a size such as "16 MiB", not'),
        ("[jail]\nmode = 'none'", ":2: jail.mode: expected one of bwrap, unsafe, not 'none'"),
        ("[telemetry]\npublic_metrics = 1", "expected true or false, not 1"),
        ("[orchestrator]\nqueue_timeout_seconds = -1", "expected at least 0, not -1"),
        ("[providers.codex]\nbase_url = 'ftp://x'", "expected an http:// or https:// address"),
        ("[accounts.prices.m]\nfoo = 1", "accounts.prices: unknown price 'foo'"),
        ("[[channels.telegram.bots]]\nname = 'x'", "a list of tables with `name` and `token`"),
        ("[server\n", "not valid TOML"),
    ],
)
def test_a_wrong_value_is_named(tmp_path, text, message):
    path = written(tmp_path, text)
    with pytest.raises(ConfigInvalid) as refused:
        load(path, {})
    assert message in refused.value.message
    assert refused.value.message.startswith(str(path))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("UAG_PORT", "eighty"),
        ("UAG_RELEASE_CHECK_ENABLED", "maybe"),
        ("CODARA_JAIL_MODE", "off"),
        ("CODARA_ACCOUNTS_PRICES", "{"),
    ],
)
def test_a_wrong_variable_is_named(name, value):
    with pytest.raises(ConfigInvalid, match=f"environment {name}: "):
        load(None, {name: value})


def test_sizes_may_be_numbers_or_texts(tmp_path):
    path = written(tmp_path, "[workspace]\nmax_bytes = '2 GiB'\nmax_diff_bytes = 5\n")
    workspace = load(path, {"CODARA_WORKSPACE_MAX_FILE_BYTES": "3kib"}).settings.workspace
    assert (workspace.max_bytes, workspace.max_diff_bytes) == (2 << 30, 5)
    assert workspace.max_file_bytes == 3 << 10


def test_lists_in_the_environment_are_separated_by_commas():
    settings = load(None, {"CODARA_JAIL_ALLOW_HOSTS": "a.example, b.example:8443"}).settings
    assert settings.jail.allow_hosts == ("a.example", "b.example:8443")


def test_folders_that_nobody_moved_are_in_the_data_folder(tmp_path):
    settings = load(None, {"CODARA_DATA_DIR": str(tmp_path / "data")}).settings
    assert settings.workspace.root == tmp_path / "data" / "workspaces"
    assert settings.logging.root == tmp_path / "data" / "logs"
    assert settings.telemetry.trace_root == tmp_path / "data" / "traces"
    assert settings.log_path == tmp_path / "data" / "events.db"


def test_paths_of_the_file_are_relative_to_it_and_those_of_the_environment_to_here(tmp_path):
    text = "[server]\ndata_dir = 'd'\n[workspace]\nroot = 'w'\n[providers.codex]\nbinary = './c'\n"
    settings = load(written(tmp_path / "conf", text), {"UAG_LOGS_ROOT": "l"}).settings
    assert settings.server.data_dir == tmp_path / "conf" / "d"
    assert settings.workspace.root == tmp_path / "conf" / "w"
    assert settings.providers.codex.binary == str(tmp_path / "conf" / "c")
    assert settings.logging.root == tmp_path / "cwd" / "l"


def test_a_program_without_a_slash_is_a_name_on_path(tmp_path):
    path = written(tmp_path, "[providers.codex]\nbinary = 'codex-next'\n")
    assert load(path, {}).settings.providers.codex.binary == "codex-next"


def test_every_provider_has_its_own_names_in_the_environment():
    providers = load(
        None,
        {
            "UAG_CODEX_STALL_TIMEOUT_SECONDS": "0",
            "UAG_GEMINI_DEFAULT_MODEL": "g",
            "UAG_CLAUDE_AUTH_PATH": "/a",
        },
    ).settings.providers
    assert providers.codex.stall_timeout_seconds == 0
    assert providers.gemini.default_model == "g"
    assert providers.claude.auth_path == Path("/a")
    assert providers.opencode.stall_timeout_seconds == 600


def test_a_postgresql_url_is_not_in_this_version():
    with pytest.raises(ConfigInvalid, match="not in this version"):
        load(None, {"CODARA_DATABASE_URL": "postgresql://x/y"})


def test_the_log_may_be_put_elsewhere(tmp_path):
    settings = load(None, {"CODARA_DATABASE_URL": f"sqlite:///{tmp_path}/log.db"}).settings
    assert settings.log_path == tmp_path / "log.db"


def test_settings_at_a_folder_keep_the_blocks_they_are_given(tmp_path):
    settings = Settings.at(tmp_path, workspace=WorkspaceSettings(max_files=7))
    assert settings.workspace.max_files == 7
    assert settings.workspace.root == tmp_path / "workspaces"


def test_the_passkey_and_the_master_key_come_from_the_environment():
    loaded = load(None, {"API_TOKEN": "a", "UAG_MASTER_KEY": KEY})
    assert (loaded.passkey, loaded.master_key) == ("a", KEY)
    assert load(None, {"API_TOKEN": "a", "UAG_MGMT_SECRET": "b"}).passkey == "b"
    assert "'a'" not in repr(loaded)
    assert KEY not in repr(loaded)


@pytest.mark.parametrize("length", [1, 16, 31, 33, 64])
def test_a_master_key_of_another_length_is_refused(length):
    text = base64.b64encode(bytes(length)).decode()
    with pytest.raises(MasterKeyInvalid, match="CODARA_MASTER_KEY"):
        load(None, {"CODARA_MASTER_KEY": text})


def test_a_master_key_that_is_not_base64_is_refused():
    with pytest.raises(MasterKeyInvalid, match="not base64"):
        load(None, {"CODARA_MASTER_KEY": "not base64!"})
