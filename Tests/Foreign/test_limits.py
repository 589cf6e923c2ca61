"""The limits as settings of segmentd, and what its metrics say when they are reached."""

import os
import re
import struct
import urllib.request

import grpc
import pytest
from conftest import start_segmentd
from grpc_health.v1 import health_pb2, health_pb2_grpc
from raw_http2 import PING, SETTINGS, RawPeer as Hostile, frame
from test_hostile import flood
from test_runtime import PATIENCE, eventually


@pytest.fixture(scope="module")
def server(data_dir):
    folder = data_dir / "limits"
    folder.mkdir()
    os.chmod(folder, 0o755)
    process = start_segmentd(
        folder, "--max-connections", "5", "--max-pings", "1", "--handshake-timeout", "1s", "--frame-timeout", "1s",
        "--idle-timeout", "2s", "--loops", "1",
    )
    yield process
    assert process.stop() == 0, process.error_text()


def metric(server, name):
    address = re.search(r"http://[^/ ]+", "".join(server.lines))[0]
    with urllib.request.urlopen(address + "/metrics", timeout=PATIENCE) as answer:
        text = answer.read().decode()
    return float(re.search(rf"^{re.escape(name)} (\S+)$", text, re.M)[1])


def healthy(server):
    with grpc.insecure_channel(server.address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE)
        return answer.status == health_pb2.HealthCheckResponse.SERVING


def test_each_limit_is_a_setting_and_is_counted(server):
    pings = Hostile(server.address)
    flood(pings, frame(PING, bytes(8)) * 20)
    pings.ended()
    assert metric(server, 'segmentd_grpc_floods_total{kind="ping"}') == 1

    silent, half = Hostile(server.address, preface=False), Hostile(server.address)
    half.send(frame(SETTINGS, struct.pack("!HI", 4, 1))[:12])
    silent.ended()
    half.ended()
    assert metric(server, 'segmentd_grpc_connections_ended_total{reason="handshake"}') == 1
    assert metric(server, 'segmentd_grpc_connections_ended_total{reason="frame"}') == 1
    assert healthy(server)

    # Nobody is left to take the place of one of these.
    eventually(lambda: metric(server, "segmentd_grpc_connections_open") == 0)
    many = [Hostile(server.address) for _ in range(8)]
    eventually(lambda: metric(server, "segmentd_grpc_connections_refused_total") >= 3)
    # The log tells which client each limit has cut off, but not for every one of them.
    cut_off = [line for line in server.error_text().splitlines() if "cut a client off" in line]
    for limit in ("max-pings", "handshake-timeout", "frame-timeout", "max-connections"):
        lines = [line for line in cut_off if f"{limit}" in line]
        assert len(lines) == 1 and "127.0.0.1:" in lines[0], cut_off
    # They have no calls, so they are told to go, and there is room again.
    eventually(lambda: metric(server, 'segmentd_grpc_connections_ended_total{reason="idle"}') >= 5)
    for hostile in many:
        hostile.close()
    eventually(lambda: metric(server, "segmentd_grpc_connections_open") <= 1)
    assert healthy(server)
