"""Writes Sources/Proto/Generated from the descriptors of protos/ and the headers that protoc-c made of them.

    generate_swift.py DESCRIPTOR_SET C_INCLUDE_FOLDER OUTPUT_FOLDER TEST_OUTPUT_FOLDER

One Swift file for each .proto file, and for the tests a random value of each message. The names, which are the whole
rule:

- A type of segmentation.v1 and grpc.health.v1 keeps its name, one of google.rpc gets the prefix `GoogleRPC`, one of
  google.protobuf `Proto`. A nested type is nested. A service becomes an enum of its name.
- A field is lower camel case, with ID, URL and TTL in capitals: `user_ids` is `userIDs`.
- An enum value loses the prefix of its enum: `AUDIT_ACTION_ASSIGN` is `.assign`.
- A oneof of several fields becomes an enum `<Name>Choice` with a payload a case, and an optional property of the
  oneof's name. A oneof of one field is how the protos say `optional`: an optional property of the field's name.
- A message field is optional, a repeated one an array, a map a dictionary, bytes `[UInt8]`.
"""

import re
import sys
from pathlib import Path

from google.protobuf import descriptor_pb2

PREFIXES = {
    "segmentation.v1": "",
    "grpc.health.v1": "",
    "grpc.reflection.v1": "",
    "google.rpc": "GoogleRPC",
    "google.protobuf": "Proto",
}
ACRONYMS = {"id": "ID", "ids": "IDs", "url": "URL", "ttl": "TTL"}
KEYWORDS = set(
    "associatedtype class deinit enum extension fileprivate func import init inout internal let open operator private "
    "precedencegroup protocol public rethrows static struct subscript typealias var break case catch continue default "
    "defer do else fallthrough for guard if in repeat return throw switch where while Any as await false is nil self "
    "Self super throws true try".split()
)
# What protoc-c appends an underscore to.
C_KEYWORDS = set(
    "and and_eq asm auto bitand bitor bool break case catch char class compl const const_cast continue default delete "
    "do double dynamic_cast else enum explicit extern false float for friend goto if inline int long mutable namespace "
    "new not not_eq operator or or_eq private protected public register reinterpret_cast return short signed sizeof "
    "static static_cast struct switch template this throw true try typedef typeid typename union unsigned using "
    "virtual void volatile wchar_t while xor xor_eq".split()
)

F = descriptor_pb2.FieldDescriptorProto
SCALARS = {
    F.TYPE_INT32: ("Int32", "0"),
    F.TYPE_SINT32: ("Int32", "0"),
    F.TYPE_SFIXED32: ("Int32", "0"),
    F.TYPE_INT64: ("Int64", "0"),
    F.TYPE_SINT64: ("Int64", "0"),
    F.TYPE_SFIXED64: ("Int64", "0"),
    F.TYPE_UINT32: ("UInt32", "0"),
    F.TYPE_FIXED32: ("UInt32", "0"),
    F.TYPE_UINT64: ("UInt64", "0"),
    F.TYPE_FIXED64: ("UInt64", "0"),
    F.TYPE_FLOAT: ("Float", "0"),
    F.TYPE_DOUBLE: ("Double", "0"),
    F.TYPE_BOOL: ("Bool", "false"),
    F.TYPE_STRING: ("String", '""'),
    F.TYPE_BYTES: ("[UInt8]", "[]"),
}


def fail(message):
    sys.exit(f"generate_swift.py: {message}")


def camel(name, upper=False):
    """`next_page_token` as `nextPageToken`, or as `NextPageToken`."""
    words = [word for word in name.lower().split("_") if word]
    done = [ACRONYMS.get(word, word.capitalize()) for word in words]
    if not upper:
        done[0] = words[0]
    return "".join(done)


def escaped(name):
    return f"`{name}`" if name in KEYWORDS or name[0].isdigit() else name


class Output:
    """Lines, indented."""

    def __init__(self):
        self.lines = []
        self.level = 0

    def __call__(self, *lines):
        for line in lines:
            self.lines.append("  " * self.level + line if line else "")

    def open(self, line):
        self(line)
        self.level += 1

    def close(self, line="}"):
        self.level -= 1
        self(line)


