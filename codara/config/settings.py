"""Everything that can be configured: one frozen class for each block of `codara.toml`."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from codara.config.fields import GIB, MIB, setting
from codara.config.jail import JailSettings
from codara.config.providers import Providers
from codara.config.telling import Ledger, Logging, Release, Telemetry
from codara.errors import ConfigInvalid

SQLITE_FILE = "events.db"


def user_data_dir() -> Path:
    """Returns the folder for the gateway's data if nothing else is configured."""
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser() / "codara"


@attrs.frozen(kw_only=True)
class ServerSettings:
    """Where the gateway listens and keeps its data."""

    host: str = setting("127.0.0.1", "Address to listen on.", env=["UAG_HOST"])
    port: int = setting(
        8000, "Port to listen on; 0 takes a free one.", env=["UAG_PORT"], least=0, most=65535
    )
    data_dir: Path = setting(
        attrs.Factory(user_data_dir),
        "Folder of the log, the vault and everything else the gateway keeps.",
        env=["CODARA_DATA_DIR"],
        shown="~/.local/share/codara",
    )
    max_body_bytes: int = setting(
        16 * MIB, "Largest request body that is read.", size=True, least=1
    )
    max_connections: int = setting(
        2048,
        "Connections that are open at the same time; fewer where the limit of open files is small. "
        "64 more are kept for operators and health checks.",
        least=64,
    )
    max_connections_per_address: int = setting(
        512,
        "Connections from one address (of IPv6: one /64 network). Behind a trusted proxy: requests "
        "of one client at the same time.",
        least=1,
    )
    cors_origins: tuple[str, ...] = setting((), "Origins that browsers may call from.")
    trusted_proxies: tuple[str, ...] = setting(
        (), "Addresses or networks whose X-Forwarded-For is believed."
    )
    asides: bool = setting(
        True, "Titles, tags and follow-ups that chat programs ask for run apart from the chat."
    )
    conversation_headers: tuple[str, ...] = setting(
        (), "Headers beside `X-OpenWebUI-Chat-Id` that tell a client's chats apart."
    )
    conversation_fields: tuple[str, ...] = setting(
        (),
        "Body fields, `name` or `metadata.name`, that tell a client's chats apart; `user`, "
        "`prompt_cache_key` and `safety_identifier` never do.",
    )


@attrs.frozen(kw_only=True)
class Database:
    """Where the log is."""

    url: str = setting(
        "sqlite",
        "`sqlite` (events.db in data_dir) or `sqlite:///absolute/path`.",
        env=["CODARA_DATABASE_URL"],
    )


@attrs.frozen(kw_only=True)
class Orchestrator:
    """How many turns run at once, and how long a request waits."""

    max_concurrency: int = setting(
        10, "Turns that run at the same time.", env=["UAG_MAX_CONCURRENCY"], least=1
    )
    queue_limit: int = setting(
        100, "Requests that may wait, a quarter of them of one user.", least=0
    )
    queue_timeout_seconds: float = setting(
        600.0,
        "Longest wait for a workspace, a place, an account or one's own limit.",
        least=0,
    )
    session_ttl_hours: float = setting(
        24.0, "A session unused for so long expires.", env=["UAG_SESSION_TTL_HOURS"], least=0
    )
    disconnect_grace_seconds: float = setting(
        3.0, "A turn whose clients have all left is cancelled after this time.", least=0
    )


@attrs.frozen(kw_only=True)
class WorkspaceSettings:
    """Where agents work, and how much a snapshot and a home may hold."""

    root: Path = setting(
        Path("workspaces"),
        "Folder of the workspaces.",
        env=["UAG_WORKSPACES_ROOT"],
        placed=True,
    )
    max_files: int = setting(200_000, "Files a snapshot holds at most.", least=1)
    max_bytes: int = setting(10 * GIB, "Bytes a snapshot holds at most.", size=True, least=1)
    max_file_bytes: int = setting(
        16 * MIB, "Larger files are recorded by digest only.", size=True, least=1
    )
    ignore: tuple[str, ...] = setting(
        ("node_modules", ".venv", "__pycache__"),
        "Names of files and folders that no snapshot holds; `.git` and `.codara` never are in one.",
    )
    max_diff_bytes: int = setting(1 * MIB, "Longer diffs are cut, and say so.", size=True, least=1)
    home_bytes: int = setting(
        2 * GIB,
        "Bytes of an agent's private folder (home) in a workspace: above half of it the oldest "
        "threads that nobody continued are removed, above all of it the others.",
        size=True,
        least=1,
    )


