"""The stored properties of a message: fields and oneofs."""

from naming import C_KEYWORDS, SCALARS, F, camel, escaped, fail


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
