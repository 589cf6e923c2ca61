"""segctl as people and scripts use it: the built binary against a real segmentd."""

import csv
import io
import json
import os
import pty
import re
import signal
import socket
import subprocess

import pytest

from conftest import binary

# Exit codes of docs/segctl.md.
PARTIAL, NOT_FOUND, ALREADY_EXISTS, INVALID, DEADLINE = 2, 4, 5, 6, 8
USAGE, BAD_INPUT, NO_INPUT, UNAVAILABLE, CANNOT_CREATE, CONFIGURATION, CANCELLED = 64, 65, 66, 69, 73, 78, 130


@pytest.fixture
def segctl(run_segctl):
    """Runs segctl and answers what it printed; `json` decodes it."""

    def run(*arguments, **options):
        return run_segctl(*map(str, arguments), **options).stdout

    run.json = lambda *arguments, **options: json.loads(run(*arguments, "-o", "json", **options))
    run.fails = lambda *arguments, **options: run_segctl(*map(str, arguments), check=False, **options)
    return run


def import_file(tmp_path, text, name="memberships.csv"):
    path = tmp_path / name
    path.write_text(text)
    return path


# Segments and users


def test_a_segment_is_created_shown_listed_and_deleted(segctl):
    created = segctl.json("segment", "create", "CTL_A", "--outreach", "0.25", "--description", 'a, "b"')
    assert created["slug"] == "CTL_A" and created["outreach_ppm"] == 250_000 and created["outreach"] == 0.25
    assert segctl.json("segment", "get", "CTL_A")["id"] == created["id"]
    assert segctl.json("segment", "get", f"id:{created['id']}")["description"] == 'a, "b"'
    rows = list(csv.DictReader(io.StringIO(segctl("segment", "list", "--prefix", "CTL_A", "-o", "csv"))))
    assert [(row["slug"], row["description"]) for row in rows] == [("CTL_A", 'a, "b"')]
    assert [s["slug"] for s in segctl.json("segment", "delete", "CTL_A")] == ["CTL_A"]
    gone = segctl.fails("segment", "get", "CTL_A")
    assert gone.returncode == NOT_FOUND
    assert gone.stderr.startswith("segctl: NOT_FOUND: ") and "CTL_A" in gone.stderr and gone.stderr.count("\n") == 1


def test_what_exists_cannot_be_created(segctl):
    segctl("segment", "create", "CTL_TWICE")
    assert segctl.fails("segment", "create", "CTL_TWICE").returncode == ALREADY_EXISTS


@pytest.mark.parametrize("arguments", [["A" * 129], ["-dash"], ["X", "--outreach", "1.5"], ["X", "--outreach", "nan"]])
def test_a_bad_segment_is_named(segctl, arguments):
    failed = segctl.fails("segment", "create", *(["--"] if arguments[0].startswith("-") else []), *arguments)
    assert failed.returncode == INVALID, failed.stderr
    assert failed.stderr.startswith("segctl: INVALID_ARGUMENT: ")


def test_users_are_created_from_arguments_and_from_standard_input(segctl):
    assert [u["created"] for u in segctl.json("user", "create", 7_009_001, 7_009_002)] == [True, True]
    lines = segctl("user", "create", "-", "--allow-existing", "-o", "jsonl", input="7009002\n\n7009003\n").splitlines()
    assert [(json.loads(l)["user_id"], json.loads(l)["created"]) for l in lines] == [(7_009_002, False), (7_009_003, True)]
    partly = segctl.fails("user", "create", 7_009_004, 7_009_003, 7_009_005, "-o", "json")
    assert partly.returncode == ALREADY_EXISTS and [u["user_id"] for u in json.loads(partly.stdout)] == [7_009_004]
    assert segctl.fails("user", "create", 0).returncode == INVALID
    assert segctl.fails("user", "create", "--", -1).returncode == INVALID
    assert segctl.fails("user", "create", "-", input="1\nx\n").returncode == BAD_INPUT


