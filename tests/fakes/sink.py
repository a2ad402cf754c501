"""A frame sink that remembers."""

from typing import Any, Self

from codara.application.ports.frames import Frame, TextDelta, UsageSeen, Warned


class Listener:
    """A `FrameSink` that keeps everything and can be waited for."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.frames: list[Frame] = []
        self._hopes: list[tuple[type, Any]] = []

    def raw(self, line: bytes) -> None:
        self.lines.append(line)

    def frame(self, frame: Frame) -> None:
        self.frames.append(frame)
        for kind, event in self._hopes:
            if isinstance(frame, kind):
                event.set()

    def hope(self, kind: type, event: Any) -> Self:
        """Sets `event` once a frame of that kind came."""
        self._hopes.append((kind, event))
        return self

    def of(self, kind: type[Any]) -> list[Any]:
        return [frame for frame in self.frames if isinstance(frame, kind)]

    @property
    def text(self) -> str:
        return "".join(frame.text for frame in self.of(TextDelta))

    @property
    def warnings(self) -> list[str]:
        return [frame.message for frame in self.of(Warned)]

    @property
    def usage(self) -> UsageSeen | None:
        seen = self.of(UsageSeen)
        return seen[-1] if seen else None
