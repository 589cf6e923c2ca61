"""Checks, lists, deletions and explanations, through grpcio and through the real binaries."""

import json
import subprocess

import grpc

from conftest import binary
from segmentation.v1 import membership_pb2 as m
from segmentation.v1 import membership_service_pb2 as members_messages
from segmentation.v1 import segment_pb2
from segmentation.v1 import segment_service_pb2 as segments_messages
from segmentation.v1 import user_service_pb2 as users_messages
from test_service import refusal, violations

# Users and segments of these tests only.
BASE = 7_000_000


# --- checks ------------------------------------------------------------------------------------------------------


def test_a_membership_is_checked_by_slug_and_by_id(members, segctl):
    user = BASE + 1
    segment = segctl.json("segment", "create", "SL_CHECK")
    segctl("segment", "create", "SL_OTHER")
    segctl("user", "update", user, "--assign", "SL_CHECK=1h", "--create-user")
    for selector in (segment_pb2.SegmentSelector(slug="SL_CHECK"), segment_pb2.SegmentSelector(id=segment["id"])):
        answer = members.CheckMembership(members_messages.CheckMembershipRequest(user_id=user, segment=selector))
        assert answer.member and answer.expires_at.seconds > 0
    yes = segctl("user", "check", user, "SL_CHECK", "-o", "json")
    assert json.loads(yes.stdout)["member"] is True and "expires_at" in json.loads(yes.stdout)
    no = segctl("user", "check", user, "SL_OTHER", "-o", "json", check=False)
    assert no.returncode == 1 and json.loads(no.stdout) == {"user_id": user, "segment": "SL_OTHER", "member": False}
    assert segctl("user", "check", user, "NOWHERE", check=False).returncode == 4


def test_a_wrong_check_names_what_is_wrong(members):
    ask = lambda **fields: refusal(lambda: members.CheckMembership(members_messages.CheckMembershipRequest(**fields)))
    assert violations(ask(user_id=0, segment=segment_pb2.SegmentSelector(slug="A"))) == ["user_id"]
    assert violations(ask(user_id=1)) == ["segment"]
    unknown = ask(user_id=1, segment=segment_pb2.SegmentSelector(id=1 << 60))
    assert unknown.code() == grpc.StatusCode.NOT_FOUND


# --- segmentd audit check ----------------------------------------------------------------------------------------


def test_the_audit_check_finds_what_was_written_past_the_server(server, data_dir, database, segctl):
    def check():
        command = [binary("segmentd"), "audit", "check", "--data-dir", str(data_dir)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=data_dir)

    user = BASE + 2
    segment = segctl.json("segment", "create", "SL_BROKEN")["id"]
    segctl("user", "update", user, "--assign", "SL_BROKEN", "--create-user")
    clean = check()
    assert clean.returncode == 0 and clean.stdout == "", clean.stdout + clean.stderr
    assert "no differences" in clean.stderr
    database.query(f"UPDATE segmentd.memberships SET expires_at = 'infinity' WHERE user_id = {user}")
    try:
        broken = check()
        assert broken.returncode == 1, broken.stderr
        assert broken.stdout == f"user {user}, segment id:{segment}: the membership has another expiry than the log\n"
        assert "1 difference" in broken.stderr
    finally:
        database.query(f"UPDATE segmentd.memberships SET expires_at = NULL WHERE user_id = {user}")
    assert check().returncode == 0


# --- lists -------------------------------------------------------------------------------------------------------


