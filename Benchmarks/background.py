"""The sections of docs/benchmarks.md about the audit log and what goes on behind the calls: exports, followers, changes of outreach,
expiries, the check of the audit log.

Part of `make bench`; `scripts/bench exports follow rollouts expiries` measures these alone and leaves the rest of the page as it is.
"""

import json
import os
import pathlib
import re
import statistics
import subprocess
import sys

FOLDER = pathlib.Path(__file__).resolve().parent
REPEATS = int(os.environ.get("REPEATS", "3"))


def run(script, *arguments):
    print(f"{script} {' '.join(arguments)}", file=sys.stderr, flush=True)
    done = subprocess.run([sys.executable, FOLDER / script, *arguments], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"{script} ended with {done.returncode}")
    return json.loads(done.stdout)


def latency(calls):
    return f"p50 {calls['p50_ms']:.1f}, p99 {calls['p99_ms']:.1f}"


def rollouts():
    found = run("rollout.py", "--rounds", str(REPEATS))
    rounds = found["rounds"]
    median = {name: statistics.median(r[name] for r in rounds) for name in ("rollout_seconds", "bare_seconds", "ratio")}
    middle = sorted(rounds, key=lambda r: r["ratio"])[len(rounds) // 2]
    check = found["audit_check"]
    return f"""By `Benchmarks/rollout.py`: {found['users']:,} users, a segment with an outreach of 0.42, beside one bare `INSERT ... SELECT` of the same
memberships with their audit records by psql. A client in Python asks for the segments of random users 200 times a second all the while.
Medians of {len(rounds)} rounds.

| | seconds | GetUserSegments, ms |
|---|---|---|
| nothing else | - | {latency(middle['calls_before'])} |
| rollout to {middle['members']:,} users ({middle['share']:.2%}) | {median['rollout_seconds']:.2f} | {latency(middle['calls_meanwhile'])} |
| bare `INSERT ... SELECT` | {median['bare_seconds']:.2f} | - |
| raise to 0.6 | {found['raise_to_0.6_seconds']:.2f} | {latency(found['calls_meanwhile'])} |
| lower to 0.1 | {found['lower_to_0.1_seconds']:.2f} | as above |
| delete, until the last member is deprived | {found['delete_seconds']:.2f} | as above |

The rollout takes {median['ratio']:.2f} times as long as the bare statement (rounds: {', '.join(f"{r['ratio']:.2f}" for r in rounds)}).

`segmentd audit check` of all that, beside the server: {check['memberships']:,} memberships against {check['records']:,} records in
{check['seconds']:.1f} s, {check['records_per_second']:,} records/s, {check['peak_rss_mib']} MiB.
"""


def expiries():
    found = run("sweep.py")
    return f"""By `Benchmarks/sweep.py`: {found['memberships']:,} memberships that expire at one instant are written to the audit log in
{found['seconds_until_all_are_written']:.1f} s, in {found['transactions']} transactions. Calls of GetUserSegments {found['calls_per_second']} times a second, ms: {latency(found['get_user_segments_idle'])} without, {latency(found['get_user_segments_meanwhile'])} meanwhile.
"""


def exports():
    found = run("audit_export.py")
    by_name = {row["name"]: row for row in found["rows"]}
    ours, psql = (by_name[name]["rounds"] for name in ("segctl audit stream", "psql \\copy"))
    table = "".join(
        f"| {row['name']} | {row['records_per_second']:,} | {', '.join(f'{rate:,}' for rate in row.get('rounds', [])) or '-'} "
        f"| {row.get('server_us', '-')} | {row.get('client_us', '-')} | {row.get('peak_rss_mib', '-')} |\n" for row in found["rows"])
    slow = "; ".join(
        f"{row['readers']} of {row['mib_per_second']} MiB/s{' each' if row['readers'] > 1 else ''}: {row['peak_rss_mib']} MiB"
        for row in found["slow"])
    return f"""By `Benchmarks/audit_export.py`: {found['records']:,} records of 1,000 transactions as CSV into a file; psql selects the same four
columns in the same order, in turn with segctl. The files are compared, and the same. grpc-go has no database behind it.

| | records/s, median | rounds | server us/record | client us/record | server peak RSS MiB |
|---|---|---|---|---|---|
{table}
segctl's rate is {statistics.median(a / b for a, b in zip(ours, psql)):.2f} of psql's (rounds: {', '.join(f'{a / b:.2f}' for a, b in zip(ours, psql))}).
The server's peak RSS with slow readers: {slow}.
"""


def follow():
    found = run("follow_latency.py", "--seconds", "60")
    rows = "".join(
        f"| {name} | {found[key]['p50_ms']} | {found[key]['p99_ms']} | {found[key]['p999_ms']} | {found[key]['max_ms']} |\n"
        for name, key in (
            ("the writing statement's begin", "from_record_time"), ("the commit", "from_commit"), ("the writer's answer", "from_acknowledgement")))
    answer = found["commit_to_acknowledgement"]
    return f"""By `Benchmarks/follow_latency.py`: {found['changes']:,} changes at {found['changes_per_second']:,} a second, each a call of its own, to one
follower; writer and follower are `load-client`. Milliseconds until the follower had the record, below zero when that was before the writer's answer.
The commit is PostgreSQL's own time of it (`pg_xact_commit_timestamp`), which it takes before it writes the commit to the disk:
the writer had its answer {answer['p50_ms']} (p50) to {answer['p99_ms']} (p99) after it.

| since | p50 | p99 | p99.9 | max |
|---|---|---|---|---|
{rows}"""


SECTIONS = {"exports": ("Audit export", exports), "follow": ("Following the audit log", follow), "rollouts": ("Rollouts", rollouts), "expiries": ("Expiries", expiries)}


def sections():
    return "\n".join(f"## {title}\n\n{measure()}" for title, measure in SECTIONS.values())


def rewrite(page, names, sections=SECTIONS):
    """Measures some of the sections, and puts them into the page in their old ones' place."""
    for name in names:
        if name not in sections:
            sys.exit(f"no section {name}; there are: {', '.join(sections)}")
        title, measure = sections[name]
        text, measured = page.read_text(), f"## {title}\n\n{measure().rstrip()}\n\n"
        old = re.compile(rf"^## {title}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
        text = old.sub(lambda _: measured, text) if old.search(text) else f"{text.rstrip()}\n\n{measured}"
        page.write_text(text.rstrip() + "\n")
