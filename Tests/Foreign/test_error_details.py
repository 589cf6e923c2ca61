"""Every error carries google.rpc details that grpcio-status reads, and every call an id that its caller gets."""

import grpc
import pytest
from google.rpc import error_details_pb2 as details
from grpc_status import rpc_status

from segmentation.v1 import audit_service_pb2 as audit_messages
from segmentation.v1 import audit_service_pb2_grpc as audit_rpc
from segmentation.v1 import membership_service_pb2 as member_messages
from segmentation.v1 import membership_service_pb2_grpc as member_rpc
from segmentation.v1 import segment_service_pb2 as segment_messages
from segmentation.v1 import segment_service_pb2_grpc as segment_rpc
from segmentation.v1 import segment_pb2
from segmentation.v1 import user_service_pb2 as user_messages
from segmentation.v1 import user_service_pb2_grpc as user_rpc

GET = "/segmentation.v1.MembershipService/GetUserSegments"


def found(error, kind):
    """The detail of that kind; the status it is in is the call's own."""
    status = rpc_status.from_call(error)
    assert status is not None, "no google.rpc.Status"
    assert status.code == error.code().value[0] and status.message == error.details()
    for detail in status.details:
        message = kind()
        if detail.Unpack(message):
            return message
    raise AssertionError(f"no {kind.__name__} in {[d.type_url for d in status.details]}")


def trailer(call, name):
    return dict(call.trailing_metadata())[name]


def failing(call, *arguments, **options):
    with pytest.raises(grpc.RpcError) as failure:
        answer = call(*arguments, timeout=20, **options)
        list(answer)
    return failure.value


def raw(channel, path):
    return channel.unary_unary(path, lambda b: b, lambda b: b)


def bad_field(channel):
    stub = segment_rpc.SegmentServiceStub(channel)
    return failing(stub.CreateSegment, segment_messages.CreateSegmentRequest(slug="no slug"))


def missing_user(channel):
    return failing(user_rpc.UserServiceStub(channel).GetUser, user_messages.GetUserRequest(user_id=999_999_999))


def missing_segment(channel):
    selector = segment_pb2.SegmentSelector(slug="NOT_THERE")
    return failing(segment_rpc.SegmentServiceStub(channel).GetSegment, segment_messages.GetSegmentRequest(segment=selector))


def existing_segment(channel):
    stub = segment_rpc.SegmentServiceStub(channel)
    request = segment_messages.CreateSegmentRequest(slug="DETAILS_EXIST")
    try:
        stub.CreateSegment(request, timeout=20)
    except grpc.RpcError:
        pass
    return failing(stub.CreateSegment, request)


def unknown_method(channel):
    return failing(raw(channel, "/segmentation.v1.MembershipService/Nothing"), b"")


def malformed(channel):
    return failing(raw(channel, GET), b"\xff\xff\xff")


def large_message(channel):
    return failing(raw(channel, GET), b"\x00" * (5 << 20))


def late(channel):
    stub = audit_rpc.AuditServiceStub(channel)
    with pytest.raises(grpc.RpcError) as failure:
        list(stub.StreamAudit(audit_messages.StreamAuditRequest(follow=True), timeout=0.5))
    return failure.value


def bad_stream(channel):
    stub = audit_rpc.AuditServiceStub(channel)
    return failing(stub.StreamAudit, audit_messages.StreamAuditRequest(start_token="nonsense"))


@pytest.mark.parametrize(
    ("fail", "code", "reason"),
    [
        (bad_field, "INVALID_ARGUMENT", "INVALID_FIELD"), (missing_user, "NOT_FOUND", "USER_NOT_FOUND"),
        (missing_segment, "NOT_FOUND", "SEGMENT_NOT_FOUND"), (existing_segment, "ALREADY_EXISTS", "SEGMENT_ALREADY_EXISTS"),
        (unknown_method, "UNIMPLEMENTED", "UNKNOWN_METHOD"), (malformed, "INVALID_ARGUMENT", "MALFORMED_MESSAGE"),
        (large_message, "RESOURCE_EXHAUSTED", "MESSAGE_TOO_LARGE"), (bad_stream, "INVALID_ARGUMENT", "INVALID_FIELD"),
    ],
)
def test_every_error_names_its_reason_and_its_call(channel, fail, code, reason):
    error = fail(channel)
    assert error.code().name == code
    info = found(error, details.ErrorInfo)
    assert (info.reason, info.domain) == (reason, "segmentation.v1")
    assert found(error, details.RequestInfo).request_id == trailer(error, "x-request-id")


def test_details_are_what_a_caller_can_act_on(channel):
    assert [v.field for v in found(bad_field(channel), details.BadRequest).field_violations] == ["slug"]
    missing = found(missing_segment(channel), details.ResourceInfo)
    assert missing.resource_type == "Segment" and "NOT_THERE" in missing.resource_name
    assert found(large_message(channel), details.QuotaFailure).violations[0].subject == "message size"


def test_a_deadline_is_the_clients_or_the_servers_and_told_either_way(channel):
    assert late(channel).code() is grpc.StatusCode.DEADLINE_EXCEEDED


@pytest.mark.parametrize("given", ["", "x" * 129, "two words"])
def test_an_id_that_is_not_well_formed_is_replaced(channel, given):
    error = failing(raw(channel, GET), b"\xff", metadata=[("x-request-id", given)])
    made = trailer(error, "x-request-id")
    assert made != given and len(made) == 16 and found(error, details.RequestInfo).request_id == made


def test_every_answer_has_the_callers_id_or_one_of_its_own(channel):
    stub = member_rpc.MembershipServiceStub(channel)
    request = member_messages.GetUserSegmentsRequest(user_id=1)
    made = {trailer(stub.GetUserSegments.with_call(request, timeout=20)[1], "x-request-id") for _ in range(50)}
    assert len(made) == 50 and all(len(one) == 16 and int(one, 16) >= 0 for one in made)
    _, call = stub.GetUserSegments.with_call(request, timeout=20, metadata=[("x-request-id", "mine/1")])
    assert trailer(call, "x-request-id") == "mine/1"
    stream = audit_rpc.AuditServiceStub(channel).StreamAudit(audit_messages.StreamAuditRequest(limit=1), timeout=20)
    list(stream)
    assert len(trailer(stream, "x-request-id")) == 16