class Names:
    """Every type of the descriptors: its Swift name, its C name, its descriptor."""

    def __init__(self, files, include):
        self.swift, self.c, self.entries = {}, {}, {}
        for file in files:
            if file.package not in PREFIXES:
                fail(f"{file.name}: say in PREFIXES how types of {file.package} are to be named")
            prefix = PREFIXES[file.package]
            c_prefix = "__".join(camel(part, True) for part in file.package.split(".")) + "__"
            for kind in (file.message_type, file.enum_type):
                for item in kind:
                    self.add(item, f".{file.package}.{item.name}", prefix + item.name, c_prefix + item.name)
        self.init = {}
        for header in sorted(include.rglob("*.pb-c.h")):
            for function, struct in re.findall(r"void\s+(\w+)__init\s*\((\w+)\s+\*message\)", header.read_text()):
                self.init[struct] = function

    def add(self, item, full, swift, c):
        if swift in self.swift.values():
            fail(f"{full}: another type has the Swift name {swift} too")
        self.swift[full], self.c[full] = swift, c
        if isinstance(item, descriptor_pb2.DescriptorProto):
            if item.options.map_entry:
                self.entries[full] = item
            for nested in list(item.nested_type) + list(item.enum_type):
                self.add(nested, f"{full}.{nested.name}", f"{swift}.{nested.name}", f"{c}__{nested.name}")


class Comments:
    """The leading comments of one file's declarations, by their path in the descriptor."""

    def __init__(self, file):
        self.by_path = {tuple(place.path): place for place in file.source_code_info.location}

    def write(self, out, path, fallback):
        place = self.by_path.get(tuple(path))
        text = (place.leading_comments or place.trailing_comments) if place else ""
        lines = [line.rstrip() for line in text.strip("\n").split("\n")]
        indent = min((len(line) - len(line.lstrip()) for line in lines if line), default=0)
        lines = [line[indent:] for line in lines] if any(lines) else [fallback]
        out(*[f"/// {line}".rstrip() for line in lines])


