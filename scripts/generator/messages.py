"""A message: its Swift type, and how it is read from and written to its C struct."""

from enums import Enum
from fields import Field, Oneof
from naming import F, escaped, fail


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
