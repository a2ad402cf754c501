"""Finding the line of a key."""

import pytest

from codara.config.lines import line_of

TEXT = """\
top = 1
[server]  # ours
host = "x = y"
"port" = 1

[providers.codex]
binary = "codex"
[[channels.telegram.bots]]
name = "a"
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("top", 1),
        ("server", 2),
        ("server.host", 3),
        ("server.port", 4),
        ("providers", 6),
        ("providers.codex.binary", 7),
        ("channels.telegram.bots", 8),
        ("server.nothing", None),
    ],
)
def test_the_line_of_a_key_or_table_is_found(path, line):
    assert line_of(TEXT, path) == line