def test_a_user_is_updated_and_its_segments_listed(segctl):
    for slug in ["UP_A", "UP_B", "UP_C"]:
        segctl("segment", "create", slug)
    done = segctl.json("user", "update", 7_009_100, "--assign", "UP_A", "--assign", "UP_B=7d", "--create-user")
    assert done["user_created"] and [o["outcome"] for o in done["outcomes"]] == ["ASSIGNED", "ASSIGNED"]
    segments = segctl.json("user", "segments", 7_009_100)
    assert [s["segment_slug"] for s in segments] == ["UP_A", "UP_B"]
    assert "expires_at" not in segments[0] and segments[1]["expires_at"].endswith("Z")
    change = ["user", "update", 7_009_100, "--assign", "UP_C", "--remove", "UP_A"]
    segctl(*change, "--validate-only")
    assert [s["segment_slug"] for s in segctl.json("user", "segments", 7_009_100)] == ["UP_A", "UP_B"]
    segctl(*change)
    table = segctl("user", "segments", 7_009_100)
    assert table.splitlines()[0].split()[:2] == ["USER", "ID"] and "UP_C" in table and "UP_A" not in table
    assert len(segctl.json("user", "segments", 7_009_100, 7_009_101, 7_009_100)) == 4
    assert segctl.fails("user", "update", 7_009_100, "--assign", "UP_B").returncode == ALREADY_EXISTS
    kept = segctl.json("user", "update", 7_009_100, "--assign", "UP_B", "--if-present", "keep")
    assert kept["outcomes"][0]["outcome"] == "KEPT"
    assert segctl.fails("user", "update", 7_009_100, "--remove", "UP_A").returncode == NOT_FOUND
    segctl("user", "update", 7_009_100, "--remove", "UP_A", "--if-missing", "ignore")
    assert segctl.fails("user", "update", 7_009_100, "--assign", "NOWHERE").returncode == NOT_FOUND
    assert segctl.fails("user", "update", 7_009_100, "--assign", "UP_A=2020-01-01T00:00:00Z").returncode == INVALID


# Imports


def test_an_import_counts_what_it_did_and_does_it_once(segctl, tmp_path):
    rows = "".join(f"{user},IMP_{user % 3}\n" for user in range(7_020_000, 7_045_000))
    path = import_file(tmp_path, "user_id,segment_slug\n" + rows)
    create = ["--create-users", "--create-segments"]
    first = segctl.json("import", "memberships", path, *create)
    assert {k: first[k] for k in ["lines", "matched", "added", "already_there", "rejected"]} == {
        "lines": 25_000, "matched": 25_000, "added": 25_000, "already_there": 0, "rejected": 0,
    }
    assert first["users_created"] == 25_000 and first["segments_created"] == 3
    again = segctl.json("import", "memberships", "-", *create, input=path.read_text())
    assert again["added"] == 0 and again["already_there"] == 25_000
    assert not (tmp_path / "memberships.csv.rejects").exists()


def test_rejected_lines_go_to_a_file_and_the_import_goes_on(run_segctl, tmp_path):
    lines = ["user_id,segment_slug,expires_at"] + [f"{user},REJ," for user in range(7_050_000, 7_090_010)]
    bad = {
        40_001: ("nonsense", "MALFORMED"),
        40_003: ("7050000,NOWHERE_AT_ALL!,", "INVALID_SLUG"),
        40_004: ("0,REJ,", "INVALID_USER"),
        40_005: ('7060000,REJ,"2020-01-01T00:00:00Z"', "INVALID_EXPIRY"),
    }
    for number, (line, _) in bad.items():
        lines[number - 1] = line
    path = import_file(tmp_path, "\n".join(lines))
    (tmp_path / "r.csv").write_text("of an earlier import")
    done = run_segctl(
        "import", "memberships", str(path), "--create-users", "--create-segments", "--rejects", str(tmp_path / "r.csv"),
        "-o", "json", check=False,
    )
    assert done.returncode == PARTIAL, done.stderr
    summary = json.loads(done.stdout)
    assert summary["lines"] == 40_010 and summary["rejected"] == 4 and summary["added"] == 40_006
    assert "line 40001: MALFORMED" in done.stderr
    with open(tmp_path / "r.csv", newline="") as file:
        rejects = list(csv.DictReader(file))
    assert [(int(r["line_number"]), r["line"], r["reason"]) for r in rejects] == [(n, *b) for n, b in bad.items()]
    # What is mended can be imported, and a good import leaves no rejects.
    path.write_text("user_id,segment_slug\n7050001,REJ\n")
    run_segctl("import", "memberships", str(path), "--rejects", str(tmp_path / "r.csv"))
    assert not (tmp_path / "r.csv").exists()


def test_more_lines_than_a_call_takes_are_all_rejected_by_name(segctl, tmp_path):
    lines = [f"{user},NOT_THERE" for user in range(1, 250_001)]
    path = import_file(tmp_path, "user_id,segment_slug\n" + "\n".join(lines) + "\n")
    done = segctl.fails("import", "memberships", path, timeout=300)
    assert done.returncode == PARTIAL
    with open(f"{path}.rejects", newline="") as file:
        rejects = list(csv.reader(file))[1:]
    assert [(int(r[0]), r[3]) for r in rejects] == [(n + 2, line) for n, line in enumerate(lines)]


