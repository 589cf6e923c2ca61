"""What cannot be asked is refused by name: for every field of every request a status, and the field in BadRequest."""

import base64
import itertools
import math
import struct

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from segmentation.v1 import audit_service_pb2 as audit
from segmentation.v1 import audit_service_pb2_grpc as audit_rpc
from segmentation.v1 import membership_pb2 as membership
from segmentation.v1 import membership_service_pb2 as members
from segmentation.v1 import membership_service_pb2_grpc as members_rpc
from segmentation.v1 import segment_pb2
from segmentation.v1 import segment_service_pb2 as segments
from segmentation.v1 import segment_service_pb2_grpc as segments_rpc
from segmentation.v1 import user_service_pb2 as users
from segmentation.v1 import user_service_pb2_grpc as users_rpc
from test_service import refusal, violations

INT64_MAX, INT64_MIN = 2**63 - 1, -(2**63)
INVALID, NOT_FOUND = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND
# Users and segments of these tests only.
USER, SEGMENT = 9_000_000, "VALIDATED"

# No instant of the contract: before the year 1, behind 9999, and nanoseconds that are none.
NO_INSTANTS = {
    "year_0": Timestamp(seconds=-62_135_596_801),
    "year_10000": Timestamp(seconds=253_402_300_800),
    "int64_max": Timestamp(seconds=INT64_MAX),
    "int64_min": Timestamp(seconds=INT64_MIN),
    "negative_nanos": Timestamp(seconds=1, nanos=-1),
    "nanos_of_a_second": Timestamp(seconds=1, nanos=1_000_000_000),
    "nanos_int32_max": Timestamp(seconds=1, nanos=2**31 - 1),
}
NO_USERS = {"zero": 0, "negative": -1, "int64_min": INT64_MIN}
# A selector, and the end of the field's path that is wrong with it.
NO_SELECTORS = {
    "missing": (None, ""),
    "empty": (segment_pb2.SegmentSelector(), ""),
    "empty_slug": (segment_pb2.SegmentSelector(slug=""), ".slug"),
    "long_slug": (segment_pb2.SegmentSelector(slug="A" * 129), ".slug"),
    "emoji_slug": (segment_pb2.SegmentSelector(slug="A🎉"), ".slug"),
    "id_0": (segment_pb2.SegmentSelector(id=0), ".id"),
    "id_negative": (segment_pb2.SegmentSelector(id=INT64_MIN), ".id"),
}
NO_REQUEST_IDS = {"129_characters": "x" * 129, "129_emoji": "🎉" * 129}
NO_DURATIONS = {
    "zero": Duration(),
    "negative": Duration(seconds=-1),
    "below_a_microsecond": Duration(nanos=999),
    "signs_differ": Duration(seconds=1, nanos=-1),
    "int64_max": Duration(seconds=INT64_MAX),
    "int64_min": Duration(seconds=INT64_MIN),
    "beyond_9999": Duration(seconds=315_576_000_000),
    "nanos_of_a_second": Duration(nanos=1_000_000_000),
}
UNKNOWN = {"unknown": 99, "negative": -1, "int32_max": 2**31 - 1, "int32_min": -(2**31), "65537": 65537}

by_slug = lambda slug: segment_pb2.SegmentSelector(slug=slug)
HERE = by_slug(SEGMENT)
CASES = []


def case(name, method, request, *fields, code=INVALID):
    CASES.append(pytest.param(method, request, list(fields), code, id=f"{method}-{name}"))


def each(values, method, make, field, name):
    for label, value in values.items():
        case(f"{name}-{label}", method, make(value), field)


def selectors(method, make, field="segment"):
    for label, (selector, end) in NO_SELECTORS.items():
        case(f"{field}-{label}", method, make(selector), field + end)
    if field == "segment":
        case("segment-unknown_slug", method, make(by_slug("NOBODY_KNOWS")), code=NOT_FOUND)
        case("segment-unknown_id", method, make(segment_pb2.SegmentSelector(id=INT64_MAX)), code=NOT_FOUND)


