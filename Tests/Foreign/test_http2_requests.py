"""Requests as RFC 9113, section 8 wants them, and their headers in HPACK (RFC 7541)."""

import hpack
import pytest
from conformance import Peer, http2_server, peer  # noqa: F401
from raw_http2 import COMPRESSION, HEADERS, PROTOCOL, TABLE_SIZE

pytestmark = pytest.mark.wire

GRPC = [("te", "trailers"), ("content-type", "application/grpc")]

# Section 8.1: what is not gRPC is answered, too


@pytest.mark.parametrize("method, status", [("GET", "405"), ("PUT", "405"), ("OPTIONS", "405"), ("POST", "415")])
def test_a_request_that_is_not_grpc_is_told_why(peer, method, status):
    peer.request(method=method)
    body = peer.expect_answer(status=status)
    fields, _ = peer.answer(1)
    assert b"gRPC" in body and fields["content-type"].startswith("text/plain")
    assert int(fields["content-length"]) == len(body)
    assert status != "405" or fields["allow"] == "POST"


def test_the_answer_to_head_has_no_body(peer):
    peer.request(method="HEAD")
    assert peer.expect_answer() == b""


@pytest.mark.parametrize("trailers", [False, True])
def test_a_request_with_a_body(peer, trailers):
    peer.request(method="POST", end=False, extra=[("trailer", "x-test")])
    peer.data(end=not trailers)
    if trailers:
        peer.request(block=peer.encoder.encode([("x-test", "ok")]))
    peer.expect_answer(status="415")


@pytest.mark.parametrize("method, status", [("GET", "405"), ("POST", "415")])
def test_a_client_that_waits_for_the_answer_gets_it(peer, method, status):
    """Before it has ended its request, which it is told to stop."""
    peer.request(method=method, end=False)
    peer.data(end=False)
    peer.expect_answer(status=status)
    peer.expect_reset(0)


def test_a_large_body_is_not_waited_for(peer):
    """The answer comes, and the client is told to stop."""
    peer.request(method="POST", end=False)
    for _ in range(8):
        peer.data(body=bytes(1 << 14), end=False)
    peer.expect_answer(status="415")
    peer.expect_reset(0)
    peer.request(3)
    peer.expect_answer(3)


def test_trailers_end_the_request(peer):
    peer.request(method="POST", end=False)
    peer.data(end=False)
    peer.request(block=peer.encoder.encode([("x-test", "ok")]), end=False)
    peer.expect_error(PROTOCOL)


# Sections 8.2 and 8.3: fields

MALFORMED = {
    "upper-case": dict(extra=[("X-TEST", "ok")]),
    "space-in-name": dict(extra=[("x test", "ok")]),
    "empty-name": dict(extra=[("", "ok")]),
    "newline-in-value": dict(extra=[("x-test", "a\nb")]),
    "nul-in-value": dict(extra=[("x-test", "a\0b")]),
    "unknown-pseudo-header": dict(extra=[(":test", "ok")]),
    "pseudo-header-of-a-response": dict(extra=[(":status", "200")]),
    "pseudo-header-behind-others": dict(path=None, extra=[("x-test", "ok"), (":path", "/")]),
    "connection": dict(extra=[("connection", "keep-alive")]),
    "keep-alive": dict(extra=[("keep-alive", "timeout=5")]),
    "proxy-connection": dict(extra=[("proxy-connection", "keep-alive")]),
    "transfer-encoding": dict(extra=[("transfer-encoding", "chunked")]),
    "upgrade": dict(extra=[("upgrade", "h2c")]),
    "te-other-than-trailers": dict(extra=[("trailers", "test"), ("te", "trailers, deflate")]),
    "te-gzip": dict(extra=[("te", "gzip")]),
    "empty-path": dict(path=""),
    "no-method": dict(method=None),
    "no-scheme": dict(scheme=None),
    "no-path": dict(path=None),
    "two-methods": dict(extra_first=[(":method", "GET")]),
    "two-schemes": dict(extra_first=[(":scheme", "http")]),
    "two-paths": dict(extra_first=[(":path", "/")]),
    "two-authorities": dict(extra_first=[(":authority", "localhost")]),
    "relative-path": dict(path="nothing"),
    "bad-content-length": dict(extra=[("content-length", "-1")]),
    "two-content-lengths": dict(extra=[("content-length", "0"), ("content-length", "0")]),
    "content-length-without-a-body": dict(extra=[("content-length", "1")]),
}


