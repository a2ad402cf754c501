import asyncio

from codara.adapters.jail.lines import lines_of


def a_reader(*chunks):
    reader = asyncio.StreamReader()
    for chunk in chunks:
        reader.feed_data(chunk)
    reader.feed_eof()
    return reader


async def test_lines_are_put_together_from_chunks():
    reader = a_reader(b"on", b"e\ntwo\n\nthr", b"ee")
    assert [line async for line in lines_of(reader)] == [b"one", b"two", b"", b"three"]


async def test_a_line_far_over_the_readers_limit_survives():
    long = b"x" * (11 * 1024 * 1024)
    reader = a_reader(long + b"\nshort\n")
    assert [len(line) async for line in lines_of(reader)] == [len(long), 5]


async def test_a_line_over_our_own_limit_is_cut_and_the_next_is_whole():
    reader = a_reader(b"0123456789\nabc\n")
    assert [line async for line in lines_of(reader, longest=4)] == [b"0123", b"abc"]
