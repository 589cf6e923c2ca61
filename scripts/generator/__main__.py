"""Writes Swift from the descriptors of a folder of protos and the headers that protoc-c made of them.

    generator PROTOS DESCRIPTOR_SET C_MODULE C_INCLUDE_FOLDER OUTPUT_FOLDER [TEST_OUTPUT_FOLDER]

One Swift file for each .proto file; with a folder for the tests also the lists of all messages, methods and files, and for
the tests a random value of each message. The names, which are the whole rule:

- A type of segmentation.v1, grpc.health.v1 and grpc.testing keeps its name, one of google.rpc gets the prefix `GoogleRPC`, one of
  google.protobuf `Proto`, one of grpc.reflection.v1 `Reflection`. A nested type is nested. A service becomes an enum,
  named by the same rule.
- A field is lower camel case, with ID, URL and TTL in capitals: `user_ids` is `userIDs`.
- An enum value loses the prefix of its enum: `AUDIT_ACTION_ASSIGN` is `.assign`.
- A oneof of several fields becomes an enum `<Name>Choice` with a payload a case, and an optional property of the
  oneof's name. A oneof of one field is how the protos say `optional`: an optional property of the field's name.
- A message field is optional, a repeated one an array, a map a dictionary, bytes `[UInt8]`.
"""

import sys
from pathlib import Path

from google.protobuf import descriptor_pb2

from enums import Enum
from messages import Message
from names import Names
from naming import PREFIXES, camel
from output import Comments, header, tidy
from random_values import random_messages
from registry import registry
from services import service


def swift_file(names, file, protos, c_module):
    out, comments, package = header(f"{protos}/{file.name}"), Comments(file), f".{file.package}"
    messages = [
        Message(names, comments, message, f"{package}.{message.name}", [4, number])
        for number, message in enumerate(file.message_type)
    ]
    if messages:
        out(f"internal import {c_module}", "")
    for number, item in enumerate(file.service):
        service(out, comments, names, file.package, item, [6, number])
        out("")
    for message in messages:
        message.declare(out)
        out("")
    for number, enum in enumerate(file.enum_type):
        Enum(names, comments, enum, f"{package}.{enum.name}", [5, number]).declare(out)
        out("")
    while out.lines[-1] == "":
        out.lines.pop()
    for message in messages:
        message.implement(out)
    return tidy(out.lines)


def every_message(names, files):
    """Every message with the nested ones behind it, in the order of the protos."""
    def walk(message):
        yield message
        for nested in message.nested():
            yield from walk(nested)

    for file in files:
        for number, item in enumerate(file.message_type):
            yield from walk(Message(names, Comments(file), item, f".{file.package}.{item.name}", [4, number]))


def main():
    protos, descriptors, c_module, include, output, *tests = sys.argv[1:]
    files = descriptor_pb2.FileDescriptorSet.FromString(Path(descriptors).read_bytes()).file
    names = Names(files, Path(include))
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    for file in files:
        if not file.message_type and not file.enum_type and not file.service:
            continue
        stem = camel(Path(file.name).stem, True)
        if not stem.startswith(PREFIXES[file.package]):
            stem = PREFIXES[file.package] + stem
        (output / f"{stem}.pb.swift").write_text(swift_file(names, file, protos, c_module))
    for folder in map(Path, tests):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "RandomMessages.swift").write_text(random_messages(names, list(every_message(names, files))))
        (output / "ProtoRegistry.pb.swift").write_text(registry(names, files))


main()