@pytest.mark.parametrize("grpc", [False, True], ids=["get", "grpc"])
@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_request_is_an_error_of_its_stream(peer, name, grpc):
    fields = dict(MALFORMED[name])
    first = fields.pop("extra_first", [])
    base = dict(method="POST", path="/grpc.testing.TestService/EmptyCall") if grpc else {}
    extra = [*first, *(GRPC if grpc and not name.startswith("te-") else []), *fields.pop("extra", [])]
    # hpack would write names in lower case.
    peer.request(**{**base, **fields}, extra=[hpack.HeaderTuple(*field) for field in extra])
    peer.expect_error(PROTOCOL)
    peer.request(3)
    peer.expect_answer(3)


@pytest.mark.parametrize("field", [(":method", "POST"), (":path", "/")])
def test_no_pseudo_header_in_trailers(peer, field):
    peer.request(method="POST", end=False)
    peer.data(end=False)
    peer.request(block=peer.encoder.encode([field]))
    peer.expect_error(PROTOCOL)


@pytest.mark.parametrize("parts", [[b"test"], [b"te", b"st"], [b""]])
def test_content_length_is_that_of_the_body(peer, parts):
    peer.request(method="POST", end=False, extra=[("content-length", "1")])
    for number, part in enumerate(parts):
        peer.data(body=part, end=number == len(parts) - 1)
    peer.expect_error(PROTOCOL)


def test_a_host_instead_of_an_authority(peer):
    peer.request(authority=None, extra=[("host", "localhost")])
    peer.expect_answer()


# RFC 7541


@pytest.mark.parametrize("start, name", [(0x40, "incremental"), (0x00, "without"), (0x10, "never")])
@pytest.mark.parametrize("huffman", [False, True])
def test_a_literal_field(peer, start, name, huffman):
    new = b"\x85\xf2\xb2\x4a\x84\xff" if huffman else b"\x06x-test"
    known = bytes([start | 0x3A] if start == 0x40 else [start | 0x0F, 58 - 15])
    value = b"\x84\x9c\x48\xac\xa4" if huffman else b"\x06h2spec"
    peer.request(block=peer.block() + bytes([start]) + new + value + known + value)
    peer.expect_answer()


def test_an_indexed_field(peer):
    # user-agent, without a value.
    peer.request(block=peer.block() + b"\xba")
    peer.expect_answer()


@pytest.mark.parametrize("updates", [b"\x20", b"\x20\x3f\xe1\x1f"])
def test_a_smaller_table(peer, updates):
    peer.encoder.header_table_size = 4096
    peer.request(block=updates + hpack.Encoder().encode([(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "x")]))
    peer.expect_answer()


def test_our_encoder_keeps_to_the_peers_table(http2_server):
    """A table without room: the answers must come without references to what was there before."""
    peer = Peer(http2_server)
    peer.request()
    peer.expect_answer()
    peer.set((TABLE_SIZE, 0))
    for stream in (3, 5):
        peer.request(stream)
        peer.expect_answer(stream)
    blocks = [f[3] for f in peer.kinds(HEADERS) if f[2] > 1]
    assert blocks[0].startswith(b"\x20")
    alone = hpack.Decoder()
    alone.max_allowed_table_size = alone.header_table_size = 0
    for block in blocks:
        assert dict(alone.decode(block))[":status"] == "405"
    peer.close()


@pytest.mark.parametrize(
    "wrong",
    [b"\x80", b"\xff\x80\x01", b"\x7f\x80\x01\x04test", b"\x0f\xff\xff\x03\x04test", b"\x21", b"\x3f\xff\xff\xff\xff\x0f",
     b"\x00\x85\xf2\xb2\x4a\x87\xff\xff\xff\xfd\x25\x42\x7f", b"\x00\x85\xf2\xb2\x4a\x84\xff\x85\x9c\x48\xac\xa4\xff\xff",
     b"\x00\x85\xf2\xb2\x4a\x84\xff\x83\xf2\xb2\x48", b"\x00\x06x-test\x7f"],
    ids=["index-0", "index-unknown", "name-unknown", "name-far", "late-update", "large-update", "eos", "long-padding",
         "zero-padding", "cut"],
)
def test_what_is_not_hpack_ends_the_connection(peer, wrong):
    peer.request(block=peer.block() + wrong)
    peer.expect_goaway(COMPRESSION)


def test_a_table_larger_than_allowed_ends_the_connection(peer):
    peer.request(block=b"\x3f\xe2\x1f" + peer.block())  # 4097
    peer.expect_goaway(COMPRESSION)
