"""Measures how long a change takes from its commit to a client that follows the audit log, and prints p50, p99 and max.

    .venv/bin/python Benchmarks/follow_latency.py [--rate 1000] [--seconds 20] [--followers 1]

Starts a segmentd of its own (from $SEGMENTD_BIN, default .build/release) with its private PostgreSQL in a temporary folder.
The writer and each follower are `load-client`, processes of their own. The writer keeps to its schedule: a call that is late does
not delay those behind it. The instants of one change, all by the clock of one machine:

- the record's record_time, when the writing statement began;
- the commit as PostgreSQL notes it (track_commit_timestamp): before the commit is written to the disk, so what is measured from it on
  holds that fsync;
- the receipt, when a follower had the message whole and had not looked into it yet;
- the writer's answer; a latency below zero says that the follower was told before the writer.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys

from processes import BIN, Database, empty_folder, segmentd

INSTANTS = """
COPY (
  SELECT user_id, (extract(epoch FROM recorded_at) * 1000000)::bigint,
    (extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000000)::bigint
  FROM segmentd.audit WHERE cause = 1
) TO STDOUT CSV
"""


def instants(text):
    return {int(user): int(instant) for user, instant in (line.split(",") for line in text.splitlines() if "," in line)}


def load_client(*arguments):
    return subprocess.Popen([str(a) for a in (BIN / "load-client", *arguments)], stdout=subprocess.PIPE, text=True)


def output(process):
    text, _ = process.communicate(timeout=180)
    if process.returncode:
        sys.exit(f"{process.args}: {text[:1000]}")
    return text


def summary(seconds):
    values = sorted(seconds)
    at = lambda fraction: round(1000 * values[min(len(values) - 1, int(fraction * len(values)))], 2)
    return {"p50_ms": at(0.5), "p99_ms": at(0.99), "p999_ms": at(0.999), "max_ms": at(1), "mean_ms": round(1000 * statistics.mean(values), 2)}


def prepare(folder):
    """A cluster that notes when transactions commit: that takes a start to make it, and another one."""
    with segmentd(f"{folder}/data"):
        pass
    with open(f"{folder}/data/postgres/data/postgresql.auto.conf", "a") as file:
        file.write("track_commit_timestamp = on\n")


def measure(folder, options):
    count = options.rate * options.seconds
    with segmentd(f"{folder}/data") as server:
        segctl = [BIN / "segctl", "--address", server.address]
        subprocess.run([*segctl, "segment", "create", "MEASURED"], check=True, stdout=subprocess.DEVNULL)
        users = "user_id,segment_slug\n" + "".join(f"{user},\n" for user in range(1, count + 1))
        subprocess.run(
            [*segctl, "import", "memberships", "-", "--create-users"], input=users, text=True, check=True,
            stdout=subprocess.DEVNULL)
        followers = [load_client("follow", server.address, count) for _ in range(options.followers)]
        for follower in followers:
            follower.stdout.readline()
        writer = load_client("changes", server.address, "MEASURED", count, options.rate)
        answered = instants(output(writer))
        received = [instants(output(follower)) for follower in followers]
        rows = [tuple(map(int, line.split(","))) for line in Database(f"{folder}/data").psql(INSTANTS).splitlines()]
    if any(len(came) != count for came in received) or len(rows) != count:
        sys.exit("not every change came once")
    begun = {user: begin for user, begin, _ in rows}
    committed = {user: commit for user, _, commit in rows}
    since = lambda instant: summary([(came[user] - instant[user]) / 1e6 for came in received for user in came])
    seconds = (max(answered.values()) - min(answered.values())) / 1e6
    return {
        "changes": count, "followers": options.followers, "changes_per_second": round(count / seconds),
        "from_record_time": since(begun), "from_commit": since(committed), "from_acknowledgement": since(answered),
        "commit_to_acknowledgement": summary([(answered[user] - committed[user]) / 1e6 for user in answered]),
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--followers", type=int, default=1)
    options = parser.parse_args()
    with empty_folder("latency") as folder:
        prepare(folder)
        print(json.dumps(measure(folder, options), indent=2))


if __name__ == "__main__":
    main()
