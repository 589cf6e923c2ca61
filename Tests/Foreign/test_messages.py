"""The messages agree with Python's protobuf library, byte for byte and in both directions.

Random messages of every type are encoded by Python, decoded and encoded again by Swift (Tests/ProtoEcho), and decoded
by Python. The protos under protos/google and protos/grpc are compared with those that the packages from PyPI carry.

Build first: swift build --build-tests. SEGMENTD_BIN says where ProtoEcho is, .build/debug unless told; PROTO_SEED repeats a
run.
"""

import os
import random
import struct
import subprocess
from pathlib import Path

import pytest
from google.protobuf import (
    any_pb2,
    descriptor_pb2,
    descriptor_pool,
    duration_pb2,
    field_mask_pb2,
    message_factory,
    text_format,
    timestamp_pb2,
)
from google.protobuf.descriptor import FieldDescriptor as F
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parents[2]
SEED = int(os.environ.get("PROTO_SEED", random.randrange(2**32)))
ALPHABET = ["a", "B", "7", "_", "\x01", "\x7f", "é", "ж", "漢", "🚀", "\uffff", "\U0010ffff"]


def compile_protos(folder):
    """The descriptors of protos/, in a pool of their own."""
    output = folder / "descriptors"
    protos = sorted(str(path.relative_to(ROOT / "protos")) for path in (ROOT / "protos").rglob("*.proto"))
    arguments = [f"-I{ROOT / 'protos'}", "--include_imports", f"--descriptor_set_out={output}"]
    code = protoc.main(["protoc", *arguments, *protos])
    assert code == 0
    pool = descriptor_pool.DescriptorPool()
    files = descriptor_pb2.FileDescriptorSet.FromString(output.read_bytes()).file
    for file in files:
        pool.AddSerializedFile(file.SerializeToString())
    return pool, files


@pytest.fixture(scope="session")
def protos(tmp_path_factory):
    return compile_protos(tmp_path_factory.mktemp("protos"))


class Echo:
    """Swift's end."""

    def __init__(self, process):
        self.process = process

    def __call__(self, name, body):
        request = b"".join(struct.pack("<I", len(part)) + part for part in (name.encode(), body))
        self.process.stdin.write(request)
        self.process.stdin.flush()
        status, length = struct.unpack("<BI", self.process.stdout.read(5))
        answer = self.process.stdout.read(length)
        if status:
            raise ValueError(answer.decode())
        return answer


@pytest.fixture(scope="session")
def echo():
    program = Path(os.environ.get("SEGMENTD_BIN", ROOT / ".build/debug")) / "ProtoEcho"
    assert program.exists(), f"{program} is missing; run: swift build --build-tests"
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield Echo(process)
        process.stdin.close()


def messages(files):
    def walk(prefix, items):
        for item in items:
            if not item.options.map_entry:
                yield f"{prefix}.{item.name}"
                yield from walk(f"{prefix}.{item.name}", item.nested_type)

    for file in files:
        yield from walk(file.package, file.message_type)


def is_map(field):
    return bool(field.message_type and field.message_type.GetOptions().map_entry)


def holds_map(message):
    return any(is_map(field) or field.message_type and holds_map(field.message_type) for field in message.fields)


def random_value(source, field):
    if field.type == F.TYPE_STRING:
        return "".join(source.choices(ALPHABET, k=source.choice([0, 1, 5, 15, 16, 300])))
    if field.type == F.TYPE_BYTES:
        return source.randbytes(source.choice([0, 1, 5, 300]))
    if field.type == F.TYPE_BOOL:
        return source.random() < 0.5
    if field.type in (F.TYPE_DOUBLE, F.TYPE_FLOAT):
        # Not -0.0: protobuf-c takes it for the default, and leaves it out.
        return source.choice([0.0, 1.0, 0.42, -1.5, float("inf"), float("nan"), 5e-324, source.random()])
    if field.type == F.TYPE_ENUM:
        known = source.choice(field.enum_type.values).number
        return source.choice([known, known, 77, 2**31 - 1, -1, -(2**31)])
    bits = 32 if field.cpp_type in (F.CPPTYPE_INT32, F.CPPTYPE_UINT32) else 64
    value = source.getrandbits(bits) >> source.randrange(bits)
    if field.cpp_type in (F.CPPTYPE_INT32, F.CPPTYPE_INT64) and value >= 2 ** (bits - 1):
        value -= 2**bits
    return value


