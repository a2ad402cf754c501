"""The real CLIs, described for the tests that run them: a new one is one description more."""

import attrs

from codara.demo.modelserver import Seen


@attrs.frozen(kw_only=True)
class Cli:
    """What the tests have to know of one CLI.

    `path` stands behind the model server's address, `key_header` is where the key is sent,
    `nobody` a thread it never had, `nap` how many seconds its tools sleep, which tells them from
    those of other tests. Of the refusals, `when` are those that say when to come back, `retried`
    those that a process that stays tells of and tries again, `spoiling` those after which the CLI
    takes up the refused prompt again. `cut` are the early ends of an answer that it takes for an
    answer; the others are errors to it. `odd` is an end of an answer that nobody knows. `tools` are
    the kinds of what it writes, edits and appends with. Of the tokens of a request, `cache_write`
    were written to the cache and `thinking` went into its thought, as far as the wire format tells.
    """

    name: str
    model: str
    path: str = ""
    key_header: str
    nobody: str = "00000000-0000-4000-8000-000000000000"
    nap: str
    when: tuple[str, ...] = ("429", "429quota")
    retried: tuple[str, ...] = ()
    spoiling: tuple[str, ...] = ()
    cut: tuple[str, ...] = ()
    odd: str
    tools: tuple[str, ...] = ("file_change", "file_change", "command")
    cache_write: int = 0
    thinking: int = 5

    def key_of(self, seen: Seen) -> str:
        return seen.headers[self.key_header].removeprefix("Bearer ")


CODEX = Cli(
    name="codex",
    model="gpt-6-astra",
    path="/v1",
    key_header="authorization",
    nap="67.1",
    odd="failed",
    tools=("file_change", "command", "command"),
)
GEMINI = Cli(
    name="gemini",
    model="gemini-2.5-pro",
    key_header="x-goog-api-key",
    nap="67.2",
    retried=("401", "429", "429quota", "500", "503", "context", "nomodel", "cut"),
    cut=("length", "filter"),
    odd="MALFORMED_FUNCTION_CALL",
)
OPENCODE = Cli(
    name="opencode",
    model="gw/scripted-model",
    path="/v1",
    key_header="authorization",
    nobody="ses_000000000000000000000000",
    nap="67.3",
    when=("429",),
    retried=("429", "429quota", "500", "503", "drop"),
    spoiling=("context",),
    cut=("length",),
    odd="other",
)
CLAUDE = Cli(
    name="claude",
    model="sonnet",
    key_header="x-api-key",
    nap="67.4",
    retried=("401", "429", "500", "503"),
    cache_write=10,
    thinking=0,
    odd="pause_turn",
)

CLIS = (CODEX, GEMINI, OPENCODE, CLAUDE)