def test_an_import_needs_its_header_and_its_file(segctl, tmp_path):
    bad = segctl.fails("import", "memberships", import_file(tmp_path, "1,A\n"))
    assert bad.returncode == BAD_INPUT and "user_id,segment_slug" in bad.stderr
    assert segctl.fails("import", "memberships", import_file(tmp_path, "")).returncode == BAD_INPUT
    assert segctl.fails("import", "memberships", tmp_path / "missing").returncode == NO_INPUT
    path = import_file(tmp_path, "user_id,segment_slug\n")
    assert segctl.fails("import", "memberships", path, "--rejects", path).returncode == USAGE
    assert segctl.json("import", "memberships", path)["lines"] == 0


def test_an_import_shows_its_progress_on_a_terminal(server, tmp_path):
    path = import_file(tmp_path, "user_id,segment_slug\n" + "".join(f"{u},PTY\n" for u in range(7_100_001, 7_200_001)))
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [binary("segctl"), "import", "memberships", str(path), "--create-users", "--create-segments", "--address",
         server.address], stdout=subprocess.PIPE, stderr=slave,
    )
    os.close(slave)
    shown = b""
    while chunk := read_terminal(master):
        shown += chunk
    assert process.wait(60) == 0
    assert b"importing" in shown and b"%" in shown and shown.endswith(b"\r\x1b[K")


def read_terminal(descriptor):
    try:
        return os.read(descriptor, 65536)
    except OSError:  # The other side is closed.
        return b""


# The audit log


@pytest.fixture(scope="module")
def audited(server):
    """Some thousand records in a segment of their own."""
    text = "user_id,segment_slug\n" + "".join(f"{u},AUDITED\n" for u in range(7_300_001, 7_320_001))
    subprocess.run(
        [binary("segctl"), "--address", server.address, "import", "memberships", "-", "--create-users",
         "--create-segments"], input=text, text=True, check=True, capture_output=True,
    )
    return range(7_300_001, 7_320_001)


def test_the_audit_log_is_the_same_in_every_format(segctl, audited, tmp_path):
    filters = ["audit", "stream", "--segment", "AUDITED"]
    text = segctl(*filters)
    assert text.startswith("user_id,segment_slug,action,stamp\n")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert sorted(int(row["user_id"]) for row in rows) == list(audited)
    assert {row["action"] for row in rows} == {"ASSIGN"}
    objects = [json.loads(line) for line in segctl(*filters, "-o", "jsonl").splitlines()]
    assert [(str(o["user_id"]), o["effective_time"]) for o in objects] == [(r["user_id"], r["stamp"]) for r in rows]
    assert {o["cause"] for o in objects} == {"IMPORT"}
    table = segctl(*filters, "-o", "table").splitlines()
    assert len(table) == len(rows) + 1 and table[0].startswith("STAMP")
    segctl(*filters, "--output", tmp_path / "audit.csv")
    assert (tmp_path / "audit.csv").read_text() == text
    assert not (tmp_path / "audit.csv.partial").exists()


def test_the_audit_log_is_filtered(segctl, audited):
    one = segctl("audit", "stream", "--user", 7_300_001, "--user", 7_300_002, "--segment", "AUDITED", "--cause", "import")
    assert len(one.splitlines()) == 3
    assert len(segctl("audit", "stream", "--segment", "AUDITED", "--action", "deprive").splitlines()) == 1
    assert len(segctl("audit", "stream", "--segment", "AUDITED", "--to", "2020-01-01").splitlines()) == 1
    assert len(segctl("audit", "stream", "--segment", "AUDITED", "--from", "2020-01-01").splitlines()) == 20_001


def test_the_audit_log_names_the_actor(segctl):
    segctl("segment", "create", "ACTED")
    segctl("user", "update", 7_009_300, "--assign", "ACTED", "--create-user", "--actor", "support", "--request-id", "r-9300")
    record = json.loads(segctl("audit", "stream", "--segment", "ACTED", "-o", "jsonl"))
    assert (record["actor"], record["request_id"], record["cause"]) == ("support", "r-9300", "REQUEST")


def test_a_reader_that_goes_away_ends_the_stream_quietly(server, audited):
    pipe = subprocess.run(
        f"set -o pipefail; {binary('segctl')} audit stream --address {server.address} | head -1", shell=True,
        executable="/bin/bash", capture_output=True, text=True, timeout=60,
    )
    assert pipe.stdout == "user_id,segment_slug,action,stamp\n"
    assert pipe.returncode in (0, 141) and pipe.stderr == ""