class Field:
    """One stored property: a field, or a oneof of several fields."""

    def __init__(self, names, message, full, field):
        self.names, self.field, self.name = names, field, camel(field.name)
        self.path = f"{full[1:]}.{field.name}"
        self.c = field.name.lower() + ("_" if field.name.lower() in C_KEYWORDS else "")
        self.repeated = field.label == F.LABEL_REPEATED
        self.is_message = field.type == F.TYPE_MESSAGE
        self.is_enum = field.type == F.TYPE_ENUM
        if field.type == F.TYPE_GROUP or field.proto3_optional:
            fail(f"{self.path}: groups and proto3 `optional` are not supported; use a oneof of one field")
        self.entry = names.entries.get(field.type_name) if self.is_message else None
        self.present = field.HasField("oneof_index")
        if self.entry:
            self.key, self.value = (Field(names, self.entry, field.type_name, f) for f in self.entry.field)
            if self.key.element != "String":
                fail(f"{self.path}: only maps with string keys are supported")
            self.type, self.default = f"[String: {self.value.element}]", "[:]"
        elif self.repeated:
            if field.type == F.TYPE_BOOL:
                fail(f"{self.path}: repeated bool is not supported yet")
            self.type, self.default = f"[{self.element}]", "[]"
        elif self.is_message or self.present:
            self.type, self.default = f"{self.element}?", "nil"
        elif self.is_enum:
            self.type, self.default = self.element, f"{self.element}(rawValue: 0)"
        else:
            self.type, self.default = SCALARS[field.type]

    @property
    def element(self):
        if self.is_message or self.is_enum:
            return self.names.swift[self.field.type_name]
        return SCALARS[self.field.type][0]

    @property
    def literal(self):
        return f'"{self.path}"'

    def read(self, c="c"):
        """The Swift value of the C field, which is there."""
        at = f"{c}.pointee.{escaped(self.c)}"
        if self.repeated:
            n = f"{c}.pointee.n_{self.c}, {at}"
            if self.field.type == F.TYPE_STRING:
                return f"try readStrings({n}, {self.literal})"
            if self.is_message:
                return f"try readMessages({n})"
            kind = "Bytes" if self.field.type == F.TYPE_BYTES else "Enums" if self.is_enum else "Scalars"
            return f"read{kind}({n})"
        if self.field.type == F.TYPE_STRING:
            return f"try readString({at}, {self.literal})"
        if self.field.type == F.TYPE_BYTES:
            return f"readBytes({at})"
        if self.field.type == F.TYPE_BOOL:
            return f"{at} != 0"
        if self.is_enum:
            return f"{self.element}(rawValue: Int32(bitPattern: {at}.rawValue))"
        if self.is_message:
            return f"try readMessage({at})"
        return at

    def write(self, out, value, c="c"):
        """Statements that set the C field to the Swift value, which is there and not the default."""
        at = f"{c}.pointee.{escaped(self.c)}"
        t = self.field.type
        if self.repeated:
            out(f"{c}.pointee.n_{self.c} = {value}.count")
            if t == F.TYPE_STRING:
                out(f"{at} = try arena.strings({value}, {self.literal})")
            elif self.is_message:
                out(f"{at} = try arena.messages({value})")
            elif self.is_enum:
                out(f"{at} = try arena.enums({value}, as: {self.names.c[self.field.type_name]}.self)")
            else:
                out(f"{at} = try arena.{'bytes' if t == F.TYPE_BYTES else 'scalars'}({value})")
        elif t == F.TYPE_STRING:
            out(f"{at} = try arena.string({value}, {self.literal})")
        elif t == F.TYPE_BYTES:
            out(f"{at} = try arena.bytes({value})")
        elif t == F.TYPE_BOOL:
            out(f"{at} = {value} ? 1 : 0")
        elif self.is_enum:
            out(f"{at} = {self.names.c[self.field.type_name]}(UInt32(bitPattern: {value}.rawValue))")
        elif self.is_message:
            out(f"{at} = try arena.message({value})")
        else:
            out(f"{at} = {value}")


class Oneof:
    """A oneof of several fields: one stored property."""

    def __init__(self, swift, oneof, index, fields):
        self.name, self.c_name, self.index, self.fields = camel(oneof.name), oneof.name.lower(), index, fields
        self.enum = camel(oneof.name, True) + "Choice"
        self.type, self.default = f"{self.enum}?", "nil"


