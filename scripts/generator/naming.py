"""How things of the protos are called in Swift, and fixed facts of protobuf, Swift and protoc-c."""

import sys

from google.protobuf import descriptor_pb2

PREFIXES = {
    "segmentation.v1": "",
    "grpc.health.v1": "",
    "grpc.reflection.v1": "Reflection",
    "grpc.testing": "",
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
    sys.exit(f"scripts/generate: {message}")


def camel(name, upper=False):
    """`next_page_token` as `nextPageToken`, or as `NextPageToken`."""
    words = [word for word in name.lower().split("_") if word]
    done = [ACRONYMS.get(word, word.capitalize()) for word in words]
    if not upper:
        done[0] = words[0]
    return "".join(done)


def escaped(name):
    return f"`{name}`" if name in KEYWORDS or name[0].isdigit() else name
