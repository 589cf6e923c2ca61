"""Calls in frames that are odd but legal, and in frames that are almost a call: what a gRPC server makes of each."""

import gzip

import pytest
from conformance import Peer, http2_server, peer  # noqa: F401
from raw_http2 import (
    CANCEL, CLOSED, CONTINUATION, DATA, END_HEADERS, END_STREAM, FLOW_CONTROL, GOAWAY, HEADERS, INITIAL_WINDOW, MAX_FRAME, NO_ERROR,
    PADDED, PROTOCOL, PUSH, RST, TABLE_SIZE, WINDOW, frame, message, setting, uint32,
)
from test_requests import SERVICE, ask, status

pytestmark = pytest.mark.wire

GRPC = [("te", "trailers"), ("content-type", "application/grpc")]
# SimpleRequest and StreamingOutputCallRequest: response_size 10, one response of 70,000 bytes.
TEN_BYTES = message(b"\x10\x0a")
MANY_BYTES = message(b"\x12\x04\x08\xf0\xa2\x04")
SLEEPY = message(b"\x12\x06\x08\x01\x10\xff\xff\x7f")


def begin(peer, method, stream=1, extra=(), end=False):
    peer.request(stream, end, method="POST", path=SERVICE + method, extra=[*GRPC, *extra])


# Frames that carry a good call


def test_trailers_of_a_request_end_it(peer):
    """gRPC gives them no meaning, whatever is in them."""
    for number, method in enumerate(["EmptyCall", "StreamingInputCall", "FullDuplexCall", "StreamingOutputCall"]):
        stream = 2 * number + 1
        begin(peer, method, stream)
        peer.data(stream, message(b""), end=False)
        trailers = [("grpc-status", "5"), ("grpc-encoding", "nothing"), ("x-trailer", "x" * 200)]
        peer.request(stream, block=peer.encoder.encode(trailers))
        assert peer.answer(stream)[0]["grpc-status"] == "0"


def test_trailers_alone_are_a_request_without_messages(peer):
    begin(peer, "StreamingInputCall")
    peer.request(block=peer.encoder.encode([("x-trailer", "x")]))
    assert peer.answer(1)[0]["grpc-status"] == "0"


def test_a_message_in_padded_frames_with_empty_ones_between(peer):
    begin(peer, "UnaryCall")
    for byte in TEN_BYTES:
        peer.send(frame(DATA, b"\xff" + bytes([byte]) + bytes(255), PADDED, 1) + frame(DATA, b"", 0, 1))
    peer.send(frame(DATA, b"\0", PADDED | END_STREAM, 1))
    fields, body = peer.answer(1)
    assert fields["grpc-status"] == "0" and len(body) == 5 + 2 + 2 + 10


def test_padding_costs_no_window(peer):
    """More of it than the stream's window and the connection's: it is given back as it comes."""
    begin(peer, "StreamingInputCall")
    padded = frame(DATA, b"\xff" + message(b"") + bytes(255), PADDED, 1)
    size = 50 * (len(padded) - 9)
    given = lambda: peer.settings[INITIAL_WINDOW] + sum(int.from_bytes(f[3], "big") for f in peer.kinds(WINDOW) if f[2] == 1)
    for sent in range(0, 3 << 20, size):
        peer.wait(lambda: sent + size <= given())
        peer.send(padded * 50)
    peer.data(body=b"")
    assert peer.answer(1)[0]["grpc-status"] == "0"


def test_many_messages_in_one_frame_and_one_message_in_many(peer):
    begin(peer, "StreamingInputCall")
    body = message(b"\x0a\x03\x12\x01x") * 1000
    for start in range(0, len(body), 7):
        peer.data(body=body[start : start + 7], end=False)
    peer.data(body=body, end=True)
    fields, answer = peer.answer(1)
    assert fields["grpc-status"] == "0" and answer == message(b"\x08\xd0\x0f")


def test_the_last_stream_that_there_can_be(http2_server):
    peer = Peer(http2_server)
    begin(peer, "EmptyCall", 2**31 - 1)
    peer.data(2**31 - 1, message(b""))
    assert peer.answer(2**31 - 1)[0]["grpc-status"] == "0"
    peer.expect_ping()
    peer.close()


