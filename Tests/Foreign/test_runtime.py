"""The gRPC runtime against clients that are not ours: grpcio with plain bytes, and h2 for what grpcio would never send.

$SEGMENTD_WRAPPER is put before the server's command; the server's exit code is part of the test.
"""

import concurrent.futures
import contextlib
import os
import shlex
import socket
import time

import grpc
import h2.config
import h2.connection
import h2.events
import pytest
from conftest import Process, binary

pytestmark = pytest.mark.wire

WRAPPER = shlex.split(os.environ.get("SEGMENTD_WRAPPER", ""))
# Everything takes longer under a wrapper such as valgrind.
PATIENCE = 240 if WRAPPER else 60
LIMITLESS = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]


@pytest.fixture(scope="module")
def server():
    """HOST:PORT of an EchoServer that must end with exit code 0 on SIGTERM."""
    process = Process([*WRAPPER, binary("EchoServer"), "127.0.0.1:0"])
    yield process.address
    code = process.stop(seconds=PATIENCE)
    assert code == 0, f"EchoServer ended with {code}:\n{process.error_text()}"


@pytest.fixture
def channel(server):
    with grpc.insecure_channel(server, LIMITLESS) as channel:
        yield channel


def unary(channel, name):
    return channel.unary_unary(f"/test.Echo/{name}")


def failure(call):
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value


def eventually(condition):
    limit = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.01)


# Every kind of call


def test_unary(channel):
    assert unary(channel, "Unary")(b"\x00\xffhello", timeout=PATIENCE) == b"\x00\xffhello"
    assert unary(channel, "Unary")(b"", timeout=PATIENCE) == b""


def test_client_stream(channel):
    collect = channel.stream_unary("/test.Echo/Collect")
    assert collect(iter([b"a", b"", b"bc"]), timeout=PATIENCE) == b"abc"
    assert collect(iter([]), timeout=PATIENCE) == b""


def test_server_stream(channel):
    expand = channel.unary_stream("/test.Echo/Expand")
    assert list(expand(b"3 2", timeout=PATIENCE)) == [b"\x07\x07"] * 3
    assert list(expand(b"0 0", timeout=PATIENCE)) == []
    assert sum(map(len, expand(b"200 65536", timeout=PATIENCE))) == 200 * 65536


def test_bidirectional(channel):
    each = channel.stream_stream("/test.Echo/Each")
    assert list(each(iter([b"1", b"", b"3"]), timeout=PATIENCE)) == [b"1", b"", b"3"]


def test_many_calls_at_once(channel):
    call = unary(channel, "Unary")
    calls = [call.future(str(n).encode(), timeout=PATIENCE) for n in range(500)]
    assert [c.result() for c in calls] == [str(n).encode() for n in range(500)]


