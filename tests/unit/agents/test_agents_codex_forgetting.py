"""Threads that codex is to forget, while others need them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
from agent_turn import turn

from codara.adapters.agents.codex.forgetting import Forgotten, clear
from codara.adapters.agents.session.answers import AgentRefused
from codara.application.ports.agents import Fork

OLD, COPY, OTHER = (f"01a2287{n}-0000-7000-8000-000000000000" for n in (1, 2, 3))


@attrs.define
class Codex:
    """Threads, each with those that were made of it; its notes, and what it was asked."""

    copies: dict[str, set[str]]
    notes: Mapping[str, Any] = attrs.field(factory=dict)
    asked: list[str] = attrs.field(factory=list)

    async def recall(self) -> dict[str, Any]:
        return dict(self.notes)

    async def remember(self, notes: dict[str, Any]) -> None:
        self.notes = notes

    async def delete(self, thread_id: str) -> None:
        self.asked.append(thread_id)
        if thread_id not in self.copies:
            raise AgentRefused(f"no rollout found for thread id {thread_id}")
        if self.copies[thread_id] & self.copies.keys():
            raise AgentRefused(
                f"cannot delete thread {thread_id}: forked history still references it"
            )
        del self.copies[thread_id]

    @property
    def forgotten(self) -> Forgotten:
        return Forgotten(self.recall, self.remember)

    async def forget(self, *threads: str) -> None:
        await self.forgotten.add(threads, self.delete)


def of_three() -> Codex:
    return Codex({OLD: {COPY}, COPY: set(), OTHER: set()})


async def test_what_nobody_needs_goes_at_once() -> None:
    codex = of_three()
    await codex.forget(COPY)
    assert codex.copies.keys() == {OLD, OTHER}
    assert codex.notes == {}


async def test_copies_go_before_what_they_were_made_of() -> None:
    codex = of_three()
    await codex.forget(OLD, COPY)
    assert (codex.asked, codex.copies.keys()) == ([COPY, OLD], {OTHER})


async def test_what_others_need_goes_with_the_last_of_them() -> None:
    codex = of_three()
    await codex.forget(OLD)
    await codex.forget(OTHER)
    assert codex.copies.keys() == {OLD, COPY}
    await codex.forget(COPY)
    assert codex.copies.keys() == set()
    codex.asked.clear()
    await codex.forget(OLD)
    assert codex.asked == [OLD]


async def test_what_is_forgotten_but_there_is_no_thread_to_go_on_in() -> None:
    codex = of_three()
    await codex.forget(OLD)
    resumed = await codex.forgotten.without(turn(backend_id=OLD))
    assert resumed.backend_id not in (None, OLD)
    forked = await codex.forgotten.without(turn(fork=Fork(backend_id=OLD, mark="m")))
    assert forked.fork is not None and forked.fork.backend_id != OLD
    for kept in (turn(), turn(backend_id=COPY), turn(fork=Fork(backend_id=OTHER, mark="m"))):
        assert await codex.forgotten.without(kept) is kept


async def test_what_is_no_id_is_not_asked_for() -> None:
    codex = of_three()
    await codex.forget("", "..", "x" * 999, OLD.upper() + "/", f"{OLD}\n")
    assert codex.asked == []


async def test_notes_that_make_no_sense_are_none() -> None:
    codex = of_three()
    codex.notes = {"threads": "odd"}
    assert (await codex.forgotten.without(turn(backend_id=OLD))).backend_id == OLD


def test_half_made_snapshots_of_a_forgotten_thread_are_removed(tmp_path: Path) -> None:
    folder = tmp_path / ".codex" / "shell_snapshots"
    folder.mkdir(parents=True)
    for name in (f"{OLD}.tmp-17", f"{OLD}.sh", f"{OTHER}.tmp-18", "notes.txt"):
        (folder / name).write_text("export A=1")
    clear(tmp_path, [OLD, "../notes", "notes.txt"])
    assert sorted(path.name for path in folder.iterdir()) == [f"{OTHER}.tmp-18", "notes.txt"]
    clear(tmp_path / "nowhere", [OLD])
