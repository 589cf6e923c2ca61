"""The cases of gRPC's interoperability tests with grpcio as the client; each takes HOST:PORT and asserts.

They are described in doc/interop-test-descriptions.md of the repository grpc/grpc.
"""

import contextlib
import os
import queue

import grpc
import pytest
from interop import empty_pb2, messages_pb2, test_pb2_grpc
from interop_wire import recording_proxy

REQUESTS = [27182, 8, 1828, 45904]
RESPONSES = [31415, 9, 2653, 58979]
LARGE_REQUEST, LARGE_RESPONSE = 271828, 314159
INITIAL = ("x-grpc-test-echo-initial", "test_initial_metadata_value")
TRAILING = ("x-grpc-test-echo-trailing-bin", b"\xab\xab\xab")
WHITESPACE = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"
GZIP = grpc.Compression.Gzip


# The authority to trust, in PEM, when the calls go over TLS.
authority = None


def open_channel(address):
    # A connection of its own: the proxies take up with each connection.
    options = [("grpc.use_local_subchannel_pool", 1)]
    if authority is None:
        return grpc.insecure_channel(address, options)
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(authority), options)


@contextlib.contextmanager
def stub(address):
    with open_channel(address) as channel:
        yield test_pb2_grpc.TestServiceStub(channel)


def payload(size):
    return messages_pb2.Payload(body=bytes(size))


def flag(value):
    return messages_pb2.BoolValue(value=value)


def large_request(**fields):
    return messages_pb2.SimpleRequest(response_size=LARGE_RESPONSE, payload=payload(LARGE_REQUEST), **fields)


def output_request(*sizes, request=0, **fields):
    parameters = [messages_pb2.ResponseParameters(size=size) for size in sizes]
    return messages_pb2.StreamingOutputCallRequest(
        response_parameters=parameters, payload=payload(request), **fields
    )


def fails(code, call):
    with pytest.raises((grpc.RpcError, grpc.FutureCancelledError)) as raised:
        call()
    if code is not grpc.StatusCode.CANCELLED or not isinstance(raised.value, grpc.FutureCancelledError):
        assert raised.value.code() == code, raised.value
    return raised.value


def expect_sizes(responses, sizes):
    assert [response.payload.body for response in responses] == [bytes(size) for size in sizes]


def empty_unary(address):
    with stub(address) as service:
        assert service.EmptyCall(empty_pb2.Empty()) == empty_pb2.Empty()


def large_unary(address):
    with stub(address) as service:
        expect_sizes([service.UnaryCall(large_request())], [LARGE_RESPONSE])


def client_compressed_unary(address):
    with stub(address) as service:
        wanted, unwanted = large_request(expect_compressed=flag(True)), large_request(expect_compressed=flag(False))
        fails(grpc.StatusCode.INVALID_ARGUMENT, lambda: service.UnaryCall(wanted))
        expect_sizes([service.UnaryCall(wanted, compression=GZIP)], [LARGE_RESPONSE])
        expect_sizes([service.UnaryCall(unwanted)], [LARGE_RESPONSE])


def server_compressed_unary(address):
    with recording_proxy(address) as (address, _, responses), stub(address) as service:
        for wanted in (True, False):
            response = service.UnaryCall(large_request(response_compressed=flag(wanted)))
            expect_sizes([response], [LARGE_RESPONSE])
            assert responses.get(timeout=60) is wanted


def client_streaming(address):
    with stub(address) as service:
        requests = [messages_pb2.StreamingInputCallRequest(payload=payload(size)) for size in REQUESTS]
        assert service.StreamingInputCall(iter(requests)).aggregated_payload_size == 74922


def client_compressed_streaming(address):
    def request(body, compressed):
        return messages_pb2.StreamingInputCallRequest(
            payload=messages_pb2.Payload(body=body), expect_compressed=flag(compressed)
        )

    with stub(address) as service:
        first = request(bytes(27182), True)
        fails(grpc.StatusCode.INVALID_ARGUMENT, lambda: service.StreamingInputCall(iter([first])))
        # grpcio sends a message of a compressed call as it is when compressing would not make it smaller, and only then.
        second = request(os.urandom(45904), False)
        response = service.StreamingInputCall(iter([first, second]), compression=GZIP)
        assert response.aggregated_payload_size == 73086


