from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from codara.adapters.egress.mask import Mask

SECRET = "abab-secret"


def through(chunks, secret=SECRET):
    mask = Mask(secret)
    return b"".join([*(mask.feed(chunk) for chunk in chunks), mask.rest()])


@given(st.binary(max_size=40), st.binary(max_size=40), st.lists(st.integers(0, 100), max_size=6))
def test_a_secret_is_starred_however_the_answer_is_cut(before, after, cuts):
    whole = before + SECRET.encode() + after
    edges = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    pieces = [whole[a:b] for a, b in pairwise(edges)]
    masked = through(pieces)
    assert SECRET.encode() not in masked
    assert len(masked) == len(whole)


@given(st.lists(st.text("ab-secrt", max_size=5).map(str.encode)))
def test_what_holds_no_secret_passes_unchanged(chunks):
    whole = b"".join(chunks)
    if SECRET.encode() not in whole:
        assert through(chunks) == whole


def test_text_that_cannot_be_the_beginning_is_not_held_back():
    mask = Mask(SECRET)
    assert mask.feed(b"data: hello\n\n") == b"data: hello\n\n"
