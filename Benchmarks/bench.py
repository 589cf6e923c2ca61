"""Measures segmentd beside what one would use instead, in one run on one machine, and writes docs/benchmarks.md.

Started by `make bench`; `scripts/bench static idle exports follow rollouts expiries` measures these sections again, or some of them.
Everything stays on loopback, every load is bounded, and only processes started here are ended.
Environment: SECONDS (2) aimed length of one run, REPEATS (3), USERS (1000000), RECORDS (2000000), PEERS_OUT (where the
peers' setup.sh put its builds; without them segmentd is measured beside pgbench and psql only).
"""

import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import background
import writes
from processes import (
    AIM, BIN, REPEATS, ROOT, SHAPES, USERS, WORK, Database, Server, backend_cpu, cpu, peak_memory, reset_peak_memory, say,
    segmentd,
)

PEERS_OUT = pathlib.Path(os.environ.get("PEERS_OUT", pathlib.Path(tempfile.gettempdir()) / "peers"))
RECORDS = int(os.environ.get("RECORDS", "2000000"))
STATIC_PATH = "/bench.v1.Segments/GetUserSegments"
QUERY_PATH = "/segmentation.v1.MembershipService/GetUserSegments"
PLAIN_QUERY = (
    "SELECT segment_id FROM segmentd.memberships WHERE user_id = :u AND (expires_at IS NULL OR expires_at > now());"
)


# --- unary calls -------------------------------------------------------------------------------------------------


def request_body(user):
    """A gRPC message with `user` in field 1."""
    value = b""
    while True:
        value += bytes([user & 127 | (128 if user > 127 else 0)])
        user >>= 7
        if not user:
            break
    message = b"\x08" + value
    path = WORK / "body.bin"
    path.write_bytes(b"\0" + len(message).to_bytes(4, "big") + message)
    return path


def h2load(address, path, body, shape, count):
    connections, streams = shape
    command = ["h2load", "-n", count, "-c", connections, "-m", streams, "-t", 1, "-d", body]
    command += ["-H", "content-type: application/grpc", "-H", "te: trailers", f"http://{address}{path}"]
    out = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=120).stdout
    rate = re.search(r"finished in [\d.]+\w+, ([\d.]+) req/s", out)
    done = re.search(r"(\d+) succeeded, (\d+) failed", out)
    if not rate or int(done[1]) != count:
        sys.exit(f"h2load {address}{path}: {out}")
    return float(rate[1])


def unary(label, server, path, body, postmaster=None):
    """One row for each shape: calls/s, server and PostgreSQL microseconds a call, peak memory."""
    rows = []
    for shape in SHAPES:
        least = 10 * shape[0] * shape[1]
        reset_peak_memory(server.pid)
        rate = h2load(server.address, path, body, shape, max(500, least))
        rate = h2load(server.address, path, body, shape, max(least, int(rate / 2)))
        count = max(least, int(rate * AIM))
        samples = []
        for _ in range(REPEATS):
            before, before_pg = cpu(server.pid), backend_cpu(postmaster) if postmaster else 0
            rate = h2load(server.address, path, body, shape, count)
            used = (cpu(server.pid) - before) * 1e6 / count
            used_pg = (backend_cpu(postmaster) - before_pg) * 1e6 / count if postmaster else 0
            samples.append((rate, used, used_pg))
        rate, used, used_pg = (statistics.median(column) for column in zip(*samples))
        rows.append((label, f"{shape[0]} x {shape[1]}", rate, used, used_pg, peak_memory(server.pid)))
        say(f"  {label:28s} {shape[0]:>3} x {shape[1]:<3} {rate:>9,.0f} calls/s {used:6.1f} us server {used_pg:6.1f} us pg")
    return rows


def static_calls(body):
    say("Unary calls with a static answer")
    rows = []
    with Server([BIN / "static-server", "127.0.0.1:0"], wait_for=r"listening on ([\d.]+:\d+)") as server:
        rows += unary("segmentd's runtime, 1 loop", server, STATIC_PATH, body)
    if peer("go-grpc"):
        with Server([peer("go-grpc"), "-addr", "127.0.0.1:7791", "-mode", "static"], port=7791) as server:
            rows += unary("grpc-go", server, STATIC_PATH, body)
    if peer("floor"):
        with Server([peer("floor"), 7792, 1], port=7792) as server:
            rows += unary("C floor (nghttp2 + epoll)", server, STATIC_PATH, body)
    return rows


def peer(name):
    path = PEERS_OUT / "bin" / name
    return path if path.exists() else None


