"""No call fails while two servers are restarted one after the other behind a client of ours that knows both."""

import os
import pathlib
import signal
import subprocess
import tempfile
import time

import grpc
import pytest
from conftest import Database, Process, binary, start_segmentd, steady_address
from segmentation.v1 import membership_pb2
from segmentation.v1 import membership_service_pb2 as memberships
from segmentation.v1 import membership_service_pb2_grpc as membership_rpc
from segmentation.v1 import segment_service_pb2 as segments
from segmentation.v1 import segment_service_pb2_grpc as segment_rpc

USERS, SLUGS = 20, [f"ROLLING_{number}" for number in range(5)]
METHOD = "/segmentation.v1.MembershipService/GetUserSegments"


class Restartable:
    """A segmentd beside others on one database, always at the same address."""

    def __init__(self, url):
        self.url = url
        self.start(steady_address())

    def start(self, address):
        command = [binary("segmentd"), "serve", "--listen", address, "--admin-listen", "127.0.0.1:0"]
        self.process = Process([*command, "--database", self.url, "--shutdown-grace", "10s"])
        self.address = self.process.address

    def restart(self):
        assert self.process.stop() == 0, self.process.error_text()
        self.start(self.address)


def fill(address):
    """Each of the users is in five segments, as the load client wants them."""
    with grpc.insecure_channel(address) as channel:
        for slug in SLUGS:
            segment_rpc.SegmentServiceStub(channel).CreateSegment(segments.CreateSegmentRequest(slug=slug))
        members = membership_rpc.MembershipServiceStub(channel)
        assign = [membership_pb2.SegmentAssignment(segment={"slug": slug}) for slug in SLUGS]
        for user in range(1, USERS + 1):
            request = memberships.UpdateUserSegmentsRequest(user_id=user, assign=assign, create_user=True)
            members.UpdateUserSegments(request)


@pytest.fixture
def servers():
    """Two on the database of a third, which stays."""
    with tempfile.TemporaryDirectory(prefix="segmentd-test-", ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o755)
        home = start_segmentd(pathlib.Path(folder))
        fill(home.address)
        database = Database(pathlib.Path(folder))
        port = next(database.socket.glob(".s.PGSQL.*[0-9]")).name.rsplit(".", 1)[1]
        url = f"postgresql://segmentd@/segmentd?host={database.socket}&port={port}"
        both = [Restartable(url), Restartable(url)]
        yield both
        for each in both:
            each.process.stop()
        home.stop()


def test_no_call_fails_in_a_rolling_restart(servers):
    addresses = ",".join(each.address for each in servers)
    load = subprocess.Popen(
        [binary("load-client"), "get", addresses, METHOD, str(USERS), "600", "4", "8"], stdout=subprocess.PIPE, text=True
    )
    restarts, begin = 0, time.monotonic()
    while load.poll() is None and (restarts < 6 or time.monotonic() - begin < 10):
        servers[restarts % 2].restart()
        restarts += 1
    load.send_signal(signal.SIGTERM)
    output = load.communicate(timeout=60)[0]
    assert load.returncode == 0, f"after {restarts} restarts: {output}"
    assert int(output) > 0 and restarts >= 6
