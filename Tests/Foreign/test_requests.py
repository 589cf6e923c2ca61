"""What a gRPC server makes of requests that are almost right: headers, deadlines and numbers of messages."""

import pytest
from conformance import http2_server, peer  # noqa: F401
from raw_http2 import DATA, END_STREAM, PROTOCOL, frame, message

pytestmark = pytest.mark.wire

SERVICE = "/grpc.testing.TestService/"


def ask(peer, method="EmptyCall", body=message(b""), content_type="application/grpc", extra=(), te="trailers", **changed):
    fields = [*([("te", te)] if te else []), *([("content-type", content_type)] if content_type else []), *extra]
    peer.request(method="POST", path=SERVICE + method, extra=fields, end=False, **changed)
    peer.send(frame(DATA, body, END_STREAM, 1))
    return peer.answer(1)


def status(answer):
    fields, _ = answer
    assert fields[":status"] == "200" and fields["content-type"] == "application/grpc", fields
    return int(fields["grpc-status"])


@pytest.mark.parametrize(
    "kind",
    ["application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8", "application/grpc+proto; x=y",
     "application/grpc+json", "application/grpc+anything", "application/grpc+", "application/grpc;"],
)
def test_content_types_that_are_grpcs(peer, kind):
    """Whatever the subtype, messages are protobuf, and the answer says so."""
    assert status(ask(peer, content_type=kind)) == 0


@pytest.mark.parametrize(
    "kind",
    ["application/grpc-web", "application/grpc-web+proto", "application/grpc-web-text", "application/grpcx", "application/json",
     "application/grpc/proto", "application/gRPC", "Application/grpc", "application/grp", "text/plain", "",
     None],
)
def test_content_types_that_are_not(peer, kind):
    assert ask(peer, content_type=kind)[0][":status"] == "415"


def test_te_may_be_missing(peer):
    """Some proxies drop it, and what it promises is true of all HTTP/2."""
    assert status(ask(peer, te=None)) == 0


def test_host_stands_for_the_authority(peer):
    assert status(ask(peer, authority=None, extra=[("host", "localhost")])) == 0


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_scheme_is_the_clients_own(peer, scheme):
    assert status(ask(peer, scheme=scheme)) == 0


@pytest.mark.parametrize("field", ["connection", "upgrade", "keep-alive", "proxy-connection", "transfer-encoding"])
def test_fields_of_the_connection_are_malformed(peer, field):
    peer.request(method="POST", path=SERVICE + "EmptyCall", extra=[("content-type", "application/grpc"), (field, "x")], end=False)
    peer.expect_error(PROTOCOL)


@pytest.mark.parametrize("timeout", ["99999999H", "100M", "100S", "90000m", "90000000u", "99999999u", "00000100S"])
def test_deadlines_in_every_unit(peer, timeout):
    assert status(ask(peer, extra=[("grpc-timeout", timeout)])) == 0


@pytest.mark.parametrize("timeout", ["0S", "0n", "1n", "1000n"])
def test_deadlines_that_have_passed(peer, timeout):
    body = message(b"\x12\x05\x08\x01\x10\x80\x08" + b"\x12\x05\x08\x01\x10\x80\x40")
    assert status(ask(peer, "StreamingOutputCall", body, extra=[("grpc-timeout", timeout)])) == 4


@pytest.mark.parametrize("timeout", ["", "S", "1", "1s", "1h", "-1S", "+1S", "1.5S", "1 S", "123456789S", "1SS", "0x1S"])
def test_deadlines_that_are_none(peer, timeout):
    assert status(ask(peer, extra=[("grpc-timeout", timeout)])) == 13


@pytest.mark.parametrize("method", ["EmptyCall", "UnaryCall", "StreamingOutputCall"])
@pytest.mark.parametrize("count", [0, 2, 3])
def test_another_number_of_requests_than_one(peer, method, count):
    assert status(ask(peer, method, message(b"") * count)) == 12


def test_a_method_that_takes_many_takes_none(peer):
    fields, body = ask(peer, "StreamingInputCall", b"")
    assert fields["grpc-status"] == "0" and body == message(b"")


@pytest.mark.parametrize("path", ["", "Nothing", "EmptyCall/", "EmptyCall?x=y", "emptycall", "%45mptyCall"])
def test_methods_that_are_not_there(peer, path):
    fields, body = ask(peer, path)
    assert fields["grpc-status"] == "12" and body == b""


@pytest.mark.parametrize("path", ["/", "//", "/grpc.testing.TestService", "/EmptyCall", "/.TestService/EmptyCall"])
def test_services_that_are_not_there(peer, path):
    peer.request(method="POST", path=path, extra=[("te", "trailers"), ("content-type", "application/grpc")])
    assert peer.answer(1)[0]["grpc-status"] == "12"


@pytest.mark.parametrize(
    "body, code", [(b"\0\0\0\0\1", 13), (b"\0\0\0", 13), (b"\1\0\0\0\0", 13), (b"\2\0\0\0\0", 13), (b"\0\0\x50\0\0", 8)]
)
def test_bodies_that_are_no_messages(peer, body, code):
    assert status(ask(peer, body=body)) == code


def test_bytes_that_are_not_the_message(peer):
    """The prefix is right, protobuf's fields are not."""
    assert status(ask(peer, "UnaryCall", message(b"\xff\xff\xff"))) in (3, 13)


@pytest.mark.parametrize("value", ["q6ur", "q6u=", "q6s", "q6ur,q6ur", ""])
def test_metadata_in_bytes_comes_back(peer, value):
    """With padding and without, joined and empty."""
    answer = ask(peer, "UnaryCall", extra=[("x-grpc-test-echo-trailing-bin", value)])
    assert status(answer) == 0


def test_reserved_names_are_not_handed_on(peer):
    fields, _ = ask(peer, "UnaryCall", extra=[("x-grpc-test-echo-initial", "one"), ("grpc-unknown", "x"), ("user-agent", "me")])
    assert fields["x-grpc-test-echo-initial"] == "one"
    assert "grpc-unknown" not in fields and "user-agent" not in fields
