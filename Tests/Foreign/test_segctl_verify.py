"""`segctl audit verify`: an exported file is checked without the server."""

import json
import subprocess

import pytest

from conftest import binary, eventually

MISMATCH, USAGE, BAD_INPUT, NO_INPUT = 3, 64, 65, 66
USERS = range(76_000_001, 76_000_301)


@pytest.fixture(scope="module")
def exported(server, tmp_path_factory):
    """The same records as CSV and as JSON lines."""
    folder = tmp_path_factory.mktemp("verify")
    text = "user_id,segment_slug\n" + "".join(f"{user},VERIFIED\n" for user in USERS)
    run = lambda *arguments, **options: subprocess.run(
        [binary("segctl"), "--address", server.address, *arguments], text=True, check=True, capture_output=True, **options
    )
    run("import", "memberships", "-", "--create-users", "--create-segments", input=text)
    for format in ("csv", "jsonl"):
        run("audit", "stream", "--segment", "VERIFIED", "-o", format, "--output", str(folder / f"audit.{format}"))
    return folder


def verify(*arguments):
    """Without a server: the address is nobody's."""
    return subprocess.run(
        [binary("segctl"), "audit", "verify", *map(str, arguments), "-o", "json"], capture_output=True, text=True, timeout=60,
        env={"SEGCTL_ADDRESS": "127.0.0.1:1", "PATH": "/usr/bin"},
    )


def test_a_whole_export_is_verified_in_either_format(exported):
    found = []
    for format in ("csv", "jsonl"):
        done = verify(exported / f"audit.{format}")
        assert done.returncode == 0, done.stderr
        found.append(json.loads(done.stdout))
        assert found[-1]["records"] == len(USERS) and found[-1]["format"] == format
    assert found[0]["records_sha256"] == found[1]["records_sha256"]
    lines = (exported / "audit.csv").read_bytes().split(b"\n", 1)[1]
    assert subprocess.run(["sha256sum"], input=lines, capture_output=True).stdout.split()[0].decode() == found[0]["records_sha256"]


def test_sha256sum_reads_the_checksum_too(exported):
    done = subprocess.run(["sha256sum", "--check", "audit.csv.sha256"], cwd=exported, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "audit.csv: OK\n"), done.stderr


@pytest.mark.parametrize("format", ["csv", "jsonl"])
def test_a_file_that_somebody_touched_is_told(exported, tmp_path, format):
    whole = (exported / f"audit.{format}").read_bytes()
    checksum = (exported / f"audit.{format}.sha256").read_text()
    lines = whole.splitlines(keepends=True)
    file = tmp_path / f"audit.{format}"
    (tmp_path / f"audit.{format}.sha256").write_text(checksum)
    replaced = whole.replace(b"76000150", b"76000151")
    assert replaced != whole
    for spoilt in [b"".join(lines[:-1]), whole + lines[-1], replaced, whole[:-1] + b" \n"]:
        file.write_bytes(spoilt)
        done = verify(file)
        assert done.returncode in (MISMATCH, BAD_INPUT), spoilt[-200:]
    file.write_bytes(whole)
    assert verify(file).returncode == 0


def test_a_file_is_compared_with_what_the_server_said(exported, tmp_path):
    file = tmp_path / "alone.jsonl"
    file.write_bytes((exported / "audit.jsonl").read_bytes())
    assert verify(file).returncode == NO_INPUT
    digest = json.loads(verify(exported / "audit.csv").stdout)["records_sha256"]
    assert verify(file, "--sha256", digest.upper(), "--count", len(USERS)).returncode == 0
    assert verify(file, "--sha256", "0" * 64).returncode == MISMATCH
    assert verify(file, "--count", len(USERS) - 1).returncode == MISMATCH
    assert verify(file, "--sha256", "0").returncode == USAGE


def test_what_a_file_that_follows_has_come_to_is_checked_up_to_its_checkpoint(server, tmp_path):
    file = tmp_path / "followed.csv"
    command = [binary("segctl"), "--address", server.address, "audit", "stream", "--segment", "VERIFIED", "--follow"]
    process = subprocess.Popen([*command, "--output", str(file), "--resume"])
    try:
        eventually(lambda: file.exists() and file.read_text().count("\n") > len(USERS))
    finally:
        process.terminate()
        process.wait(60)
    with file.open("a") as tail:
        tail.write("half a li")
    done = verify(file)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["records"] == len(USERS)


def test_what_is_no_export_is_told(tmp_path):
    file = tmp_path / "other.csv"
    file.write_text("a,b\n1,2\n")
    assert verify(file, "--count", 1).returncode == BAD_INPUT
    assert verify(tmp_path / "missing", "--count", 1).returncode == NO_INPUT
