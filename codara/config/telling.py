"""What a gateway tells of itself: the blocks for log files, traces, proofs and releases."""

from pathlib import Path

import attrs

from codara.config.fields import setting


@attrs.frozen(kw_only=True)
class Logging:
    """The operator's log files."""

    root: Path = setting(
        Path("logs"), "Folder of the log files.", env=["UAG_LOGS_ROOT"], placed=True, later=True
    )
    level: str = setting(
        "info",
        "Least level that is written.",
        choices=["debug", "info", "warning", "error"],
        later=True,
    )
    retention_days: int = setting(
        30, "Older log files are removed.", env=["UAG_LOG_RETENTION_DAYS"], least=1, later=True
    )


@attrs.frozen(kw_only=True)
class Telemetry:
    """Traces and metrics."""

    persist_traces: bool = setting(True, "Keep traces in files.", later=True)
    trace_root: Path = setting(Path("traces"), "Folder of the traces.", placed=True, later=True)
    trace_retention_days: int = setting(30, "Older traces are removed.", least=1, later=True)
    otlp_endpoint: str | None = setting(None, "Where traces are sent to, if anywhere.", later=True)
    public_metrics: bool = setting(
        False,
        "Serve /metrics without a token.",
        later=True,
        refused="there is no /metrics, so whatever reads it would watch nothing; take it out",
    )


@attrs.frozen(kw_only=True)
class Ledger:
    """The proof that the log was not changed."""

    checkpoint_seconds: float = setting(
        1.0, "A checkpoint is signed at least this often.", least=0, later=True
    )
    checkpoint_copy: Path | None = setting(
        None,
        "Folder that gets a copy of every checkpoint.",
        later=True,
        refused="no checkpoint is signed, so there would be no copy to prove anything with; "
        "take it out",
    )


@attrs.frozen(kw_only=True)
class Release:
    """The check for a newer version."""

    enabled: bool = setting(
        False,
        "Ask whether there is a newer version.",
        env=["UAG_RELEASE_CHECK_ENABLED"],
        later=True,
    )
    repository: str | None = setting(
        None,
        "Repository whose releases are asked for, `owner/name`.",
        env=["UAG_RELEASE_REPOSITORY"],
        later=True,
    )
    api_base_url: str | None = setting(None, "Address of the release service's API.", later=True)
