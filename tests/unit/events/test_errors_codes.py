"""Every error has a code of its own by which it is read back."""

from codara import errors
from codara.errorcodes import BY_CODE
from codara.errors import CodaraError


def kinds(below: type[CodaraError]) -> set[type[CodaraError]]:
    """Every error there is."""
    own = set(below.__subclasses__())
    return own.union(*(kinds(each) for each in own))


def test_every_error_is_found_by_its_code() -> None:
    ours = {kind for kind in kinds(CodaraError) if kind.__module__ == errors.__name__}
    assert set(BY_CODE.values()) == ours
    assert {code: kind.code for code, kind in BY_CODE.items()} == {code: code for code in BY_CODE}
