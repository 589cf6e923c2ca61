"""The types of the descriptors by their full names."""

import re

from google.protobuf import descriptor_pb2

from naming import PREFIXES, camel, fail


class Names:
    """Every type of the descriptors: its Swift name, its C name, its descriptor."""

    def __init__(self, files, include):
        self.swift, self.c, self.entries, self.file = {}, {}, {}, {}
        for file in files:
            if file.package not in PREFIXES:
                fail(f"{file.name}: say in PREFIXES how types of {file.package} are to be named")
            prefix = PREFIXES[file.package]
            c_prefix = "__".join(camel(part, True) for part in file.package.split(".")) + "__"
            earlier = set(self.swift)
            for kind in (file.message_type, file.enum_type):
                for item in kind:
                    self.add(item, f".{file.package}.{item.name}", prefix + item.name, c_prefix + item.name)
            self.file[file.name] = set(self.swift) - earlier
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
