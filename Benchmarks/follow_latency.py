"""Measures how long a change takes from its commit to a client that follows the audit log, and prints p50, p99 and max.

    .venv/bin/python Benchmarks/follow_latency.py [--rate 1000] [--seconds 20] [--followers 1]

Starts a segmentd of its own (from $SEGMENTD_BIN, default .build/release) with its private PostgreSQL in a temporary folder.
The writer and each follower are processes of their own, in Python. Three clocks are compared, all of one machine:

- from the record's record_time, when the writing statement began: longer than from the commit by that statement and its fsync;
- from the acknowledgement, as the writer saw it: shorter than from the commit by the answer's way; below zero means that the
  follower was told before the writer;
- the schedule that the writer keeps is open: a call that is late does not delay those behind it.
"""

import argparse
import json
import multiprocessing
import statistics
import subprocess
import sys
import threading
import time

from processes import BIN, fresh_segmentd


def write(folder, address, rate, count, results):
    """`count` changes of a user each, `rate` a second; puts the instant of each acknowledgement, by user."""
    sys.path.insert(0, folder)
    import grpc
    from segmentation.v1 import membership_pb2, membership_service_pb2, membership_service_pb2_grpc, segment_pb2

    item = membership_pb2.SegmentAssignment(segment=segment_pb2.SegmentSelector(slug="MEASURED"))
    acknowledged, failures, done = {}, [], threading.Event()
    with grpc.insecure_channel(address) as channel:
        call = membership_service_pb2_grpc.MembershipServiceStub(channel).UpdateUserSegments

        def ended(user, future):
            acknowledged[user] = time.time()
            if future.exception():
                failures.append(str(future.exception()))
            if len(acknowledged) == count:
                done.set()

        begin = time.perf_counter()
        for user in range(1, count + 1):
            due = begin + user / rate
            if (wait := due - time.perf_counter()) > 0:
                time.sleep(wait)
            request = membership_service_pb2.UpdateUserSegmentsRequest(user_id=user, assign=[item])
            call.future(request).add_done_callback(lambda future, user=user: ended(user, future))
        sent = time.perf_counter() - begin
        done.wait(60)
    results.put((acknowledged, failures, sent))


def follow(folder, address, count, ready, results):
    """Puts when each user's record came, and by its record_time how long that took."""
    sys.path.insert(0, folder)
    import grpc
    from segmentation.v1 import audit_service_pb2, audit_service_pb2_grpc

    request = audit_service_pb2.StreamAuditRequest(follow=True, start_position=audit_service_pb2.AUDIT_POSITION_NOW)
    came, latencies = {}, []
    with grpc.insecure_channel(address) as channel:
        for event in audit_service_pb2_grpc.AuditServiceStub(channel).StreamAudit(request):
            now = time.time()
            if event.WhichOneof("event") == "heartbeat":
                ready.set()
            for record in event.batch.records:
                came[record.user_id] = now
                latencies.append(now - record.record_time.seconds - record.record_time.nanos / 1e9)
            if len(came) >= count:
                break
    results.put((came, latencies))


def summary(values):
    values = sorted(values)
    at = lambda fraction: round(1000 * values[min(len(values) - 1, int(fraction * len(values)))], 2)
    return {"p50_ms": at(0.5), "p99_ms": at(0.99), "p999_ms": at(0.999), "max_ms": at(1), "mean_ms": round(1000 * statistics.mean(values), 2)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--followers", type=int, default=1)
    options = parser.parse_args()
    count = options.rate * options.seconds
    with fresh_segmentd("latency") as (folder, server):
        address = server.address
        subprocess.run([BIN / "segctl", "segment", "create", "MEASURED", "--address", address], check=True, stdout=subprocess.DEVNULL)
        users = "user_id,segment_slug\n" + "".join(f"{user},\n" for user in range(1, count + 1))
        subprocess.run(
            [BIN / "segctl", "import", "memberships", "-", "--create-users", "--address", address], input=users, text=True,
            check=True, stdout=subprocess.DEVNULL,
        )
        context = multiprocessing.get_context("spawn")
        written, followed = context.Queue(), context.Queue()
        followers = []
        for _ in range(options.followers):
            ready = context.Event()
            process = context.Process(target=follow, args=(f"{folder}/stubs", address, count, ready, followed))
            process.start()
            followers.append(process)
            ready.wait(30)
        writer = context.Process(target=write, args=(f"{folder}/stubs", address, options.rate, count, written))
        writer.start()
        acknowledged, failures, sent = written.get(timeout=120)
        if failures:
            sys.exit(f"{len(failures)} changes failed: {failures[0]}")
        since_statement, since_answer = [], []
        for _ in followers:
            came, latencies = followed.get(timeout=60)
            since_statement += latencies
            since_answer += [came[user] - acknowledged[user] for user in acknowledged]
        for process in [writer, *followers]:
            process.join()
        print(json.dumps({
            "changes": count, "followers": options.followers, "changes_per_second": round(count / sent),
            "from_record_time": summary(since_statement), "from_acknowledgement": summary(since_answer),
        }, indent=2))


if __name__ == "__main__":
    main()
