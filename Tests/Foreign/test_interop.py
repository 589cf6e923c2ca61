"""gRPC's interoperability cases in all four pairs: our client and grpcio against our server and a grpcio server."""

import subprocess

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
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("case", CASES)
def test_our_client(server, case):
    run_our_client(server, case)


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
    assert {name.strip() for name in listed.split(",")} == set(CASES)