class Message:
    """One message: its Swift type and how it is read and written."""

    def __init__(self, names, comments, message, full, path):
        self.names, self.comments, self.message, self.full, self.path = names, comments, message, full, path
        self.swift, self.c = names.swift[full], names.c[full]
        if self.c not in names.init:
            fail(f"{full}: protoc-c made no struct {self.c}")
        fields = [Field(names, message, full, field) for field in message.field]
        groups = {}
        for field in fields:
            if field.present:
                groups.setdefault(field.field.oneof_index, []).append(field)
        self.members, self.case_of, done = [], {}, set()
        for number, field in enumerate(fields):
            index = field.field.oneof_index
            field.doc = path + [2, number]
            if not field.present:
                self.members.append(field)
            elif len(groups[index]) == 1:
                self.case_of[id(field)] = message.oneof_decl[index].name.lower()
                self.members.append(field)
            elif index not in done:
                done.add(index)
                oneof = Oneof(self.swift, message.oneof_decl[index], index, groups[index])
                oneof.doc = path + [8, index]
                self.members.append(oneof)

    def declare(self, out):
        self.comments.write(out, self.path, f"`{self.full[1:]}`.")
        name = self.swift.rsplit(".", 1)[-1]
        out.open(f"package struct {name}: ProtoMessage {{")
        for member in self.members:
            self.comments.write(out, member.doc, f"The field `{member.name}`.")
            out(f"package var {escaped(member.name)}: {member.type} = {member.default}", "")
        out("/// Every field has its default.", "package init() {}", "")
        if self.members:
            out("/// Fields that are not given have their defaults.")
            arguments = [f"{escaped(m.name)}: {m.type} = {m.default}" for m in self.members]
            line = f"package init({', '.join(arguments)}) {{"
            if len(line) + 2 * out.level <= 120:
                out.open(line)
            else:
                out.open("package init(")
                out(*[a + "," for a in arguments[:-1]], arguments[-1])
                out.level -= 1
                out.open(") {")
            for member in self.members:
                out(f"self.{member.name} = {escaped(member.name)}")
            out.close()
            out("")
        for oneof in (m for m in self.members if isinstance(m, Oneof)):
            self.comments.write(out, oneof.doc, f"Which of the fields of `{oneof.name}` is set.")
            out.open(f"package enum {oneof.enum}: Hashable, Sendable {{")
            for field in oneof.fields:
                self.comments.write(out, field.doc, f"The field `{field.name}`.")
                out(f"case {escaped(field.name)}({field.element})")
            out.close()
            out("")
        for number, enum in enumerate(self.message.enum_type):
            Enum(self.names, self.comments, enum, f"{self.full}.{enum.name}", self.path + [4, number]).declare(out)
            out("")
        for nested in self.nested():
            nested.declare(out)
            out("")
        out('/// The name in the protos.', f'package static let fullName = "{self.full[1:]}"', "")
        out("/// See `ProtoMessage`.")
        out.open("package static func decode(")
        out("_ bytes: UnsafeRawBufferPointer, memoryLimit: Int")
        out.level -= 1
        out.open(") throws(ProtoError) -> Self {")
        out("try Codec.decode(bytes, memoryLimit: memoryLimit)")
        out.close()
        out("", "/// See `ProtoMessage`.")
        out.open("package func encode(into place: (_ size: Int) -> UnsafeMutableRawPointer) throws(ProtoError) {")
        out("try Codec.encode(self, into: place)")
        out.close()
        out("", "/// See `ProtoMessage`.")
        out.open("package func withEncoded<R>(")
        out("reserving prefix: Int, _ body: (_ bytes: UnsafeMutableRawBufferPointer) -> R")
        out.level -= 1
        out.open(") throws(ProtoError) -> R {")
        out("try Codec.withEncoded(self, reserving: prefix, body)")
        out.close()
        out.close()

    def nested(self):
        return [
            Message(self.names, self.comments, nested, f"{self.full}.{nested.name}", self.path + [3, number])
            for number, nested in enumerate(self.message.nested_type)
            if not nested.options.map_entry
        ]

    def implement(self, out):
        function = self.names.init[self.c]
        out("")
        out.open(f"extension {self.swift}: CMessage {{")
        out.open(f"static func initialise(_ c: UnsafeMutablePointer<{self.c}>) {{")
        out(f"{function}__init(c)")
        out.close()
        out("")
        out.open(f"init(reading c: UnsafePointer<{self.c}>) throws(ProtoError) {{")
        for member in self.members:
            self.read_member(out, member)
        out.close()
        out("")
        out.open(f"func write(to c: UnsafeMutablePointer<{self.c}>, _ arena: inout Arena) throws(ProtoError) {{")
        for member in self.members:
            self.write_member(out, member)
        out.close()
        out.close()
        for nested in self.nested():
            nested.implement(out)

    def read_member(self, out, member):
        if isinstance(member, Oneof):
            out.open(f"switch c.pointee.{member.c_name}_case.rawValue {{")
            for field in member.fields:
                out.level -= 1
                out.open(f"case {field.field.number}:")
                value = field.read()
                if field.is_message:
                    out(f"self.{member.name} = ({value}).map {{ .{field.name}($0) }}")
                else:
                    out(f"self.{member.name} = .{field.name}({value})")
            out.level -= 1
            out("default: break")
            out("}")
        elif member.entry:
            out.open(f"for index in 0..<c.pointee.n_{member.c} {{")
            out(f"guard let entry = c.pointee.{escaped(member.c)}?[index] else {{ continue }}")
            value = member.value.read("entry") + (" ?? .init()" if member.value.is_message else "")
            out(f"self.{member.name}[{member.key.read('entry')}] = {value}")
            out.close()
        elif id(member) in self.case_of:
            out.open(f"if c.pointee.{self.case_of[id(member)]}_case.rawValue == {member.field.number} {{")
            out(f"self.{member.name} = {member.read()}")
            out.close()
        else:
            out(f"self.{member.name} = {member.read()}")

    def write_member(self, out, member):
        name = escaped(member.name)
        if isinstance(member, Oneof):
            out.open(f"switch {name} {{")
            for field in member.fields:
                out.level -= 1
                out.open(f"case .{field.name}(let value):")
                out(f"c.pointee.{member.c_name}_case.rawValue = {field.field.number}")
                field.write(out, "value")
            out.level -= 1
            out("case nil: break")
            out("}")
        elif member.entry:
            entry = self.names.c[member.field.type_name]
            out.open(f"if !{name}.isEmpty {{")
            out(f"c.pointee.{member.c} = try arena.room({name}.count, of: UnsafeMutablePointer<{entry}>?.self)")
            out.open(f"for key in sortedKeys({name}) {{")
            out(f"guard let value = {name}[key] else {{ continue }}")
            out(f"let entry = try arena.room(1, of: {entry}.self)")
            out(f"{self.names.init[entry]}__init(entry)")
            member.key.write(out, "key", "entry")
            member.value.write(out, "value", "entry")
            out(f"c.pointee.{member.c}[c.pointee.n_{member.c}] = entry", f"c.pointee.n_{member.c} += 1")
            out.close()
            out.close()
        elif member.repeated or member.field.type in (F.TYPE_STRING, F.TYPE_BYTES) and not member.present:
            out.open(f"if !{name}.isEmpty {{")
            member.write(out, name)
            out.close()
        elif member.present or member.is_message:
            out.open(f"if let value = {name} {{")
            if member.present:
                out(f"c.pointee.{self.case_of[id(member)]}_case.rawValue = {member.field.number}")
            member.write(out, "value")
            out.close()
        else:
            member.write(out, name)


