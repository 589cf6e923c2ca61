"""TLS against peers that are not ours: grpcio, and Python's ssl for what grpcio would never do.

What needs no database runs against EchoServer; files, reloading and segctl against segmentd.
"""

import concurrent.futures
import contextlib
import os
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import time
import urllib.request

import grpc
import pytest
from certificates import Authority
from conftest import Process, binary, start_segmentd
from segmentation.v1 import user_service_pb2 as users
from segmentation.v1 import user_service_pb2_grpc as rpc

pytestmark = pytest.mark.wire

WRAPPER = shlex.split(os.environ.get("SEGMENTD_WRAPPER", ""))
PATIENCE = 240 if WRAPPER else 60


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def echo(authority):
    """HOST:PORT of an EchoServer with TLS."""
    yield from serve(authority.issue("echo"))


@pytest.fixture(scope="module")
def hasty(authority):
    """The same with a handshake timeout of a second."""
    yield from serve(authority.issue("hasty"), "tlsHandshakeTimeout=1000")


def serve(certificate, *limits):
    process = Process([*WRAPPER, binary("EchoServer"), "127.0.0.1:0", "1", *map(str, certificate), *limits])
    yield process.address
    assert process.stop(seconds=PATIENCE) == 0, process.error_text()


@pytest.fixture(scope="module")
def tls_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("segmentd")
    for parent in [folder, *folder.parents][:3]:
        parent.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def secured(authority, tls_dir):
    """A segmentd whose certificate, key and client authority are copies that a test may change."""
    files = tls_dir / "certificate.pem", tls_dir / "key.pem", tls_dir / "clients.pem"
    for source, file in zip([*authority.issue("segmentd"), authority.certificate], files):
        shutil.copy(source, file)
    flags = ("--tls-certificate", str(files[0]), "--tls-key", str(files[1]), "--tls-client-ca", str(files[2]))
    process = start_segmentd(tls_dir, *flags)
    process.files = files
    yield process
    assert process.stop() == 0, process.error_text()


def credentials(authority, client=None):
    chain, key = [path.read_bytes() for path in client] if client else (None, None)
    return grpc.ssl_channel_credentials(authority.certificate.read_bytes(), key, chain)


def eventually(condition, message=""):
    limit = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < limit, message
        time.sleep(0.02)


def context(authority, protocols=("h2",), client=None):
    context = ssl.create_default_context(cafile=str(authority.certificate))
    if protocols:
        context.set_alpn_protocols(list(protocols))
    if client:
        context.load_cert_chain(*map(str, client))
    return context


@contextlib.contextmanager
def connected(address, context, timeout=PATIENCE):
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=timeout) as raw:
        with context.wrap_socket(raw, server_hostname="localhost") as wrapped:
            yield wrapped


def serial(address, context):
    with connected(address, context) as peer:
        return peer.getpeercert()["serialNumber"]


# The wire


@pytest.mark.parametrize("kind", ["unary", "down", "up", "both"])
def test_every_kind_of_call_and_large_ones(echo, authority, kind):
    limitless = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
    with grpc.secure_channel(echo, credentials(authority), limitless) as channel:
        if kind == "unary":
            big = os.urandom(3 << 20)
            call = channel.unary_unary("/test.Echo/Unary")
            assert call(b"", timeout=PATIENCE) == b"" and call(big, timeout=PATIENCE) == big
        elif kind == "down":
            stream = channel.unary_stream("/test.Echo/Expand")
            assert sum(map(len, stream(b"300 65536", timeout=PATIENCE))) == 300 * 65536
        elif kind == "up":
            parts = [os.urandom(50_000) for _ in range(60)]
            assert channel.stream_unary("/test.Echo/Collect")(iter(parts), timeout=PATIENCE) == b"".join(parts)
        else:
            parts = [os.urandom(n) for n in (0, 1, 16384, 16385, 70_000)] * 20
            assert list(channel.stream_stream("/test.Echo/Each")(iter(parts), timeout=PATIENCE)) == parts


def test_many_connections_at_once(echo, authority):
    def call(_):
        with grpc.secure_channel(echo, credentials(authority), [("grpc.use_local_subchannel_pool", 1)]) as channel:
            return channel.unary_unary("/test.Echo/Unary")(b"x", timeout=PATIENCE)

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert list(pool.map(call, range(64))) == [b"x"] * 64


