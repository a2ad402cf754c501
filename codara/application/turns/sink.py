"""The sink of an agent's frames: to the spool, to listeners, and kept for the end."""

import asyncio
import logging
from collections.abc import Mapping
from functools import partial

import attrs
import orjson

from codara.application.ports.agents import sane_id
from codara.application.ports.frames import (
    FRESH_THREAD,
    TEXT_REPLACED,
    BackendSeen,
    Frame,
    MarkSeen,
    QuotaSeen,
    ReasoningDelta,
    Reports,
    RetryNotice,
    TextDelta,
    ToolFinished,
    ToolStarted,
    UsageSeen,
    Warned,
)
from codara.application.ports.spool import SpoolFile
from codara.application.turns.activity import ActivityRecorder
from codara.application.turns.context import Context
from codara.application.turns.relative import for_listeners
from codara.application.turns.run import Run
from codara.domain.turns.start import bind
from codara.events import streams
from codara.events.session import BackendBound, Usage
from codara.events.thread import Thread

logger = logging.getLogger(__name__)

_RAW_BYTES = 16 * 1024
_MOST_TOKENS = 2**53
"""No agent counts so far, and every JSON number up to here is exact."""
_FRESH = Warned(FRESH_THREAD)
_REPLACED = Warned(TEXT_REPLACED)
_FOR_THE_END = UsageSeen | QuotaSeen | BackendSeen | MarkSeen | Warned
"""Frames that matter only when the turn ends; listeners are not notified of them."""


@attrs.define(kw_only=True, eq=False)
class AgentSink:
    """What the agent has said so far; it is the sink of its frames."""

    context: Context
    run: Run
    spool: SpoolFile
    text: list[str] = attrs.field(factory=list)
    counted: UsageSeen | None = None
    """What this attempt took, by the agent's newest word."""
    quota: QuotaSeen | None = None
    backend_id: str | None = None
    mark: str | None = None
    """The agent's own id of the point that its thread has reached."""
    lost_thread: bool = False
    """Whether the agent began a fresh thread although it was to go on with one, or branch it."""
    text_replaced: bool = False
    """Whether U+FFFD stands for something that the agent wrote and that is no text."""
    tool_ran: bool = False
    thought: bool = False
    activity: ActivityRecorder = attrs.field(factory=ActivityRecorder)
    bindings: list[asyncio.Task[None]] = attrs.field(factory=list)
    spent: Usage | None = None
    """Tokens of the attempts before this one."""
    reported: Reports = attrs.field(factory=Reports)
    """What the agent said of those."""

    @classmethod
    def of(cls, context: Context, run: Run) -> "AgentSink":
        """Nothing yet of a turn whose agent begins now."""
        return cls(context=context, run=run, spool=context.spool.open(run.asked.turn_id))

    def raw(self, line: bytes) -> None:
        """One line as the agent wrote it, for the record."""
        self.spool.write(line)

    def frame(self, frame: Frame) -> None:
        """Takes what the end of the turn needs from the frame; listeners hear the rest."""
        match frame:
            case TextDelta(text=text):
                if not self.text:
                    self.run.mark("first_delta", self.run.started_at)
                self.text.append(text)
            case ReasoningDelta():
                self.thought = True
            case ToolStarted():
                self.tool_ran = True
                self._note(frame)
            case ToolFinished() | RetryNotice() | Warned():
                self._note(frame)
                self.lost_thread = self.lost_thread or frame == _FRESH
                self.text_replaced = self.text_replaced or frame == _REPLACED
            case UsageSeen():
                self.counted = frame
            case QuotaSeen():
                self.quota = frame
            case BackendSeen():
                self._bind(frame.backend_id)
            case MarkSeen():
                self.mark = sane_id(frame.mark)
            case _:
                pass
        if not isinstance(frame, _FOR_THE_END):
            self.run.broadcast.publish(for_listeners(frame, self.run.asked.folder))

    @property
    def something_came(self) -> bool:
        """Whether another attempt would say or do something twice."""
        return bool(self.text) or self.thought or self.tool_ran

    def again(self) -> None:
        """Another attempt begins; what was said of the last account's quota is not this one's."""
        self.spent, self.reported = self.usage, self.reports
        self.counted = self.quota = None

    @property
    def usage(self) -> Usage | None:
        """Tokens of all attempts; None while the agent has said nothing of them."""
        if self.counted is None:
            return self.spent
        return _usage(self.counted, self.spent or Usage(), self.reports)

    @property
    def reports(self) -> Reports:
        """What the agent said of the tokens in all attempts."""
        later = self.counted.raw if self.counted else Reports()
        return _joined(self.reported, later) if self.reported.newest else later

    @property
    def answer(self) -> str:
        """The text so far."""
        return "".join(self.text)

    def _note(self, frame: Frame) -> None:
        self.activity.note(frame, self.context.clock())

    def _bind(self, told: str) -> None:
        backend_id = sane_id(told)
        if backend_id is None:
            return
        known = self.backend_id or self.run.asked.requested.thread.backend_id
        self.backend_id = backend_id
        if backend_id != known:
            asked = self.run.asked
            lost = self.lost_thread or asked.requested.thread.backend_id not in (None, backend_id)
            heard = asked.prompt.fresh if lost else None
            binding = _bind(self.context, self.run, backend_id, heard)
            self.bindings.append(asyncio.create_task(binding))

    async def settled(self) -> None:
        """Waits until the thread's new id is in the log; the end of the turn carries it anyway."""
        for binding in self.bindings:
            await asyncio.wait({binding})
            if error := binding.exception():
                logger.warning("the thread of task %s: %s", self.run.asked.turn_id, error)


def _usage(seen: UsageSeen, spent: Usage, reports: Reports) -> Usage:
    return Usage(
        input=min(spent.input + seen.input, _MOST_TOKENS),
        cached=min(spent.cached + seen.cached, _MOST_TOKENS),
        cache_write=min(spent.cache_write + seen.cache_write, _MOST_TOKENS),
        output=min(spent.output + seen.output, _MOST_TOKENS),
        reasoning=min(spent.reasoning + seen.reasoning, _MOST_TOKENS),
        raw=_raw(reports),
    )


def _joined(earlier: Reports, later: Reports) -> Reports:
    joined = earlier.plus(*later.newest)
    return attrs.evolve(joined, left_out=joined.left_out + later.left_out)


def _raw(reports: Reports) -> dict[str, object]:
    """The agent's own words, the newest of them where all are too many for an event."""
    kept: list[dict[str, object]] = []
    room = _RAW_BYTES
    for report in reversed(reports.newest):
        room -= _size(report)
        if room < 0:
            break
        kept.insert(0, dict(report))
    return {"reports": kept, "left_out": reports.left_out + len(reports.newest) - len(kept)}


def _size(report: Mapping[str, object]) -> int:
    """Bytes it takes in an event; more than there is room for if it cannot be written."""
    try:
        return len(orjson.dumps(dict(report))) + 1
    except orjson.JSONEncodeError:
        return _RAW_BYTES + 1


async def _bind(context: Context, run: Run, backend_id: str, heard: Thread | None) -> None:
    """Appends the agent's own id of a new thread as soon as it is known.

    So that a crash of the gateway in the middle of a turn does not lose the thread.
    """
    stream = streams.session(run.asked.session_id)
    bound = BackendBound(
        session_id=run.asked.session_id,
        turn_id=run.asked.turn_id,
        backend_id=backend_id,
        heard=heard,
    )
    await context.deciding.decide([stream], partial(bind, bound=bound), run.cause)