def test_a_client_that_said_goaway_may_still_call(peer):
    """What it says is about the server's streams, of which there are none."""
    begin(peer, "FullDuplexCall")
    peer.send(frame(GOAWAY, uint32(0) + uint32(NO_ERROR) + b"debug"))
    begin(peer, "EmptyCall", 3)
    peer.data(3, message(b""))
    assert peer.answer(3)[0]["grpc-status"] == "0"
    peer.data(1, b"")
    assert peer.answer(1)[0]["grpc-status"] == "0"
    peer.ended()


@pytest.mark.parametrize("kind", [0x0A, 0x0C, 0x10], ids=["altsvc", "origin", "priority-update"])
def test_frames_of_extensions_are_ignored(peer, kind):
    begin(peer, "EmptyCall")
    peer.send(frame(kind, uint32(1) + b"u=1", 0, 0) + frame(kind, b"", 255, 1) + frame(kind, bytes(16384), 0, 7))
    peer.data(body=message(b""))
    assert peer.answer(1)[0]["grpc-status"] == "0"


def test_settings_of_all_sizes(peer):
    peer.set((TABLE_SIZE, 2**32 - 1), (MAX_FRAME, 2**24 - 1), (INITIAL_WINDOW, 2**31 - 1))
    begin(peer, "StreamingOutputCall")
    peer.data(body=MANY_BYTES)
    peer.send(frame(WINDOW, uint32(1 << 20)))
    fields, body = peer.answer(1)
    assert fields["grpc-status"] == "0" and len(body) > 70_000
    # As many settings as nghttp2 takes in one frame.
    peer.set(*[(0x0A0A + n, n) for n in range(32)])
    peer.expect_ping()


# Windows


@pytest.mark.parametrize("refusal", ["method", "timeout", "message"])
def test_an_error_needs_no_window(http2_server, refusal):
    peer = Peer(http2_server, setting(INITIAL_WINDOW, 0))
    if refusal == "method":
        answer = ask(peer, "Nothing")
    elif refusal == "timeout":
        answer = ask(peer, "StreamingOutputCall", SLEEPY, extra=[("grpc-timeout", "10m")])
    else:
        answer = ask(peer, body=b"\2\0\0\0\0")
    assert status(answer) == {"method": 12, "timeout": 4, "message": 13}[refusal]
    peer.close()


def test_a_deadline_ends_what_the_window_holds_back(http2_server):
    """The status would wait behind the message: the stream is reset instead."""
    peer = Peer(http2_server, setting(INITIAL_WINDOW, 10))
    begin(peer, "StreamingOutputCall", extra=[("grpc-timeout", "200m")])
    peer.data(body=MANY_BYTES)
    peer.expect_reset(CANCEL)
    peer.expect_ping()
    peer.close()


def test_more_than_the_window_allows_is_an_error(peer):
    """Of the stream: what its reader has not taken is not given back."""
    begin(peer, "FullDuplexCall")
    peer.send(frame(DATA, SLEEPY, 0, 1))
    chunk = frame(DATA, message(bytes(16_000)), 0, 1)
    for _ in range(70):
        peer.send(chunk)
    peer.expect_error(FLOW_CONTROL)


# Frames that are no call


@pytest.mark.parametrize("flag", [2, 3, 127, 128, 255])
def test_flags_of_messages_that_mean_nothing(peer, flag):
    assert status(ask(peer, body=bytes([flag]) + uint32(0))) == 13


ZIPPED = gzip.compress(b"\x10\x0a")


@pytest.mark.parametrize(
    "encoding, body, code",
    [
        ("gzip", b"\1" + uint32(len(ZIPPED)) + ZIPPED, 0),
        ("gzip", TEN_BYTES, 0),
        ("identity", TEN_BYTES, 0),
        ("", TEN_BYTES, 0),
        ("identity", b"\1" + uint32(len(ZIPPED)) + ZIPPED, 13),
        ("", b"\1" + uint32(len(ZIPPED)) + ZIPPED, 13),
        ("gzip", b"\1" + uint32(len(ZIPPED) - 1) + ZIPPED[:-1], 13),
        ("gzip", b"\1" + uint32(len(ZIPPED) + 1) + ZIPPED + b"x", 13),
        ("gzip", b"\1" + uint32(2) + b"\x10\x0a", 13),
        ("gzip", b"\1" + uint32(0), 13),
        ("deflate", b"\1" + uint32(len(ZIPPED)) + ZIPPED, 13),
        ("br", TEN_BYTES, 12),
        ("gzip, identity", TEN_BYTES, 12),
    ],
)
def test_how_a_message_is_coded(peer, encoding, body, code):
    answer = ask(peer, "UnaryCall", body, extra=[("grpc-encoding", encoding)])
    assert status(answer) == code
    assert code != 12 or answer[0]["grpc-accept-encoding"] == "gzip,deflate,identity"