def collect():
    # SegmentService
    create = segments.CreateSegmentRequest
    for label, slug in {"empty": "", "long": "A" * 129, "dot": ".A", "space": "A B", "newline": "A\n"}.items():
        case(f"slug-{label}", "CreateSegment", create(slug=slug), "slug")
    for label, value in {"nan": math.nan, "inf": math.inf, "-inf": -math.inf, "1+": 1.0000001, "0-": -1e-300}.items():
        case(f"outreach-{label}", "CreateSegment", create(slug="V_X", outreach=value), "outreach")
    for label, text in {"1025": "x" * 1025, "1025_emoji": "🎉" * 1025}.items():
        case(f"description-{label}", "CreateSegment", create(slug="V_X", description=text), "description")
    each(NO_REQUEST_IDS, "CreateSegment", lambda v: create(slug="V_X", request_id=v), "request_id", "request_id")
    selectors("GetSegment", lambda s: segments.GetSegmentRequest(segment=s))
    each(UNKNOWN, "GetSegment", lambda v: segments.GetSegmentRequest(segment=HERE, view=v), "view", "view")
    listing = segments.ListSegmentsRequest
    for label, size in {"negative": -1, "int32_min": -(2**31)}.items():
        case(f"page_size-{label}", "ListSegments", listing(page_size=size), "page_size")
    for label, token in {"garbage": "garbage", "other_list": page_token("OTHER", "A"), "bad_slug": page_token("", "?")}.items():
        case(f"page_token-{label}", "ListSegments", listing(page_token=token), "page_token")
    for label, prefix in {"space": "A B", "long": "A" * 129, "dash": "-A"}.items():
        case(f"slug_prefix-{label}", "ListSegments", listing(slug_prefix=prefix), "slug_prefix")
    each(UNKNOWN, "ListSegments", lambda v: listing(view=v), "view", "view")
    selectors("DeleteSegment", lambda s: segments.DeleteSegmentRequest(segment=s))
    delete = segments.DeleteSegmentRequest
    each(NO_REQUEST_IDS, "DeleteSegment", lambda v: delete(segment=HERE, request_id=v), "request_id", "request_id")
    case("etag-other", "DeleteSegment", delete(segment=HERE, etag="other"), code=grpc.StatusCode.ABORTED)
    listed = segments.ListSegmentMembersRequest
    selectors("ListSegmentMembers", lambda s: listed(segment=s))
    each(UNKNOWN, "ListSegmentMembers", lambda v: listed(segment=HERE, view=v), "view", "view")
    each(NO_INSTANTS, "ListSegmentMembers", lambda v: listed(segment=HERE, as_of=v), "as_of", "as_of")
    for field in ("start_after_user_id", "limit", "max_batch_size"):
        case(f"{field}-negative", "ListSegmentMembers", listed(segment=HERE, **{field: -1}), field)
    # UserService
    each(NO_USERS, "CreateUser", lambda v: users.CreateUserRequest(user_id=v), "user_id", "user_id")
    each(NO_REQUEST_IDS, "CreateUser", lambda v: users.CreateUserRequest(user_id=USER, request_id=v), "request_id", "request_id")
    each(NO_USERS, "GetUser", lambda v: users.GetUserRequest(user_id=v), "user_id", "user_id")
    case("user_id-unknown", "GetUser", users.GetUserRequest(user_id=INT64_MAX), code=NOT_FOUND)
    each(NO_USERS, "DeleteUser", lambda v: users.DeleteUserRequest(user_id=v), "user_id", "user_id")
    each(NO_REQUEST_IDS, "DeleteUser", lambda v: users.DeleteUserRequest(user_id=USER, request_id=v), "request_id", "request_id")
    case("user_id-unknown", "DeleteUser", users.DeleteUserRequest(user_id=INT64_MAX), code=NOT_FOUND)
    for field in ("start_after_user_id", "limit", "max_batch_size"):
        case(f"{field}-negative", "ListUsers", users.ListUsersRequest(**{field: -1}), field)
    # MembershipService
    get = members.GetUserSegmentsRequest
    each(NO_USERS, "GetUserSegments", lambda v: get(user_id=v), "user_id", "user_id")
    each(UNKNOWN, "GetUserSegments", lambda v: get(user_id=USER, view=v), "view", "view")
    each(NO_INSTANTS, "GetUserSegments", lambda v: get(user_id=USER, as_of=v), "as_of", "as_of")
    batch = members.BatchGetUserSegmentsRequest
    each(NO_USERS, "BatchGetUserSegments", lambda v: batch(user_ids=[1, v]), "user_ids[1]", "user_ids")
    case("user_ids-1001", "BatchGetUserSegments", batch(user_ids=range(1, 1002)), "user_ids")
    case("user_ids-1001-past", "BatchGetUserSegments", batch(user_ids=range(1, 1002), as_of=Timestamp(seconds=1)), "user_ids")
    each(UNKNOWN, "BatchGetUserSegments", lambda v: batch(user_ids=[1], view=v), "view", "view")
    each(NO_INSTANTS, "BatchGetUserSegments", lambda v: batch(user_ids=[1], as_of=v), "as_of", "as_of")
    for method, message in (("CheckMembership", members.CheckMembershipRequest), ("ExplainMembership", members.ExplainMembershipRequest)):
        each(NO_USERS, method, lambda v, r=message: r(user_id=v, segment=HERE), "user_id", "user_id")
        selectors(method, lambda s, r=message: r(user_id=USER, segment=s))
        each(NO_INSTANTS, method, lambda v, r=message: r(user_id=USER, segment=HERE, as_of=v), "as_of", "as_of")
    collect_updates()
    collect_imports()
    collect_audit()


