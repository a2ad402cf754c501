"""The registry of agent runtimes: a new one is a package, and a line here."""

import attrs


@attrs.frozen
class KnownRuntime:
    """A runtime by its public name; its adapter is the package of that name in `adapters/agents`.

    `default_model` runs where neither the request nor the configuration names one. `logins`: its
    CLI has logins of its own that can be lent.
    """

    name: str
    default_model: str
    logins: bool = True


RUNTIMES = (
    KnownRuntime("codex", "gpt-5-codex"),
    KnownRuntime("gemini", "gemini-2.5-pro"),
    KnownRuntime("opencode", "opencode/big-pickle", logins=False),
    KnownRuntime("claude", "sonnet"),
)

PROVIDERS = tuple(known.name for known in RUNTIMES)
"""Their names, the first one being that of a request that leaves it open."""
