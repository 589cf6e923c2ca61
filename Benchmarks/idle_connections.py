#!/usr/bin/env python3
"""What an idle connection costs the server: memory of the process for each of many connections that have made calls and rest.

    Benchmarks/idle_connections.py PROGRAM [CONNECTIONS]      PROGRAM: .build/release/EchoServer

Prints KiB a connection after connecting, after a small call on each, and after a large answer on each; then the same for a quarter
as many connections with TLS.
"""

import pathlib
import re
import resource
import socket
import ssl
import struct
import subprocess
import sys
import tempfile

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS, WINDOW = 0, 1, 4, 8
END_STREAM, END_HEADERS = 1, 4


def frame(kind, payload=b"", flags=0, stream=0):
    return struct.pack("!I", len(payload))[1:] + bytes([kind, flags]) + struct.pack("!I", stream) + payload


def literal(text):
    return bytes([len(text)]) + text.encode()


def call(stream, method, body):
    fields = [(":method", "POST"), (":scheme", "http"), (":path", f"/test.Echo/{method}"), (":authority", "x")]
    fields += [("te", "trailers"), ("content-type", "application/grpc")]
    block = b"".join(b"\0" + literal(name) + literal(value) for name, value in fields)
    message = b"\0" + struct.pack("!I", len(body)) + body
    return frame(HEADERS, block, END_HEADERS, stream) + frame(DATA, message, END_STREAM, stream)


class Connection:
    def __init__(self, address, context=None):
        self.socket = socket.create_connection(address)
        if context:
            self.socket = context.wrap_socket(self.socket)
        # Room for all answers, so that none waits for a window.
        settings = struct.pack("!HI", 4, 1 << 20)
        self.socket.sendall(PREFACE + frame(SETTINGS, settings) + frame(WINDOW, struct.pack("!I", 1 << 20)))
        self.buffer = b""

    def finish(self, stream):
        """Reads up to the trailers of a stream."""
        while True:
            while len(self.buffer) >= 9 and len(self.buffer) >= 9 + (size := int.from_bytes(self.buffer[:3], "big")):
                kind, flags, id = self.buffer[3], self.buffer[4], int.from_bytes(self.buffer[5:9], "big")
                self.buffer = self.buffer[9 + size :]
                if id == stream and kind == HEADERS and flags & END_STREAM:
                    return
            received = self.socket.recv(1 << 16)
            if not received:
                sys.exit("the server closed a connection")
            self.buffer += received


def client_context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    return context


def identity(folder):
    """A certificate and its key, good enough for a client that asks nobody."""
    certificate, key = pathlib.Path(folder, "certificate.pem"), pathlib.Path(folder, "key.pem")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"]
    command += ["-subj", "/CN=localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return [str(certificate), str(key)]


def measure(program, count, name, arguments=(), context=None):
    server = subprocess.Popen([program, "127.0.0.1:0", *arguments], stdout=subprocess.PIPE, text=True)
    try:
        host, port = re.search(r"listening on (\S+):(\d+)", server.stdout.readline()).groups()
        address = (host, int(port))

        def kib():
            with open(f"/proc/{server.pid}/status") as status:
                return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))

        # What the first connection alone makes the server load does not count.
        first = Connection(address, context)
        first.socket.sendall(call(1, "Unary", b"x"))
        first.finish(1)
        before = kib()
        connections = [Connection(address, context) for _ in range(count)]
        connections[-1].socket.sendall(call(1, "Unary", b"x"))
        connections[-1].finish(1)
        text = f"{count} {name}connections, KiB each: connected {(kib() - before) / count:.1f}"
        for stream, method, body, when in [(3, "Unary", b"x", "after a call"), (5, "Expand", b"1 65536", "after 64 KiB")]:
            for connection in connections:
                connection.socket.sendall(call(stream, method, body))
                connection.finish(stream)
            text += f", {when} {(kib() - before) / count:.1f}"
        return text
    finally:
        server.terminate()
        server.wait(60)


def main():
    program, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 1 << 20), hard))
    print(measure(program, count, ""), end="; ", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        print(measure(program, count // 4, "TLS ", ["1", *identity(folder)], client_context()))


if __name__ == "__main__":
    main()