def collect_updates():
    update = lambda **fields: members.UpdateUserSegmentsRequest(**{"user_id": USER, "create_user": True, **fields})
    assign = lambda segment=HERE, **expiry: membership.SegmentAssignment(segment=segment, **expiry)
    each(NO_USERS, "UpdateUserSegments", lambda v: update(user_id=v), "user_id", "user_id")
    case("user_id-unknown", "UpdateUserSegments", update(user_id=INT64_MAX, create_user=False), code=NOT_FOUND)
    selectors("UpdateUserSegments", lambda s: update(assign=[assign(s)]), "assign[0].segment")
    selectors("UpdateUserSegments", lambda s: update(remove=[HERE, s or segment_pb2.SegmentSelector()]), "remove[1]")
    each(NO_INSTANTS, "UpdateUserSegments", lambda v: update(assign=[assign(expires_at=v)]), "assign[0].expires_at", "expires_at")
    case("expires_at-past", "UpdateUserSegments", update(assign=[assign(expires_at=Timestamp())]), "assign[0].expires_at")
    each(NO_DURATIONS, "UpdateUserSegments", lambda v: update(assign=[assign(ttl=v)]), "assign[0].ttl", "ttl")
    for field in ("present_policy", "missing_policy"):
        each(UNKNOWN, "UpdateUserSegments", lambda v, f=field: update(**{f: v}), field, field)
    each(NO_REQUEST_IDS, "UpdateUserSegments", lambda v: update(request_id=v), "request_id", "request_id")
    case("assign-1001", "UpdateUserSegments", update(assign=[assign()] * 1001), "assign")
    case("remove-1001", "UpdateUserSegments", update(remove=[HERE] * 1001), "remove")
    case("assign-twice", "UpdateUserSegments", update(assign=[assign(), assign()]), "assign[1].segment")
    case("remove-assigned", "UpdateUserSegments", update(assign=[assign()], remove=[HERE]), "remove[0]")


def collect_imports():
    message, options = members.ImportMembershipsRequest, members.ImportOptions
    case("options-later", "ImportMemberships", [message(), message(options=options())], "options")
    case("max_rejections-negative", "ImportMemberships", [message(options=options(max_rejections=-1))], "options.max_rejections")
    each(UNKNOWN, "ImportMemberships", lambda v: [message(options=options(present_policy=v))], "options.present_policy", "present_policy")
    each(NO_REQUEST_IDS, "ImportMemberships", lambda v: [message(options=options(request_id=v))], "options.request_id", "request_id")