def test_a_reader_that_stalls_holds_back_nobody(echo, authority):
    with grpc.secure_channel(echo, credentials(authority)) as channel:
        stream = channel.unary_stream("/test.Echo/Expand")(b"2000 65536", timeout=PATIENCE)
        next(stream)
        with grpc.secure_channel(echo, credentials(authority), [("grpc.use_local_subchannel_pool", 1)]) as other:
            assert other.unary_unary("/test.Echo/Unary")(b"x", timeout=PATIENCE) == b"x"
        assert 1 + sum(1 for _ in stream) == 2000


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_1_2_and_later_with_forward_secrecy(echo, authority, version):
    ours = context(authority)
    ours.minimum_version = ours.maximum_version = version
    with connected(echo, ours) as peer:
        name, protocol, _ = peer.cipher()
        assert peer.selected_alpn_protocol() == "h2" and peer.compression() is None
        assert "GCM" in name or "CHACHA20" in name
        assert version == ssl.TLSVersion.TLSv1_3 or name.startswith("ECDHE-")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_older_versions_and_weaker_ciphers_are_refused(echo, authority):
    old = context(authority)
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    weak = context(authority)
    weak.maximum_version = ssl.TLSVersion.TLSv1_2
    weak.set_ciphers("AES128-GCM-SHA256:ECDHE-ECDSA-AES128-SHA")
    for refused in (old, weak):
        with pytest.raises(ssl.SSLError, match="ALERT|alert"):
            with connected(echo, refused):
                pass


@pytest.mark.parametrize("protocols", [(), ("http/1.1",), ("h2c", "h3")])
def test_a_peer_that_does_not_offer_h2_is_refused_in_the_handshake(echo, authority, protocols):
    with pytest.raises(ssl.SSLError, match="NO_APPLICATION_PROTOCOL|no application protocol"):
        with connected(echo, context(authority, protocols)):
            pass


def test_h2_is_found_among_others(echo, authority):
    with connected(echo, context(authority, ("http/1.1", "h2"))) as peer:
        assert peer.selected_alpn_protocol() == "h2"


def closed_after(raw, begin):
    """Seconds from then until the peer has closed."""
    with contextlib.suppress(ConnectionResetError):
        while raw.recv(4096):
            pass
    return time.monotonic() - begin


@pytest.mark.parametrize("start", [b"", b"\x16\x03\x01\x02\x00\x01", "drip"])
def test_a_handshake_that_does_not_end_is_ended(hasty, start):
    host, port = hasty.rsplit(":", 1)
    begin = time.monotonic()
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as raw:
        if start == "drip":
            # A byte now and then does not lengthen it.
            raw.sendall(b"\x16\x03\x01\x02\x00\x01\x00")
            raw.settimeout(0.1)
            with pytest.raises(ConnectionError):
                while time.monotonic() - begin < PATIENCE:
                    raw.sendall(b"\x00")
                    with contextlib.suppress(TimeoutError):
                        if not raw.recv(100):
                            raise ConnectionError
            assert 0.5 < time.monotonic() - begin < PATIENCE / 2
        else:
            raw.sendall(start)
            assert 0.5 < closed_after(raw, begin) < PATIENCE / 2


