"""How an agent's program can fail to answer what it is asked, by whatever protocol."""


class AgentRefused(Exception):
    """It said no; `code` is its number for why, where it gave one."""

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class Gone(Exception):
    """It ended, or cannot be reached any more."""


ODD = (LookupError, TypeError, AttributeError, ValueError, ArithmeticError, RecursionError)
"""What comes of reading an answer that is not shaped as it should be."""
