"""The server under test, started as a user would start it, and stubs made from `protos/` by grpcio-tools.

The binaries come from $SEGMENTD_BIN (default .build/debug). $SEGMENTD_WRAPPER is a command that segmentd is started
under, valgrind say. Nothing is skipped: what is missing fails with the command that provides it.
"""

import atexit
import contextlib
import json
import os
import pathlib
import random
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("SEGMENTD_BIN", ROOT / ".build" / "debug"))
# What runs again under AddressSanitizer: the server's tests over the wire.
WIRE = {
    "test_compression.py",
    "test_interop.py",
    "test_report_bucket.py",
    "test_reports.py",
    "test_runtime.py",
    "test_service.py",
    "test_tls.py",
}
START_SECONDS = 300 if os.environ.get("SEGMENTD_WRAPPER") else 120


def pytest_configure(config):
    config.addinivalue_line("markers", "wire: talks to a server of ours over HTTP/2")


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.name in WIRE:
            item.add_marker(pytest.mark.wire)


def make_stubs():
    """Python modules of all our protos, in a folder of their own."""
    from grpc_tools import protoc

    folder = tempfile.mkdtemp(prefix="segmentd-stubs-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    protos = [str(p.relative_to(ROOT / "protos")) for p in (ROOT / "protos" / "segmentation").rglob("*.proto")]
    code = protoc.main(
        ["protoc", f"-I{ROOT / 'protos'}", f"--python_out={folder}", f"--grpc_python_out={folder}", *protos]
    )
    assert code == 0, "grpcio-tools could not compile protos/"
    make_interop_stubs(protoc, pathlib.Path(folder))
    return folder


def make_interop_stubs(protoc, folder):
    """The modules `interop.*_pb2`: below `grpc/`, where the files are, Python would look into grpcio."""
    copies = folder / "protos" / "interop"
    copies.mkdir(parents=True)
    for proto in (ROOT / "Tests/Interop/protos/grpc/testing").glob("*.proto"):
        (copies / proto.name).write_text(proto.read_text().replace("grpc/testing/", "interop/"))
    files = [f"interop/{proto.name}" for proto in copies.iterdir()]
    code = protoc.main(
        ["protoc", f"-I{copies.parent}", f"--python_out={folder}", f"--grpc_python_out={folder}", *files]
    )
    assert code == 0, "grpcio-tools could not compile Tests/Interop/protos"


sys.path.insert(0, make_stubs())


class Process:
    """A program that says `listening on HOST:PORT` on its standard output when it is ready."""

    def __init__(self, command, env=None, cwd=None):
        self.lines = []
        self.address = None
        self._ready = threading.Event()
        # Read through its name: a descriptor of ours would share its position with the program that writes.
        self.errors = tempfile.NamedTemporaryFile(prefix="segmentd-stderr-")
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=self.errors, text=True, cwd=cwd, env={**os.environ, **(env or {})}
        )
        threading.Thread(target=self._read, daemon=True).start()
        if not self._ready.wait(START_SECONDS) or self.address is None:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"{command} did not start:\n{''.join(self.lines)}{self.error_text()}")

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line)
            found = re.search(r"listening on (\S+:\d+)", line)
            if found and self.address is None:
                self.address = found[1]
                self._ready.set()
        self._ready.set()

    def error_text(self):
        return pathlib.Path(self.errors.name).read_text(errors="replace")

    def stop(self, sig=signal.SIGTERM, seconds=60):
        """Ends it by a signal and answers its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(sig)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"did not end within {seconds} s of {sig!r}:\n{self.error_text()}")


def eventually(condition, message="waited in vain", seconds=60):
    """Waits until the condition holds, and answers its value."""
    limit = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < limit, message
        time.sleep(0.01)
    return found


def steady_address():
    """HOST:PORT for a server that is to come back to it: below the ports that outgoing connections get meanwhile."""
    for port in random.sample(range(10_000, 32_000), 1000):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return f"127.0.0.1:{port}"
    raise AssertionError("no port is free")


def binary(name):
    path = BIN / name
    assert path.exists(), f"{path} is missing: run `swift build`"
    return str(path)


def start_segmentd(data_dir, *flags, env=None, wrapper=True):
    prefix = shlex.split(os.environ.get("SEGMENTD_WRAPPER", "")) if wrapper else []
    command = [*prefix, binary("segmentd"), "serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]
    return Process([*command, "--data-dir", str(data_dir), *flags], env=env, cwd=data_dir)


@pytest.fixture(scope="session")
def data_dir():
    """A directory that the private PostgreSQL can reach whoever runs the tests."""
    with tempfile.TemporaryDirectory(prefix="segmentd-test-", ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o755)
        yield pathlib.Path(folder)


@pytest.fixture(scope="session")
def server(data_dir):
    """One server with its private PostgreSQL for all tests; it must end cleanly."""
    process = start_segmentd(data_dir)
    yield process
    code = process.stop()
    assert code == 0, f"segmentd ended with {code}:\n{process.error_text()}"


class Database:
    """The private PostgreSQL of a running server, through psql."""

    def __init__(self, data_dir):
        self.socket = (data_dir / "postgres" / "socket").resolve()
        port = next(self.socket.glob(".s.PGSQL.*[0-9]")).name.rsplit(".", 1)[1]
        self.command = ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-h", str(self.socket), "-p", port, "-U", "segmentd", "segmentd"]

    def query(self, sql):
        done = subprocess.run([*self.command, "-c", sql], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    @contextlib.contextmanager
    def open(self):
        """A psql to talk to, until the block ends."""
        psql = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            yield psql
        finally:
            with contextlib.suppress(BrokenPipeError):
                psql.stdin.close()
            psql.wait(30)

    @contextlib.contextmanager
    def session(self, sql):
        """A session in which `sql` has been run, until the block ends."""
        with self.open() as psql:
            psql.stdin.write(sql + ";\n\\echo ready\n")
            psql.stdin.flush()
            assert psql.stdout.readline() == "ready\n"
            yield


@pytest.fixture(scope="session")
def database(server, data_dir):
    return Database(data_dir)


@pytest.fixture(scope="session")
def channel(server):
    import grpc

    with grpc.insecure_channel(server.address) as channel:
        yield channel


# Of the module's scope: a module may have a `channel` of its own.


@pytest.fixture(scope="module")
def segments(channel):
    from segmentation.v1 import segment_service_pb2_grpc

    return segment_service_pb2_grpc.SegmentServiceStub(channel)


@pytest.fixture(scope="module")
def users(channel):
    from segmentation.v1 import user_service_pb2_grpc

    return user_service_pb2_grpc.UserServiceStub(channel)


@pytest.fixture(scope="module")
def members(channel):
    from segmentation.v1 import membership_service_pb2_grpc

    return membership_service_pb2_grpc.MembershipServiceStub(channel)


@pytest.fixture(scope="module")
def audit(channel):
    from segmentation.v1 import audit_service_pb2_grpc

    return audit_service_pb2_grpc.AuditServiceStub(channel)


@pytest.fixture
def segctl(run_segctl):
    """Runs segctl with whatever arguments; `segctl.json` answers what it printed, parsed."""

    def run(*arguments, **options):
        return run_segctl(*map(str, arguments), **options)

    run.json = lambda *arguments, **options: json.loads(run(*arguments, "-o", "json", **options).stdout)
    return run


@pytest.fixture
def run_segctl(server):
    """Runs segctl against the server and answers its CompletedProcess."""

    def run(*arguments, input=None, check=True, timeout=60):
        done = subprocess.run(
            [binary("segctl"), *arguments], input=input, capture_output=True, text=True, timeout=timeout,
            env={**os.environ, "SEGCTL_ADDRESS": server.address},
        )
        if check:
            assert done.returncode == 0, f"segctl {arguments}: {done.returncode}\n{done.stderr}"
        return done

    return run
