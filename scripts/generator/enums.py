"""An enum: its Swift type."""

import re

from naming import camel, escaped, fail


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
