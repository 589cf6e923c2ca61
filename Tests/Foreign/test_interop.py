"""gRPC's interoperability cases in all four pairs: our client and grpcio against our server and a grpcio server."""

import subprocess
import time

import interop_client
import pytest
from certificates import Authority
from conftest import Process, binary
from interop_server import grpcio_server

CASES = [
    "empty_unary",
    "large_unary",
    "client_compressed_unary",
    "server_compressed_unary",
    "client_streaming",
    "client_compressed_streaming",
    "server_streaming",
    "server_compressed_streaming",
    "ping_pong",
    "empty_stream",
    "custom_metadata",
    "status_code_and_message",
    "special_status_message",
    "unimplemented_method",
    "unimplemented_service",
    "cancel_after_begin",
    "cancel_after_first_response",
    "timeout_on_sleeping_server",
]
SOAKS = ["rpc_soak", "channel_soak"]
# How long the calls take is the machine's business.
PATIENT = ["--soak_per_iteration_max_acceptable_latency_ms=60000", "--soak_overall_timeout_seconds=60"]


# Over TLS, those that go through each kind of call, large messages and early ends. What was compressed nobody sees there.
TLS_CASES = [
    "empty_unary",
    "large_unary",
    "client_streaming",
    "server_streaming",
    "ping_pong",
    "custom_metadata",
    "status_code_and_message",
    "unimplemented_service",
    "cancel_after_first_response",
    "timeout_on_sleeping_server",
]


@pytest.fixture(scope="module")
def our_server():
    process = Process([binary("segmentd-interop"), "--host", "127.0.0.1", "--port", "0"])
    yield process.address
    assert process.stop() == 0, process.error_text()


@pytest.fixture(scope="module")
def their_server():
    with grpcio_server() as address:
        yield address


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def tls_server(authority):
    certificate, key = authority.issue("interop")
    files = [f"--tls_cert_file={certificate}", f"--tls_key_file={key}"]
    process = Process([binary("segmentd-interop"), "--host", "127.0.0.1", "--port", "0", "--use_tls=true", *files])
    yield process.address
    assert process.stop() == 0, process.error_text()


@pytest.fixture(scope="module")
def their_tls_server(authority):
    with grpcio_server(authority.issue("grpcio")) as address:
        yield address


@pytest.fixture(params=["our_server", "their_server"])
def server(request):
    return request.getfixturevalue(request.param)


def run_our_client(server, case, *flags):
    host, port = server.rsplit(":", 1)
    where = [f"--server_host={host}", f"--server_port={port}"]
    command = [binary("segmentd-interop-client"), *where, f"--test_case={case}", *flags]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("case", CASES)
def test_our_client(server, case):
    run_our_client(server, case)


@pytest.mark.parametrize("threads", [1, 5])
@pytest.mark.parametrize("case", SOAKS)
def test_our_client_soaks(server, case, threads):
    output = run_our_client(server, case, *PATIENT, "--soak_iterations=20", f"--soak_num_threads={threads}")
    assert output.count("succeeded") == 20 and "soak test ran: 20 / 20 iterations. total failures: 0." in output


@pytest.mark.parametrize(
    "flags, reason",
    [
        (["--soak_per_iteration_max_acceptable_latency_ms=0", "--soak_max_failures=9"], "10 iterations failed, of which 9 may"),
        (["--soak_overall_timeout_seconds=0"], "after 0 of 10 iterations"),
        (["--soak_min_time_ms_between_rpcs=900", "--soak_overall_timeout_seconds=1"], "of 10 iterations"),
        (["--soak_response_size=5000000", "--server_port=1"], "UNAVAILABLE"),
    ],
    ids=["late", "no-time", "slow", "nobody"],
)
@pytest.mark.parametrize("case", SOAKS)
def test_a_soak_that_fails(our_server, case, flags, reason):
    host, port = our_server.rsplit(":", 1)
    command = [binary("segmentd-interop-client"), f"--server_host={host}", f"--server_port={port}", f"--test_case={case}", *flags]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and reason in done.stdout, done.stdout + done.stderr


def test_a_soak_keeps_its_pace_and_its_sizes(our_server):
    flags = ["--soak_iterations=3", "--soak_min_time_ms_between_rpcs=200", "--soak_request_size=1", "--soak_response_size=0"]
    start = time.monotonic()
    run_our_client(our_server, "rpc_soak", *PATIENT, *flags)
    assert time.monotonic() - start >= 0.6
    # Some of them may fail.
    run_our_client(our_server, "rpc_soak", "--soak_per_iteration_max_acceptable_latency_ms=0", "--soak_max_failures=10",
                   "--soak_overall_timeout_seconds=60")


