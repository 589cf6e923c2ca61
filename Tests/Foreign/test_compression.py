"""Compression and metadata as grpcio sees them, and requests that grpcio would never send."""

import gzip
import zlib

import grpc
import pytest
from conftest import Process, binary
from test_runtime import PATIENCE, WRAPPER, Raw, failure, unary

pytestmark = pytest.mark.wire
ALGORITHMS = [grpc.Compression.Gzip, grpc.Compression.Deflate, grpc.Compression.NoCompression]
TEXT = b"all work and no play " * 1000


@pytest.fixture(scope="module")
def server():
    process = Process([*WRAPPER, binary("EchoServer"), "127.0.0.1:0"])
    yield process.address
    code = process.stop(seconds=PATIENCE)
    assert code == 0, f"EchoServer ended with {code}:\n{process.error_text()}"


@pytest.fixture(params=ALGORITHMS, ids=lambda a: a.name)
def channel(server, request):
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(server, options, compression=request.param) as channel:
        channel.compresses = request.param is not grpc.Compression.NoCompression
        yield channel


@pytest.mark.parametrize("answer", ["yes", "no", ""])
def test_unary(channel, answer):
    assert unary(channel, "Shape")(TEXT, metadata=[("compress", answer)], timeout=PATIENCE) == TEXT
    assert unary(channel, "Shape")(b"", metadata=[("compress", answer)], timeout=PATIENCE) == b""


def test_the_handler_knows_whether_its_request_was_compressed(channel):
    assert unary(channel, "Was")(TEXT, timeout=PATIENCE) == (b"compressed" if channel.compresses else b"plain")


@pytest.mark.parametrize("answer", ["yes", "no", "mixed"])
def test_streams(channel, answer):
    call = channel.stream_stream("/test.Echo/ShapeEach")
    messages = [b"", TEXT, b"x", TEXT * 10]
    assert list(call(iter(messages), metadata=[("compress", answer)], timeout=PATIENCE)) == messages


def test_metadata_comes_back_before_and_behind_the_messages(channel):
    sent = [("x-initial", "one"), ("x-trailing-bin", b"\x00\xff"), ("x-trailing-bin", b"")]
    _, call = unary(channel, "Shape").with_call(b"x", metadata=sent, timeout=PATIENCE)
    assert dict(call.initial_metadata())["x-initial"] == "one"
    assert [v for k, v in call.trailing_metadata() if k == "x-trailing-bin"] == [b"\x00\xff", b""]
    error = failure(lambda: unary(channel, "ShapeThenFail")(b"x", metadata=sent, timeout=PATIENCE))
    assert error.code() == grpc.StatusCode.ABORTED
    assert dict(error.initial_metadata())["x-initial"] == "one"
    assert dict(error.trailing_metadata())["x-trailing-bin"] in (b"\x00\xff", b"")


def frame(body, flag=1):
    return bytes([flag]) + len(body).to_bytes(4, "big") + body


@pytest.mark.parametrize(
    "encoding, body, status, answer",
    [
        ("gzip", frame(gzip.compress(b"x")), "0", frame(b"x", 0)),
        ("gzip", frame(b"x", 0), "0", frame(b"x", 0)),
        ("deflate", frame(zlib.compress(b"x")), "0", frame(b"x", 0)),
        ("gzip", frame(zlib.compress(b"x")), "13", b""),
        ("gzip", frame(b""), "13", b""),
        ("gzip", frame(gzip.compress(b"x")[:-1]), "13", b""),
        ("gzip", frame(gzip.compress(b"x") + b"!"), "13", b""),
        ("gzip", frame(gzip.compress(bytes(64 << 20), 9)), "8", b""),
        ("identity", frame(b"x"), "13", b""),
        (None, frame(b"x"), "13", b""),
        ("snappy", frame(b"x"), "12", b""),
        ("snappy", frame(b"x", 0), "12", b""),
        ("gzip", frame(b"x", 2), "13", b""),
    ],
    ids=str,
)
def test_wire(server, encoding, body, status, answer):
    raw = Raw(server)
    stream = raw.headers(Raw.GRPC + ([("grpc-encoding", encoding)] if encoding else []))
    for start in range(0, len(body), 16000):
        raw.h2.send_data(stream, body[start : start + 16000], end_stream=start + 16000 >= len(body))
    raw.flush()
    headers, received = raw.answer(stream)
    assert (headers["grpc-status"], received) == (status, answer)
    if status in ("0", "12"):
        assert headers["grpc-accept-encoding"] == "gzip,deflate,identity"
    assert raw.call()[0]["grpc-status"] == "0"
    raw.socket.close()


@pytest.mark.parametrize("accept, used", [("gzip", "gzip"), ("deflate", "deflate"), ("identity", None), ("br", None), (None, None)])
def test_only_what_the_caller_takes_is_used(server, accept, used):
    raw = Raw(server)
    extra = [("compress", "yes")] + ([("grpc-accept-encoding", accept)] if accept else [])
    stream = raw.headers(Raw.GRPC + extra, path="/test.Echo/Shape")
    raw.h2.send_data(stream, frame(b"x", 0), end_stream=True)
    raw.flush()
    headers, received = raw.answer(stream)
    assert headers.get("grpc-encoding") == used
    open_ = {"gzip": gzip.decompress, "deflate": zlib.decompress, None: bytes}[used]
    assert (received[0], open_(received[5:])) == (1 if used else 0, b"x")
    raw.socket.close()
