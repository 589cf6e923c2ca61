"""A TCP proxy that notes which gRPC messages were compressed: grpcio tells neither its handlers nor its callers.

It follows the frames of HTTP/2 only as far as it takes to find the first byte of each message (RFC 9113, section 4.1).
"""

import contextlib
import queue
import socket
import threading

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, PADDED = 0, 8


class Messages:
    """Cuts one direction of a connection into messages, and puts the flag of each into a queue."""

    def __init__(self, flags, preface):
        self.flags, self.rest, self.streams, self.skip = flags, b"", {}, len(preface)

    def feed(self, data):
        self.rest += data
        if self.skip:
            if len(self.rest) < self.skip:
                return
            self.rest, self.skip = self.rest[self.skip :], 0
        while len(self.rest) >= 9:
            size = int.from_bytes(self.rest[:3], "big")
            if len(self.rest) < 9 + size:
                return
            kind, flags, stream = self.rest[3], self.rest[4], int.from_bytes(self.rest[5:9], "big")
            payload, self.rest = self.rest[9 : 9 + size], self.rest[9 + size :]
            if kind == DATA:
                self.data(stream, payload[1 : len(payload) - payload[0]] if flags & PADDED else payload)

    def data(self, stream, payload):
        buffer = self.streams.get(stream, b"") + payload
        while len(buffer) >= 5 and len(buffer) >= 5 + int.from_bytes(buffer[1:5], "big"):
            self.flags.put(buffer[0] == 1)
            buffer = buffer[5 + int.from_bytes(buffer[1:5], "big") :]
        self.streams[stream] = buffer


@contextlib.contextmanager
def stingy_proxy(target, most):
    """Yields the address of a proxy that lets so many bytes of the answers on each connection through, and then keeps silent."""
    host, port = target.rsplit(":", 1)
    sockets = [socket.create_server(("127.0.0.1", 0))]

    def pump(source, sink, left):
        with contextlib.suppress(OSError):
            while left and (data := source.recv(min(left, 65536))):
                sink.sendall(data)
                left -= len(data)

    def accept():
        with contextlib.suppress(OSError):
            while True:
                client, _ = sockets[0].accept()
                server = socket.create_connection((host, int(port)))
                sockets.extend([client, server])
                for arguments in [(client, server, 1 << 60), (server, client, most)]:
                    threading.Thread(target=pump, args=arguments, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield "127.0.0.1:%d" % sockets[0].getsockname()[1]
    finally:
        for each in sockets:
            # Closing alone would wake nobody.
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


@contextlib.contextmanager
def recording_proxy(target):
    """Yields the proxy's address and two queues: whether each request, and each response, of the latest connection was
    compressed, in order."""
    host, port = target.rsplit(":", 1)
    requests, responses = queue.Queue(), queue.Queue()
    listener = socket.create_server(("127.0.0.1", 0))
    sockets = []

    def pump(source, sink, messages):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                messages.feed(data)
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)

    def accept():
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection((host, int(port)))
                for flags in (requests, responses):
                    with flags.mutex:
                        flags.queue.clear()
                sockets.extend([client, server])
                for arguments in [
                    (client, server, Messages(requests, PREFACE)),
                    (server, client, Messages(responses, b"")),
                ]:
                    threading.Thread(target=pump, args=arguments, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}", requests, responses
    finally:
        # Closing alone would not wake the thread that accepts.
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        for each in [listener, *sockets]:
            each.close()