# --- PostgreSQL --------------------------------------------------------------------------------------------------


class MeasuredDatabase(Database):
    """Of the segmentd that is measured."""

    def load(self):
        """The data of the peers' load.sql, in their tables and in ours, and an audit log."""
        if self.psql("SELECT to_regclass('public.loaded') IS NOT NULL") == "t":
            return
        say(f"Loading {USERS:,} users with 5 memberships each, and {RECORDS:,} audit records")
        self.psql(
            f"""
            CREATE TABLE public.segments(id bigint PRIMARY KEY, slug text NOT NULL UNIQUE);
            CREATE TABLE public.memberships(user_id bigint NOT NULL, segment_id bigint NOT NULL, expires_at timestamptz);
            INSERT INTO public.segments SELECT i, 'BENCH_SEGMENT_' || i FROM generate_series(1, 1000) i;
            INSERT INTO public.memberships
              SELECT u, ((u * 7919 + k * 197) % 1000) + 1, CASE WHEN k = 0 THEN now() + interval '10 years' END
              FROM generate_series(1::bigint, {USERS}::bigint) u, generate_series(0, 4) k;
            ALTER TABLE public.memberships ADD PRIMARY KEY (user_id, segment_id);
            INSERT INTO segmentd.users (user_id) SELECT generate_series(1, {USERS});
            INSERT INTO segmentd.segments (id, slug) SELECT id, slug FROM public.segments;
            INSERT INTO segmentd.memberships (user_id, segment_id, expires_at, assigned_at, cause)
              SELECT user_id, segment_id, expires_at, now(), 2 FROM public.memberships;
            INSERT INTO segmentd.audit (xid, user_id, segment_id, effective_at, action, cause, segment_slug, actor)
              SELECT pg_current_xact_id(), user_id, segment_id, statement_timestamp(), 1, 2, 'BENCH_SEGMENT_' || segment_id, 'bench'
              FROM public.memberships LIMIT {RECORDS};
            DO $$ BEGIN
              EXECUTE format('ALTER DATABASE %I SET random_page_cost = 1.1', current_database());
            END $$;
            CREATE TABLE public.loaded();
            """
        )
        self.psql("VACUUM ANALYZE")
        self.psql("CHECKPOINT")


def queries(server, database, body):
    say("GetUserSegments on PostgreSQL")
    same = unary("segmentd", server, QUERY_PATH, body, database.postmaster)
    varied = random_users("segmentd", server, QUERY_PATH, database.postmaster)
    if peer("go-grpc"):
        with Server([peer("go-grpc"), "-addr", "127.0.0.1:7793", "-mode", "pg"], env=database.env, port=7793) as go:
            same += unary("grpc-go + pgx", go, STATIC_PATH, body, database.postmaster)
            varied += random_users("grpc-go + pgx", go, STATIC_PATH, database.postmaster)
    return same, varied


def random_users(label, server, path, postmaster):
    """Calls/s and CPU a call when every call asks for another user."""
    rows = []
    for connections, streams in SHAPES:
        samples = []
        for _ in range(REPEATS):
            seconds = max(2, int(AIM))
            before, before_pg = cpu(server.pid), backend_cpu(postmaster)
            done = subprocess.run(
                [str(a) for a in (BIN / "load-client", "get", server.address, path, USERS, seconds, connections, streams)],
                capture_output=True, text=True, timeout=120,
            )
            if done.returncode:
                sys.exit(f"{label}: {done.stdout}{done.stderr}")
            rate = float(done.stdout)
            calls = rate * seconds
            samples.append(
                (rate, (cpu(server.pid) - before) * 1e6 / calls, (backend_cpu(postmaster) - before_pg) * 1e6 / calls))
        rate, used, used_pg = (statistics.median(column) for column in zip(*samples))
        rows.append((label, f"{connections} x {streams}", rate, used, used_pg, peak_memory(server.pid)))
        say(f"  {label:28s} {connections:>3} x {streams:<3} {rate:>9,.0f} calls/s {used:6.1f} us server {used_pg:6.1f} us pg")
    return rows


def pgbench(database):
    script = WORK / "plain.sql"
    script.write_text(f"\\set u random(1, {USERS})\n{PLAIN_QUERY}\n")
    rows = []
    for clients in (1, 4, 8):
        out = subprocess.run(
            ["pgbench", "-n", "-M", "prepared", "-c", str(clients), "-j", "1", "-T", str(max(2, int(AIM * 2))), "-f", script],
            env={**os.environ, **database.env}, capture_output=True, text=True,
        ).stdout
        rate = float(re.search(r"tps = ([\d.]+)", out)[1])
        rows.append((clients, rate))
        say(f"  pgbench -M prepared          {clients:>3} clients {rate:>9,.0f} queries/s")
    return rows


