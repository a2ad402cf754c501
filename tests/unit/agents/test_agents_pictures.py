"""Where a turn's pictures lie for agents that are shown them by name."""

from pathlib import Path

import pytest

from codara.adapters.agents.gemini.config import named
from codara.adapters.agents.home.pictures import files_of, places_of
from codara.application.ports.agents import Image
from codara.errors import AgentFailed

HOME = Path("/home/codara")
SHOWN = (Image("image/png", b"one"), Image("image/jpeg", b"two"))


def test_pictures_are_files_in_their_order_with_the_endings_of_their_kinds() -> None:
    assert dict(files_of(SHOWN, HOME)) == {
        ".codara/pictures/image-1.png": b"one",
        ".codara/pictures/image-2.jpeg": b"two",
    }
    assert [HOME / name for name in files_of(SHOWN, HOME)] == list(places_of(SHOWN, HOME))


@pytest.mark.parametrize("odd", ["/srv/a,b", "/srv/[a]", "/srv/{a}", "/srv/a*", '/srv/"a"'])
def test_a_home_whose_path_agents_would_misread_refuses_pictures_and_nothing_else(odd: str) -> None:
    with pytest.raises(AgentFailed, match="no agent can be shown pictures in /srv"):
        files_of(SHOWN, Path(odd))
    assert files_of((), Path(odd)) == {}


def test_a_blank_in_a_path_does_not_end_the_name() -> None:
    assert named(Path("/srv/my data/1.png")) == r"@/srv/my\ data/1.png"