@pytest.mark.parametrize("garbage", [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", os.urandom(600)])
def test_what_is_not_tls_is_closed_at_once(hasty, authority, garbage):
    host, port = hasty.rsplit(":", 1)
    begin = time.monotonic()
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as raw:
        raw.sendall(garbage)
        # Random bytes may look like the start of a long record: then the handshake's time ends it.
        assert closed_after(raw, begin) < PATIENCE / 2
    with grpc.secure_channel(hasty, credentials(authority)) as channel:
        eventually(lambda: answers(channel))


def answers(channel):
    """A client that takes more than the second for its handshake tries again."""
    try:
        return channel.unary_unary("/test.Echo/Unary")(b"x", timeout=PATIENCE) == b"x"
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.UNAVAILABLE
        return False


def test_renegotiation_is_refused(echo, authority):
    host, port = echo.rsplit(":", 1)
    command = ["openssl", "s_client", "-connect", f"{host}:{port}", "-alpn", "h2", "-tls1_2"]
    client = subprocess.Popen(
        [*command, "-CAfile", str(authority.certificate)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE)
    try:
        # Its input stays open: the client ends when the server has refused.
        client.stdin.write(b"R\n")
        client.stdin.flush()
        client.wait(PATIENCE)
        errors = client.stderr.read()
    finally:
        client.kill()
        client.communicate()
    # The second is what the client says when the server's SETTINGS come just then.
    assert b"RENEGOTIATING" in errors and (b"no renegotiation" in errors or b"unexpected record" in errors), errors


def test_damaged_records_close_only_their_connection(echo, authority):
    host, port = echo.rsplit(":", 1)
    inside, outside = ssl.MemoryBIO(), ssl.MemoryBIO()
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as raw:
        peer = context(authority).wrap_bio(inside, outside, server_hostname="localhost")
        while True:
            try:
                peer.do_handshake()
                break
            except ssl.SSLWantReadError:
                raw.sendall(outside.read())
                inside.write(raw.recv(65536))
        peer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
        sealed = bytearray(outside.read())
        sealed[-1] ^= 1
        begin = time.monotonic()
        raw.sendall(sealed)
        assert closed_after(raw, begin) < PATIENCE / 2
    with grpc.secure_channel(echo, credentials(authority)) as channel:
        assert channel.unary_unary("/test.Echo/Unary")(b"x", timeout=PATIENCE) == b"x"


# segmentd


def metric(process, name):
    line = next(line for line in process.lines if "/metrics" in line)
    url = next(word.strip(",") for word in line.split() if word.strip(",").endswith("/metrics"))
    text = urllib.request.urlopen(url, timeout=PATIENCE).read().decode()
    return float(next(line for line in text.splitlines() if line.startswith(name)).split()[-1])


def create_user(address, authority, client, user):
    with grpc.secure_channel(address, credentials(authority, client), [("grpc.use_local_subchannel_pool", 1)]) as channel:
        stub = rpc.UserServiceStub(channel)
        return stub.CreateUser(users.CreateUserRequest(user_id=user), timeout=PATIENCE).user.id


def test_callers_need_a_certificate_of_the_right_authority(secured, authority, tmp_path):
    assert create_user(secured.address, authority, authority.issue("caller"), 1) == 1
    stranger = Authority(tmp_path / "other", "stranger").issue("caller")
    for client in (None, stranger):
        with pytest.raises(grpc.RpcError) as caught:
            create_user(secured.address, authority, client, 2)
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    assert metric(secured, "segmentd_tls_handshakes_failed_total") >= 2


def test_new_files_are_taken_up_without_a_restart_and_bad_ones_are_not(secured, authority, tmp_path):
    certificate, key, clients = secured.files
    client = authority.issue("caller-of-reload")
    ours = context(authority, client=client)
    first = serial(secured.address, ours)
    with grpc.secure_channel(secured.address, credentials(authority, client)) as before:
        stub = rpc.UserServiceStub(before)
        stub.CreateUser(users.CreateUserRequest(user_id=10), timeout=PATIENCE)

        # On SIGHUP, at once.
        renewed, renewed_key = authority.issue("renewed", days=20)
        shutil.copy(renewed, certificate)
        shutil.copy(renewed_key, key)
        secured.process.send_signal(signal.SIGHUP)
        eventually(lambda: serial(secured.address, ours) != first, "SIGHUP had no effect")
        second = serial(secured.address, ours)
        days = (metric(secured, "segmentd_tls_certificate_expiry_timestamp_seconds") - time.time()) / 86400
        assert 19 < days < 21

        # By themselves, when they are replaced; a link may stand for a file.
        again, again_key = authority.issue("again")
        for source, file in ((again, certificate), (again_key, key)):
            link = tmp_path / f"{file.name}.link"
            link.symlink_to(source)
            link.replace(file) if link.stat().st_dev == file.stat().st_dev else shutil.copy(source, file)
        eventually(lambda: serial(secured.address, ours) != second, "the changed files had no effect")
        third = serial(secured.address, ours)

        # Damaged, or not belonging together: those before them stay, and the log says so.
        for bad in (b"nonsense", b""):
            told = secured.error_text().count("stay in use")
            key.unlink()
            key.write_bytes(bad)
            eventually(lambda: secured.error_text().count("stay in use") > told, "a bad key is not logged")
            assert serial(secured.address, ours) == third
        shutil.copy(again_key, key)

        # Another authority: who was let in before is not any more, and the other way round.
        other = Authority(tmp_path / "other", "other")
        theirs = context(authority, client=other.issue("their-caller"))
        shutil.copy(other.certificate, clients)
        secured.process.send_signal(signal.SIGHUP)

        def is_let_in(context):
            # With TLS 1.3 the client learns of a refusal when it first reads.
            try:
                with connected(secured.address, context) as peer:
                    return bool(peer.recv(100))
            except (ssl.SSLError, OSError):
                return False

        eventually(lambda: is_let_in(theirs), "the new authority had no effect")
        assert not is_let_in(ours)
        # Connections that were open all the time go on.
        assert stub.GetUser(users.GetUserRequest(user_id=10), timeout=PATIENCE).user.id == 10
        shutil.copy(authority.certificate, clients)
        eventually(lambda: is_let_in(ours))


def test_a_client_that_resumes_is_not_let_in_by_an_old_session(secured, authority):
    ours = context(authority, client=authority.issue("resuming"))
    with connected(secured.address, ours) as peer:
        peer.recv(100)
        session = peer.session
    assert session is None or not session.has_ticket


@pytest.mark.parametrize(
    "flags, words",
    [
        (["--tls-certificate", "{certificate}"], "tls-key"),
        (["--tls-key", "{key}"], "tls-certificate"),
        (["--tls-client-ca", "{certificate}"], "tls-certificate"),
        (["--tls-certificate", "missing.pem", "--tls-key", "{key}"], "No such file"),
        (["--tls-certificate", "{key}", "--tls-key", "{key}"], "no certificate"),
        (["--tls-certificate", "{certificate}", "--tls-key", "{certificate}"], "no private key"),
        (["--tls-certificate", "{certificate}", "--tls-key", "{other}"], "not the key"),
        (["--tls-certificate", "{certificate}", "--tls-key", "{key}", "--tls-client-ca", "{key}"], "no certificate"),
    ],
)
def test_files_that_cannot_be_used_are_one_line_and_exit_code_78(authority, tmp_path, flags, words):
    certificate, key = authority.issue("bad-start")
    _, other = authority.issue("other-key")
    flags = [flag.format(certificate=certificate, key=key, other=other) for flag in flags]
    done = subprocess.run(
        [binary("segmentd"), "serve", "--listen", "127.0.0.1:0", *flags], capture_output=True, text=True, timeout=60,
        cwd=tmp_path)
    assert done.returncode == 78 and words in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert not (tmp_path / ".segmentd").exists()


# segctl


@pytest.fixture
def segctl():
    def run(address, *arguments, env=None):
        plain = {name: value for name, value in os.environ.items() if not name.startswith("SEGCTL_")}
        return subprocess.run(
            [binary("segctl"), *arguments, "--address", address], capture_output=True, text=True, timeout=60,
            env={**plain, **(env or {})})

    return run


def test_segctl_by_flags_and_by_the_environment(secured, authority, segctl):
    certificate, key = authority.issue("segctl")
    port = secured.address.rsplit(":", 1)[1]
    flags = ("--tls-ca", str(authority.certificate), "--tls-certificate", str(certificate), "--tls-key", str(key))
    done = segctl(f"localhost:{port}", "health", "--tls", *flags)
    assert done.returncode == 0, done.stderr
    # By its address the certificate is for this host too, and one of the flags is enough to ask for TLS.
    assert segctl(f"127.0.0.1:{port}", "health", *flags).returncode == 0
    environment = {
        "SEGCTL_TLS": "true", "SEGCTL_TLS_CA": str(authority.certificate),
        "SEGCTL_TLS_CERTIFICATE": str(certificate), "SEGCTL_TLS_KEY": str(key),
    }
    assert segctl(secured.address, "health", env=environment).returncode == 0


@pytest.mark.parametrize(
    "flags, words",
    [
        (["--tls"], "certificate is not accepted"),
        (["--tls-ca", "{ca}", "--tls-server-name", "elsewhere.example"], "hostname mismatch"),
        (["--tls-ca", "{other}"], "certificate is not accepted"),
        (["--tls-ca", "{ca}"], "certificate required"),
    ],
)
def test_segctl_tells_what_is_wrong_with_a_certificate(secured, authority, segctl, tmp_path, flags, words):
    other = Authority(tmp_path / "other", "stranger").certificate
    done = segctl(secured.address, "health", *[flag.format(ca=authority.certificate, other=other) for flag in flags])
    assert done.returncode == 69 and words in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert "TLS" in done.stderr


def test_segctl_verifies_the_server_name_that_it_is_told(echo, authority, segctl):
    # EchoServer has no health service: who gets that far has a connection.
    flags = ("--tls-ca", str(authority.certificate), "--tls-server-name", "localhost")
    assert "UNIMPLEMENTED" in segctl(echo, "health", *flags).stderr


@pytest.mark.parametrize(
    "flags",
    [["--tls-ca", "missing.pem"], ["--tls-certificate", "missing.pem"], ["--tls-key", "missing.pem"]],
)
def test_segctl_with_files_that_cannot_be_used(segctl, flags):
    done = segctl("127.0.0.1:1", "health", *flags)
    assert done.returncode == 78 and done.stderr.count("\n") == 1, done.stderr


def test_segctl_meets_a_server_without_tls_and_the_other_way_round(server, echo, segctl):
    done = segctl(server.address, "health", "--tls")
    assert done.returncode == 69 and "does not speak TLS" in done.stderr, done.stderr
    done = segctl(echo, "health")
    assert done.returncode == 69 and done.stderr.endswith("; perhaps it wants TLS\n"), done.stderr
    assert done.stderr.count("\n") == 1


def test_the_order_of_tls_settings(segctl):
    done = segctl("127.0.0.1:1", "health", env={"SEGCTL_TLS": "perhaps"})
    assert done.returncode == 78 and "SEGCTL_TLS" in done.stderr
    done = segctl("127.0.0.1:1", "health", "--no-tls", env={"SEGCTL_TLS": "true", "SEGCTL_TLS_CA": "missing.pem"})
    assert done.returncode == 69
