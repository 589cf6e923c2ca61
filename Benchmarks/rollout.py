"""Measures what it takes to bring 42% of 1,000,000 users into a segment, beside the bare INSERT ... SELECT of the same rows.

    .venv/bin/python Benchmarks/rollout.py [--users 1000000] [--rounds 3]

Starts a segmentd of its own (from $SEGMENTD_BIN, default .build/release) with its private PostgreSQL in a temporary folder, and makes
the users known through the public import. Each round creates a segment with an outreach of 0.42 and waits for its rollout, then does
the same in one statement with psql: the memberships and their audit records, nothing else. All the while a client in Python asks for
the segments of random users, 200 times a second; before the rollout too, for comparison. Then the last segment is raised to 0.6,
lowered to 0.1 and deleted, and `segmentd audit check` goes through all of it. Prints JSON.
"""

import argparse
import contextlib
import json
import pathlib
import random
import re
import subprocess
import sys
import threading
import time

from follow_latency import summary
from processes import BIN, fresh_segmentd

# What the server writes, in one statement: the memberships and an audit record each.
BARE = """
    WITH enrolled AS (
      INSERT INTO segmentd.memberships (user_id, segment_id, assigned_at, cause)
      SELECT user_id, {segment}, statement_timestamp(), 3 FROM segmentd.users
      WHERE segmentd.bucket({segment}, user_id) < 420000
      RETURNING user_id
    ), logged AS (
      INSERT INTO segmentd.audit (xid, user_id, segment_id, action, cause, effective_at, segment_slug, actor)
      SELECT pg_current_xact_id(), user_id, {segment}, 1, 3, statement_timestamp(), 'BARE{segment}', 'bench' FROM enrolled
      RETURNING 1
    )
    SELECT count(*) FROM logged
"""


class Service:
    """What is asked of the segmentd that is measured, and of its PostgreSQL."""

    def __init__(self, folder, address):
        self.folder = folder
        self.address = address

    def segctl(self, *arguments, **options):
        command = [BIN / "segctl", *map(str, arguments), "--address", self.address]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, **options).stdout

    def psql(self, sql):
        socket = pathlib.Path(self.folder, "data", "postgres", "socket").resolve()
        command = ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-h", str(socket), "-U", "segmentd", "segmentd", "-c", sql]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    def check(self):
        """`segmentd audit check` beside the server: what it compared, how long it took, and its own memory."""
        command = [BIN / "segmentd", "audit", "check", "--data-dir", f"{self.folder}/data"]
        began = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        peak = 0
        # Its rusage would tell the memory of this process if that is more.
        while process.poll() is None:
            with contextlib.suppress(OSError, TypeError):
                peak = int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{process.pid}/status").read_text())[1])
            time.sleep(0.02)
        differences, told = process.communicate()
        # The bare statements write one xid for all, and nothing of that is a difference.
        if process.returncode:
            sys.exit(f"audit check ended with {process.returncode}: {differences[:500]} {told[-500:]}")
        memberships, records = map(int, re.findall(r"(\d+) memberships against (\d+) records", told)[-1])
        seconds = time.monotonic() - began
        return {
            "memberships": memberships, "records": records, "seconds": round(seconds, 2),
            "records_per_second": round(records / seconds), "peak_rss_mib": round(peak / 1024),
        }

    def rollout(self, slug):
        """Waits for the end of the segment's rollout; answers how long it took by the database's clock."""
        self.segctl("segment", "rollout", slug, "--watch")
        return float(self.psql(
            "SELECT extract(epoch FROM r.ended_at - r.created_at) FROM segmentd.rollouts AS r"
            f" JOIN segmentd.segments AS s ON s.id = r.segment_id WHERE s.slug = '{slug}' ORDER BY r.id DESC LIMIT 1"))


class Reader:
    """Asks for the segments of random users, 200 times a second, until the block ends."""

    interval = 1 / 200

    def __init__(self, address, users):
        self.address, self.users, self.latencies = address, users, []

    def __enter__(self):
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()
        return self

    def run(self):
        import grpc
        from segmentation.v1 import membership_service_pb2, membership_service_pb2_grpc

        with grpc.insecure_channel(self.address) as channel:
            call = membership_service_pb2_grpc.MembershipServiceStub(channel).GetUserSegments
            while not self.stop.is_set():
                begin = time.perf_counter()
                call(membership_service_pb2.GetUserSegmentsRequest(user_id=random.randint(1, self.users)))
                took = time.perf_counter() - begin
                self.latencies.append(took)
                time.sleep(max(0, self.interval - took))

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()

    def summary(self):
        return {"calls": len(self.latencies), **summary(self.latencies)}


def measure(server, users, rounds):
    began = time.monotonic()
    rows = "user_id,segment_slug\n" + "".join(f"{user},\n" for user in range(1, users + 1))
    server.segctl("import", "memberships", "-", "--create-users", input=rows)
    result = {"users": users, "import_seconds": round(time.monotonic() - began, 2), "rounds": []}
    # So that no round runs into an autovacuum of the import.
    server.psql("VACUUM ANALYZE segmentd.users")
    for number in range(rounds):
        slug = f"BIG{number}"
        with Reader(server.address, users) as idle:
            time.sleep(3)
        with Reader(server.address, users) as reader:
            server.segctl("segment", "create", slug, "--outreach", "0.42")
            seconds = server.rollout(slug)
        members = json.loads(server.segctl("segment", "get", slug, "--full", "-o", "json"))["member_count"]
        server.psql("CHECKPOINT")
        bare_id = 1_000_000 + number
        server.psql(f"INSERT INTO segmentd.segments (id, slug) VALUES ({bare_id}, 'BARE{bare_id}')")
        with Reader(server.address, users):
            began = time.monotonic()
            server.psql(BARE.format(segment=bare_id))
            bare = time.monotonic() - began
        server.psql("CHECKPOINT")
        result["rounds"].append({
            "rollout_seconds": round(seconds, 2), "bare_seconds": round(bare, 2), "ratio": round(seconds / bare, 2),
            "members": members, "share": members / users, "calls_before": idle.summary(), "calls_meanwhile": reader.summary(),
        })
        print(json.dumps(result["rounds"][-1]), file=sys.stderr, flush=True)
    with Reader(server.address, users) as reader:
        for outreach, name in ((0.6, "raise_to_0.6_seconds"), (0.1, "lower_to_0.1_seconds")):
            server.segctl("segment", "update", slug, "--outreach", outreach)
            result[name] = round(server.rollout(slug), 2)
        began = time.monotonic()
        server.segctl("segment", "delete", slug)
        result["delete_call_seconds"] = round(time.monotonic() - began, 3)
        while server.psql("SELECT count(*) FROM segmentd.deletions") != "0":
            time.sleep(0.02)
        result["delete_seconds"] = round(time.monotonic() - began, 2)
    result["calls_meanwhile"] = reader.summary()
    result["audit_check"] = server.check()
    twice = "SELECT count(*) - count(DISTINCT user_id) FROM segmentd.audit WHERE action = 1 AND segment_slug = 'BIG0'"
    result["assigned_twice"] = int(server.psql(twice))
    return result


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with fresh_segmentd("rollout") as (folder, server):
        sys.path.insert(0, f"{folder}/stubs")
        print(json.dumps(measure(Service(folder, server.address), options.users, options.rounds), indent=2))


if __name__ == "__main__":
    main()
