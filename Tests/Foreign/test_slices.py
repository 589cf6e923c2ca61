"""Checks, lists, deletions and explanations, through grpcio and through the real binaries."""

import json
import subprocess

import grpc
import pytest

from conftest import binary
from segmentation.v1 import membership_service_pb2 as members_messages
from segmentation.v1 import membership_service_pb2_grpc as members_rpc
from segmentation.v1 import segment_pb2
from test_service import refusal, violations

# Users and segments of these tests only.
BASE = 7_000_000


@pytest.fixture(scope="module")
def members(channel):
    return members_rpc.MembershipServiceStub(channel)


@pytest.fixture
def segctl(run_segctl):
    def run(*arguments, **options):
        return run_segctl(*map(str, arguments), **options)

    run.json = lambda *arguments, **options: json.loads(run(*arguments, "-o", "json", **options).stdout)
    return run


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
