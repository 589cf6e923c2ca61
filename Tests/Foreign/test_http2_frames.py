"""Frames, streams and connections as RFC 9113, sections 3 to 7 want them, each case against its own connection."""

import os

import pytest
from conformance import Peer, http2_server, peer  # noqa: F401
from raw_http2 import (
    ACK, CANCEL, CLOSED, COMPRESSION, CONTINUATION, DATA, ENABLE_PUSH, END_HEADERS, END_STREAM, FLOW_CONTROL, FRAME_SIZE,
    GOAWAY, HEADERS, INITIAL_WINDOW, MAX_FRAME, MAX_STREAMS, NO_ERROR, PADDED, PING, PREFACE, PRIORITIZED, PRIORITY,
    PROTOCOL, PUSH, REFUSED, RST, SETTINGS, WINDOW, RawPeer, frame, setting, uint32,
)

pytestmark = pytest.mark.wire

LARGEST = 2**31 - 1


def priority(dependency, weight=255, exclusive=False):
    return uint32(dependency | (1 << 31 if exclusive else 0)) + bytes([weight])


# Section 3.4: the preface


def test_the_servers_settings_come_first(http2_server):
    peer = RawPeer(http2_server)
    peer.frame(SETTINGS)
    assert peer.frames[0][0] == SETTINGS and peer.frames[0][1] == 0
    peer.close()


