"""How segmentd starts, refuses to start, and ends: real processes, each with a private PostgreSQL of its own."""

import os
import pathlib
import signal
import subprocess
import tempfile
import time
import urllib.request

import grpc
import pytest

from conftest import Database, binary, start_segmentd
from segmentation.v1 import membership_service_pb2 as messages
from segmentation.v1 import membership_service_pb2_grpc as rpc
from segmentation.v1 import user_service_pb2 as user_messages
from segmentation.v1 import user_service_pb2_grpc as user_rpc


@pytest.fixture
def folder():
    with tempfile.TemporaryDirectory(prefix="segmentd-test-", ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o755)
        yield pathlib.Path(folder)


def run(*arguments, cwd=None):
    """Runs segmentd to its end: exit code and standard error."""
    done = subprocess.run([binary("segmentd"), *arguments], capture_output=True, text=True, timeout=120, cwd=cwd)
    return done.returncode, done.stderr.strip()


def create_users(address, first, count):
    """Creates users and answers those that the server acknowledged."""
    done = []
    with grpc.insecure_channel(address) as channel:
        users = user_rpc.UserServiceStub(channel)
        for user in range(first, first + count):
            try:
                users.CreateUser(user_messages.CreateUserRequest(user_id=user), timeout=30)
            except grpc.RpcError:
                return done
            done.append(user)
    return done


def known(address, users, seconds=60):
    """Those of the users that the server knows; asks again while a database that starts is not available."""
    deadline = time.monotonic() + seconds
    with grpc.insecure_channel(address) as channel:
        stub = user_rpc.UserServiceStub(channel)

        def is_known(user):
            while True:
                try:
                    return stub.GetUser(user_messages.GetUserRequest(user_id=user), timeout=30).user.id == user
                except grpc.RpcError as error:
                    if error.code() != grpc.StatusCode.UNAVAILABLE or time.monotonic() > deadline:
                        raise

        return [user for user in users if is_known(user)]


def test_an_interrupt_ends_the_server_and_its_postgresql_and_the_next_start_finds_the_data(folder):
    server = start_segmentd(folder, wrapper=False)
    postmaster = Database(folder).query("SELECT pg_postmaster_start_time() IS NOT NULL") == "t"
    assert postmaster and create_users(server.address, 1, 20) == list(range(1, 21))
    assert server.stop(signal.SIGINT) == 0
    assert not list((folder / "postgres" / "socket").glob("*")), "PostgreSQL still has its socket"
    server = start_segmentd(folder, wrapper=False)
    assert known(server.address, range(1, 21)) == list(range(1, 21))
    assert server.stop() == 0


def test_what_was_acknowledged_survives_kill_9_of_the_server_and_of_postgresql(folder):
    server = start_segmentd(folder, wrapper=False)
    acknowledged = create_users(server.address, 1, 100)
    server.stop(signal.SIGKILL)
    server = start_segmentd(folder, wrapper=False)
    assert known(server.address, acknowledged) == acknowledged
    pid = int((folder / "postgres" / "socket").resolve().parent.joinpath("data/postmaster.pid").read_text().split()[0])
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 60
    more, first = [], 1000
    while not more and time.monotonic() < deadline:
        # Other users each time: the one whose answer was lost may exist.
        more = create_users(server.address, first, 10)
        first += 10
    assert more, server.error_text()
    assert known(server.address, acknowledged + more) == acknowledged + more
    assert server.stop() == 0


def test_a_port_in_use_is_one_line(server, folder):
    code, error = run("serve", "--listen", server.address, "--admin-listen", "127.0.0.1:0", cwd=folder)
    assert code == 69 and error.count("\n") == 0 and server.address in error and "in use" in error
    assert not (folder / ".segmentd").exists()


def test_a_wrong_database_url_is_told_and_ends_the_start(folder):
    listen = ("--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
    code, error = run("serve", *listen, "--database", "postgres://nobody@127.0.0.1:1/x", cwd=folder)
    assert code == 69 and "127.0.0.1" in error and "segmentd: the database is not available" in error
    code, error = run("serve", *listen, "--database", "nonsense://", cwd=folder)
    assert code in (69, 78) and error


def test_a_database_that_is_not_migrated_is_refused_until_it_is(database, folder):
    database.query("CREATE DATABASE unmigrated")
    url = f"host={database.socket} port={database.command[-4]} user=segmentd dbname=unmigrated"
    listen = ("--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
    code, error = run("serve", *listen, "--database", url, cwd=folder)
    assert code == 69 and "segmentd migrate up" in error.split("\n")[-1]
    assert run("migrate", "up", "--database", url, cwd=folder)[0] == 0
    server = start_segmentd(folder, "--database", url, wrapper=False)
    assert create_users(server.address, 1, 3) == [1, 2, 3]
    assert server.stop() == 0
    assert run("migrate", "down", "--to", "0", "--database", url, cwd=folder)[0] == 0
    code, error = run("serve", *listen, "--database", url, cwd=folder)
    assert code == 69


@pytest.mark.parametrize("flags", [("--loops", "zero"), ("--listen", "nowhere"), ("--statement-timeout", "1x")])
def test_a_bad_setting_is_one_line_and_exit_code_78(flags, folder):
    code, error = run("serve", *flags, cwd=folder)
    assert code == 78 and error.count("\n") == 0 and flags[0].removeprefix("--") in error and flags[1] in error


def test_readiness_is_answered_over_http(folder):
    server = start_segmentd(folder, wrapper=False)
    url = next(line for line in server.lines if "readyz" in line).split()[-1]
    assert urllib.request.urlopen(url, timeout=30).read() == b"ready\n"
    assert server.stop() == 0


def test_get_user_segments_of_many_calls_at_once_are_all_answered(channel):
    stub = rpc.MembershipServiceStub(channel)
    calls = [stub.GetUserSegments.future(messages.GetUserSegmentsRequest(user_id=1 + n % 7)) for n in range(2000)]
    assert all(call.result(timeout=60) is not None for call in calls)