class Enum:
    """One enum."""

    def __init__(self, names, comments, enum, full, path):
        self.comments, self.enum, self.full, self.path = comments, enum, full, path
        self.name = names.swift[full].rsplit(".", 1)[-1]
        prefix = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", enum.name).upper() + "_"
        shared = all(value.name.startswith(prefix) for value in enum.value)
        self.short = [value.name[len(prefix) :] if shared else value.name for value in enum.value]
        if any(value.number < 0 for value in enum.value):
            fail(f"{full}: values below 0 are not supported")

    def declare(self, out):
        self.comments.write(out, self.path, f"`{self.full[1:]}`.")
        out.open(f"package struct {self.name}: ProtoEnum {{")
        for number, (value, short) in enumerate(zip(self.enum.value, self.short)):
            self.comments.write(out, self.path + [2, number], f"`{value.name}`.")
            out(f"package static let {escaped(camel(short))} = Self(rawValue: {value.number})", "")
        out("/// Every value that the protos know, in their order.")
        line = f"package static let allCases: [Self] = [{', '.join('.' + camel(short) for short in self.short)}]"
        if len(line) + 2 * out.level <= 120:
            out(line, "")
        else:
            out("package static let allCases: [Self] = [", *[f"  .{camel(short)}," for short in self.short], "]", "")
        out("/// The number on the wire.", "package let rawValue: Int32", "")
        out("/// The value of that number, known or not.")
        out.open("package init(rawValue: Int32) {")
        out("self.rawValue = rawValue")
        out.close()
        out("", "/// See `ProtoEnum`.")
        out.open("package var name: String {")
        out("switch rawValue {")
        seen = set()
        for value, short in zip(self.enum.value, self.short):
            if value.number not in seen:
                out(f'case {value.number}: "{short}"')
                seen.add(value.number)
        out("default: String(rawValue)", "}")
        out.close()
        out.close()


