"""Clients that mean harm, each against a server whose memory is watched, with a polite client on another connection.

The server is EchoServer with short limits; what it has refused is read from its counters.
"""

import contextlib
import os
import socket
import struct
import threading
import time

import grpc
import hpack
import pytest
from conftest import Process, binary
from raw_http2 import (
    ACK, CALM, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PADDED, PING, PREFACE, PRIORITY, RST, SETTINGS, WINDOW,
    RawPeer as Hostile, call, frame, headers, message,
)
from test_runtime import PATIENCE, WRAPPER, eventually, unary

pytestmark = pytest.mark.wire

# What one attack may cost the server; it is given back or was never taken.
MOST_KIB = 48 << 10
IS_SLOW = bool(WRAPPER) or "asan" in os.environ.get("SEGMENTD_BIN", "")


class Server:
    def __init__(self, process):
        self.process = process
        self.address = process.address
        options = [("grpc.use_local_subchannel_pool", 1)]
        self.channel = grpc.insecure_channel(self.address, options)
        self.polite_failures = []
        self.slowest = 0.0
        self._done = threading.Event()
        self.polite_call()
        self.polite = threading.Thread(target=self._be_polite, daemon=True)
        self.polite.start()

    def polite_call(self):
        start = time.monotonic()
        assert unary(self.channel, "Unary")(b"polite", timeout=PATIENCE) == b"polite"
        self.slowest = max(self.slowest, time.monotonic() - start)

    def _be_polite(self):
        while not self._done.wait(0.01):
            try:
                self.polite_call()
            except Exception as error:
                self.polite_failures.append(error)

    def counters(self):
        text = unary(self.channel, "Counters")(b"", timeout=PATIENCE).decode()
        return {name: int(value) for name, value in (line.split(" ") for line in text.split("\n"))}

    def kib(self):
        with open(f"/proc/{self.process.process.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))

    def stop(self):
        self._done.set()
        self.polite.join()
        self.channel.close()
        code = self.process.stop(seconds=PATIENCE)
        assert code == 0, f"EchoServer ended with {code}:\n{self.process.error_text()}"


@contextlib.contextmanager
def serving(*limits):
    server = Server(Process([*WRAPPER, binary("EchoServer"), "127.0.0.1:0", "1", *limits]))
    before = server.kib()
    try:
        yield server
        # The polite client has not noticed, and the attack has left nothing.
        assert not server.polite_failures
        # Milliseconds but for the bombs, whose requests take their time on the one loop.
        assert IS_SLOW or server.slowest < 3, f"a polite call took {server.slowest:.2f} s"
        assert IS_SLOW or server.kib() - before < MOST_KIB, f"{server.kib() - before} KiB more"
        server.polite_call()
    finally:
        server.stop()


def flood(hostile, data, seconds=PATIENCE):
    limit = time.monotonic() + seconds
    while hostile.send(data) and not hostile.closed.is_set():
        assert time.monotonic() < limit, "the flood goes on"


@pytest.mark.parametrize(
    "counter, data",
    [
        ("ping_floods", frame(PING, bytes(8)) * 100),
        ("settings_floods", frame(SETTINGS) * 100),
        ("settings_floods", frame(SETTINGS, struct.pack("!HI", 4, 65535)) * 100),
        ("reset_floods", frame(RST, struct.pack("!I", 8), 0, 1) * 100),
        ("empty_frame_floods", frame(PRIORITY, struct.pack("!IB", 0, 1), 0, 1) * 1000),
        ("empty_frame_floods", frame(WINDOW, struct.pack("!I", 1)) * 1000),
        ("empty_frame_floods", frame(WINDOW, struct.pack("!I", 1), 0, 1) * 1000),
        ("empty_frame_floods", frame(DATA, b"", 0, 1) * 1000),
        ("empty_frame_floods", frame(DATA, b"\0", PADDED, 1) * 1000),
        ("empty_frame_floods", frame(PING, bytes(8), ACK) * 1000),
        ("empty_frame_floods", frame(99, b"") * 1000),
    ],
    ids=["ping", "settings", "settings-window", "rst", "priority", "window", "stream-window", "empty-data", "padding",
         "ping-ack", "unknown"],
)
def test_frames_that_cost_the_client_nothing(counter, data):
    with serving() as server:
        hostile = Hostile(server.address)
        # A stream for those frames that need one.
        hostile.send(headers(1, "/test.Echo/Collect"))
        flood(hostile, data)
        hostile.ended()
        assert server.counters()[counter] == 1
        assert hostile.goaway() in (CALM, None)


def test_rapid_reset():
    """CVE-2023-44487: each call is cancelled as soon as it is made."""
    with serving() as server:
        hostile = Hostile(server.address)
        # Made before they are sent: what counts is how many come in a second.
        block = headers(1, "/test.Echo/Sleep")[9:]
        bursts = [
            b"".join(
                frame(HEADERS, block, END_HEADERS, stream) + frame(DATA, message(b"3600000"), END_STREAM, stream)
                + frame(RST, struct.pack("!I", 8), 0, stream) for stream in range(first, first + 400, 2))
            for first in range(1, 100_000, 400)
        ]
        for burst in bursts:
            if hostile.closed.is_set() or not hostile.send(burst):
                break
        hostile.ended()
        assert server.counters()["reset_floods"] == 1
        eventually(lambda: server.counters()["running_handlers"] <= 1)


def test_an_honest_client_may_cancel_a_thousand_calls_and_a_hundred():
    with serving() as server:
        for _ in range(3):
            calls = [unary(server.channel, "Sleep").future(b"3600000") for _ in range(1100)]
            for pending in calls:
                pending.cancel()
        server.polite_call()
        assert server.counters()["reset_floods"] == 0


# What makes the server reset a stream that it has begun to serve (CVE-2025-8671).
PROVOCATIONS = {
    "window-overflow": lambda s: frame(WINDOW, struct.pack("!I", 0x7FFFFFFF), 0, s) * 2,
    "window-zero": lambda s: frame(WINDOW, struct.pack("!I", 0), 0, s),
    "data-after-end": lambda s: frame(DATA, b"x", 0, s),
    "headers-after-end": lambda s: headers(s),
    "priority-on-itself": lambda s: frame(PRIORITY, struct.pack("!IB", s, 1), 0, s),
    "wrong-length": lambda s: frame(PRIORITY, b"x", 0, s),
}


@pytest.mark.parametrize("name", PROVOCATIONS)
def test_made_you_reset(name):
    with serving() as server:
        hostile, stream = Hostile(server.address), 1
        encoder = hpack.Encoder()
        while not hostile.closed.is_set() and stream < 60_000:
            burst = b""
            for _ in range(100):
                burst += headers(stream, "/test.Echo/Sleep", encoder=encoder)
                burst += frame(DATA, message(b"3600000"), END_STREAM, stream) + PROVOCATIONS[name](stream)
                stream += 2
            if not hostile.send(burst):
                break
        # Either it is a flood of resets, or an error of the connection, or the streams stay open and are bounded.
        assert server.counters()["running_handlers"] <= 1025
        if not hostile.closed.is_set():
            hostile.close()
        eventually(lambda: server.counters()["running_handlers"] <= 1)


def test_handlers_of_streams_that_are_gone_count():
    with serving("maxConcurrentStreams=10") as server:
        hostile = Hostile(server.address)
        for n in range(100):
            hostile.send(call(2 * n + 1, "/test.Echo/Stubborn", b"8000"))
            # A call that is gone before its handler has begun does not run at all: the answer to the ping comes behind that.
            if n < 10:
                hostile.send(frame(PING, struct.pack("!Q", n)))
                hostile.wait(lambda: any(f[3] == struct.pack("!Q", n) for f in hostile.kinds(PING)))
            hostile.send(frame(RST, struct.pack("!I", 8), 0, 2 * n + 1))
        eventually(lambda: server.counters()["handlers_delayed"] == 90)
        assert server.counters()["running_handlers"] <= 12  # with the one that answers this, and the polite client's
        # The next call waits for a handler to return, and is served then.
        hostile.send(call(1001))
        eventually(lambda: any(f[2] == 1001 for f in hostile.kinds(DATA)))
        assert server.counters()["waiting_handlers"] == 0
        hostile.close()


def test_running_handlers_are_bounded():
    with serving("runningHandlers=50") as server:
        hostile = [Hostile(server.address) for _ in range(4)]
        for connection in hostile:
            connection.send(b"".join(call(2 * n + 1, "/test.Echo/Sleep", b"5000") for n in range(12)))
        eventually(lambda: server.counters()["running_handlers"] >= 48)
        for connection in hostile:
            connection.send(b"".join(call(2 * n + 101, "/test.Echo/Sleep", b"300") for n in range(12)))
        with contextlib.suppress(grpc.RpcError):
            eventually(lambda: server.counters()["handlers_refused"] >= 40)
        eventually(lambda: sum(len(c.kinds(HEADERS)) for c in hostile) >= 96)
        server.polite_failures = [e for e in server.polite_failures if e.code() != grpc.StatusCode.UNAVAILABLE]
        for connection in hostile:
            connection.close()


def test_continuation_flood():
    """CVE-2024-28182 and its kin: a header block that never ends."""
    with serving() as server:
        hostile = Hostile(server.address)
        block = hpack.Encoder().encode([("x-" + "a" * 50, "b" * 50)])
        hostile.send(frame(HEADERS, block, 0, 1))
        flood(hostile, frame(CONTINUATION, block * 10, 0, 1))
        hostile.ended()
        assert server.counters()["continuation_floods"] == 1
    with serving() as server:
        hostile = Hostile(server.address)
        hostile.send(frame(HEADERS, b"", 0, 1))
        flood(hostile, frame(CONTINUATION, b"", 0, 1))
        hostile.ended()
        assert server.counters()["continuation_floods"] + server.counters()["empty_frame_floods"] == 1


def test_hpack_bomb():
    """One large field in the table, then thousands of one-byte references to it."""
    with serving() as server:
        hostile = Hostile(server.address)
        encoder = hpack.Encoder()
        bomb = [("x-bomb", "b" * 3900)]
        hostile.send(headers(1, extra=bomb, end=True, encoder=encoder))
        reference = encoder.encode(bomb)
        assert len(reference) == 1
        for n in range(1, 60):
            # Never indexed, so that the bomb stays in the table.
            fields = [(":method", "POST"), (":scheme", "http"), (":path", "/test.Echo/Unary")]
            block = encoder.encode([hpack.NeverIndexedHeaderTuple(*field) for field in fields])
            block += reference * 16_000
            if not hostile.send(frame(HEADERS, block, END_HEADERS | END_STREAM, 2 * n + 1)):
                break
        eventually(lambda: server.counters()["header_lists_refused"] == 59)
        # Each is refused alone: the connection still serves.
        hostile.send(call(1001))
        eventually(lambda: any(f[2] == 1001 for f in hostile.kinds(DATA)))
        hostile.close()


def test_connections_are_bounded():
    with serving("connections=20") as server:
        many = [Hostile(server.address) for _ in range(60)]
        eventually(lambda: server.counters()["connections_refused"] == 41)
        eventually(lambda: sum(not h.closed.is_set() for h in many) == 19)
        for hostile in many:
            hostile.close()
        eventually(lambda: server.counters()["connections"] == 1)
        hostile = Hostile(server.address)
        hostile.send(call(1))
        eventually(lambda: hostile.kinds(DATA))
        hostile.close()


@pytest.mark.parametrize("start", [b"", PREFACE[:10], PREFACE, PREFACE + frame(SETTINGS)[:5]], ids=["nothing", "half", "preface", "half-settings"])
def test_a_handshake_that_never_ends(start):
    with serving("handshakeTimeout=1000") as server:
        before = server.counters()["handshakes_timed_out"]
        many = [Hostile(server.address, preface=False) for _ in range(50)]
        for hostile in many:
            hostile.send(start)
        for hostile in many:
            hostile.ended()
        assert server.counters()["handshakes_timed_out"] == before + 50


@pytest.mark.parametrize(
    "part",
    [b"\0", frame(HEADERS, bytes(100), END_HEADERS, 1)[:50], frame(DATA, bytes(16000), 0, 1)[:8000], headers(1)[:9] + b"\x83", frame(HEADERS, b"\x83", 0, 1)],
    ids=["one-byte", "half-headers", "half-data", "headers-cut", "no-continuation"],
)
def test_half_a_frame(part):
    with serving("frameTimeout=1000") as server:
        hostile = Hostile(server.address)
        hostile.send(headers(1, "/test.Echo/Collect") if part[3:4] == bytes([DATA]) else b"")
        hostile.send(part)
        hostile.ended()
        assert server.counters()["frames_timed_out"] == 1


def test_a_frame_that_drips():
    with serving("frameTimeout=400") as server:
        hostile = Hostile(server.address)
        data = frame(PING, bytes(8))
        for n in range(len(data)):
            if not hostile.send(data[n : n + 1]):
                break
            time.sleep(0.1)
        hostile.ended()
        assert server.counters()["frames_timed_out"] == 1


ZERO_WINDOW = struct.pack("!HI", 4, 0)


def test_a_client_that_opens_no_window():
    with serving("stallTimeout=500", "crowdedTimeout=300", f"queuedOutput={2 << 20}") as server:
        before = server.kib()
        many = [Hostile(server.address, settings=ZERO_WINDOW) for _ in range(3)]
        for hostile in many:
            hostile.send(b"".join(call(2 * n + 1, "/test.Echo/Expand", b"1000000 16384") for n in range(200)))
        cut_off = lambda counters: counters["connections_stalled"] + counters["connections_crowded"]
        eventually(lambda: cut_off(server.counters()) == 3)
        for hostile in many:
            hostile.ended()
        assert IS_SLOW or server.kib() - before < MOST_KIB


def test_a_client_that_does_not_read():
    with serving("stallTimeout=700", "keepaliveInterval=100000") as server:
        hostile = Hostile(server.address, settings=struct.pack("!HI", 4, 0x7FFFFFFF), reads=False)
        hostile.send(frame(WINDOW, struct.pack("!I", 0x7FFF0000 - 65535)))
        hostile.send(b"".join(call(2 * n + 1, "/test.Echo/Expand", b"1000000 16384") for n in range(100)))
        eventually(lambda: server.counters()["connections_stalled"] == 1)
        hostile.close()


def test_a_slow_reader_is_no_stalled_one():
    with serving("stallTimeout=3000") as server:
        stream = server.channel.unary_stream("/test.Echo/Expand")(b"600 16384", timeout=PATIENCE * 3)
        count = 0
        for _ in stream:
            count += 1
            # In all longer than what stalls, and each time far shorter.
            if count % 40 == 0:
                time.sleep(0.3)
        assert count == 600
        assert server.counters()["connections_stalled"] == 0


def test_idle_connections_are_told_to_go():
    with serving("idleTimeout=1000") as server:
        busy, idle = Hostile(server.address), [Hostile(server.address) for _ in range(19)]
        # A call that goes on until its request has ended.
        busy.send(headers(1, "/test.Echo/Collect"))
        for hostile in idle:
            hostile.frame(GOAWAY)
        # The polite client's own, should it have been kept from calling for so long.
        eventually(lambda: server.counters()["connections_idle"] >= 19)
        assert not busy.kinds(GOAWAY)
        # One that answers the ping behind the notice is closed without an error.
        ping = idle[0].frame(PING)
        idle[0].send(frame(PING, ping[3], ACK))
        idle[0].ended()
        assert idle[0].goaway() == 0
        busy.send(frame(DATA, message(b"x"), END_STREAM, 1))
        assert busy.answer(1)[1] == message(b"x")
        idle.append(busy)
        for hostile in idle:
            hostile.close()


def test_old_connections_end_gracefully():
    with serving("connectionAge=500", "connectionAgeGrace=5000") as server:
        # The polite client changes connections and notices nothing; a call that goes on is ended after the grace.
        hostile = Hostile(server.address)
        hostile.send(call(1, "/test.Echo/Sleep", b"900") + call(3, "/test.Echo/Sleep", b"3600000"))
        eventually(lambda: hostile.kinds(GOAWAY))
        eventually(lambda: any(f[2] == 1 for f in hostile.kinds(DATA)))
        hostile.ended()
        assert server.counters()["connections_overdue"] == 1
        eventually(lambda: server.counters()["connections_aged"] >= 2)
        eventually(lambda: server.counters()["connections_accepted"] >= 4)


def test_a_client_that_is_gone_is_found_by_a_ping():
    with serving("keepaliveInterval=300", "keepaliveTimeout=2000") as server:
        hostile = Hostile(server.address)
        hostile.send(call(1, "/test.Echo/Sleep", b"3600000"))
        eventually(lambda: hostile.kinds(PING))
        hostile.ended()
        assert server.counters()["keepalives_timed_out"] == 1


def test_a_client_may_ping_as_grpc_clients_do():
    with serving() as server:
        options = [
            ("grpc.use_local_subchannel_pool", 1), ("grpc.keepalive_time_ms", 50), ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.max_pings_without_data", 0),
        ]
        with grpc.insecure_channel(server.address, options) as channel:
            assert unary(channel, "Sleep")(b"2000", timeout=PATIENCE) == b"2000"
        assert server.counters()["ping_floods"] == 0


def test_compressed_bombs_on_many_streams():
    import gzip

    bomb = gzip.compress(bytes(64 << 20), 9)
    body = b"\1" + struct.pack("!I", len(bomb)) + bomb
    with serving() as server:
        hostile = Hostile(server.address)
        for n in range(20):
            stream = 2 * n + 1
            hostile.send(headers(stream, extra=[("grpc-encoding", "gzip")]))
            for start in range(0, len(body), 16000):
                hostile.send(frame(DATA, body[start : start + 16000], END_STREAM if start + 16000 >= len(body) else 0, stream))
        eventually(lambda: len(hostile.kinds(HEADERS)) == 20)
        hostile.close()


def test_parts_of_messages_on_many_streams():
    """Each message is within its limit and never ends: together they are bounded."""
    with serving(f"queuedInput={8 << 20}") as server:
        before = server.kib()
        hostile = Hostile(server.address)
        part = struct.pack("!BI", 0, 4 << 20) + bytes(100_000)
        for n in range(300):
            stream = 2 * n + 1
            hostile.send(headers(stream, "/test.Echo/Collect"))
            for start in range(0, len(part), 16000):
                hostile.send(frame(DATA, part[start : start + 16000], 0, stream))
        eventually(lambda: server.counters()["inputs_refused"] >= 200)
        assert IS_SLOW or server.kib() - before < 32 << 10
        hostile.close()


def test_streams_that_never_become_calls_are_bounded():
    """A unary call whose message never comes has no handler, but it has a stream."""
    with serving("runningHandlers=300") as server:
        many = [Hostile(server.address) for _ in range(4)]
        for hostile in many:
            hostile.send(b"".join(headers(2 * n + 1) for n in range(200)))
        eventually(lambda: sum(len(h.kinds(RST)) for h in many) >= 500)
        for hostile in many:
            assert all(f[3] == struct.pack("!I", 7) for f in hostile.kinds(RST))
            hostile.close()
        def recovered():
            try:
                return server.counters()["streams"] <= 2
            except grpc.RpcError:
                return False

        eventually(recovered)
        # The polite client was refused meanwhile, in the way that makes clients try again.
        server.polite_failures = [e for e in server.polite_failures if e.code() != grpc.StatusCode.UNAVAILABLE]


def test_headers_of_nothing_but_padding():
    """Each begins a stream and is malformed, so that the server resets it."""
    with serving() as server:
        hostile, stream = Hostile(server.address), 1
        while not hostile.closed.is_set() and stream < 200_000:
            burst = b""
            for _ in range(200):
                burst += frame(HEADERS, b"\xff" + bytes(255), END_HEADERS | PADDED, stream)
                stream += 2
            if not hostile.send(burst):
                break
        hostile.ended()
        assert server.counters()["reset_floods"] == 1


def test_a_message_in_crumbs():
    """One byte in each frame is slow, but no attack: it is taken, and nobody else waits for it."""
    body = message(bytes(40_000))
    with serving() as server:
        hostile = Hostile(server.address)
        hostile.send(headers(1, "/test.Echo/Collect"))
        for start in range(0, len(body), 1000):
            hostile.send(b"".join(frame(DATA, body[n : n + 1], 0, 1) for n in range(start, min(start + 1000, len(body)))))
        hostile.send(frame(DATA, b"", END_STREAM, 1))
        fields, answer = hostile.answer(1)
        assert fields["grpc-status"] == "0" and answer == body
        hostile.close()


def test_lengths_that_no_message_has():
    """A prefix that announces 4 GiB costs nothing, and one of the largest allowed only what has come of it."""
    with serving() as server:
        before = server.kib()
        hostile = Hostile(server.address)
        for n in range(300):
            claim = 0xFFFFFFFF if n % 2 else 4 << 20
            hostile.send(headers(2 * n + 1, "/test.Echo/Collect") + frame(DATA, struct.pack("!BI", 0, claim), 0, 2 * n + 1))
        eventually(lambda: len({f[2] for f in hostile.kinds(HEADERS)}) == 150)
        assert IS_SLOW or server.kib() - before < 8 << 10
        hostile.close()


def test_compressed_bombs_in_one_stream():
    """Small on the wire and at the limit when inflated, one behind the other: none is inflated before its turn."""
    import gzip

    bomb = gzip.compress(bytes(4 << 20), 9)
    body = b"\1" + struct.pack("!I", len(bomb)) + bomb
    with serving() as server:
        before = server.kib()
        hostile = Hostile(server.address)
        hostile.send(headers(1, "/test.Echo/Each", extra=[("grpc-encoding", "gzip")]))
        for _ in range(50):
            for start in range(0, len(body), 16000):
                hostile.send(frame(DATA, body[start : start + 16000], 0, 1))
        # It never opens its window, so the first answers are all that is made.
        hostile.frame(DATA, 1)
        server.polite_call()
        assert IS_SLOW or server.kib() - before < MOST_KIB
        # Inflated twice it is what it says only once: the inner one is a message like any other.
        nested = gzip.compress(gzip.compress(bytes(64 << 20), 9), 9)
        hostile.send(headers(3, "/test.Echo/Unary", extra=[("grpc-encoding", "gzip")]))
        hostile.send(frame(DATA, b"\1" + struct.pack("!I", len(nested)) + nested, END_STREAM, 3))
        eventually(lambda: any(f[2] == 3 for f in hostile.kinds(HEADERS)))
        hostile.close()


def test_a_peer_that_acknowledges_nothing():
    """Neither SETTINGS nor PING: its calls are served all the same, until a ping goes unanswered."""
    with serving("keepaliveInterval=300", "keepaliveTimeout=2000") as server:
        hostile = Hostile(server.address)
        hostile.send(call(1))
        assert hostile.answer(1)[0]["grpc-status"] == "0"
        hostile.ended()
        assert server.counters()["keepalives_timed_out"] == 1


def test_connections_that_come_and_go():
    """Thousands that connect and reset, some in the middle of a call."""
    with serving() as server:
        linger = struct.pack("ii", 1, 0)
        host, port = server.address.rsplit(":", 1)
        for n in range(3000):
            with socket.create_connection((host, int(port)), PATIENCE) as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                if n % 3 == 1:
                    connection.sendall(PREFACE[: n % 24])
                elif n % 3 == 2:
                    connection.sendall(PREFACE + frame(SETTINGS) + call(1, "/test.Echo/Sleep", b"3600000"))
        eventually(lambda: server.counters()["connections"] == 1)
        eventually(lambda: server.counters()["running_handlers"] <= 1)
        assert server.counters()["connections_refused"] == 0
