"""A service: its name and a typed description of each method."""

from naming import PREFIXES, escaped


def service(out, comments, names, package, item, path):
    """One service: its name, and a typed description of each method."""
    full = f"{package}.{item.name}"
    comments.write(out, path, f"`{full}`.")
    out.open(f"package enum {PREFIXES[package]}{item.name} {{")
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
        idempotent = ", isIdempotent: true" if method.options.idempotency_level else ""
        out(f'>(fullName, "{method.name}", .{kind}{idempotent})', "")
    out("/// Every method, in the order of the protos.")
    out("package static let all: [ProtoMethodDescription] = [")
    for method in item.method:
        out(f"  {method.name[0].lower() + method.name[1:]}.description,")
    out("]")
    out.close()
    out.close()
