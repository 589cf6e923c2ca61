"""The lists of all messages, methods and files."""

from google.protobuf import descriptor_pb2

from naming import PREFIXES
from output import header, tidy


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
    out("", "/// Every file, each behind those that it imports.")
    out("package static let files: [ProtoFile] = [")
    for file in files:
        out.level += 1
        proto_file(out, names, file)
        out.level -= 1
    out("]")
    out.close()
    return tidy(out.lines)


def proto_file(out, names, file):
    """One file for server reflection."""
    symbols = sorted(full[1:] for full in names.file[file.name] - set(names.entries))
    for item in file.service:
        symbols += [f"{file.package}.{item.name}"] + [f"{file.package}.{item.name}.{m.name}" for m in item.method]
    bare = descriptor_pb2.FileDescriptorProto()
    bare.CopyFrom(file)
    bare.ClearField("source_code_info")
    text = "".join(
        chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\u{{{byte:X}}}"
        for byte in bare.SerializeToString(deterministic=True)
    )
    out(f'ProtoFile("{file.name}",')
    out("  imports: [" + ", ".join(f'"{name}"' for name in file.dependency) + "],")
    out("  symbols: [", *[f'    "{symbol}",' for symbol in symbols], "  ],")
    out(f'  text: "{text}"),')
