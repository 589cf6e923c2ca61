"""A peer that sends any frame, right or wrong, and says what must come: for test_http2_*.py.

The server is that of the interoperability tests, and the requests are not gRPC's unless a case needs it: suites such as h2spec ask
for `/`, and whoever does gets an answer.
"""

import struct

import hpack
import pytest
from conftest import Process, binary
from raw_http2 import (
    ACK, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, INITIAL_WINDOW, PING, RST, SETTINGS, RawPeer, frame, setting,
)
from test_runtime import WRAPPER


@pytest.fixture(scope="module")
def http2_server():
    process = Process([*WRAPPER, binary("segmentd-interop"), "--host", "127.0.0.1", "--port", "0"])
    yield process.address
    assert process.stop() == 0, process.error_text()


@pytest.fixture
def peer(http2_server):
    peer = Peer(http2_server)
    yield peer
    if not peer.closed.is_set() and not peer.kinds(GOAWAY):
        peer.expect_ping()
    peer.close()


class Peer(RawPeer):
    """A peer whose SETTINGS and the server's have been exchanged."""

    def __init__(self, address, settings=setting(INITIAL_WINDOW, 65535), acknowledges=True):
        super().__init__(address, settings)
        self.encoder = hpack.Encoder()
        self.wait(lambda: {0, ACK} <= {f[1] for f in self.kinds(SETTINGS)})
        if acknowledges:
            self.send(frame(SETTINGS, flags=ACK))

    @property
    def settings(self):
        """The server's."""
        return dict(struct.iter_unpack("!HI", next(f[3] for f in self.kinds(SETTINGS) if f[1] == 0)))

    def set(self, *values):
        """Sends SETTINGS and waits until they are in force."""
        known = len(self.kinds(SETTINGS))
        self.send(frame(SETTINGS, b"".join(setting(*value) for value in values)))
        self.wait(lambda: len(self.kinds(SETTINGS)) > known)

    def block(self, method="GET", extra=(), **changed):
        """The headers of a request; `path=None` and so on leave out what every request has."""
        fields = {":method": method, ":scheme": "http", ":path": "/", ":authority": "localhost"}
        fields.update((f":{name}", value) for name, value in changed.items())
        return self.encoder.encode([*((n, v) for n, v in fields.items() if v is not None), *extra])

    def request(self, stream=1, end=True, block=None, **fields):
        """One HEADERS frame with all of the headers."""
        flags = END_HEADERS | (END_STREAM if end else 0)
        self.send(frame(HEADERS, self.block(**fields) if block is None else block, flags, stream))

    def data(self, stream=1, body=b"test", end=True):
        self.send(frame(DATA, body, END_STREAM if end else 0, stream))

    # What must come

    def expect_answer(self, stream=1, status="405"):
        """Answers the body."""
        fields, body = self.answer(stream)
        assert fields[":status"] == status, self.told()
        return body

    def expect_ping(self):
        """Everything before it is accepted."""
        payload = struct.pack("!Q", len(self.frames))
        self.send(frame(PING, payload))
        self.wait(lambda: any(f[1] == ACK and f[3] == payload for f in self.kinds(PING)))

    def expect_goaway(self, *codes):
        """The connection ends for one of these reasons."""
        self.ended()
        assert self.goaway() in codes, self.told()

    def expect_reset(self, *codes, stream=1):
        """The stream ends for one of these reasons."""
        reset = self.frame(RST, stream)
        assert int.from_bytes(reset[3], "big") in codes, self.told()

    def expect_error(self, *codes, stream=1):
        """The stream ends, or the whole connection, which is allowed for each stream's error (section 5.4.2)."""
        self.wait(lambda: self.kinds(GOAWAY) or [f for f in self.kinds(RST) if f[2] == stream])
        if self.kinds(GOAWAY):
            return self.expect_goaway(*codes)
        self.expect_reset(*codes, stream=stream)