@pytest.mark.parametrize("end", ["half-close", "answer"])
def test_messages_behind_the_end_of_a_request(peer, end):
    begin(peer, "FullDuplexCall" if end == "half-close" else "EmptyCall")
    if end == "half-close":
        # It goes on answering.
        peer.data(body=SLEEPY)
    else:
        peer.data(body=message(b""))
        peer.answer(1)
    peer.data(body=message(b""))
    peer.expect_error(CLOSED)


@pytest.mark.parametrize("method", ["EmptyCall", "StreamingInputCall", "Nothing"])
def test_a_stream_that_its_client_resets_leaves_nothing(peer, method):
    for stream in range(1, 200, 2):
        begin(peer, method, stream)
        peer.send(frame(DATA, b"\0\0\0", 0, stream) + frame(RST, uint32(CANCEL), 0, stream))
    begin(peer, "EmptyCall", 201)
    peer.data(201, message(b""))
    assert peer.answer(201)[0]["grpc-status"] == "0"


def test_a_promise_of_the_client_ends_the_connection(peer):
    begin(peer, "FullDuplexCall")
    peer.send(frame(PUSH, uint32(3) + peer.block(), END_HEADERS, 1))
    peer.expect_goaway(PROTOCOL)


@pytest.mark.parametrize("fields", [{"path": None, "scheme": None}, {}], ids=["connect", "with-a-path"])
def test_connect_is_no_call(peer, fields):
    peer.request(method="CONNECT", **fields)
    if fields:
        peer.expect_answer()
    else:
        peer.expect_error(PROTOCOL)


def test_a_request_names_whom_it_is_for(peer):
    """RFC 9113, section 8.3.1."""
    peer.request(method="POST", path=SERVICE + "EmptyCall", authority=None, extra=GRPC)
    peer.expect_error(PROTOCOL)


@pytest.mark.parametrize(
    "first, second", [("text/plain", "application/grpc"), ("application/grpc", "text/plain")]
)
def test_two_content_types(peer, first, second):
    fields = [("content-type", first), ("content-type", second)]
    assert ask(peer, content_type=None, extra=fields)[0][":status"] == "415"


def test_the_latest_of_two_timeouts_counts(peer):
    assert status(ask(peer, extra=[("grpc-timeout", "1S"), ("grpc-timeout", "2S")])) == 0
    peer.request(3, end=False, method="POST", path=SERVICE + "EmptyCall", extra=[*GRPC, ("grpc-timeout", "x"), ("grpc-timeout", "1S")])
    peer.data(3, message(b""))
    assert peer.answer(3)[0]["grpc-status"] == "13"


@pytest.mark.parametrize("count", [100, 500])
def test_many_fields(peer, count):
    """Each counts 32 bytes beside its name and value: 500 are over the limit."""
    answer = ask(peer, extra=[(f"x-{n}", "y") for n in range(count)])
    assert status(answer) == (0 if count == 100 else 8)


def test_a_field_larger_than_any_table(peer):
    """Over the limit, but not so large that the connection must end."""
    block = peer.block("POST", [*GRPC, ("x-large", "x" * 60_000)], path=SERVICE + "EmptyCall")
    peer.send(frame(HEADERS, block[:16_000], END_STREAM, 1))
    parts = [block[start : start + 16_000] for start in range(16_000, len(block), 16_000)]
    for number, part in enumerate(parts, 1):
        peer.send(frame(CONTINUATION, part, END_HEADERS if number == len(parts) else 0, 1))
    assert status(peer.answer(1)) == 8


def test_a_long_path_is_not_repeated(peer):
    fields, _ = ask(peer, "x" * 8000)
    assert fields["grpc-status"] == "12" and len(fields["grpc-message"]) < 1000


@pytest.mark.parametrize("value", ["!", "A", "====", "q6ur,!", "q6ur\x80"])
def test_metadata_in_bytes_that_are_none(peer, value):
    """The call is served or refused, and nothing else suffers."""
    answer = ask(peer, "UnaryCall", extra=[("x-grpc-test-echo-trailing-bin", value)])
    assert status(answer) in (0, 13)