def fill(source, message):
    for field in message.DESCRIPTOR.fields:
        if source.random() < 0.3:
            continue
        count = source.randrange(4)
        value = getattr(message, field.name)
        if is_map(field):
            entry = field.message_type.fields_by_name
            for _ in range(count):
                key = random_value(source, entry["key"])
                if entry["value"].type == F.TYPE_MESSAGE:
                    fill(source, value[key])
                else:
                    value[key] = random_value(source, entry["value"])
        elif field.is_repeated:
            for _ in range(count):
                if field.type == F.TYPE_MESSAGE:
                    fill(source, value.add())
                else:
                    value.append(random_value(source, field))
        elif field.type == F.TYPE_MESSAGE:
            value.SetInParent()
            fill(source, value)
        else:
            setattr(message, field.name, random_value(source, field))
    return message


def test_every_message_type_is_known_to_swift(protos, echo):
    """Swift has exactly the message types of the protos."""
    assert sorted(echo("", b"").decode().split("\n")) == sorted(messages(protos[1]))


def test_bytes_agree_both_ways(protos, echo):
    """What Python encodes, Swift decodes and encodes to the same bytes, and Python decodes those to the same message."""
    pool, files = protos
    source = random.Random(SEED)
    for name in messages(files):
        kind = message_factory.GetMessageClass(pool.FindMessageTypeByName(name))
        for _ in range(100):
            message = fill(source, kind())
            encoded = message.SerializeToString(deterministic=True)
            answer = echo(name, encoded)
            again = kind.FromString(answer).SerializeToString(deterministic=True)
            assert again == encoded, f"PROTO_SEED={SEED}: {name}"
            # An empty key or value of a map is left out by protobuf-c and written by Python; both mean the same.
            if not holds_map(kind.DESCRIPTOR):
                assert answer == encoded, f"PROTO_SEED={SEED}: {name}"


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"\x0a\x01\xff", "segmentation.v1.CreateSegmentRequest.slug is not valid UTF-8"),
        (b"\x0a\x03a\x00b", "segmentation.v1.CreateSegmentRequest.slug contains the character U+0000"),
        (b"\x0a\x7f", "the bytes are not a segmentation.v1.CreateSegmentRequest"),
    ],
)
def test_what_is_refused_names_its_field(echo, body, error):
    """Bytes that are no message, or whose text is none, are refused; the next message is decoded."""
    with pytest.raises(ValueError, match=f"^{error}$".replace("+", r"\+")):
        echo("segmentation.v1.CreateSegmentRequest", body)
    assert echo("segmentation.v1.CreateSegmentRequest", b"\x0a\x01A") == b"\x0a\x01A"


@pytest.mark.parametrize(
    "published",
    [any_pb2, duration_pb2, field_mask_pb2, timestamp_pb2, code_pb2, error_details_pb2, status_pb2, health_pb2],
    ids=lambda module: module.DESCRIPTOR.name,
)
def test_protos_of_others_are_as_published(protos, published):
    """The protos that are not ours say the same on the wire as the packages that publish them."""
    ours = next(file for file in protos[1] if file.name.endswith(published.DESCRIPTOR.name.split("/")[-1])
                and file.package == published.DESCRIPTOR.package)
    theirs = descriptor_pb2.FileDescriptorProto()
    published.DESCRIPTOR.CopyToProto(theirs)
    assert wire(ours) == wire(theirs)


def test_reflection_is_as_published(protos):
    """grpc.reflection.v1 says the same on the wire as the package that publishes v1alpha, which differs in name only."""
    ours = next(file for file in protos[1] if file.package == "grpc.reflection.v1")
    theirs = descriptor_pb2.FileDescriptorProto()
    reflection_pb2.DESCRIPTOR.CopyToProto(theirs)
    theirs = text_format.Parse(text_format.MessageToString(theirs).replace("v1alpha", "v1"), type(theirs)())
    assert wire(ours) == wire(theirs)


def wire(file):
    """All that the wire depends on, as (full name, what it is)."""
    facts = set()

    def walk(prefix, message):
        name = f"{prefix}.{message.name}"
        facts.add(name)
        for field in message.field:
            facts.add((name, field.name, field.number, field.type, field.label, field.type_name))
        for nested in message.nested_type:
            walk(name, nested)
        for enum in message.enum_type:
            values(name, enum)

    def values(prefix, enum):
        facts.update((f"{prefix}.{enum.name}", value.name, value.number) for value in enum.value)

    for message in file.message_type:
        walk(file.package, message)
    for enum in file.enum_type:
        values(file.package, enum)
    for service in file.service:
        for method in service.method:
            facts.add((service.name, method.name, method.input_type, method.output_type,
                       method.client_streaming, method.server_streaming))
    return facts
