"""How servers stop: no call is lost, whether one server stops or two behind one client are restarted in turn."""

import signal
import socket
import threading
import time

import grpc
import pytest
from conftest import Process, binary, start_segmentd, steady_address
from grpc_health.v1 import health_pb2, health_pb2_grpc
from segmentation.v1 import audit_service_pb2 as audit
from segmentation.v1 import audit_service_pb2_grpc as audit_rpc
from segmentation.v1 import user_service_pb2 as users
from segmentation.v1 import user_service_pb2_grpc as users_rpc
from raw_http2 import ACK, GOAWAY, PING, RawPeer as Hostile, call, frame
from test_runtime import PATIENCE, WRAPPER, eventually, failure, unary

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def start_echo(address="127.0.0.1:0", *limits):
    return Process([*WRAPPER, binary("EchoServer"), address, "1", *limits])


@pytest.mark.wire
def test_calls_that_run_when_the_signal_comes_all_finish():
    process = start_echo("127.0.0.1:0", "grace=60000")
    with grpc.insecure_channel(process.address) as channel:
        # Long enough for all of them to have begun, and for the signal to be seen, before the first one ends.
        calls = [unary(channel, "Sleep").future(b"5000", timeout=PATIENCE * 3) for _ in range(300)]
        stream = channel.stream_stream("/test.Echo/Each")
        go_on = threading.Event()

        def requests():
            yield b"before"
            go_on.wait(PATIENCE)
            yield b"after"

        answers = stream(requests(), timeout=PATIENCE * 3)
        assert next(answers) == b"before"
        counters = lambda: unary(channel, "Counters")(b"", timeout=PATIENCE).decode().split("\n")
        eventually(lambda: "running_handlers 302" in counters())
        process.process.send_signal(signal.SIGTERM)
        eventually(lambda: refuses(process.address))
        go_on.set()
        assert list(answers) == [b"after"]
        assert [c.result() for c in calls] == [b"5000"] * 300
        assert process.process.wait(PATIENCE) == 0


def refuses(address):
    """Nobody listens there any more."""
    host, port = address.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), PATIENCE).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        # The listener went away with this connection in its queue.
        return False
    return False


def connected(address, count):
    """Waits until the server has so many connections; one of them is that of who asks, from the first time to the last."""
    with grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        eventually(lambda: f"connections {count}" in unary(channel, "Counters")(b"", timeout=PATIENCE).decode().split("\n"))


@pytest.mark.wire
def test_what_runs_on_after_the_grace_is_ended_with_a_status():
    process = start_echo()
    with grpc.insecure_channel(process.address) as channel:
        endless = unary(channel, "Sleep").future(b"3600000")
        eventually(lambda: b"running_handlers 2" in unary(channel, "Counters")(b"", timeout=PATIENCE).split(b"\n"))
        process.process.send_signal(signal.SIGTERM)
        error = failure(lambda: endless.result(timeout=PATIENCE))
        assert error.code() == grpc.StatusCode.UNAVAILABLE
        assert "the server ends the call" in error.details()
        assert process.process.wait(PATIENCE) == 0


@pytest.mark.wire
def test_goaway_names_the_last_stream_that_was_served():
    process = start_echo("127.0.0.1:0", "grace=60000")
    client = Hostile(process.address)
    client.send(call(1) + call(3, "/test.Echo/Sleep", b"300"))
    client.answer(1)
    process.process.send_signal(signal.SIGTERM)
    client.frame(GOAWAY)
    ping = client.frame(PING)
    # On its way before the client has heard: still served.
    client.send(call(5))
    client.send(frame(PING, ping[3], ACK))
    client.ended()
    last = [int.from_bytes(f[3][:4], "big") for f in client.kinds(GOAWAY)]
    assert last == [0x7FFFFFFF, 5]
    assert process.process.wait(PATIENCE) == 0


def test_no_call_fails_while_two_servers_are_restarted_in_turn():
    servers = [start_echo(steady_address()) for _ in range(2)]
    addresses = [server.address for server in servers]
    options = [("grpc.lb_policy_name", "round_robin"), ("grpc.use_local_subchannel_pool", 1), ("grpc.max_reconnect_backoff_ms", 200)]
    done, failures, count = threading.Event(), [], [0]
    with grpc.insecure_channel("ipv4:" + ",".join(addresses), options) as channel:

        def keep_calling():
            while not done.is_set():
                try:
                    unary(channel, "Sleep")(b"5", timeout=PATIENCE)
                    count[0] += 1
                except grpc.RpcError as error:
                    failures.append(error)

        threads = [threading.Thread(target=keep_calling) for _ in range(8)]
        for thread in threads:
            thread.start()
        for _ in range(3):
            for index in range(2):
                seen = count[0]
                eventually(lambda: count[0] >= seen + 100 or failures)
                assert servers[index].stop(seconds=PATIENCE) == 0
                servers[index] = start_echo(addresses[index])
                # The client finds it before the other one goes: its connection is there beside the one that asks.
                connected(addresses[index], 2)
        done.set()
        for thread in threads:
            thread.join()
    for server in servers:
        assert server.stop(seconds=PATIENCE) == 0
    assert not failures, failures[0]
    assert count[0] > 500


def test_health_tells_before_calls_are_refused_and_followers_get_their_last_token(data_dir, tmp_path_factory):
    folder = data_dir / "draining"
    folder.mkdir()
    process = start_segmentd(folder, "--drain-pause", "5s", "--shutdown-grace", "20s")
    with grpc.insecure_channel(process.address) as channel:
        users_rpc.UserServiceStub(channel).CreateUser(users.CreateUserRequest(user_id=1), timeout=PATIENCE)
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=PATIENCE * 2)
        assert next(watch).status == SERVING
        follow = audit_rpc.AuditServiceStub(channel).StreamAudit(audit.StreamAuditRequest(follow=True), timeout=PATIENCE * 2)
        assert next(follow).heartbeat.resume_token
        process.process.send_signal(signal.SIGTERM)
        assert next(watch).status == NOT_SERVING
        # A pause for balancers: calls are still taken.
        users_rpc.UserServiceStub(channel).CreateUser(users.CreateUserRequest(user_id=2), timeout=PATIENCE)
        assert failure(lambda: next(watch)).code() == grpc.StatusCode.UNAVAILABLE
        last = None
        with pytest.raises(grpc.RpcError) as ended:
            for response in follow:
                last = response
        assert ended.value.code() == grpc.StatusCode.UNAVAILABLE
        assert last.heartbeat.resume_token
    assert process.process.wait(60) == 0