@attrs.frozen(kw_only=True)
class AccountSettings:
    """How accounts are lent."""

    policy: str = setting(
        "headroom",
        "Which account is taken; always the one with the most quota left.",
        choices=["headroom"],
        later=True,
    )
    max_concurrency: int = setting(4, "Turns at the same time on one account.", least=1)
    refresh_seconds: float = setting(300.0, "How often quota is asked for.", least=1, later=True)
    primary_floor_percent: float = setting(
        5.0,
        "The primary account is taken first while more than this percent of its quota is left.",
        least=0,
        most=100,
        later=True,
    )
    cooldown_seconds: float = setting(
        60.0, "Pause of an account whose provider names no reset time.", least=0
    )
    prices: Mapping[str, Mapping[str, float]] = setting(
        attrs.Factory(dict),
        "Price per million tokens: a table per model with `input`, `cached`, `cache_write`, "
        "`output`.",
        later=True,
    )
    on_unknown_price: str = setting(
        "refuse",
        "A request under a cost budget whose price is unknown: `refuse` or `allow`.",
        choices=["refuse", "allow"],
        later=True,
        refused="no cost budget is kept to, so no request would be refused; take it out",
    )


@attrs.frozen(kw_only=True)
class UserSettings:
    """What a user may do unless the user's own record says otherwise."""

    max_concurrency: int = setting(3, "Turns at the same time of one user.", least=1)


@attrs.frozen(kw_only=True)
class ModelSettings:
    """Names of models that this gateway gives itself."""

    aliases: Mapping[str, str] = setting(
        attrs.Factory(dict),
        "Models behind names that clients insist on: "
        '`aliases = { "gpt-4o" = "codex/gpt-5-codex" }`.',
    )


@attrs.frozen(kw_only=True)
class Telegram:
    """Chat bots."""

    enabled: bool = setting(False, "Let users talk to agents through Telegram bots.", later=True)
    receive_mode: str = setting(
        "webhook",
        "How messages arrive: `webhook` or `polling`.",
        choices=["webhook", "polling"],
        later=True,
    )
    api_base: str | None = setting(
        None, "Address of the bot API; without it Telegram's own.", later=True
    )
    bots: tuple[Mapping[str, Any], ...] = setting(
        (),
        "A table per bot: `name`, `token`, `username`, `webhook_secret`, `enabled`, "
        "`mention_only`.",
        secret=True,
        later=True,
    )


@attrs.frozen(kw_only=True)
class Channels:
    """Other ways in."""

    telegram: Telegram = Telegram()


@attrs.frozen(kw_only=True)
class Settings:
    """All settings. In what `load` and `at` return, paths are absolute."""

    server: ServerSettings = attrs.Factory(ServerSettings)
    database: Database = Database()
    orchestrator: Orchestrator = Orchestrator()
    workspace: WorkspaceSettings = WorkspaceSettings()
    jail: JailSettings = attrs.Factory(JailSettings)
    providers: Providers = attrs.Factory(Providers)
    accounts: AccountSettings = attrs.Factory(AccountSettings)
    users: UserSettings = UserSettings()
    models: ModelSettings = attrs.Factory(ModelSettings)
    logging: Logging = attrs.Factory(Logging)
    telemetry: Telemetry = attrs.Factory(Telemetry)
    ledger: Ledger = attrs.Factory(Ledger)
    release: Release = attrs.Factory(Release)
    channels: Channels = Channels()

    @classmethod
    def at(cls, data_dir: Path, **blocks: Any) -> "Settings":
        """Returns settings for a data folder, with the given blocks and defaults for the rest."""
        server = attrs.evolve(blocks.pop("server", ServerSettings()), data_dir=data_dir)
        return cls(server=server, **blocks).placed()

    def placed(self) -> "Settings":
        """Returns the settings with each folder that nobody set moved into the data folder."""
        home = self.server.data_dir
        return attrs.evolve(
            self,
            workspace=attrs.evolve(self.workspace, root=home / self.workspace.root),
            logging=attrs.evolve(self.logging, root=home / self.logging.root),
            telemetry=attrs.evolve(self.telemetry, trace_root=home / self.telemetry.trace_root),
        )

    def check(self) -> None:
        """Raises ConfigInvalid for values that do not go together."""
        _ = self.log_path

    @property
    def log_path(self) -> Path:
        """Returns the file of the event log; ConfigInvalid if `database.url` is not SQLite's."""
        url = self.database.url
        if url == "sqlite":
            return self.server.data_dir / SQLITE_FILE
        if url.startswith("sqlite:///"):
            return Path("/") / url.removeprefix("sqlite:///")
        if url.startswith(("postgresql://", "postgres://")):
            raise ConfigInvalid("database.url: PostgreSQL is not in this version; use `sqlite`")
        raise ConfigInvalid("database.url: expected `sqlite` or `sqlite:///` and an absolute path")
