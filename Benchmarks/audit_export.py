"""Exports a long audit log through segctl, beside psql \\copy of the same rows, and checks them row for row.

    python3 Benchmarks/audit_export.py [RECORDS]        (10,000,000; release builds, or $SEGMENTD_BIN)

Makes the records in a private PostgreSQL under .bench/export (kept for the next run), as the service would have written them: a
thousand transactions. Then, in one run: psql and segctl write the log into files, REPEATS (3) times in turn, and the files are
compared; a reader takes 1 MiB/s, and then fifty at once, while the server's memory is watched. With the peers' builds at hand
(PEERS_OUT), grpc-go sends as many records that it makes up, one a message, to a client that only counts them. Prints JSON.
"""

import hashlib
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from bench import PEERS_OUT
from processes import BIN, WORK, Database, Server, backend_cpu, cpu, peak_memory, reset_peak_memory, say

RECORDS = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
REPEATS = int(os.environ.get("REPEATS", "3"))
SLOW_SECONDS = 15
SLOW_RATE = 1 << 20
FOLDER = WORK / "export"
TRANSACTIONS = 1000
PSQL = "psql \\copy"
LOAD = f"""
INSERT INTO segmentd.segments (id, slug) SELECT i, 'BENCH_SEGMENT_' || i FROM generate_series(1, 1000) i;
DO $$
BEGIN
  FOR batch IN 0..{TRANSACTIONS - 1} LOOP
    INSERT INTO segmentd.audit (xid, user_id, segment_id, effective_at, recorded_at, action, cause, segment_slug, actor)
    SELECT pg_current_xact_id(), i, i * 7919 % 1000 + 1, t, t, 1, 2, 'BENCH_SEGMENT_' || i * 7919 % 1000 + 1, 'bench'
    FROM (
      SELECT i, date_trunc('month', now()) + i * interval '10 ms' AS t
      FROM generate_series(batch * {RECORDS // TRANSACTIONS} + 1::bigint, (batch + 1) * {RECORDS // TRANSACTIONS}) AS i
    ) AS r;
    COMMIT;
  END LOOP;
END $$;
"""
COLUMNS = "user_id, segment_slug, action, effective_at"
# The same lines as segctl writes, to compare the files; making these texts takes PostgreSQL longer.
LINES = (
    "user_id, segment_slug, (ARRAY['ASSIGN', 'DEPRIVE', 'RENEW'])[action] AS action, "
    "to_char(effective_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') AS stamp"
)


class ExportDatabase(Database):
    def copy(self, columns, path):
        run(
            ["psql", "-Xq", "-c", f"\\copy (SELECT {columns} FROM segmentd.audit ORDER BY era, xid, sequence) TO '{path}' CSV HEADER"],
            {**os.environ, **self.env})