@pytest.mark.parametrize("start", [b"INVALID CONNECTION PREFACE\r\n\r\n", b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", PREFACE[:-1] + b"x"])
def test_another_preface_ends_the_connection(http2_server, start):
    peer = RawPeer(http2_server, preface=False)
    peer.send(start)
    peer.ended()
    assert peer.goaway() in (PROTOCOL, None)


def test_the_first_frame_behind_the_preface_is_settings(http2_server):
    peer = RawPeer(http2_server, preface=False)
    peer.send(PREFACE + frame(PING, bytes(8)))
    peer.ended()
    assert peer.goaway() == PROTOCOL


# Section 4.1: the format of frames


@pytest.mark.parametrize("kind", [10, 22, 0x99, 255])
def test_unknown_kinds_of_frames_are_ignored(peer, kind):
    peer.send(frame(kind, bytes(8)))
    peer.send(frame(kind, bytes(8), 255, 1))
    peer.expect_ping()


def test_unknown_flags_are_ignored(peer):
    peer.send(frame(PING, bytes(8), 0xFE))
    peer.wait(lambda: [f for f in peer.kinds(PING) if f[1] == ACK])


def test_the_reserved_bit_of_the_streams_number_is_ignored(peer):
    peer.send(frame(PING, bytes(8), 0, 1 << 31))
    peer.wait(lambda: [f for f in peer.kinds(PING) if f[1] == ACK])


# Section 4.2: their size


def test_a_frame_of_16_kib_is_taken(peer):
    peer.request(method="POST", end=False)
    peer.data(body=bytes(1 << 14))
    peer.expect_answer(status="415")


def test_a_larger_data_frame_is_an_error(peer):
    largest = peer.settings.get(MAX_FRAME, 1 << 14)
    peer.request(method="POST", end=False)
    peer.data(body=bytes(largest + 1))
    peer.expect_error(FRAME_SIZE)


def test_a_larger_headers_frame_ends_the_connection(peer):
    largest = peer.settings.get(MAX_FRAME, 1 << 14)
    peer.request(extra=[("x-dummy", "x" * (largest * 8 // 5))], block=peer.block() + bytes(largest))
    peer.expect_goaway(FRAME_SIZE)


# Section 4.3: header blocks


@pytest.mark.parametrize("kind", ["headers", "continuation"])
def test_a_block_that_is_not_hpack_ends_the_connection(peer, kind):
    # An index that no table has.
    if kind == "headers":
        peer.request(block=b"\xff\xff\xff\xff\x0f")
    else:
        peer.send(frame(HEADERS, peer.block(), END_STREAM, 1) + frame(CONTINUATION, b"\xff\xff\xff\xff\x0f", END_HEADERS, 1))
    peer.expect_goaway(COMPRESSION)


INTERRUPTIONS = {
    "data": frame(DATA, b"test", END_STREAM, 1),
    "headers-of-another": frame(HEADERS, b"\x82", END_HEADERS | END_STREAM, 3),
    "headers-again": frame(HEADERS, b"\x82", END_HEADERS | END_STREAM, 1),
    "priority": frame(PRIORITY, priority(0), 0, 1),
    "reset": frame(RST, uint32(CANCEL), 0, 1),
    "settings": frame(SETTINGS),
    "ping": frame(PING, bytes(8)),
    "goaway": frame(GOAWAY, bytes(8)),
    "window": frame(WINDOW, uint32(1), 0, 0),
    "continuation-of-another": frame(CONTINUATION, b"\x82", END_HEADERS, 3),
    "unknown": frame(0x16, bytes(4)),
}


@pytest.mark.parametrize("open_with", ["headers", "continuation"])
@pytest.mark.parametrize("name", INTERRUPTIONS)
def test_nothing_may_come_between_the_frames_of_a_block(peer, open_with, name):
    start = frame(HEADERS, peer.block(), END_STREAM, 1)
    if open_with == "continuation":
        start += frame(CONTINUATION, b"", 0, 1)
    peer.send(start + INTERRUPTIONS[name])
    peer.expect_goaway(PROTOCOL)


# Section 5.1: the states of streams


@pytest.mark.parametrize(
    "wrong",
    [frame(DATA, b"test", END_STREAM, 1), frame(RST, uint32(CANCEL), 0, 1), frame(WINDOW, uint32(100), 0, 1),
     frame(CONTINUATION, b"\x82", END_HEADERS, 1)],
    ids=["data", "reset", "window", "continuation"],
)
def test_an_idle_stream_begins_with_headers(peer, wrong):
    peer.send(wrong)
    peer.expect_goaway(PROTOCOL)


@pytest.mark.parametrize("state", ["half-closed", "answered", "reset"])
@pytest.mark.parametrize("wrong", ["data", "headers", "continuation"])
def test_nothing_comes_behind_the_end_of_a_stream(peer, state, wrong):
    """Whether the server still works on it or not."""
    if state == "half-closed":
        # Without a window its answer cannot end.
        peer.set((INITIAL_WINDOW, 0))
    peer.request(end=state != "reset")
    if state == "answered":
        peer.expect_answer()
    elif state == "reset":
        peer.send(frame(RST, uint32(CANCEL), 0, 1))
    if wrong == "data":
        peer.data()
        peer.expect_error(CLOSED)
    elif wrong == "headers":
        peer.request()
        peer.expect_error(CLOSED)
    else:
        peer.send(frame(CONTINUATION, peer.block(), END_HEADERS, 1))
        peer.expect_error(CLOSED, PROTOCOL)


def test_what_was_on_its_way_when_the_server_reset_a_stream_is_ignored(peer):
    fields = [("te", "trailers"), ("content-type", "application/grpc")]
    peer.request(method="POST", path="/grpc.testing.TestService/Nothing", extra=fields, end=False)
    assert peer.answer(1)[0]["grpc-status"] == "12"
    peer.frame(RST, 1)
    peer.data(end=False)
    peer.data(end=False, body=b"")
    peer.send(frame(WINDOW, uint32(1), 0, 1))
    peer.request(block=peer.encoder.encode([("x-trailer", "x")]))
    peer.expect_ping()
    peer.request(3)
    peer.expect_answer(3)


@pytest.mark.parametrize("late", [frame(WINDOW, uint32(1), 0, 1), frame(RST, uint32(CANCEL), 0, 1), frame(PRIORITY, priority(0), 0, 1)])
def test_some_frames_may_come_behind_the_end(peer, late):
    peer.request()
    peer.expect_answer()
    peer.send(late)
    peer.expect_ping()


def test_window_update_priority_and_reset_are_taken_on_a_half_closed_stream(peer):
    peer.set((INITIAL_WINDOW, 0))
    for stream in (1, 3, 5):
        peer.request(stream)
    peer.send(frame(WINDOW, uint32(1), 0, 1))
    assert len(peer.frame(DATA, 1)[3]) == 1
    peer.send(frame(PRIORITY, priority(0), 0, 3) + frame(WINDOW, uint32(1), 0, 3))
    assert len(peer.frame(DATA, 3)[3]) == 1
    peer.send(frame(RST, uint32(CANCEL), 0, 5))
    peer.expect_ping()


# Section 5.1.1: the numbers of streams


def test_a_clients_streams_have_odd_numbers(peer):
    peer.request(2)
    peer.expect_goaway(PROTOCOL)


def test_their_numbers_grow(peer):
    peer.request(5)
    peer.expect_answer(5)
    peer.request(3)
    peer.expect_goaway(PROTOCOL)


def test_numbers_may_be_left_out(peer):
    for stream in (1, 101, 103, 2001):
        peer.request(stream)
        peer.expect_answer(stream)


# Section 5.1.2: how many at once


def test_as_many_streams_as_allowed_are_served(peer):
    peer.set((INITIAL_WINDOW, 0))
    most = peer.settings[MAX_STREAMS]
    block = peer.block()
    peer.send(b"".join(frame(HEADERS, block, END_HEADERS | END_STREAM, 2 * n + 1) for n in range(most)))
    peer.set((INITIAL_WINDOW, 65535))
    for stream in (1, 2 * most - 1):
        peer.expect_answer(stream)
    peer.request(2 * most + 1)
    peer.expect_answer(2 * most + 1)


@pytest.mark.parametrize("knows", [True, False], ids=["told", "not-yet-told"])
@pytest.mark.parametrize("more", [1, 5000])
def test_streams_too_many_are_refused(http2_server, knows, more):
    """They alone, whether or not the client could know how many are allowed; there is room again when others have ended."""
    peer = Peer(http2_server, setting(INITIAL_WINDOW, 0), acknowledges=knows)
    most = peer.settings[MAX_STREAMS]
    block = peer.block()
    peer.send(b"".join(frame(HEADERS, block, END_HEADERS | END_STREAM, 2 * n + 1) for n in range(most)))
    surplus = [2 * (most + n) + 1 for n in range(more)]
    peer.send(b"".join(frame(HEADERS, block, END_HEADERS, stream) for stream in surplus))
    peer.wait(lambda: len(peer.kinds(RST)) == more)
    assert [(f[2], f[3]) for f in peer.kinds(RST)] == [(stream, uint32(REFUSED)) for stream in surplus]
    # What comes on a refused one is ignored, and the others go on.
    peer.data(surplus[0])
    peer.expect_ping()
    peer.set((INITIAL_WINDOW, 65535))
    peer.expect_answer(2 * most - 1)
    peer.request(surplus[-1] + 2)
    peer.expect_answer(surplus[-1] + 2)
    assert not peer.kinds(GOAWAY)
    peer.close()


# Section 5.3: priorities


@pytest.mark.parametrize("kind", ["headers", "priority"])
def test_no_stream_depends_on_itself(peer, kind):
    if kind == "headers":
        block = priority(1) + peer.block()
        peer.send(frame(HEADERS, block, END_HEADERS | END_STREAM | PRIORITIZED, 1))
    else:
        peer.request(end=False)
        peer.send(frame(PRIORITY, priority(1), 0, 1))
    peer.expect_error(PROTOCOL)


@pytest.mark.parametrize("weight", [0, 255])
@pytest.mark.parametrize("exclusive", [False, True])
def test_priorities_are_taken(peer, weight, exclusive):
    peer.send(frame(PRIORITY, priority(0, weight, exclusive), 0, 1))
    peer.send(frame(PRIORITY, priority(1, weight, exclusive), 0, 3))
    # A lower number than that of the idle stream which it named.
    peer.send(frame(PRIORITY, priority(0, weight, exclusive), 0, 7))
    peer.send(frame(HEADERS, priority(0, weight, exclusive) + peer.block(), END_HEADERS | END_STREAM | PRIORITIZED, 1))
    peer.expect_answer()
    peer.send(frame(PRIORITY, priority(0, weight, exclusive), 0, 1))
    peer.expect_ping()


# Section 5.4.1: errors of the connection


def test_behind_goaway_the_connection_is_closed(peer):
    peer.request(end=False)
    peer.send(frame(PING, bytes(8), 0, 3))
    peer.expect_goaway(PROTOCOL)
    # It says which stream was the last.
    assert int.from_bytes(peer.kinds(GOAWAY)[-1][3][:4], "big") == 1


# Section 6.1: DATA


def test_data_belongs_to_a_stream(peer):
    peer.data(stream=0)
    peer.expect_goaway(PROTOCOL)


@pytest.mark.parametrize("parts", [[b"test"], [b"te", b"st"], [b"", b"test", b""]])
def test_data_in_any_number_of_frames(peer, parts):
    peer.request(method="POST", end=False)
    for number, part in enumerate(parts):
        peer.data(body=part, end=number == len(parts) - 1)
    peer.expect_answer(status="415")


def test_padded_data(peer):
    peer.request(method="POST", end=False, extra=[("content-length", "4")])
    peer.send(frame(DATA, b"\x06test" + bytes(6), PADDED | END_STREAM, 1))
    peer.expect_answer(status="415")


@pytest.mark.parametrize("padding", [5, 6, 255])
def test_padding_as_long_as_the_frame(peer, padding):
    peer.request(method="POST", end=False)
    peer.send(frame(DATA, bytes([padding]) + b"test", PADDED | END_STREAM, 1))
    peer.expect_goaway(PROTOCOL)


# Section 6.2: HEADERS


def test_headers_belong_to_a_stream(peer):
    peer.request(0)
    peer.expect_goaway(PROTOCOL)


def test_padded_headers(peer):
    peer.send(frame(HEADERS, b"\x06" + peer.block() + bytes(6), END_HEADERS | END_STREAM | PADDED, 1))
    peer.expect_answer()


def test_padding_longer_than_the_headers(peer):
    block = peer.block()
    peer.send(frame(HEADERS, bytes([len(block) + 1]) + block, END_HEADERS | END_STREAM | PADDED, 1))
    peer.expect_goaway(PROTOCOL)


# Section 6.3: PRIORITY


def test_a_priority_belongs_to_a_stream(peer):
    peer.send(frame(PRIORITY, priority(0), 0, 0))
    peer.expect_goaway(PROTOCOL)


@pytest.mark.parametrize("size", [0, 4, 6])
def test_the_size_of_a_priority(peer, size):
    peer.request(method="POST", end=False)
    peer.send(frame(PRIORITY, bytes(size), 0, 1))
    peer.expect_error(FRAME_SIZE)


# Section 6.4: RST_STREAM


def test_a_reset_belongs_to_a_stream(peer):
    peer.send(frame(RST, uint32(CANCEL), 0, 0))
    peer.expect_goaway(PROTOCOL)


@pytest.mark.parametrize("size", [0, 3, 5])
def test_the_size_of_a_reset(peer, size):
    peer.request(method="POST", end=False)
    peer.send(frame(RST, bytes(size), 0, 1))
    peer.expect_goaway(FRAME_SIZE)


def test_a_reset_with_an_unknown_code(peer):
    peer.request(method="POST", end=False)
    peer.send(frame(RST, uint32(0xFFFF), 0, 1))
    peer.expect_ping()


# Section 6.5: SETTINGS


@pytest.mark.parametrize(
    "wrong, code",
    [
        (frame(SETTINGS, setting(INITIAL_WINDOW, 1), ACK), FRAME_SIZE),
        (frame(SETTINGS, b"", 0, 1), PROTOCOL),
        (frame(SETTINGS, bytes(3)), FRAME_SIZE),
        (frame(SETTINGS, setting(ENABLE_PUSH, 2)), PROTOCOL),
        (frame(SETTINGS, setting(INITIAL_WINDOW, LARGEST + 1)), FLOW_CONTROL),
        (frame(SETTINGS, setting(MAX_FRAME, (1 << 14) - 1)), PROTOCOL),
        (frame(SETTINGS, setting(MAX_FRAME, 1 << 24)), PROTOCOL),
    ],
    ids=["ack-with-payload", "of-a-stream", "cut", "push", "window", "small-frames", "large-frames"],
)
def test_settings_that_cannot_be(peer, wrong, code):
    peer.send(wrong)
    peer.expect_goaway(code)


def test_unknown_settings_are_ignored(peer):
    peer.set((0xFF, 1), (0, 0), (0xFFFF, 0xFFFFFFFF))
    peer.expect_ping()


def test_the_last_of_several_values_counts_and_is_acknowledged(peer):
    peer.set((INITIAL_WINDOW, 100), (INITIAL_WINDOW, 1))
    assert peer.kinds(SETTINGS)[-1][1] == ACK
    peer.request()
    assert len(peer.frame(DATA, 1)[3]) == 1


# Section 6.6: PUSH_PROMISE


def test_a_client_does_not_push(peer):
    peer.request(end=False)
    peer.send(frame(PUSH, uint32(2) + peer.block(), END_HEADERS, 1))
    peer.expect_goaway(PROTOCOL)


# Section 6.7: PING


def test_a_ping_is_answered_with_its_payload(peer):
    payload = os.urandom(8)
    peer.send(frame(PING, payload))
    assert peer.frame(PING) == (PING, ACK, 0, payload)


def test_an_answer_to_no_ping_is_not_answered(peer):
    peer.send(frame(PING, bytes(8), ACK) + frame(PING, b"question"))
    assert peer.frame(PING)[3] == b"question"


@pytest.mark.parametrize("wrong, code", [(frame(PING, bytes(8), 0, 1), PROTOCOL), (frame(PING, bytes(6)), FRAME_SIZE)])
def test_pings_that_cannot_be(peer, wrong, code):
    peer.send(wrong)
    peer.expect_goaway(code)


# Section 6.8: GOAWAY


def test_goaway_belongs_to_the_connection(peer):
    peer.send(frame(GOAWAY, bytes(8), 0, 1))
    peer.expect_goaway(PROTOCOL)


@pytest.mark.parametrize("code", [NO_ERROR, 0xFF])
def test_a_client_that_goes_is_served_to_the_end(peer, code):
    peer.set((INITIAL_WINDOW, 0))
    peer.request()
    peer.send(frame(GOAWAY, uint32(0) + uint32(code)) + frame(PING, bytes(8)))
    peer.frame(PING)
    peer.send(frame(WINDOW, uint32(100_000), 0, 1))
    assert peer.expect_answer()
    peer.ended()


# Section 6.9: WINDOW_UPDATE


@pytest.mark.parametrize("stream", [0, 1])
def test_a_window_grows_by_something(peer, stream):
    peer.request(method="POST", end=False)
    peer.send(frame(WINDOW, uint32(0), 0, stream))
    peer.expect_error(PROTOCOL)
    assert stream or peer.kinds(GOAWAY)


@pytest.mark.parametrize("stream", [0, 1])
@pytest.mark.parametrize("size", [0, 3, 5])
def test_the_size_of_a_window_update(peer, stream, size):
    peer.request(method="POST", end=False)
    peer.send(frame(WINDOW, bytes(size), 0, stream))
    peer.expect_goaway(FRAME_SIZE)


def test_an_answer_keeps_to_the_window(peer):
    peer.set((INITIAL_WINDOW, 1))
    peer.request()
    assert len(peer.frame(DATA, 1)[3]) == 1
    peer.expect_ping()
    assert len(peer.kinds(DATA)) == 1
    peer.send(frame(WINDOW, uint32(LARGEST - 1), 0, 1))
    peer.expect_answer()


def test_a_window_that_is_too_large(peer):
    peer.send(frame(WINDOW, uint32(LARGEST)) * 2)
    peer.expect_goaway(FLOW_CONTROL)


def test_a_streams_window_that_is_too_large(peer):
    peer.request(end=False)
    # One by one, as a suite sends them: the answer must not end the stream between them.
    peer.send(frame(WINDOW, uint32(LARGEST), 0, 1))
    peer.expect_ping()
    peer.send(frame(WINDOW, uint32(LARGEST), 0, 1))
    peer.expect_reset(FLOW_CONTROL)


def test_new_settings_change_the_windows_of_open_streams(peer):
    peer.set((INITIAL_WINDOW, 0))
    peer.request()
    peer.set((INITIAL_WINDOW, 1))
    assert len(peer.frame(DATA, 1)[3]) == 1


def test_a_window_may_be_negative(peer):
    peer.set((INITIAL_WINDOW, 3))
    peer.request()
    assert len(peer.frame(DATA, 1)[3]) == 3
    peer.set((INITIAL_WINDOW, 2))
    peer.send(frame(WINDOW, uint32(2), 0, 1))
    peer.wait(lambda: len(peer.kinds(DATA)) == 2)
    assert len(peer.kinds(DATA)[1][3]) == 1


def test_new_settings_that_make_a_window_too_large(peer):
    peer.request(method="POST", end=False)
    peer.send(frame(WINDOW, uint32(LARGEST - 65535), 0, 1) + frame(SETTINGS, setting(INITIAL_WINDOW, 65536)))
    peer.expect_error(FLOW_CONTROL)


# Section 6.10: CONTINUATION


@pytest.mark.parametrize("cuts", [1, 2, 5, 60])
def test_a_block_in_several_frames(peer, cuts):
    block = peer.block(extra=[("x-dummy", "x" * 100)])
    parts = [block[:10], *(bytes([byte]) for byte in block[10 : 9 + cuts]), block[9 + cuts :]]
    peer.send(frame(HEADERS, parts[0], END_STREAM, 1))
    for number, part in enumerate(parts[1:], 2):
        peer.send(frame(CONTINUATION, part, END_HEADERS if number == len(parts) else 0, 1))
    peer.expect_answer()


def test_a_continuation_belongs_to_a_stream(peer):
    peer.send(frame(HEADERS, peer.block(), END_STREAM, 1) + frame(CONTINUATION, b"", END_HEADERS, 0))
    peer.expect_goaway(PROTOCOL)


@pytest.mark.parametrize("before", ["headers", "continuation", "data"])
def test_a_continuation_behind_the_end_of_a_block(peer, before):
    if before == "continuation":
        peer.send(frame(HEADERS, peer.block(method="POST"), 0, 1) + frame(CONTINUATION, b"", END_HEADERS, 1))
    else:
        peer.request(method="POST", end=False)
    if before == "data":
        peer.data(end=False)
    peer.send(frame(CONTINUATION, peer.encoder.encode([("x-dummy", "x")]), END_HEADERS, 1))
    peer.expect_goaway(PROTOCOL)
