"""The glossary has a line for every word of the public vocabulary."""

import re
from pathlib import Path

from codara.events import vocabulary
from codara.events.registry import CATALOGUE

ROOT = Path(__file__).parents[3]
LINES = [
    line
    for line in (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("- ")
]
WORDS = [line.partition("- **")[2].partition("**: ")[0] for line in LINES]

NO_WORDS_OF_OURS = {"possible", "strict", "text"}
"""Modules of the domain whose names mean what they mean in English."""


def plain(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()


def singular(noun: str) -> str:
    return noun.removesuffix("es") if noun.endswith("ches") else noun.removesuffix("s")


def missing(words: set[str]) -> set[str]:
    return {word for word in words if not {word, singular(word)} & set(WORDS)}


def test_every_line_is_a_word_with_its_meaning() -> None:
    assert all(re.fullmatch(r"- \*\*[^*]+\*\*: [A-Z].+\.", line) for line in LINES)


def test_lines_are_short_and_sorted() -> None:
    assert [line for line in LINES if len(line) > 160] == []
    assert sorted(set(WORDS), key=str.casefold) == WORDS


def test_every_area_of_events_has_a_line() -> None:
    assert missing({event.name.partition(".")[0] for event in CATALOGUE}) == set()


def test_every_closed_set_of_words_has_a_line() -> None:
    names = {name for name in vars(vocabulary) if name[0].isupper()} - {"Literal"}
    assert missing(set(map(plain, names))) == set()


def test_every_noun_of_the_domain_has_a_line() -> None:
    modules = (ROOT / "codara" / "domain").rglob("*.py")
    nouns = {path.stem for path in modules} - {"__init__"} - NO_WORDS_OF_OURS
    assert missing(nouns) == set()