def service(out, comments, names, package, item, path):
    """One service: its name, and a typed description of each method."""
    full = f"{package}.{item.name}"
    comments.write(out, path, f"`{full}`.")
    out.open(f"package enum {item.name} {{")
    out("/// The name in the protos.", f'package static let fullName = "{full}"', "")
    out("/// The methods, with the types of their messages.")
    out.open("package enum Methods {")
    for number, method in enumerate(item.method):
        kind = {
            (False, False): "unary",
            (True, False): "clientStream",
            (False, True): "serverStream",
            (True, True): "bidirectional",
        }[method.client_streaming, method.server_streaming]
        comments.write(out, path + [2, number], f"`{method.name}`.")
        name = method.name[0].lower() + method.name[1:]
        out(f"package static let {escaped(name)} = ProtoMethod<")
        out(f"  {names.swift[method.input_type]}, {names.swift[method.output_type]}")
        out(f'>(fullName, "{method.name}", .{kind})', "")
    out("/// Every method, in the order of the protos.")
    out("package static let all: [ProtoMethodDescription] = [")
    for method in item.method:
        out(f"  {method.name[0].lower() + method.name[1:]}.description,")
    out("]")
    out.close()
    out.close()


def header(source):
    out = Output()
    out("// swift-format-ignore-file", f"// Generated by scripts/generate from {source}. Do not edit.", "")
    return out


def swift_file(names, file):
    out, comments, package = header(f"protos/{file.name}"), Comments(file), f".{file.package}"
    messages = [
        Message(names, comments, message, f"{package}.{message.name}", [4, number])
        for number, message in enumerate(file.message_type)
    ]
    if messages:
        out("internal import CProto", "")
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


def tidy(lines):
    """The text, without blank lines before a closing brace."""
    done = []
    for line in lines:
        if line.strip() in ("}", "]") and done and not done[-1]:
            done.pop()
        done.append(line)
    return "\n".join(done) + "\n"


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
    out(*[f"  {item.name}.Methods.all," for file in files for item in file.service], "].flatMap { $0 }")
    out.close()
    return tidy(out.lines)


def random_messages(names, messages):
    """For the tests: a random value of each message and of each oneof."""
    out = header("protos/")
    out("import Proto", "")
    for message in messages:
        out.open(f"extension {message.swift}: RandomValue {{")
        out.open("static func random(_ source: inout RandomSource) -> Self {")
        if message.members:
            out("Self(", *[f"  {m.name}: .random(&source)," for m in message.members[:-1]])
            out(f"  {message.members[-1].name}: .random(&source))")
        else:
            out("Self()")
        out.close()
        out.close()
        out("")
        for oneof in (m for m in message.members if isinstance(m, Oneof)):
            out.open(f"extension {message.swift}.{oneof.enum}: RandomValue {{")
            out.open("static func random(_ source: inout RandomSource) -> Self {")
            out(f"switch Int.random(in: 0..<{len(oneof.fields)}, using: &source) {{")
            for number, field in enumerate(oneof.fields):
                case = f"case {number}" if number + 1 < len(oneof.fields) else "default"
                out(f"{case}: .{field.name}(.random(&source))")
            out("}")
            out.close()
            out.close()
            out("")
    for name in sorted(names.swift[full] for full in names.swift if names.c[full] not in names.init):
        out(f"extension {name}: RandomValue {{}}")
    out("", "/// A maker of random values for each message type.")
    out("let randomMessages: [any RandomMessage.Type] = [")
    out(*[f"  {message.swift}.self," for message in messages], "]")
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
    descriptors, include, output, tests = (Path(argument) for argument in sys.argv[1:])
    files = descriptor_pb2.FileDescriptorSet.FromString(descriptors.read_bytes()).file
    files = sorted(files, key=lambda file: file.name)
    names = Names(files, include)
    output.mkdir(parents=True, exist_ok=True)
    for file in files:
        if not file.message_type and not file.enum_type and not file.service:
            continue
        stem = PREFIXES[file.package] + camel(Path(file.name).stem, True)
        (output / f"{stem}.pb.swift").write_text(swift_file(names, file))
    tests.mkdir(parents=True, exist_ok=True)
    (tests / "RandomMessages.swift").write_text(random_messages(names, list(every_message(names, files))))
    (output / "ProtoRegistry.pb.swift").write_text(registry(names, files))


main()