def idle_connections():
    say("Idle connections")
    command = [sys.executable, ROOT / "Benchmarks" / "idle_connections.py", BIN / "EchoServer", "9000"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"idle connections: {done.stderr}")
    say("  " + done.stdout.strip())
    return done.stdout.strip()


# --- the page ----------------------------------------------------------------------------------------------------

STATIC_TITLE = "A unary call, static answer"
IDLE_TITLE = "Idle connections"


def static_section():
    WORK.mkdir(mode=0o755, exist_ok=True)
    rows = static_calls(request_body(42))
    return f"""h2load, one message of five strings: `h2load -c CONNECTIONS -m STREAMS -d body.bin -H 'content-type: application/grpc' URL`.
{time.strftime('%Y-%m-%d')}, medians of {REPEATS} runs.

{unary_table(rows)}"""


def idle_section():
    return f"The server's memory for each, by `Benchmarks/idle_connections.py`: {idle_connections()}.\n"


def unary_table(rows):
    text = "| server | connections x streams | calls/s | server us/call | PostgreSQL us/call | peak RSS MiB |\n|---|---|---|---|---|---|\n"
    for label, shape, rate, used, used_pg, memory in rows:
        text += f"| {label} | {shape} | {rate:,.0f} | {used:.1f} | {f'{used_pg:.1f}' if used_pg else '-'} | {memory:.0f} |\n"
    return text


def machine():
    model = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
    postgres = subprocess.run(["psql", "--version"], capture_output=True, text=True).stdout.split()[2]
    swift = subprocess.run(["swift", "--version"], capture_output=True, text=True).stdout.split("\n")[0]
    return f"{os.cpu_count()} cores ({model[1] if model else 'unknown'}), {swift}, PostgreSQL {postgres}"


def main():
    if sys.argv[1:]:
        own = {"static": (STATIC_TITLE, static_section), "idle": (IDLE_TITLE, idle_section)}
        return background.rewrite(ROOT / "docs" / "benchmarks.md", sys.argv[1:], {**own, **background.SECTIONS})
    for tool in ("h2load", "psql", "pgbench"):
        if not shutil.which(tool):
            sys.exit(f"{tool} is missing: run scripts/setup bench")
    WORK.mkdir(mode=0o755, exist_ok=True)
    body = request_body(42)
    static = static_section()
    with segmentd() as server:
        database = MeasuredDatabase(WORK / "data")
        database.load()
        writes.clean(database)
        answered, varied = queries(server, database, body)
        limits = pgbench(database)
        written, write_limits = writes.assignments(server, database), writes.bare(database)
        writes.clean(database)
    idle = idle_section()
    behind = background.sections()
    peers = "beside grpc-go + pgx and the C floor" if peer("go-grpc") else (
        "the other servers were not at hand: set PEERS_OUT to their builds to have them measured in the same run")
    pgbench_rows = "".join(f"| {clients} | {rate:,.0f} |\n" for clients, rate in limits)
    (ROOT / "docs" / "benchmarks.md").write_text(f"""# Benchmarks

Written by `make bench` ({peers}); {time.strftime('%Y-%m-%d')}; {machine()}; load and server share the machine. Medians of
{REPEATS} runs of about {AIM:g} s after two that warm up. CPU is user and system time of the whole server process by calls.

## {STATIC_TITLE}

{static}
## GetUserSegments on PostgreSQL

{USERS:,} users with 5 memberships each, random_page_cost 1.1. h2load asks for the same user each time; calls that wait
together share a query, and PostgreSQL then looks that user up once. segmentd reads
`segmentd.memberships` and knows the slugs; grpc-go + pgx (8 connections) runs the join that one would write.

{unary_table(answered)}
The same with another random user each time, from a client on segmentd's own runtime, which takes a core of its own
(`load-client get HOST:PORT PATH USERS SECONDS CONNECTIONS STREAMS`):

{unary_table(varied)}
The query alone for random users, `pgbench -M prepared -j 1`:

| clients | queries/s |
|---|---|
{pgbench_rows}
{writes.section(unary_table(written), write_limits)}
## {IDLE_TITLE}

{idle}
{behind}""")
    say("Wrote docs/benchmarks.md")


if __name__ == "__main__":
    main()
