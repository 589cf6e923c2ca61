"""A random value of each message, for the tests."""

from fields import Oneof
from output import header, tidy


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
