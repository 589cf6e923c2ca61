"""The lists of all messages, methods and files."""

from google.protobuf import descriptor_pb2, text_format

from naming import PREFIXES
from output import header, tidy

REFLECTION = "grpc.reflection.v1"


def registry(names, files):
    out = header("protos/")
    out("/// Every message and every service of the protos.")
    out.open("package enum ProtoRegistry {")
    out("/// Every message type, by its full name.")
    out("package static let messages: [String: any ProtoMessage.Type] = [")
    for full in sorted(full for full, c in names.c.items() if c in names.init and full not in names.entries):
        out(f'  "{full[1:]}": {names.swift[full]}.self,')
    out("]", "", "/// Every method of every service.")
    out("package static let methods: [ProtoMethodDescription] = [")
    services = [PREFIXES[file.package] + item.name for file in files for item in file.service]
    out(*[f"  {name}.Methods.all," for name in services], "].flatMap { $0 }")
    out("", "/// Every file, each behind those that it imports, and the reflection of before under its name of then.")
    out("package static let files: [ProtoFile] = [")
    for file in [*files, *(alpha(file) for file in files if file.package == REFLECTION)]:
        out.level += 1
        proto_file(out, file)
        out.level -= 1
    out("]")
    out.close()
    return tidy(out.lines)


def alpha(file):
    """The same protocol under the package that it had first, which many clients still ask for."""
    text = text_format.MessageToString(file).replace(REFLECTION, f"{REFLECTION}alpha")
    renamed = text_format.Parse(text, descriptor_pb2.FileDescriptorProto())
    renamed.name = file.name.replace("/v1/", "/v1alpha/")
    return renamed


def proto_file(out, file):
    """One file for server reflection."""
    bare = descriptor_pb2.FileDescriptorProto()
    bare.CopyFrom(file)
    bare.ClearField("source_code_info")
    text = "".join(
        chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\u{{{byte:X}}}"
        for byte in bare.SerializeToString(deterministic=True)
    )
    out(f'ProtoFile("{file.name}",')
    out("  imports: [" + ", ".join(f'"{name}"' for name in file.dependency) + "],")
    out("  symbols: [", *[f'    "{symbol}",' for symbol in symbols(file)], "  ],")
    out(f'  text: "{text}"),')


def symbols(file):
    """The full names of all that a file declares: types with their fields, oneofs and values, services with their methods."""
    found = []

    def message(item, scope):
        full = f"{scope}.{item.name}"
        found.append(full)
        found.extend(f"{full}.{part.name}" for part in [*item.field, *item.oneof_decl])
        for nested in item.nested_type:
            message(nested, full)
        for nested in item.enum_type:
            enum(nested, full)

    def enum(item, scope):
        # A value's name stands beside its enum's, as in C.
        found.extend([f"{scope}.{item.name}", *(f"{scope}.{value.name}" for value in item.value)])

    for item in file.message_type:
        message(item, file.package)
    for item in file.enum_type:
        enum(item, file.package)
    for item in file.service:
        found.extend(f"{file.package}.{name}" for name in [item.name, *(f"{item.name}.{m.name}" for m in item.method)])
    return found
