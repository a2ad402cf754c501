"""Requests that no sane client sends, as bytes."""

_CHUNKED = b"POST /v1/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
_GZIPPED = b"POST /v1/x HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\n"

REQUESTS = {
    "no words": b"\xff" * 7000 + b"\r\n\r\n",
    "a header without a colon": b"GET /v1/x HTTP/1.1\r\nbad header\r\n\r\n",
    "a line without end": b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "headers without end": b"GET /v1/x HTTP/1.1\r\n" + b"A: b\r\n" * 500 + b"\r\n",
    "two lengths": b"POST /v1/x HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "a length that is no number": b"POST /v1/x HTTP/1.1\r\nContent-Length: many\r\n\r\nab",
    "a chunk that is none": _CHUNKED + b"Connection: close\r\n\r\nzz\r\nab\r\n0\r\n\r\n",
    "a body that is no gzip": _GZIPPED + b"Content-Length: 4\r\nConnection: close\r\n\r\nnone",
    "a port with too many digits": b"CONNECT x:" + b"9" * 5000 + b" HTTP/1.1\r\n\r\n",
    "a port that is none": b"CONNECT x:99999999999999999999 HTTP/1.1\r\nHost: x\r\n\r\n",
    "an address that is none": b"GET http://[::1/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "a host that is no text": b"GET http://\xff\xfe/ HTTP/1.1\r\nConnection: close\r\n\r\n",
    "a key that is no text": b"GET /v1/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\xfe\r\n"
    b"Connection: close\r\n\r\n",
    "a host that is no host": b"GET /v1/x HTTP/1.1\r\nHost: x:y:z\xff\r\nConnection: close\r\n\r\n",
    "a version of its own": b"GET /v1/x HTTP/9.9\r\nHost: x\r\nConnection: close\r\n\r\n",
    "an upgrade": b"GET /v1/x HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade, close\r\n\r\n\xff\xff\xff",
}
