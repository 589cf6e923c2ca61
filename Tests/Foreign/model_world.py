"""A database of its own, and the servers that work on it."""

import contextlib
import csv
import hashlib
import io
import random
import signal
import subprocess
import threading
import time

import grpc

from conftest import binary, start_segmentd
from segmentation.v1 import audit_service_pb2 as audit_messages
from segmentation.v1 import audit_service_pb2_grpc as audit_rpc
from test_service import csv_line

UNFINISHED = "SELECT 1 AS n FROM segmentd.deletions UNION ALL SELECT 1 FROM segmentd.rollouts WHERE state IN (1, 2)"


class World:
    """Some servers on one database; each may be killed and started again while others work with it."""

    def __init__(self, database, name, folder, servers=1, flags=()):
        database.query(f"CREATE DATABASE {name}")
        self.command = [*database.command[:-1], name]
        port = database.command[database.command.index("-p") + 1]
        self.url = f"host={database.socket} port={port} user=segmentd dbname={name}"
        self.folder = folder
        self.flags = ("--sweep-interval", "100ms", *flags)
        self.changed = threading.Condition()
        done = subprocess.run([binary("segmentd"), "migrate", "up", "--database", self.url], cwd=folder, capture_output=True)
        assert done.returncode == 0, done.stderr
        self.servers = [self.start() for _ in range(servers)]
        self.kills = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Leaves no server behind, however the test ended."""
        for server in self.servers:
            if server and server.process.poll() is None:
                server.stop(signal.SIGKILL)

    def start(self):
        return start_segmentd(self.folder, "--database", self.url, *self.flags)

    def addresses(self):
        with self.changed:
            return [server.address for server in self.servers if server]

    def address(self, number=None):
        """Of that server, or of any that lives."""
        with self.changed:
            while True:
                living = [s for n, s in enumerate(self.servers) if s and (number is None or n == number)]
                if living:
                    return random.choice(living).address
                assert self.changed.wait(120), "no server comes back"

    def restart(self, number=0, sig=signal.SIGKILL):
        with self.changed:
            server, self.servers[number] = self.servers[number], None
        code = server.stop(sig)
        assert sig == signal.SIGKILL or code == 0, server.error_text()
        self.kills += 1
        started = self.start()
        with self.changed:
            self.servers[number] = started
            self.changed.notify_all()

    @contextlib.contextmanager
    def killing(self, interval, source):
        """Kills one server after the other while the block runs, each after about `interval` seconds."""
        over = threading.Event()
        failures = []

        def run():
            try:
                while not over.wait(interval * source.uniform(0.5, 1.5)):
                    self.restart(source.randrange(len(self.servers)))
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join(120)
        assert not failures and not thread.is_alive(), failures

    def stop(self):
        for server in self.servers:
            if server:
                code = server.stop()
                assert code == 0, f"segmentd ended with {code}:\n{server.error_text()}"

    def run(self, script):
        """Changes the database past the servers."""
        done = subprocess.run([*self.command, "-c", script], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr

    def rows(self, query):
        """What the database answers, a dictionary for each row; NULL is an empty text."""
        done = subprocess.run(
            [*self.command, "-c", f"COPY ({query}) TO STDOUT (FORMAT csv, HEADER)"], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return list(csv.DictReader(io.StringIO(done.stdout)))

    def check(self):
        """`segmentd audit check` finds no difference."""
        done = subprocess.run(
            [binary("segmentd"), "audit", "check", "--database", self.url], cwd=self.folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def exported(self):
        """The sequences of the whole log, as a server tells it and in its order."""
        with grpc.insecure_channel(self.address()) as channel:
            events = list(audit_rpc.AuditServiceStub(channel).StreamAudit(audit_messages.StreamAuditRequest(), timeout=60))
        found = [record for event in events for record in event.batch.records]
        assert events[-1].end.count == len(found)
        assert events[-1].end.digest == hashlib.sha256("".join(map(csv_line, found)).encode()).digest()
        return [record.sequence for record in found]

    def finish(self):
        """Waits until what goes on in the background is done."""
        deadline = time.monotonic() + 120
        while self.rows(UNFINISHED):
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def settle(self):
        """Waits until no statement of a server that was killed runs any more."""
        deadline = time.monotonic() + 120
        while self.rows("SELECT 1 AS n FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"):
            assert time.monotonic() < deadline
            time.sleep(0.01)