def test_several_connections(server):
    def talk(n):
        options = [*LIMITLESS, ("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(server, options) as own:
            return unary(own, "Unary")(str(n).encode(), timeout=PATIENCE)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert list(pool.map(talk, range(16))) == [str(n).encode() for n in range(16)]


def test_large_messages_both_ways(channel):
    message = os.urandom(3 << 20)
    assert unary(channel, "Unary")(message, timeout=PATIENCE) == message


# How calls end


def test_status_message_and_details(channel):
    text = "a\u00e9 100% \n\U0001f600"
    error = failure(lambda: unary(channel, "Fail")(f"9 {text}".encode(), timeout=PATIENCE))
    assert error.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert error.details() == text
    trailers = dict(error.trailing_metadata())
    assert trailers["grpc-status-details-bin"] == text.encode()
    assert trailers["x-request-id"]


@pytest.mark.parametrize("code", [c for c in grpc.StatusCode if c is not grpc.StatusCode.OK], ids=lambda c: c.name)
def test_every_status(channel, code):
    error = failure(lambda: unary(channel, "Fail")(f"{code.value[0]} x".encode(), timeout=PATIENCE))
    assert (error.code(), error.details()) == (code, "x")


def test_unknown_method(channel):
    error = failure(lambda: unary(channel, "Nothing")(b"", timeout=PATIENCE))
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED
    assert "/test.Echo/Nothing" in error.details()


def test_deadline(channel):
    error = failure(lambda: unary(channel, "Sleep")(b"3600000", timeout=0.2))
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert unary(channel, "Sleep")(b"1", timeout=PATIENCE) == b"1"


def test_cancellation_reaches_the_handler(channel):
    cancelled = lambda: int(unary(channel, "Cancelled")(b"", timeout=PATIENCE))
    before = cancelled()
    calls = [unary(channel, "Sleep").future(b"3600000") for _ in range(10)]
    # An answered call behind them on the same connection tells that they have arrived.
    unary(channel, "Unary")(b"", timeout=PATIENCE)
    for call in calls:
        call.cancel()
    eventually(lambda: cancelled() == before + 10)


def test_cancelled_stream(channel):
    stream = channel.unary_stream("/test.Echo/Expand")(b"1000000 1000", timeout=PATIENCE)
    assert next(stream) == b"\x07" * 1000
    stream.cancel()
    assert unary(channel, "Unary")(b"x", timeout=PATIENCE) == b"x"


def test_message_over_the_limit_and_a_good_call_after_it(channel):
    for call in (unary(channel, "Unary"), lambda m, **k: channel.stream_unary("/test.Echo/Collect")(iter([m]), **k)):
        error = failure(lambda: call(bytes(5 << 20), timeout=PATIENCE))
        assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert call(b"good", timeout=PATIENCE) == b"good"


def test_metadata_over_the_limit_and_a_good_call_after_it(channel):
    error = failure(lambda: unary(channel, "Unary")(b"", metadata=[("x", "y" * 20_000)], timeout=PATIENCE))
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert unary(channel, "Unary")(b"x", timeout=PATIENCE) == b"x"


def test_metadata(channel):
    sent = [("x-one", "1"), ("x-two", "a"), ("x-two", "b"), ("data-bin", b"\x00\xff")]
    lines = unary(channel, "Metadata")(b"", metadata=sent, timeout=PATIENCE).decode().split("\n")
    assert [line for line in lines if not line.startswith("grpc-")] == ["x-one=1", "x-two=a", "x-two=b", "data-bin=AP8"]


# What a gRPC client would never send


class Raw:
    """One HTTP/2 connection that sends what a test likes."""

    GRPC = [("te", "trailers"), ("content-type", "application/grpc")]

    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), PATIENCE)
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.flush()

    def flush(self):
        self.socket.sendall(self.h2.data_to_send())

    def headers(self, headers, path="/test.Echo/Unary", method="POST", end=False):
        stream = self.h2.get_next_available_stream_id()
        base = [(":method", method), (":scheme", "http"), (":authority", "test"), (":path", path)]
        self.h2.send_headers(stream, base + headers, end_stream=end)
        self.flush()
        return stream

    def answer(self, stream):
        """Headers and trailers, and the body, of a stream that is read to its end."""
        headers, body = {}, b""
        while True:
            received = self.socket.recv(65536)
            if not received:
                raise ConnectionError("closed")
            for event in self.h2.receive_data(received):
                if getattr(event, "stream_id", None) != stream:
                    continue
                if isinstance(event, (h2.events.ResponseReceived, h2.events.TrailersReceived)):
                    headers.update(event.headers)
                elif isinstance(event, h2.events.DataReceived):
                    body += event.data
                    self.h2.acknowledge_received_data(event.flow_controlled_length, stream)
                elif isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset)):
                    self.flush()
                    return headers, body
            self.flush()

    def call(self, body=b"\0\0\0\0\1x"):
        stream = self.headers(self.GRPC)
        self.h2.send_data(stream, body, end_stream=True)
        self.flush()
        return self.answer(stream)


@pytest.fixture
def raw(server):
    connection = Raw(server)
    with contextlib.closing(connection.socket):
        yield connection
        # Whatever the test did, the connection still serves a good call.
        headers, body = connection.call()
        assert (headers["grpc-status"], body) == ("0", b"\0\0\0\0\1x")


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "application/grpcx", None])
def test_wrong_content_type_is_415(raw, kind):
    stream = raw.headers([("content-type", kind)] if kind else [], end=True)
    assert raw.answer(stream)[0][":status"] == "415"


@pytest.mark.parametrize("kind", ["application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8"])
def test_content_types_of_grpc(raw, kind):
    stream = raw.headers([("te", "trailers"), ("content-type", kind)])
    raw.h2.send_data(stream, b"\0\0\0\0\0", end_stream=True)
    raw.flush()
    assert raw.answer(stream)[0]["grpc-status"] == "0"


@pytest.mark.parametrize("method", ["GET", "PUT", "OPTIONS"])
def test_wrong_method_is_405(raw, method):
    stream = raw.headers(Raw.GRPC, method=method, end=True)
    assert raw.answer(stream)[0][":status"] == "405"


def test_bad_requests(raw):
    cases = [
        ([("grpc-encoding", "snappy")], b"\0\0\0\0\0", "12"),
        ([("grpc-timeout", "soon")], b"\0\0\0\0\0", "13"),
        ([], b"\1\0\0\0\0", "13"),  # compressed without an encoding
        ([], b"\0\0\0\0\5ab", "13"),  # cut off
        ([], b"\xff\xff\xff\xff\xff", "13"),  # no such flags
        ([], b"\0\xff\xff\xff\xff", "8"),  # 4 GiB are announced
        ([], b"", "12"),  # no message
        ([], b"\0\0\0\0\0\0\0\0\0\0", "12"),  # two
    ]
    for headers, body, status in cases:
        stream = raw.headers(Raw.GRPC + headers)
        raw.h2.send_data(stream, body, end_stream=True)
        raw.flush()
        assert raw.answer(stream)[0]["grpc-status"] == status, (headers, body)


def test_garbage_instead_of_http2(server):
    host, port = server.rsplit(":", 1)
    for garbage in (b"GET / HTTP/1.1\r\n\r\n", os.urandom(4096), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(100)):
        with socket.create_connection((host, int(port)), PATIENCE) as connection:
            connection.sendall(garbage)
            with contextlib.suppress(ConnectionError):
                while connection.recv(65536):
                    pass
    raw = Raw(server)
    assert raw.call()[0]["grpc-status"] == "0"
    raw.socket.close()
