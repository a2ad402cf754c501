"""Every decision has its number, its date and its status under the title."""

import re
from datetime import datetime
from pathlib import Path

import pytest

ADRS = sorted((Path(__file__).parents[3] / "docs" / "adr").glob("[0-9]*.md"))
HEADS = {int(path.name[:4]): path.read_text().partition("\n## ")[0].split() for path in ADRS}
"""Title and status of each, as words: line breaks do not count."""

DATED = re.compile(r"(?:Accepted|Amended) on (\d{1,2} [A-Z][a-z]+ \d{4})(.)")
LATER = re.compile(r"(?:Replaces|Adds to|Supersedes) ([^.]*)\.")
NUMBERS = re.compile(r"\[(\d+)\]|(?<=ADR )(\d+)(?: and (\d+))?")


def head(number: int) -> str:
    return " ".join(HEADS[number])


def named(text: str) -> set[int]:
    return {int(each) for found in NUMBERS.findall(text) for each in found if each}


def test_no_two_decisions_share_a_number() -> None:
    assert len(HEADS) == len(ADRS)


@pytest.mark.parametrize("number", HEADS)
def test_a_decision_has_its_number_a_date_and_a_status(number: int) -> None:
    assert re.match(rf"# {number}\. \S.* Accepted on \d", head(number))
    for date, end in DATED.findall(head(number)):
        assert datetime.strptime(date, "%d %B %Y")  # noqa: DTZ007 - a day has no zone
        assert end in ".:", "a date ends with a full stop, or a colon and what was amended"


@pytest.mark.parametrize("number", HEADS)
def test_a_decision_that_is_changed_by_another_one_says_so(number: int) -> None:
    for earlier in named(" ".join(LATER.findall(head(number).replace(".md", "")))):
        said = re.findall(r"Superseded (?:in part )?by (ADR [\d and]+)\.", head(earlier))
        assert number in named(" ".join(said)), f"ADR {earlier} does not name ADR {number}"
