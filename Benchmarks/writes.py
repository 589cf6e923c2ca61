"""What `make bench` measures of writes: one assignment a call, with its audit record, answered behind the commit, beside pgbench
doing the same by a statement of one row each.
"""

import os
import re
import statistics
import subprocess
import sys

from processes import AIM, BIN, REPEATS, SHAPES, USERS, WORK, backend_cpu, cpu, peak_memory, say

# What the server writes for a call, by itself: a membership of a user that is in none of these segments, and its audit record.
BARE = """\\set u random(1, {users})
\\set s random(1000000, 1000000000)
WITH added AS (
  INSERT INTO segmentd.memberships (user_id, segment_id, assigned_at, cause)
  VALUES (:u, :s, statement_timestamp(), 1)
  ON CONFLICT DO NOTHING
  RETURNING user_id
)
INSERT INTO segmentd.audit (xid, user_id, segment_id, action, cause, effective_at, segment_slug, actor)
SELECT pg_current_xact_id(), user_id, :s, 1, 1, statement_timestamp(), 'BARE', 'bench' FROM added;
"""


def clean(database):
    """Takes out what these measurements wrote, also those of a run that was interrupted: the reads expect the data as loaded."""
    for statement in (
        "DELETE FROM segmentd.memberships WHERE segment_id > 1000",
        "DELETE FROM segmentd.audit WHERE segment_id > 1000",
        "DELETE FROM segmentd.segments WHERE id > 1000",
        "VACUUM ANALYZE segmentd.memberships",
        "VACUUM ANALYZE segmentd.audit",
        "CHECKPOINT",
    ):
        database.psql(statement)


def assignments(server, database):
    """Calls/s and CPU a call; each run puts other users into a segment of its own."""
    say("Writes")
    rows = []
    for connections, streams in SHAPES:
        samples = []
        for turn in range(REPEATS):
            segment = f"WRITTEN_{connections}_{streams}_{turn}_{os.getpid()}"
            database.psql(
                f"INSERT INTO segmentd.segments (id, slug) SELECT max(id) + 1, '{segment}' FROM segmentd.segments")
            seconds = max(2, int(AIM))
            before, before_pg = cpu(server.pid), backend_cpu(database.postmaster)
            done = subprocess.run(
                [str(a) for a in (
                    BIN / "load-client", "assign", server.address, segment, USERS, seconds, connections, streams)],
                capture_output=True, text=True, timeout=120)
            if done.returncode:
                sys.exit(f"writes: {done.stdout}{done.stderr}")
            rate = float(done.stdout)
            written = int(database.psql(
                "SELECT count(*) FROM segmentd.memberships AS m JOIN segmentd.segments AS s ON s.id = m.segment_id"
                f" WHERE s.slug = '{segment}'"))
            calls = rate * seconds
            if written < calls * 0.9:
                sys.exit(f"writes: {calls:.0f} calls were answered, and {written} memberships are there")
            samples.append((
                rate, (cpu(server.pid) - before) * 1e6 / calls,
                (backend_cpu(database.postmaster) - before_pg) * 1e6 / calls))
        rate, used, used_pg = (statistics.median(column) for column in zip(*samples))
        rows.append(("segmentd", f"{connections} x {streams}", rate, used, used_pg, peak_memory(server.pid)))
        say(f"  UpdateUserSegments {connections:>3} x {streams:<3} {rate:>9,.0f} calls/s {used:6.1f} us server {used_pg:6.1f} us pg")
    return rows


def bare(database):
    """(clients, transactions/s) of pgbench."""
    script = WORK / "write.sql"
    script.write_text(BARE.format(users=USERS))
    rows = []
    for clients in (1, 10, 20):
        out = subprocess.run(
            ["pgbench", "-n", "-M", "prepared", "-c", str(clients), "-j", "1", "-T", str(max(2, int(AIM))), "-f", script],
            env={**os.environ, **database.env}, capture_output=True, text=True)
        found = re.search(r"tps = ([\d.]+)", out.stdout)
        if not found:
            sys.exit(f"pgbench: {out.stderr}")
        rows.append((clients, float(found[1])))
        say(f"  pgbench, one row a statement {clients:>3} clients {rows[-1][1]:>9,.0f} transactions/s")
    return rows


def section(table, limits):
    limit_rows = "".join(f"| {clients} | {rate:,.0f} |\n" for clients, rate in limits)
    return f"""## Writes

UpdateUserSegments: one segment for one user, who is not in it, all over a table of {USERS:,} users; each answer comes behind the
commit (`load-client assign HOST:PORT SEGMENT USERS SECONDS CONNECTIONS STREAMS`).

{table}
The membership and its audit record by one statement of one row, `pgbench -M prepared -j 1`:

| clients | transactions/s |
|---|---|
{limit_rows}"""