def collect_audit():
    stream = audit.StreamAuditRequest
    each(NO_USERS, "StreamAudit", lambda v: stream(user_ids=[1, v]), "user_ids[1]", "user_ids")
    case("user_ids-1001", "StreamAudit", stream(user_ids=range(1, 1002)), "user_ids")
    case("user_ids-1001-followed", "StreamAudit", stream(user_ids=range(1, 1002), follow=True), "user_ids")
    selectors("StreamAudit", lambda s: stream(segments=[HERE, s or segment_pb2.SegmentSelector()]), "segments[1]")
    case("segments-1001", "StreamAudit", stream(segments=[HERE] * 1001), "segments")
    for field in ("actions", "causes"):
        each({**UNKNOWN, "unspecified": 0}, "StreamAudit", lambda v, f=field: stream(**{f: [1, v]}), f"{field}[1]", field)
    for field in ("start_time", "end_time"):
        each(NO_INSTANTS, "StreamAudit", lambda v, f=field: stream(**{f: v}), field, field)
    for field in ("start_token", "end_token"):
        each({"empty": "", "garbage": "garbage"}, "StreamAudit", lambda v, f=field: stream(**{f: v}), field, field)
    each(UNKNOWN, "StreamAudit", lambda v: stream(start_position=v), "start_position", "start_position")
    for field in ("limit", "max_batch_records", "max_batch_bytes"):
        case(f"{field}-negative", "StreamAudit", stream(**{field: -1}), field)
    for label, value in NO_DURATIONS.items():
        if label != "beyond_9999":
            case(f"heartbeat_interval-{label}", "StreamAudit", stream(heartbeat_interval=value, follow=True), "heartbeat_interval")


def page_token(prefix, slug):
    return base64.urlsafe_b64encode(f"s1\n{prefix}\n{slug}".encode()).decode().rstrip("=")


collect()


@pytest.fixture(scope="module")
def stubs(channel):
    """Every method of the services, by name; the segment that the cases name is there."""
    found = {}
    for stub in (
        segments_rpc.SegmentServiceStub(channel), users_rpc.UserServiceStub(channel),
        members_rpc.MembershipServiceStub(channel), audit_rpc.AuditServiceStub(channel),
    ):
        found.update(vars(stub))
    found["CreateSegment"](segments.CreateSegmentRequest(slug=SEGMENT))
    return found


@pytest.mark.parametrize("method, request_message, fields, code", CASES)
def test_what_cannot_be_asked_is_refused_by_name(stubs, method, request_message, fields, code):
    message = iter(request_message) if isinstance(request_message, list) else request_message
    error = refusal(lambda: stubs[method](message, timeout=60))
    assert error.code() == code, error.details()
    assert violations(error) == fields, error.details()


@pytest.mark.parametrize(
    "method, message, field",
    [
        ("CreateSegment", segments.CreateSegmentRequest(slug="A\0"), "CreateSegmentRequest.slug"),
        ("CreateSegment", segments.CreateSegmentRequest(slug="A", description="\0"), "CreateSegmentRequest.description"),
        ("GetSegment", segments.GetSegmentRequest(segment=by_slug("A\0")), "SegmentSelector.slug"),
        ("ListSegments", segments.ListSegmentsRequest(page_token="\0"), "ListSegmentsRequest.page_token"),
        ("CreateUser", users.CreateUserRequest(user_id=USER, request_id="a\0b"), "CreateUserRequest.request_id"),
        ("StreamAudit", audit.StreamAuditRequest(start_token="\0"), "StreamAuditRequest.start_token"),
    ],
)
def test_no_text_may_hold_a_nul(stubs, method, message, field):
    """Decoding refuses it, in whatever field."""
    error = refusal(lambda: stubs[method](message, timeout=60))
    assert error.code() == INVALID and violations(error) == [f"segmentation.v1.{field}"]


def test_nothing_of_that_has_changed_anything(stubs):
    assert list(stubs["GetUserSegments"](members.GetUserSegmentsRequest(user_id=USER)).segments) == []
    assert refusal(lambda: stubs["GetUser"](users.GetUserRequest(user_id=USER))).code() == NOT_FOUND


def test_rows_that_cannot_be_imported_are_rejected_one_by_one(stubs):
    row = members.ImportRow
    rows = [row(user_id=value, segment=SEGMENT) for value in NO_USERS.values()]
    rows += [row(user_id=USER, segment=slug) for slug in ("A B", "A" * 129, "A\n", "-")]
    rows += [row(user_id=USER, segment=SEGMENT, expires_at=instant) for instant in (*NO_INSTANTS.values(), Timestamp())]
    rows += [row(user_id=INT64_MAX, segment=SEGMENT), row(user_id=USER, segment="NOBODY_KNOWS")]
    options = members.ImportOptions(max_rejections=2**31 - 1)
    users_known = members.ImportMembershipsRequest(options=members.ImportOptions(create_users=True), rows=[row(user_id=USER)])
    stubs["ImportMemberships"](iter([users_known]))
    answer = stubs["ImportMemberships"](iter([members.ImportMembershipsRequest(options=options, rows=rows)]))
    reason = lambda rejection: members.ImportRejectionReason.Name(rejection.reason).removeprefix("IMPORT_REJECTION_REASON_")
    assert [(r.row, reason(r)) for r in answer.rejections] == list(
        enumerate(["INVALID_USER"] * 3 + ["INVALID_SLUG"] * 4 + ["INVALID_EXPIRY"] * 8 + ["USER_NOT_FOUND", "SEGMENT_NOT_FOUND"])
    )
    stubs["DeleteUser"](users.DeleteUserRequest(user_id=USER))