# What gRPC's own runner and its clients of several languages pass, beside the case and where the server is.
OFFICIAL_CLIENT = [
    "--use_tls=false", "--use_test_ca=true", "--server_host_override=foo.test.google.fr", "--use_alts=false",
    "--alts_handshaker_service_address=", "--custom_credentials_type=", "--default_service_account=a@example.com",
    "--oauth_scope=https://example.com/scope", "--service_account_key_file=/nonexistent.json", "--service_config_json=",
    "--additional_metadata=a:b;c-bin:d", "--soak_iterations=1", "--soak_max_failures=1", "--soak_min_time_ms_between_rpcs=1",
    "--soak_per_iteration_max_acceptable_latency_ms=1000", "--soak_overall_timeout_seconds=10", "--soak_request_size=1",
    "--soak_response_size=1", "--soak_num_threads=1",
]


@pytest.mark.parametrize("hyphens", [1, 2])
def test_official_flags_are_known(our_server, hyphens):
    host, port = our_server.rsplit(":", 1)
    flags = [f"--server_host={host}", f"--server_port={port}", "--test_case=empty_unary", *OFFICIAL_CLIENT]
    words = [flag[2 - hyphens :] for flag in flags]
    done = subprocess.run([binary("segmentd-interop-client"), *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_metadata_of_the_command_line_goes_with_each_call(our_server):
    """The server sends this one back, and so the case finds another value than its own."""
    host, port = our_server.rsplit(":", 1)
    words = [f"--server_host={host}", f"--server_port={port}", "--test_case=custom_metadata"]
    words += ["--additional_metadata=x-grpc-test-echo-initial:other;x:y"]
    done = subprocess.run([binary("segmentd-interop-client"), *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "other" in done.stdout, done.stdout + done.stderr


def test_the_server_takes_official_flags(authority):
    certificate, key = authority.issue("official")
    flags = ["-port=0", f"-tls_cert_file={certificate}", f"-tls_key_file={key}", "-use_tls", "--use_alts=false"]
    process = Process([binary("segmentd-interop"), "--host=127.0.0.1", *flags, "--alts_handshaker_service_address="])
    name = ["--server_host_override", "localhost", "-use_test_ca", "-use_tls=True"]
    run_our_client(process.address, "empty_unary", *name, f"--ca_file={authority.certificate}")
    assert process.stop() == 0, process.error_text()


@pytest.mark.parametrize(
    "program, flags, hint",
    [
        ("segmentd-interop-client", ["--use_tls", "--use_test_ca"], "--ca_file"),
        ("segmentd-interop-client", ["--use_alts"], "--use_alts"),
        ("segmentd-interop-client", ["--custom_credentials_type=google_default_credentials"], "--custom_credentials_type"),
        ("segmentd-interop", ["--use_tls=true"], "--tls_cert_file"),
        ("segmentd-interop", ["--use_alts=true"], "--use_tls"),
    ],
)
def test_what_cannot_be_done_says_what_can(program, flags, hint):
    done = subprocess.run([binary(program), *flags], capture_output=True, text=True, timeout=60)
    assert done.returncode == 64 and hint in done.stderr, done.stderr


@pytest.mark.parametrize("case", CASES)
def test_our_client_over_tls(tls_server, authority, case):
    run_our_client(tls_server, case, "--use_tls=true", f"--ca_file={authority.certificate}")


@pytest.mark.parametrize("case", TLS_CASES)
def test_our_client_and_their_server_over_tls(their_tls_server, authority, case):
    run_our_client(their_tls_server, case, "--use_tls", f"--ca_file={authority.certificate}", "--use_test_ca=true")


@pytest.mark.parametrize("case", TLS_CASES)
def test_grpcio_client_over_tls(tls_server, authority, case, monkeypatch):
    monkeypatch.setattr(interop_client, "authority", authority.certificate.read_bytes())
    getattr(interop_client, case)(tls_server)


@pytest.mark.parametrize(
    "flags", [["--use_tls=true"], ["--use_tls", "true"], ["--use_tls"], ["--use_tls", "--use_test_ca", "true"]], ids=" ".join
)
@pytest.mark.parametrize("name", ["localhost", "nobody.example"])
def test_flags_are_taken_as_the_official_clients_take_them(tls_server, authority, flags, name):
    host, port = tls_server.rsplit(":", 1)
    words = ["--server_host", host, "--server_port", port, "--test_case", "empty_unary", "--server_host_override", name]
    command = [binary("segmentd-interop-client"), *words, *flags, "--ca_file", str(authority.certificate)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == (0 if name == "localhost" else 1), done.stdout + done.stderr


@pytest.mark.parametrize("case", CASES)
def test_grpcio_client(server, case):
    getattr(interop_client, case)(server)


def test_every_case_of_our_client_is_run():
    done = subprocess.run([binary("segmentd-interop-client"), "--help"], capture_output=True, text=True, check=True)
    listed = done.stdout.replace("\n", " ").split("The case:")[1].split(".")[0]
    assert {name.strip() for name in listed.split(",")} == {*CASES, *SOAKS}
