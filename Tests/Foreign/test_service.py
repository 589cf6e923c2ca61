"""The service through a client that is not ours: grpcio with stubs made from `protos/`."""

import datetime
import hashlib
import itertools
import math

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from conftest import eventually
from segmentation.v1 import audit_pb2, audit_service_pb2 as audit_messages
from segmentation.v1 import membership_pb2 as m
from segmentation.v1 import membership_service_pb2 as members_messages
from segmentation.v1 import segment_pb2
from segmentation.v1 import segment_service_pb2 as segments_messages
from segmentation.v1 import user_service_pb2 as users_messages

ids = itertools.count(1_000_000)
names = (f"PY_{n}" for n in itertools.count(1))


@pytest.fixture
def user(users):
    number = next(ids)
    assert users.CreateUser(users_messages.CreateUserRequest(user_id=number)).created
    return number


@pytest.fixture
def slug(segments):
    name = next(names)
    segments.CreateSegment(segments_messages.CreateSegmentRequest(slug=name))
    return name


def by_slug(name):
    return segment_pb2.SegmentSelector(slug=name)


def assign(name, **expiry):
    return m.SegmentAssignment(segment=by_slug(name), **expiry)


def update(members, user, assign=(), remove=(), **options):
    request = members_messages.UpdateUserSegmentsRequest(user_id=user, assign=assign, remove=remove, **options)
    return members.UpdateUserSegments(request)


def slugs_of(members, user):
    return list(members.GetUserSegments(members_messages.GetUserSegmentsRequest(user_id=user)).segments)


def records(audit, **filters):
    events = list(audit.StreamAudit(audit_messages.StreamAuditRequest(**filters)))
    assert events[-1].WhichOneof("event") == "end"
    found = [record for event in events[:-1] for record in event.batch.records]
    assert events[-1].end.count == len(found)
    lines = "".join(csv_line(record) for record in found)
    assert events[-1].end.digest == hashlib.sha256(lines.encode()).digest()
    return found


def csv_line(record):
    action = audit_pb2.AuditAction.Name(record.action).removeprefix("AUDIT_ACTION_")
    at = datetime.datetime.fromtimestamp(record.effective_time.seconds, datetime.timezone.utc)
    stamp = f"{at:%Y-%m-%dT%H:%M:%S}.{record.effective_time.nanos // 1000:06}Z"
    return f"{record.user_id},{record.segment_slug},{action},{stamp}\n"


def refusal(call):
    """The status of a call that must fail."""
    with pytest.raises(grpc.RpcError) as caught:
        result = call()
        if hasattr(result, "__next__"):
            list(result)
    return caught.value


def violations(error):
    status = rpc_status.from_call(error)
    assert status is not None, f"{error.code()} {error.details()} has no details"
    for detail in status.details:
        bad = error_details_pb2.BadRequest()
        if detail.Unpack(bad):
            return [violation.field for violation in bad.field_violations]
    return []


# --- every kind of call ------------------------------------------------------------------------------------------


def test_a_segment_is_created_read_listed_and_deleted(segments):
    name = next(names)
    created = segments.CreateSegment(segments_messages.CreateSegmentRequest(slug=name, description="für alle")).segment
    assert created.slug == name and created.id > 0 and created.description == "für alle"
    read = segments.GetSegment(segments_messages.GetSegmentRequest(segment=segment_pb2.SegmentSelector(id=created.id)))
    assert read.segment == created
    listed, token = [], ""
    while True:
        page = segments.ListSegments(segments_messages.ListSegmentsRequest(page_size=2, page_token=token))
        assert len(page.segments) <= 2
        listed += [segment.slug for segment in page.segments]
        token = page.next_page_token
        if not token:
            break
    assert name in listed and len(listed) == len(set(listed))
    segments.DeleteSegment(segments_messages.DeleteSegmentRequest(segment=by_slug(name)))
    error = refusal(lambda: segments.GetSegment(segments_messages.GetSegmentRequest(segment=by_slug(name))))
    assert error.code() == grpc.StatusCode.NOT_FOUND


def test_segments_are_assigned_and_removed_in_one_call(segments, members, audit, user, slug):
    other = next(names)
    segments.CreateSegment(segments_messages.CreateSegmentRequest(slug=other))
    answer = update(members, user, assign=[assign(slug)])
    assert [outcome.outcome for outcome in answer.outcomes] == [m.MEMBERSHIP_OUTCOME_ASSIGNED]
    answer = update(members, user, assign=[assign(other, ttl=Duration(seconds=3600))], remove=[by_slug(slug)])
    assert [outcome.outcome for outcome in answer.outcomes] == [
        m.MEMBERSHIP_OUTCOME_ASSIGNED, m.MEMBERSHIP_OUTCOME_REMOVED
    ]
    assert slugs_of(members, user) == [other]
    actions = [(r.segment_slug, r.action) for r in records(audit, user_ids=[user])]
    assert actions == [
        (slug, audit_pb2.AUDIT_ACTION_ASSIGN), (other, audit_pb2.AUDIT_ACTION_ASSIGN),
        (slug, audit_pb2.AUDIT_ACTION_DEPRIVE),
    ] or actions == [
        (slug, audit_pb2.AUDIT_ACTION_ASSIGN), (slug, audit_pb2.AUDIT_ACTION_DEPRIVE),
        (other, audit_pb2.AUDIT_ACTION_ASSIGN),
    ]


