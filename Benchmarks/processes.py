"""What the measurements share: their settings, the processes that they start, and what those take."""

import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
BIN = pathlib.Path(os.environ.get("SEGMENTD_BIN", ROOT / ".build" / "release"))
WORK = ROOT / ".bench"
AIM = float(os.environ.get("SECONDS", "2"))
REPEATS = int(os.environ.get("REPEATS", "3"))
USERS = int(os.environ.get("USERS", "1000000"))
SHAPES = [(1, 1), (1, 100), (10, 10), (100, 10)]
TICK = os.sysconf("SC_CLK_TCK")


def say(text):
    print(text, file=sys.stderr, flush=True)


class Server:
    """A process that we started, ended with the block."""

    def __init__(self, command, env=None, wait_for=None, port=None):
        self.log = tempfile.TemporaryFile(mode="w+")
        self.process = subprocess.Popen(
            [str(c) for c in command], stdout=self.log, stderr=subprocess.STDOUT, env={**os.environ, **(env or {})}
        )
        self.pid = self.process.pid
        deadline = time.monotonic() + 120
        self.address = f"127.0.0.1:{port}" if port else None
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                sys.exit(f"{command} ended:\n{self.text()}")
            if wait_for and (found := re.search(wait_for, self.text())):
                self.address = found[1]
                return
            if port and subprocess.run(
                ["bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{port}"], stderr=subprocess.DEVNULL
            ).returncode == 0:
                return
            time.sleep(0.05)
        self.stop()
        sys.exit(f"{command} did not start:\n{self.text()}")

    def text(self):
        self.log.seek(0)
        return self.log.read()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def segmentd(data=WORK / "data"):
    return Server(
        [BIN / "segmentd", "serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data-dir", data],
        wait_for=r"listening on ([\d.]+:\d+)",
    )


def stubs(folder):
    from grpc_tools import protoc

    protos = [str(p.relative_to(ROOT / "protos")) for p in (ROOT / "protos" / "segmentation").rglob("*.proto")]
    if protoc.main(["protoc", f"-I{ROOT / 'protos'}", f"--python_out={folder}", f"--grpc_python_out={folder}", *protos]):
        sys.exit("grpcio-tools could not compile protos/")


class Database:
    """The private PostgreSQL of a segmentd that runs on this folder."""

    def __init__(self, data):
        self.socket = (pathlib.Path(data) / "postgres" / "socket").resolve()
        self.port = next(self.socket.glob(".s.PGSQL.*[0-9]")).name.rsplit(".", 1)[1]
        self.env = {"PGHOST": str(self.socket), "PGPORT": self.port, "PGUSER": "segmentd", "PGDATABASE": "segmentd"}
        data = self.socket.parent / "data" / "postmaster.pid"
        self.postmaster = int(data.read_text().split("\n")[0])

    def psql(self, sql):
        done = subprocess.run(
            ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-c", sql], env={**os.environ, **self.env}, capture_output=True, text=True
        )
        if done.returncode:
            sys.exit(f"psql: {done.stderr}")
        return done.stdout.strip()


@contextlib.contextmanager
def empty_folder(name):
    """Gone with the block."""
    folder = tempfile.mkdtemp(prefix=f"segmentd-{name}-")
    os.chmod(folder, 0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def fresh_segmentd(name):
    """A folder of its own with the protos' Python modules below `stubs`, and a segmentd on a private PostgreSQL in it; gone with
    the block."""
    with empty_folder(name) as folder:
        os.mkdir(f"{folder}/stubs")
        stubs(f"{folder}/stubs")
        with segmentd(f"{folder}/data") as server:
            yield folder, server


def cpu(pid):
    """User and system seconds of a process, all its threads."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def backend_cpu(postmaster):
    total = 0.0
    for child in pathlib.Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split():
        try:
            total += int(pathlib.Path(f"/proc/{child}/schedstat").read_text().split()[0]) / 1e9
        except (OSError, ValueError):
            pass
    return total


def peak_memory(pid):
    return int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) / 1024


def reset_peak_memory(pid):
    try:
        pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")
    except OSError:
        pass
