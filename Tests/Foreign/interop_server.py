"""`grpc.testing.TestService` on grpcio, for the interoperability tests."""

import concurrent.futures
import contextlib
import time

import grpc
from interop import empty_pb2, messages_pb2, test_pb2_grpc
from interop_wire import recording_proxy


class TestService(test_pb2_grpc.TestServiceServicer):
    __test__ = False  # Not a class of tests, whatever its name.

    def __init__(self):
        # Whether each request was compressed; one call at a time.
        self.compressed = None

    def EmptyCall(self, request, context):
        return empty_pb2.Empty()

    def UnaryCall(self, request, context):
        echo_metadata(context)
        self.expect_compressed(request, context)
        compress(context, request.HasField("response_compressed") and request.response_compressed.value)
        echo_status(request, context)
        return messages_pb2.SimpleResponse(payload=payload(request.response_size))

    def StreamingOutputCall(self, request, context):
        yield from answers(request, context)

    def StreamingInputCall(self, requests, context):
        size = 0
        for request in requests:
            self.expect_compressed(request, context)
            size += len(request.payload.body)
        return messages_pb2.StreamingInputCallResponse(aggregated_payload_size=size)

    def FullDuplexCall(self, requests, context):
        echo_metadata(context)
        for request in requests:
            yield from answers(request, context)

    def HalfDuplexCall(self, requests, context):
        for request in list(requests):
            yield from answers(request, context)

    def expect_compressed(self, request, context):
        if not request.HasField("expect_compressed"):
            return
        was = self.compressed.get(timeout=60)
        if was != request.expect_compressed.value:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"compressed is {was}")


def payload(size):
    return messages_pb2.Payload(body=bytes(size))


def compress(context, wanted):
    if wanted:
        context.set_compression(grpc.Compression.Gzip)


def echo_metadata(context):
    for key, value in context.invocation_metadata():
        if key == "x-grpc-test-echo-initial":
            context.send_initial_metadata([(key, value)])
        if key == "x-grpc-test-echo-trailing-bin":
            context.set_trailing_metadata([(key, value)])


def echo_status(request, context):
    status = request.response_status
    if request.HasField("response_status") and status.code:
        code = next(code for code in grpc.StatusCode if code.value[0] == status.code)
        context.abort(code, status.message)


def answers(request, context):
    parameters = request.response_parameters
    # Of the whole call: single messages can only be left out.
    compress(context, any(each.compressed.value for each in parameters))
    for each in parameters:
        time.sleep(each.interval_us / 1e6)
        if not each.compressed.value:
            context.disable_next_message_compression()
        yield messages_pb2.StreamingOutputCallResponse(payload=payload(each.size))
    echo_status(request, context)


@contextlib.contextmanager
def grpcio_server(certificate=None):
    """Yields HOST:PORT. With a certificate and its key it speaks TLS, and no case asks what was compressed: nobody looks on."""
    service = TestService()
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
    test_pb2_grpc.add_TestServiceServicer_to_server(service, server)
    if certificate is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        chain, key = [path.read_bytes() for path in certificate]
        port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, chain)]))
    server.start()
    try:
        if certificate is not None:
            yield f"127.0.0.1:{port}"
            return
        with recording_proxy(f"127.0.0.1:{port}") as (address, service.compressed, _):
            yield address
    finally:
        server.stop(None).wait()