def test_the_same_request_id_changes_nothing_the_second_time(members, audit, user, slug):
    first = update(members, user, assign=[assign(slug)], request_id=f"r-{user}")
    second = update(members, user, assign=[assign(slug)], request_id=f"r-{user}")
    assert first == second
    assert len(records(audit, user_ids=[user])) == 1


def test_validate_only_changes_nothing(members, audit, user, slug):
    answer = update(members, user, assign=[assign(slug)], validate_only=True)
    assert answer.outcomes[0].outcome == m.MEMBERSHIP_OUTCOME_ASSIGNED
    assert slugs_of(members, user) == [] and records(audit, user_ids=[user]) == []


def test_an_expired_membership_is_gone_at_its_instant_and_deprived_once(members, audit, user, slug):
    answer = update(members, user, assign=[assign(slug, ttl=Duration(nanos=300_000_000))])
    promised = answer.outcomes[0].expires_at
    eventually(lambda: not slugs_of(members, user))
    assert datetime.datetime.now(datetime.timezone.utc) >= promised.ToDatetime(datetime.timezone.utc)
    eventually(lambda: len(records(audit, user_ids=[user])) > 1)
    found = records(audit, user_ids=[user])
    assert len(found) == 2
    assert found[1].action == audit_pb2.AUDIT_ACTION_DEPRIVE and found[1].cause == audit_pb2.AUDIT_CAUSE_EXPIRY
    assert found[1].effective_time == promised


def test_many_users_are_read_in_one_call(members, user, slug):
    update(members, user, assign=[assign(slug)])
    answer = members.BatchGetUserSegments(
        members_messages.BatchGetUserSegmentsRequest(user_ids=[user, 999_999_999, user])
    )
    assert [(u.user_id, list(u.segments)) for u in answer.users] == [(user, [slug]), (999_999_999, []), (user, [slug])]


def test_an_import_creates_users_and_segments_and_tells_of_rejected_rows(members, audit):
    first, name = next(ids), next(names)
    for _ in range(3000):
        next(ids)
    rows = [members_messages.ImportRow(user_id=first + n, segment=name) for n in range(2500)]
    rows.insert(700, members_messages.ImportRow(user_id=0, segment=name))
    rows.insert(1900, members_messages.ImportRow(user_id=first, segment="not a slug"))

    def messages():
        yield members_messages.ImportMembershipsRequest(
            options=members_messages.ImportOptions(create_users=True, create_segments=True)
        )
        for start in range(0, len(rows), 400):
            yield members_messages.ImportMembershipsRequest(rows=rows[start : start + 400])

    answer = members.ImportMemberships(messages())
    assert (answer.rows, answer.assigned, answer.rejected, answer.users_created, answer.segments_created) == (
        2502, 2500, 2, 2500, 1
    )
    assert [(r.row, r.reason) for r in answer.rejections] == [
        (700, members_messages.IMPORT_REJECTION_REASON_INVALID_USER),
        (1900, members_messages.IMPORT_REJECTION_REASON_INVALID_SLUG),
    ]
    again = members.ImportMemberships(messages())
    assert (again.assigned, again.already_present) == (0, 2500)
    assert len(records(audit, segments=[by_slug(name)])) == 2500


def test_an_export_goes_on_behind_its_token(members, audit, user, slug):
    update(members, user, assign=[assign(slug)])
    events = list(audit.StreamAudit(audit_messages.StreamAuditRequest()))
    token = events[-1].end.resume_token
    update(members, user, remove=[by_slug(slug)])
    # Of this user only: memberships of other tests may expire meanwhile.
    found = records(audit, start_token=token, user_ids=[user])
    assert [(r.user_id, r.action) for r in found] == [(user, audit_pb2.AUDIT_ACTION_DEPRIVE)]


def test_health_answers_for_the_server_and_each_service(channel):
    health = health_pb2_grpc.HealthStub(channel)
    for service in ("", "segmentation.v1.SegmentService"):
        answer = health.Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    watch = health.Watch(health_pb2.HealthCheckRequest(service="nobody"))
    assert next(watch).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
    watch.cancel()
    assert refusal(lambda: health.Check(health_pb2.HealthCheckRequest(service="nobody"))).code() == (
        grpc.StatusCode.NOT_FOUND
    )


# --- bad input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", ["", "A" * 129, "-starts-badly", "has space", "ümlaut"])
def test_a_bad_slug_is_refused_by_name(segments, bad):
    error = refusal(lambda: segments.CreateSegment(segments_messages.CreateSegmentRequest(slug=bad)))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert violations(error) == ["slug"]
    segments.CreateSegment(segments_messages.CreateSegmentRequest(slug=next(names)))