def test_the_greatest_values_are_answered(stubs):
    """What is allowed and looks absurd."""
    create = users.CreateUserRequest(user_id=INT64_MAX, request_id="🎉" * 128)
    assert stubs["CreateUser"](create).created and stubs["CreateUser"](create).created
    last = Timestamp(seconds=253_402_300_799, nanos=999_999_999)
    item = membership.SegmentAssignment(segment=HERE, expires_at=last)
    stubs["UpdateUserSegments"](members.UpdateUserSegmentsRequest(user_id=INT64_MAX, assign=[item]))
    known = members.CheckMembershipRequest(user_id=INT64_MAX, segment=HERE)
    assert stubs["CheckMembership"](known).expires_at.seconds == last.seconds
    listed = segments.ListSegmentMembersRequest(
        segment=HERE, start_after_user_id=INT64_MAX - 1, limit=INT64_MAX, max_batch_size=2**31 - 1
    )
    assert [list(message.user_ids) for message in stubs["ListSegmentMembers"](listed)] == [[INT64_MAX]]
    listed.start_after_user_id = INT64_MAX
    assert list(stubs["ListSegmentMembers"](listed)) == []
    assert list(stubs["ListUsers"](users.ListUsersRequest(start_after_user_id=INT64_MAX, limit=INT64_MAX))) == []
    assert len(stubs["ListSegments"](segments.ListSegmentsRequest(page_size=2**31 - 1)).segments) >= 1
    first = Timestamp(seconds=-62_135_596_800)
    assert list(stubs["GetUserSegments"](members.GetUserSegmentsRequest(user_id=INT64_MAX, as_of=first)).segments) == []
    assert stubs["BatchGetUserSegments"](members.BatchGetUserSegmentsRequest()) == members.BatchGetUserSegmentsResponse()
    stubs["DeleteUser"](users.DeleteUserRequest(user_id=INT64_MAX))
    history = audit.StreamAuditRequest(
        user_ids=[INT64_MAX], start_time=first, end_time=last, limit=INT64_MAX, max_batch_records=2**31 - 1,
        max_batch_bytes=2**31 - 1,
    )
    events = list(stubs["StreamAudit"](history))
    assert sum(len(event.batch.records) for event in events) == 2


def test_a_heartbeat_of_ten_thousand_years_is_one_that_never_comes(stubs):
    request = audit.StreamAuditRequest(
        follow=True, start_position=audit.AUDIT_POSITION_NOW, heartbeat_interval=Duration(seconds=315_576_000_000)
    )
    stream = stubs["StreamAudit"](request)
    assert next(stream).WhichOneof("event") == "heartbeat"
    stream.cancel()


def test_forged_tokens_are_harmless(stubs):
    """A token of this database whose numbers were changed may read nothing or all, and never hurts."""
    [end] = list(stubs["StreamAudit"](audit.StreamAuditRequest(user_ids=[INT64_MAX - 7])))
    token = end.end.resume_token
    raw = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    extremes = [0, 1, 2**31 - 1, 2**31, 2**32 - 1]
    wide = [0, 1, 2**63 - 1, 2**63, 2**64 - 1]
    for era, xid, sequence in itertools.chain(zip(extremes, wide, reversed(wide)), itertools.product((1, 2**32 - 1), wide, (0, 2**63))):
        raw[21:41] = struct.pack(">IQQ", era, xid, sequence)
        forged = base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("=")
        for field in ("start_token", "end_token"):
            request = audit.StreamAuditRequest(user_ids=[INT64_MAX - 7], **{field: forged})
            try:
                assert list(stubs["StreamAudit"](request, timeout=60))[-1].WhichOneof("event") == "end"
            except grpc.RpcError as error:
                assert error.code() == INVALID and violations(error) == [field], (era, xid, sequence, error)
