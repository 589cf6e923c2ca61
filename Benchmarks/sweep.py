"""Measures how long it takes to write the DEPRIVE rows of many memberships that expire at one instant, and what GetUserSegments
takes meanwhile and without it.

    .venv/bin/python Benchmarks/sweep.py [--count 100000] [--others 300000] [--rate 300]

Starts a segmentd of its own (from $SEGMENTD_BIN, default .build/release) with its private PostgreSQL in a temporary folder. The caller
is a process of its own, in Python, and keeps an open schedule: a call that is late does not delay those behind it. Each latency is
from the instant that the call was due.
"""

import argparse
import datetime
import json
import multiprocessing
import pathlib
import random
import subprocess
import sys
import time

from follow_latency import summary
from processes import BIN, fresh_segmentd


def call(folder, address, users, rate, stop, results):
    """GetUserSegments of random users until told to stop; puts when each was due and how long it took."""
    sys.path.insert(0, folder)
    import grpc
    from segmentation.v1 import membership_service_pb2, membership_service_pb2_grpc

    took, failures = [], []
    with grpc.insecure_channel(address) as channel:
        get = membership_service_pb2_grpc.MembershipServiceStub(channel).GetUserSegments

        def ended(due, future):
            if future.exception():
                failures.append(str(future.exception()))
            took.append((due, time.time() - due))

        begin, number = time.time(), 0
        while not stop.is_set():
            due = begin + number / rate
            number += 1
            if (wait := due - time.time()) > 0:
                time.sleep(wait)
            request = membership_service_pb2.GetUserSegmentsRequest(user_id=random.randint(1, users))
            get.future(request).add_done_callback(lambda future, due=due: ended(due, future))
        while len(took) < number:
            time.sleep(0.01)
    results.put((took, failures))


class Psql:
    """The private PostgreSQL of the server, as one session."""

    def __init__(self, data):
        socket = (pathlib.Path(data) / "postgres" / "socket").resolve()
        port = next(socket.glob(".s.PGSQL.*[0-9]")).name.rsplit(".", 1)[1]
        self.process = subprocess.Popen(
            ["psql", "-XqAt", "-h", str(socket), "-p", port, "-U", "segmentd", "segmentd"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )

    def query(self, sql):
        self.process.stdin.write(sql + ";\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)


def load(address, count, others, expires_at):
    """`count` memberships that expire then, and others that stay, of as many users as expire."""
    stamp = datetime.datetime.fromtimestamp(expires_at, datetime.timezone.utc).isoformat()
    stay = (f"{1 + n % count},STAYS_{n // count},\n" for n in range(others))
    expire = (f"{user},EXPIRES,{stamp}\n" for user in range(1, count + 1))
    rows = "user_id,segment_slug,expires_at\n" + "".join(stay) + "".join(expire)
    subprocess.run(
        [BIN / "segctl", "import", "memberships", "-", "--create-users", "--create-segments", "--address", address],
        input=rows, text=True, check=True, stdout=subprocess.DEVNULL,
    )


def measure(folder, address, options):
    load_seconds = max(10, (options.count + options.others) / 15_000)
    expires_at = int(time.time() + load_seconds + options.idle)
    load(address, options.count, options.others, expires_at)
    if time.time() > expires_at - options.idle / 2:
        sys.exit("loading took too long; the memberships would expire before the idle phase ends")
    psql = Psql(f"{folder}/data")
    psql.query("ANALYZE segmentd.memberships; ANALYZE segmentd.audit; SELECT 1")
    context = multiprocessing.get_context("spawn")
    stop, results = context.Event(), context.Queue()
    caller = context.Process(target=call, args=(f"{folder}/stubs", address, options.count, options.rate, stop, results))
    caller.start()
    due = "SELECT EXISTS (SELECT FROM segmentd.memberships WHERE expires_at <= clock_timestamp())"
    while time.time() < expires_at + 0.05:
        time.sleep(0.05)
    while psql.query(due) == "t":
        time.sleep(0.02)
        if time.time() > expires_at + 300:
            sys.exit("not swept within five minutes")
    done = time.time()
    # The time after the sweep is idle again.
    time.sleep(options.idle)
    stop.set()
    took, failures = results.get(timeout=60)
    caller.join()
    if failures:
        sys.exit(f"{len(failures)} calls failed: {failures[0]}")
    rows = psql.query("SELECT count(*), count(DISTINCT xid) FROM segmentd.audit WHERE cause = 4 AND action = 2")
    psql.close()
    ended, transactions = map(int, rows.split("|"))
    if ended != options.count:
        sys.exit(f"{ended} rows were written instead of {options.count}")
    # The caller's first second is its warming up.
    first = min(due for due, _ in took) + 1
    meanwhile = [latency for due, latency in took if expires_at <= due < done]
    idle = [latency for due, latency in took if due >= first and (due < expires_at or due >= done + 1)]
    return {
        "memberships": options.count, "seconds_until_all_are_written": round(done - expires_at, 2),
        "transactions": transactions, "calls_per_second": options.rate,
        "get_user_segments_idle": summary(idle), "get_user_segments_meanwhile": summary(meanwhile),
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--others", type=int, default=300_000)
    parser.add_argument("--rate", type=int, default=300)
    parser.add_argument("--idle", type=int, default=8, help="seconds of calls before and after")
    options = parser.parse_args()
    with fresh_segmentd("sweep") as (folder, server):
        print(json.dumps(measure(folder, server.address, options), indent=2))


if __name__ == "__main__":
    main()
