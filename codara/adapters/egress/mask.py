"""A secret that an answer repeats is starred out, also where it is cut by two chunks."""


class Mask:
    """Passes bytes on, with every occurrence of `secret` replaced by stars of the same length."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._stars = b"*" * len(self._secret)
        self._held = b""

    def feed(self, chunk: bytes) -> bytes:
        """Returns what can be passed on now; a possible beginning of the secret is held back."""
        if not self._secret:
            return chunk
        data = (self._held + chunk).replace(self._secret, self._stars)
        kept = self._beginning_at_end_of(data)
        self._held = data[len(data) - kept :]
        return data[: len(data) - kept]

    def rest(self) -> bytes:
        """Returns what was held back, at the end of the answer."""
        held, self._held = self._held, b""
        return held

    def text(self, value: str) -> str:
        """Returns the same for a header's value."""
        if not self._secret:
            return value
        return value.replace(self._secret.decode(), self._stars.decode())

    def _beginning_at_end_of(self, data: bytes) -> int:
        longest = min(len(self._secret) - 1, len(data))
        tail = data[len(data) - longest :]
        at = tail.find(self._secret[:1])
        while at >= 0:
            if self._secret.startswith(tail[at:]):
                return len(tail) - at
            at = tail.find(self._secret[:1], at + 1)
        return 0
