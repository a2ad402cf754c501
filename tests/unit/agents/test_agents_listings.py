"""What the CLIs listed is kept over a restart, and can be thrown away."""

import asyncio
import json
import logging
from pathlib import Path

import pytest

from codara.adapters.agents.home.listings import FILE, KeptListing, Listings

CODEX = KeptListing("0.169.0", ("gpt-6-astra", "gpt-5.5"), {"gpt-5.5": "GPT-5.5"})
GEMINI = KeptListing("0.61.0", ("auto",))


async def test_a_listing_is_there_after_a_restart(tmp_path: Path) -> None:
    kept = Listings(tmp_path)
    await asyncio.gather(kept.keep("codex", CODEX), kept.keep("gemini", GEMINI))
    again = Listings(tmp_path)
    assert (again.of("codex"), again.of("gemini"), again.of("claude")) == (CODEX, GEMINI, None)
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


async def test_a_new_listing_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    kept = Listings(tmp_path)
    await kept.keep("codex", CODEX)
    await kept.keep("codex", KeptListing("0.170.0", ("gpt-7",)))
    assert Listings(tmp_path).of("codex") == KeptListing("0.170.0", ("gpt-7",))


async def test_without_a_folder_a_listing_is_known_as_long_as_the_process_lives() -> None:
    kept = Listings()
    await kept.keep("codex", CODEX)
    assert kept.of("codex") == CODEX


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON",
        "[]",
        '{"codex": 1}',
        '{"codex": {"version": "1"}}',
        '{"codex": {"version": "1", "models": []}}',
        "{}",
        "\xff",
    ],
)
async def test_a_file_that_is_none_is_written_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_bytes(text.encode("latin-1"))
    kept = Listings(tmp_path)
    assert kept.of("codex") is None
    await kept.keep("codex", CODEX)
    assert list(json.loads((tmp_path / FILE).read_text())) == ["codex"]


async def test_a_disk_that_takes_nothing_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    kept = Listings(tmp_path / "gone")
    await kept.keep("codex", CODEX)
    assert kept.of("codex") == CODEX
    assert "models.json cannot be written" in caplog.text