def test_members_and_users_are_streamed_in_messages_of_the_size_that_was_asked_for(segments, users, segctl, tmp_path):
    first, count = BASE + 100_000, 20_001
    rows = "".join(f"{user},SL_MANY\n" for user in range(first, first + count))
    path = tmp_path / "many.csv"
    path.write_text("user_id,segment_slug\n" + rows)
    segctl("import", "memberships", path, "--create-users", "--create-segments")
    expected = list(range(first, first + count))
    many = segment_pb2.SegmentSelector(slug="SL_MANY")

    def members(**options):
        return list(segments.ListSegmentMembers(segments_messages.ListSegmentMembersRequest(segment=many, **options)))

    for size in (0, 999, 10_000, 1 << 30):
        messages = members(max_batch_size=size)
        assert [user for message in messages for user in message.user_ids] == expected
        assert all(len(message.user_ids) <= min(size or 10_000, 10_000) for message in messages)
        assert all(message.HasField("read_time") and not message.memberships for message in messages)
    full = members(view=m.MEMBERSHIP_VIEW_FULL, limit=10_000, start_after_user_id=first)
    memberships = [membership for message in full for membership in message.memberships]
    assert [membership.user_id for membership in memberships] == expected[1:10_001]
    assert {membership.segment_slug for membership in memberships} == {"SL_MANY"}
    listed = users.ListUsers(users_messages.ListUsersRequest(start_after_user_id=first - 1, limit=count))
    assert [user.id for message in listed for user in message.users] == expected
    lines = segctl("segment", "members", "SL_MANY", "-o", "csv").stdout.splitlines()
    assert lines[0].startswith("user_id,segment_slug") and [int(l.split(",")[0]) for l in lines[1:]] == expected
    table = segctl("segment", "members", "SL_MANY").stdout.splitlines()
    assert len(table) == count + 1 and table[0].startswith("USER ID")
    some = segctl.json("user", "list", "--after", first, "--limit", 3)
    assert [user["user_id"] for user in some] == expected[1:4]


def test_a_wrong_list_names_what_is_wrong(segments, users):
    ask = lambda **fields: refusal(lambda: users.ListUsers(users_messages.ListUsersRequest(**fields)))
    for field in ("start_after_user_id", "limit", "max_batch_size"):
        assert violations(ask(**{field: -1})) == [field]
    request = segments_messages.ListSegmentMembersRequest(segment=segment_pb2.SegmentSelector(slug="NOWHERE"))
    assert refusal(lambda: segments.ListSegmentMembers(request)).code() == grpc.StatusCode.NOT_FOUND


def test_a_reader_that_waits_holds_no_connection(segments, segctl):
    """More streams than the server has connections are begun, and none is read; calls are answered all the same."""
    request = segments_messages.ListSegmentMembersRequest(
        segment=segment_pb2.SegmentSelector(slug="SL_MANY"), view=m.MEMBERSHIP_VIEW_FULL
    )
    streams = [segments.ListSegmentMembers(request) for _ in range(20)]
    for stream in streams:
        next(stream)
    assert len(segctl.json("user", "list", "--limit", 1)) == 1
    assert sum(len(message.user_ids) for message in streams[0]) > 10_000
    for stream in streams:
        stream.cancel()


# --- deleting users ----------------------------------------------------------------------------------------------


def test_a_deleted_user_is_gone_and_its_history_stays(users, members, segctl):
    user = BASE + 3
    segctl("segment", "create", "SL_LEAVE")
    segctl("user", "update", user, "--assign", "SL_LEAVE", "--create-user")
    foretold = users.DeleteUser(users_messages.DeleteUserRequest(user_id=user, validate_only=True))
    assert list(foretold.segments) == ["SL_LEAVE"] and not foretold.audit_token
    [deleted] = segctl.json("user", "delete", user)
    assert deleted["deleted"] and deleted["segments"] == ["SL_LEAVE"] and deleted["audit_token"]
    assert segctl("user", "get", user, check=False).returncode == 4
    assert segctl("user", "check", user, "SL_LEAVE", check=False).returncode == 1
    assert segctl("user", "delete", user, check=False).returncode == 4
    [again] = segctl.json("user", "delete", user, "--allow-missing")
    assert not again["deleted"] and again["segments"] == []
    lines = segctl("audit", "stream", "--user", user, "-o", "jsonl").stdout.splitlines()
    history = [(record["action"], record["cause"]) for record in map(json.loads, lines)]
    assert history == [("ASSIGN", "REQUEST"), ("DEPRIVE", "USER_DELETED")]
    assert violations(refusal(lambda: users.DeleteUser(users_messages.DeleteUserRequest()))) == ["user_id"]