def test_ctrl_c_ends_a_stream_whose_reader_is_stuck(server, audited):
    process = subprocess.Popen(
        [binary("segctl"), "audit", "stream", "--address", server.address], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout.read(1) == b"u"
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == CANCELLED
    process.stdout.close()
    process.stderr.close()


def test_an_output_that_cannot_be_made_is_told_of(segctl):
    assert segctl.fails("audit", "stream", "--output", "/nowhere/audit.csv").returncode == CANNOT_CREATE


# What goes wrong, and the rest


def test_health_and_version(segctl):
    assert segctl.json("health") == {"service": "", "status": "SERVING"}
    assert segctl("version").startswith("segctl ")
    assert segctl.fails("health", "no.such.Service").returncode == NOT_FOUND


@pytest.mark.parametrize("command", [
    "health", "segment list -o json", "user segments 1 -o csv", "user create 1", "segment rollout X --watch",
    "import memberships -", "audit stream", "audit stream --follow", "audit stream --output audit.csv", "audit consumers",
])
def test_a_server_that_is_not_there_is_one_line(tmp_path, command):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        done = subprocess.run(
            [binary("segctl"), *command.split(), "--address", f"127.0.0.1:{free.getsockname()[1]}"], capture_output=True,
            text=True, timeout=30, cwd=tmp_path, input="user_id,segment_slug\n1,A\n",
        )
    assert done.returncode == UNAVAILABLE
    assert done.stderr.startswith("segctl: UNAVAILABLE: cannot reach ") and done.stderr.count("\n") == 1
    assert "'segmentd serve'" in done.stderr
    assert done.stdout == "" and os.listdir(tmp_path) == [], "an empty list would be an answer"


def test_what_fails_before_its_first_record_prints_nothing(segctl):
    for arguments in [["user", "get", 7_099_001], ["user", "segments", 1, "--as-of", "2999-01-01"]]:
        for form in ["table", "json", "csv"]:
            failed = segctl.fails(*arguments, "-o", form)
            assert failed.returncode in (NOT_FOUND, INVALID) and failed.stdout == "", form


def test_an_import_that_cannot_begin_says_only_why(segctl):
    failed = segctl.fails("import", "memberships", "-", input="nonsense\n")
    assert failed.returncode == BAD_INPUT
    assert failed.stderr == "segctl: the first line is not the header user_id,segment_slug[,expires_at]\n"


def test_a_command_that_does_not_exist_is_named_with_one_that_does(segctl):
    failed = segctl.fails("segment", "crate", "X")
    assert failed.returncode == USAGE
    assert "'crate' is not a command of segctl segment; did you mean 'create'?" in failed.stderr


def test_every_exit_code_is_documented():
    root = os.path.join(os.path.dirname(__file__), "..", "..")
    with open(os.path.join(root, "Sources/Client/Runtime/ExitStatus.swift")) as source:
        codes = {int(code) for code in re.findall(r"^  case \w+ = (\d+)$", source.read(), re.MULTILINE)}
    with open(os.path.join(root, "docs/segctl.md")) as page:
        documented = {int(code) for code in re.findall(r"^\| (\d+) \|", page.read(), re.MULTILINE)}
    assert codes == documented and len(codes) > 15


def test_a_server_that_does_not_answer_is_left_by_the_timeout_and_by_ctrl_c():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        command = [binary("segctl"), "health", "--address", address]
        late = subprocess.run([*command, "--timeout", "200ms"], capture_output=True, text=True, timeout=60)
        assert late.returncode == DEADLINE and late.stderr.startswith("segctl: DEADLINE_EXCEEDED: ")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        command[-1] = f"127.0.0.1:{silent.getsockname()[1]}"
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        connection, _ = silent.accept()
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == CANCELLED
        connection.close()


def test_settings_come_from_the_environment_and_dotenv(server, tmp_path):
    def health(environment):
        return subprocess.run(
            [binary("segctl"), "health"], cwd=tmp_path, capture_output=True, text=True, timeout=30,
            env={**os.environ, **environment},
        )

    assert health({"SEGCTL_ADDRESS": server.address}).returncode == 0
    (tmp_path / ".env").write_text(f"SEGCTL_ADDRESS={server.address}\n")
    assert health({}).returncode == 0
    bad = health({"SEGCTL_ADDRESS": "nowhere"})
    assert bad.returncode == CONFIGURATION and bad.stderr.count("\n") == 1 and "SEGCTL_ADDRESS" in bad.stderr


def test_completion_scripts_are_there(segctl):
    for shell in ["bash", "zsh", "fish"]:
        assert "memberships" in segctl("--generate-completion-script", shell)
