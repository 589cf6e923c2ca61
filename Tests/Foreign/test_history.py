"""What was at an instant in the past, and why, through grpcio and through segctl."""

import datetime
import time

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from segmentation.v1 import membership_pb2 as m
from segmentation.v1 import membership_service_pb2 as messages
from segmentation.v1 import segment_pb2
from segmentation.v1 import segment_service_pb2 as segments_messages
from test_service import refusal, violations

# Users and segments of these tests only.
BASE = 8_000_000


@pytest.fixture
def now(database):
    """The database's clock, as a protobuf Timestamp."""

    def read():
        stamp = Timestamp()
        stamp.FromMicroseconds(int(database.query("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")))
        return stamp

    return read


def slug(name):
    return segment_pb2.SegmentSelector(slug=name)


def test_every_read_answers_as_of_an_instant(members, segments, segctl, now):
    user, other = BASE + 1, BASE + 2
    before = now()
    for name in ("HI_A", "HI_B"):
        segctl("segment", "create", name)
    segctl("user", "update", user, "--assign", "HI_A=10s", "--assign", "HI_B", "--create-user")
    segctl("user", "update", other, "--assign", "HI_B", "--create-user")
    early = now()
    expiry = members.CheckMembership(messages.CheckMembershipRequest(user_id=user, segment=slug("HI_A"))).expires_at
    segctl("user", "update", user, "--remove", "HI_B")
    middle = now()
    while now().ToMicroseconds() <= expiry.ToMicroseconds():
        time.sleep(0.02)
    late = now()

    def answers(instant):
        one = members.GetUserSegments(messages.GetUserSegmentsRequest(user_id=user, as_of=instant))
        many = members.BatchGetUserSegments(
            messages.BatchGetUserSegmentsRequest(user_ids=[other, user, user], as_of=instant, view=m.MEMBERSHIP_VIEW_FULL)
        )
        assert [u.user_id for u in many.users] == [other, user, user]
        assert list(many.users[1].segments) == list(many.users[2].segments) == list(one.segments)
        assert [x.segment_slug for x in many.users[1].memberships] == list(one.segments)
        return list(one.segments)

    def listed(name, instant):
        request = segments_messages.ListSegmentMembersRequest(segment=slug(name), as_of=instant, max_batch_size=1)
        stream = list(segments.ListSegmentMembers(request))
        assert all(message.read_time == instant for message in stream)
        return [user for message in stream for user in message.user_ids]

    assert answers(before) == []
    assert answers(early) == ["HI_A", "HI_B"]
    assert answers(middle) == ["HI_A"]
    assert answers(late) == []
    # The expiry counts at its instant, whenever it is swept.
    assert answers(expiry) == []
    just_before = Timestamp()
    just_before.FromMicroseconds(expiry.ToMicroseconds() - 1)
    assert answers(just_before) == ["HI_A"]
    assert listed("HI_B", early) == [user, other] and listed("HI_B", late) == [other]
    assert refusal(lambda: listed("HI_B", before)).code() == grpc.StatusCode.NOT_FOUND
    check = messages.CheckMembershipRequest(user_id=user, segment=slug("HI_B"), as_of=early)
    assert members.CheckMembership(check).member
    check.as_of.CopyFrom(middle)
    assert not members.CheckMembership(check).member

    stamp = early.ToDatetime(datetime.timezone.utc).isoformat()
    assert {row["segment_slug"] for row in segctl.json("user", "segments", user, "--as-of", stamp)} == {"HI_A", "HI_B"}
    assert segctl.json("user", "segments", user) == []
    assert [row["user_id"] for row in segctl.json("segment", "members", "HI_B", "--as-of", stamp)] == [user, other]
    assert segctl("user", "check", user, "HI_B", "--as-of", stamp).returncode == 0
    assert segctl("user", "check", user, "HI_B", check=False).returncode == 1


