"""A client that sends one streamed turn whenever it is told to: a process of its own.

``python -m benchmarks.load_one ADDRESS KEY``: each line it reads is the body of a request, each
line it prints what came of it. It speaks plain HTTP over one connection that it keeps, with nothing
of a client library in between. Moments are seconds of the machine's monotonic clock, which all its
processes share. It waits a little before it sends: whoever told it to sleeps again by then.
"""

import json
import socket
import sys
import time
from urllib.parse import urlsplit

LAST_CHUNK = b"\r\n0\r\n\r\n"
REST_SECONDS = 0.002
MARKS = (b'"content":"', b'"content":""')


def main(address: str, key: str) -> None:
    """Answers line by line until its input ends."""
    place = urlsplit(address)
    with socket.create_connection((place.hostname, place.port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while body := sys.stdin.buffer.readline():
            head = (
                f"POST /v1/chat/completions HTTP/1.1\r\nHost: {place.netloc}\r\n"
                f"Authorization: Bearer {key}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n"
            )
            print(json.dumps(turn(connection, head.encode() + body)), flush=True)


def turn(connection: socket.socket, request: bytes) -> dict[str, float | str]:
    """When the request was sent, when the first text and the end came, and the last line."""
    time.sleep(REST_SECONDS)
    begun, heard, answer = time.perf_counter(), 0.0, b""
    connection.sendall(request)
    while not _whole(answer):
        piece = connection.recv(65536)
        if not piece:
            break
        answer += piece
        if not heard and answer.count(MARKS[0]) > answer.count(MARKS[1]):
            heard = time.perf_counter()
    ended = time.perf_counter()
    lines = [line for line in answer.removesuffix(LAST_CHUNK).split(b"\n") if line.strip()]
    return {"begun": begun, "heard": heard, "ended": ended, "last": lines[-1].decode()[:500]}


def _whole(answer: bytes) -> bool:
    """Whether the last chunk is there; a refusal, which has a length, is whole at once."""
    return answer.endswith(LAST_CHUNK) or b"\r\nContent-Length:" in answer


if __name__ == "__main__":
    main(*sys.argv[1:])