def server_streaming(address):
    with stub(address) as service:
        expect_sizes(list(service.StreamingOutputCall(output_request(*RESPONSES))), RESPONSES)


def server_compressed_streaming(address):
    request = messages_pb2.StreamingOutputCallRequest(
        response_parameters=[
            messages_pb2.ResponseParameters(size=31415, compressed=flag(True)),
            messages_pb2.ResponseParameters(size=92653, compressed=flag(False)),
        ]
    )
    with recording_proxy(address) as (address, _, responses), stub(address) as service:
        expect_sizes(list(service.StreamingOutputCall(request)), [31415, 92653])
        assert [responses.get(timeout=60), responses.get(timeout=60)] == [True, False]


def ping_pong(address):
    requests = queue.Queue()
    with stub(address) as service:
        responses = service.FullDuplexCall(iter(requests.get, None))
        for size, answer in zip(REQUESTS, RESPONSES):
            requests.put(output_request(answer, request=size))
            expect_sizes([next(responses)], [answer])
        requests.put(None)
        assert list(responses) == []


def empty_stream(address):
    with stub(address) as service:
        assert list(service.FullDuplexCall(iter([]))) == []


def custom_metadata(address):
    with stub(address) as service:
        _, unary = service.UnaryCall.with_call(large_request(), metadata=[INITIAL, TRAILING])
        duplex = service.FullDuplexCall(
            iter([output_request(LARGE_RESPONSE, request=LARGE_REQUEST)]), metadata=[INITIAL, TRAILING]
        )
        expect_sizes(list(duplex), [LARGE_RESPONSE])
        for call in (unary, duplex):
            assert [item for item in call.initial_metadata() if item[0] == INITIAL[0]] == [INITIAL]
            assert [item for item in call.trailing_metadata() if item[0] == TRAILING[0]] == [TRAILING]



def status_code_and_message(address):
    status = messages_pb2.EchoStatus(code=2, message="test status message")
    with stub(address) as service:
        request = messages_pb2.SimpleRequest(response_status=status)
        error = fails(grpc.StatusCode.UNKNOWN, lambda: service.UnaryCall(request))
        assert error.details() == status.message
        requests = iter([messages_pb2.StreamingOutputCallRequest(response_status=status)])
        error = fails(grpc.StatusCode.UNKNOWN, lambda: list(service.FullDuplexCall(requests)))
        assert error.details() == status.message


def special_status_message(address):
    status = messages_pb2.EchoStatus(code=2, message=WHITESPACE)
    with stub(address) as service:
        request = messages_pb2.SimpleRequest(response_status=status)
        error = fails(grpc.StatusCode.UNKNOWN, lambda: service.UnaryCall(request))
        assert error.details() == WHITESPACE


def unimplemented_method(address):
    with stub(address) as service:
        fails(grpc.StatusCode.UNIMPLEMENTED, lambda: service.UnimplementedCall(empty_pb2.Empty()))


def unimplemented_service(address):
    with open_channel(address) as channel:
        service = test_pb2_grpc.UnimplementedServiceStub(channel)
        fails(grpc.StatusCode.UNIMPLEMENTED, lambda: service.UnimplementedCall(empty_pb2.Empty()))


def cancel_after_begin(address):
    requests = queue.Queue()
    with stub(address) as service:
        call = service.StreamingInputCall.future(iter(requests.get, None))
        call.cancel()
        assert call.cancelled()
        fails(grpc.StatusCode.CANCELLED, call.result)
        requests.put(None)


def cancel_after_first_response(address):
    requests = queue.Queue()
    with stub(address) as service:
        call = service.FullDuplexCall(iter(requests.get, None))
        requests.put(output_request(31415, request=27182))
        expect_sizes([next(call)], [31415])
        call.cancel()
        fails(grpc.StatusCode.CANCELLED, lambda: next(call))
        requests.put(None)


def timeout_on_sleeping_server(address):
    requests = queue.Queue()
    with stub(address) as service:
        requests.put(output_request(request=27182))
        call = service.FullDuplexCall(iter(requests.get, None), timeout=0.001)
        fails(grpc.StatusCode.DEADLINE_EXCEEDED, lambda: list(call))
        requests.put(None)