def test_the_future_is_not_known(members, segments, segctl, now):
    future = now()
    future.seconds += 3600
    asks = [
        lambda: members.GetUserSegments(messages.GetUserSegmentsRequest(user_id=1, as_of=future)),
        lambda: members.BatchGetUserSegments(messages.BatchGetUserSegmentsRequest(user_ids=[1], as_of=future)),
        lambda: members.CheckMembership(
            messages.CheckMembershipRequest(user_id=1, segment=segment_pb2.SegmentSelector(id=1), as_of=future)
        ),
        lambda: members.ExplainMembership(
            messages.ExplainMembershipRequest(user_id=1, segment=segment_pb2.SegmentSelector(id=1), as_of=future)
        ),
        lambda: list(
            segments.ListSegmentMembers(
                segments_messages.ListSegmentMembersRequest(segment=segment_pb2.SegmentSelector(id=1), as_of=future)
            )
        ),
    ]
    for ask in asks:
        error = refusal(ask)
        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT and violations(error) == ["as_of"]
    assert segctl("user", "segments", 1, "--as-of", "9999-01-01", check=False).returncode == 6


def test_a_membership_is_explained(members, segctl, now):
    user = BASE + 10
    segctl("segment", "create", "HI_WHY")
    never = segctl("explain", user, "HI_WHY").stdout
    assert never == f"User {user} is not in HI_WHY: nothing ever assigned it. The user is not known now.\n"
    segctl("--actor", "alice", "user", "update", user, "--assign", "HI_WHY=1h", "--create-user", "--request-id", "why-1")
    then = now()
    inside = segctl.json("explain", user, "HI_WHY")
    assert inside["member"] and inside["reason"] == "ASSIGNED" and inside["membership"]["source"] == "REQUEST"
    assert [record["actor"] for record in inside["records"]] == ["alice"]
    until = inside["membership"]["expires_at"]
    assert inside["explanation"] == (
        f"User {user} is in HI_WHY: alice assigned it at {inside['membership']['assign_time']} (request id why-1), until {until}."
    )
    segctl("--actor", "bob", "user", "update", user, "--remove", "HI_WHY")
    outside = members.ExplainMembership(messages.ExplainMembershipRequest(user_id=user, segment=slug("HI_WHY")))
    assert not outside.member
    assert outside.reason == messages.MEMBERSHIP_REASON_REMOVED and not outside.HasField("membership")
    assert [record.actor for record in outside.records] == ["alice", "bob"] and outside.user_known
    assert 0 <= outside.bucket < 1_000_000
    text = segctl("explain", user, "HI_WHY").stdout
    assert text.startswith(f"User {user} is not in HI_WHY: bob removed it at ") and "Before, alice assigned it at " in text
    stamp = then.ToDatetime(datetime.timezone.utc).isoformat()
    past = segctl.json("explain", user, "HI_WHY", "--at", stamp)
    assert past["member"] and past["explanation"].startswith("At ") and " was in HI_WHY: alice assigned it" in past["explanation"]
    lines = segctl("explain", user, "HI_WHY", "-o", "csv").stdout.splitlines()
    assert lines[0].startswith("action,cause,actor") and len(lines) == 3
    segctl("segment", "delete", "HI_WHY")
    assert segctl.json("explain", user, "HI_WHY")["reason"] == "REMOVED"
    assert segctl("explain", user, "HI_NEVER", check=False).returncode == 4


def test_outreach_is_explained_by_bucket_and_threshold(segctl):
    segctl("segment", "create", "HI_HALF", "--outreach", "0.5")
    # Other tests' users are not to come into it.
    try:
        segctl("user", "create", *range(BASE + 100, BASE + 120))
        answers = [segctl.json("explain", user, "HI_HALF") for user in range(BASE + 100, BASE + 120)]
    finally:
        segctl("segment", "delete", "HI_HALF")
    assert {answer["member"] for answer in answers} == {True, False}
    for answer in answers:
        assert answer["outreach_ppm"] == 500_000
        assert answer["member"] == (answer["bucket"] < 500_000) == (answer["reason"] == "OUTREACH")
        words = "is below 500000" if answer["member"] else "is not below 500000"
        assert f"bucket {answer['bucket']} {words}" in answer["explanation"] and "50%" in answer["explanation"]
