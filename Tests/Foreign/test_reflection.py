"""Server reflection through grpcio-reflection's client and by hand, in both versions of the protocol."""

import grpc
import pytest
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha import reflection_pb2 as messages
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from conftest import start_segmentd

SERVICES = {
    "segmentation.v1.SegmentService", "segmentation.v1.UserService", "segmentation.v1.MembershipService",
    "segmentation.v1.AuditService", "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
}


@pytest.fixture(params=["v1", "v1alpha"])
def ask(request, channel):
    """Sends questions on one stream; the messages of both versions have the same bytes."""
    call = channel.stream_stream(
        f"/grpc.reflection.{request.param}.ServerReflection/ServerReflectionInfo",
        messages.ServerReflectionRequest.SerializeToString, messages.ServerReflectionResponse.FromString,
    )
    return lambda *questions: list(call(iter([messages.ServerReflectionRequest(**q) for q in questions]), timeout=30))


def files(answer):
    return [descriptor_pb2.FileDescriptorProto.FromString(b) for b in answer.file_descriptor_response.file_descriptor_proto]


def test_grpcio_lists_and_describes_every_service(channel):
    database = ProtoReflectionDescriptorDatabase(channel)
    assert set(database.get_services()) == SERVICES
    pool = DescriptorPool(database)
    for name in SERVICES:
        service = pool.FindServiceByName(name)
        assert service.methods
        for method in service.methods:
            assert pool.FindMessageTypeByName(method.input_type.full_name).fields is not None
            assert method.output_type.full_name
    update = pool.FindServiceByName("segmentation.v1.MembershipService").FindMethodByName("UpdateUserSegments")
    assert update.input_type.fields_by_name["assign"].message_type.full_name == "segmentation.v1.SegmentAssignment"


def test_questions_of_one_stream_are_answered_in_order_and_repeat_the_question(ask):
    listed, named, none = ask(
        {"host": "here", "list_services": "*"}, {"file_by_filename": "segmentation/v1/audit.proto"}, {"host": "there"}
    )
    assert {s.name for s in listed.list_services_response.service} == SERVICES
    assert listed.valid_host == "here" and listed.original_request.list_services == "*"
    assert files(named)[0].name == "segmentation/v1/audit.proto"
    assert none.error_response.error_code == grpc.StatusCode.INVALID_ARGUMENT.value[0]


@pytest.mark.parametrize(
    "symbol",
    [
        "segmentation.v1.AuditService", "segmentation.v1.AuditService.StreamAudit", "segmentation.v1.StreamAuditRequest",
        "segmentation.v1.StreamAuditRequest.follow", "segmentation.v1.AuditPosition",
    ],
)
def test_a_file_comes_with_all_that_it_imports_and_only_once(ask, symbol):
    first, again = ask({"file_containing_symbol": symbol}, {"file_containing_symbol": symbol})
    names = [file.name for file in files(first)]
    assert names[0] == "segmentation/v1/audit_service.proto" and len(set(names)) == len(names)
    for file in files(first):
        assert set(file.dependency) <= set(names)
    assert [file.name for file in files(again)] == names[:1]


def test_enum_values_and_oneofs_are_found(ask):
    value, oneof = ask(
        {"file_containing_symbol": "segmentation.v1.AUDIT_ACTION_ASSIGN"},
        {"file_containing_symbol": "segmentation.v1.StreamAuditRequest.start"},
    )
    assert files(value)[0].name == "segmentation/v1/audit.proto"
    assert files(oneof)[0].name == "segmentation/v1/audit_service.proto"


@pytest.mark.parametrize(
    "question",
    [
        {"file_by_filename": "nothing.proto"}, {"file_containing_symbol": "segmentation.v1.Nothing"},
        {"file_containing_symbol": ""}, {"file_containing_symbol": "segmentation.v1.StreamAuditRequest.nothing"},
        {"all_extension_numbers_of_type": "segmentation.v1.Nothing"},
        {"file_containing_extension": {"containing_type": "segmentation.v1.User", "extension_number": 7}},
    ],
)
def test_what_is_not_there_is_not_found_and_the_stream_goes_on(ask, question):
    missing, there = ask(question, {"all_extension_numbers_of_type": "segmentation.v1.User"})
    assert missing.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]
    assert there.all_extension_numbers_response.base_type_name == "segmentation.v1.User"
    assert not there.all_extension_numbers_response.extension_number


def test_health_and_reflection_can_be_switched_off(data_dir):
    folder = data_dir / "off"
    folder.mkdir()
    folder.chmod(0o755)
    server = start_segmentd(folder, "--health", "off", env={"SEGMENTD_REFLECTION": "off"}, wrapper=False)
    try:
        with grpc.insecure_channel(server.address) as channel:
            for path in (
                "/grpc.health.v1.Health/Check", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
            ):
                with pytest.raises(grpc.RpcError) as error:
                    channel.unary_unary(path)(b"", timeout=60)
                assert error.value.code() is grpc.StatusCode.UNIMPLEMENTED
    finally:
        assert server.stop() == 0