def run(command, env=None):
    done = subprocess.run([str(c) for c in command], env=env, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{command}: {done.stderr}")
    return done.stdout


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def measured(server, database, body):
    """Records/s, and microseconds of CPU a record: of the server, of PostgreSQL, of what the body ran."""
    reset_peak_memory(server.pid)
    before, before_pg, before_own = cpu(server.pid), backend_cpu(database.postmaster), os.times()
    started = time.monotonic()
    body()
    seconds = time.monotonic() - started
    own = os.times()
    own = own.children_user + own.children_system - before_own.children_user - before_own.children_system
    # A connection that psql made is gone with its CPU time.
    return (
        RECORDS / seconds, (cpu(server.pid) - before) * 1e6 / RECORDS,
        (backend_cpu(database.postmaster) - before_pg) * 1e6 / RECORDS, own * 1e6 / RECORDS)


def slow_readers(server, count):
    """Each takes 1 MiB/s by the clock for a while; what the server has at its peak, and the rate they kept, in MiB."""
    reset_peak_memory(server.pid)
    readers = [
        subprocess.Popen(
            [BIN / "segctl", "--address", server.address, "audit", "stream"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for _ in range(count)
    ]
    files = [reader.stdout.fileno() for reader in readers]
    for file in files:
        os.set_blocking(file, False)
    taken = dict.fromkeys(files, 0)
    started = time.monotonic()
    while (elapsed := time.monotonic() - started) < SLOW_SECONDS:
        due = int(elapsed * SLOW_RATE)
        for file in files:
            while taken[file] < due:
                try:
                    chunk = os.read(file, min(1 << 16, due - taken[file]))
                except BlockingIOError:
                    break
                if not chunk:
                    sys.exit("a slow reader's export ended")
                taken[file] += len(chunk)
        time.sleep(0.01)
    memory = peak_memory(server.pid)
    for reader in readers:
        reader.kill()
        reader.wait()
        reader.stdout.close()
    return memory, sum(taken.values()) / elapsed / count / (1 << 20)


def grpc_go():
    go, client = PEERS_OUT / "bin" / "go-grpc", PEERS_OUT / "bin" / "stream-client"
    if not go.exists() or not client.exists():
        return None
    with Server([go, "-addr", "127.0.0.1:7795", "-mode", "static"], port=7795) as server:
        reset_peak_memory(server.pid)
        out = run([client, "127.0.0.1:7795", RECORDS])
        return float(re.search(r"rec_per_s=(\d+)", out)[1]), cpu(server.pid) * 1e6 / RECORDS, peak_memory(server.pid)


def main():
    FOLDER.mkdir(mode=0o755, parents=True, exist_ok=True)
    command = [BIN / "segmentd", "serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data-dir", FOLDER / "data"]
    with Server(command, wait_for=r"listening on ([\d.]+:\d+)") as server:
        database = ExportDatabase(FOLDER / "data")
        if database.psql("SELECT count(*) FROM segmentd.audit") != str(RECORDS):
            if database.psql("SELECT count(*) FROM segmentd.audit") != "0":
                sys.exit(f"{FOLDER} holds another number of records: remove it")
            say(f"Making {RECORDS:,} records")
            script = FOLDER / "load.sql"
            script.write_text(LOAD)
            run(["psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-f", script], {**os.environ, **database.env})
            database.psql("VACUUM ANALYZE segmentd.audit")
            database.psql("CHECKPOINT")
        ours, theirs = FOLDER / "segctl.csv", FOLDER / "psql.csv"
        segctl = [BIN / "segctl", "--address", server.address, "audit", "stream", "-o", "csv", "--output", ours]
        samples = {PSQL: [], "segctl audit stream": []}
        database.copy(COLUMNS, theirs)
        for _ in range(REPEATS):
            samples[PSQL].append(measured(server, database, lambda: database.copy(COLUMNS, theirs)))
            samples["segctl audit stream"].append(measured(server, database, lambda: run(segctl)))
            memory = peak_memory(server.pid)
        database.copy(LINES, theirs)
        same = digest(ours) == digest(theirs)
        rows = []
        for label, measured_rows in samples.items():
            rate, server_us, _, client_us = (statistics.median(column) for column in zip(*measured_rows))
            row = {"name": label, "records_per_second": round(rate), "rounds": [round(row[0]) for row in measured_rows],
                   "client_us": round(client_us, 2)}
            if label != PSQL:
                row |= {"server_us": round(server_us, 2), "peak_rss_mib": round(memory)}
            rows.append(row)
        peer = grpc_go()
        if peer:
            rows.append({"name": "grpc-go, made up, one a message", "records_per_second": round(peer[0]), "server_us": round(peer[1], 2), "peak_rss_mib": round(peer[2])})
        slow = []
        for count in (1, 50):
            memory, rate = slow_readers(server, count)
            slow.append({"readers": count, "mib_per_second": round(rate, 2), "peak_rss_mib": round(memory)})
        print(json.dumps({"records": RECORDS, "same": same, "rows": rows, "slow": slow}, indent=2))
        if not same:
            sys.exit("the files of psql and segctl differ")


if __name__ == "__main__":
    main()
