"""Every recording of the real CLIs is read to the frames and the outcome that stand beside it."""

import json

import pytest
from recordings import EXPECTED, FILES, GOLDEN, TURNS, read

from codara.runtimes import PROVIDERS

EVENTS_OF_THE_LOG = "events"
RECORDINGS = sorted(
    f"{name}/{folder.name}"
    for name in TURNS
    for folder in (GOLDEN / name).iterdir()
    if folder.is_dir()
)


@pytest.mark.parametrize("recording", RECORDINGS)
def test_a_recording_is_read_as_written_beside_it(recording: str) -> None:
    expected = json.loads((GOLDEN / recording / EXPECTED).read_text())
    assert read(recording) == expected
    assert expected, "it holds no turn"


def test_every_runtime_has_recordings_and_nothing_else_lies_among_them() -> None:
    assert set(TURNS) == set(PROVIDERS)
    assert {folder.name for folder in GOLDEN.iterdir()} == {*TURNS, EVENTS_OF_THE_LOG}
    found = {str(path.relative_to(GOLDEN)) for name in TURNS for path in (GOLDEN / name).iterdir()}
    assert found == set(RECORDINGS)


@pytest.mark.parametrize("recording", RECORDINGS)
def test_every_file_of_a_recording_is_one_that_is_read(recording: str) -> None:
    found = {path.name for path in (GOLDEN / recording).iterdir()}
    assert EXPECTED in found
    assert found <= FILES