@pytest.mark.parametrize("bad", [1.5, -0.1, math.nan, math.inf])
def test_a_bad_outreach_is_refused_by_name(segments, bad):
    error = refusal(lambda: segments.CreateSegment(segments_messages.CreateSegmentRequest(slug=next(names), outreach=bad)))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert violations(error) == ["outreach"]
    name = next(names)
    assert segments.CreateSegment(segments_messages.CreateSegmentRequest(slug=name, outreach=0.5)).segment.outreach == 0.5
    # Or it would take in the users of later tests.
    segments.DeleteSegment(segments_messages.DeleteSegmentRequest(segment=by_slug(name)))


@pytest.mark.parametrize("bad", [0, -1, -(2**63)])
def test_a_bad_user_id_is_refused_by_name(users, members, bad):
    for call in (
        lambda: users.CreateUser(users_messages.CreateUserRequest(user_id=bad)),
        lambda: members.GetUserSegments(members_messages.GetUserSegmentsRequest(user_id=bad)),
    ):
        error = refusal(call)
        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert violations(error) == ["user_id"]
    assert slugs_of(members, 1) is not None


def test_an_expiry_in_the_past_is_refused_and_changes_nothing(members, audit, user, slug):
    past = Timestamp()
    past.FromDatetime(datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=5))
    error = refusal(lambda: update(members, user, assign=[assign(slug, expires_at=past)]))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert violations(error) == ["assign[0].expires_at"]
    assert records(audit, user_ids=[user]) == []


def test_unknown_segments_and_users_are_not_found(members, user, slug):
    error = refusal(lambda: update(members, user, assign=[assign("NOBODY_KNOWS")]))
    assert error.code() == grpc.StatusCode.NOT_FOUND and "NOBODY_KNOWS" in error.details()
    error = refusal(lambda: update(members, next(ids), assign=[assign(slug)]))
    assert error.code() == grpc.StatusCode.NOT_FOUND
    assert update(members, next(ids), assign=[assign(slug)], create_user=True).user_created


def test_what_is_there_already_is_refused_unless_told_otherwise(segments, users, members, user, slug):
    error = refusal(lambda: segments.CreateSegment(segments_messages.CreateSegmentRequest(slug=slug)))
    assert error.code() == grpc.StatusCode.ALREADY_EXISTS
    error = refusal(lambda: users.CreateUser(users_messages.CreateUserRequest(user_id=user)))
    assert error.code() == grpc.StatusCode.ALREADY_EXISTS
    update(members, user, assign=[assign(slug)])
    error = refusal(lambda: update(members, user, assign=[assign(slug)], present_policy=m.PRESENT_POLICY_FAIL))
    assert error.code() == grpc.StatusCode.ALREADY_EXISTS
    kept = update(members, user, assign=[assign(slug)], present_policy=m.PRESENT_POLICY_KEEP)
    assert kept.outcomes[0].outcome == m.MEMBERSHIP_OUTCOME_KEPT


def test_a_request_of_5_mib_is_refused_and_the_next_call_succeeds(segments):
    huge = segments_messages.CreateSegmentRequest(slug=next(names), description="x" * (5 << 20))
    assert refusal(lambda: segments.CreateSegment(huge)).code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    segments.CreateSegment(segments_messages.CreateSegmentRequest(slug=next(names)))


def test_a_garbage_body_is_refused_and_the_next_call_succeeds(channel, members):
    path = "/segmentation.v1.MembershipService/GetUserSegments"
    for garbage in (b"\xff\xff\xff\xff", b"\x08", b"\x12\x7fxx"):
        error = refusal(lambda: channel.unary_unary(path)(garbage))
        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert slugs_of(members, 1) is not None


def test_an_unknown_method_is_unimplemented_and_the_next_call_succeeds(channel, members):
    for path in ("/segmentation.v1.MembershipService/Nothing", "/no.such.Service/Get"):
        error = refusal(lambda: channel.unary_unary(path)(b""))
        assert error.code() == grpc.StatusCode.UNIMPLEMENTED
    assert slugs_of(members, 1) is not None


def test_text_that_is_not_utf8_is_refused_by_name(channel):
    path = "/segmentation.v1.SegmentService/CreateSegment"
    error = refusal(lambda: channel.unary_unary(path)(b"\x0a\x02\xc3\x28"))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert violations(error) == ["segmentation.v1.CreateSegmentRequest.slug"]


def test_a_token_of_another_kind_is_refused(audit, segments):
    error = refusal(lambda: audit.StreamAudit(audit_messages.StreamAuditRequest(start_token="garbage")))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    error = refusal(lambda: segments.ListSegments(segments_messages.ListSegmentsRequest(page_token="garbage")))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_a_deadline_that_passes_in_the_database_is_told_and_the_next_call_succeeds(members, database):
    with database.session("BEGIN; LOCK TABLE segmentd.memberships IN ACCESS EXCLUSIVE MODE"):
        request = members_messages.GetUserSegmentsRequest(user_id=1)
        error = refusal(lambda: members.GetUserSegments(request, timeout=0.5))
        assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert slugs_of(members, 1) is not None
