"""HTTP/2 frame by frame, for what no client of ours or theirs would send (RFC 9113, section 4.1)."""

import contextlib
import os
import socket
import struct
import threading

import hpack

# Everything takes longer under a wrapper such as valgrind.
PATIENCE = 240 if os.environ.get("SEGMENTD_WRAPPER") else 60
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
ACK = END_STREAM = 1
END_HEADERS = 4
PADDED = 8
PRIORITIZED = 0x20
# Codes of errors (section 7).
NO_ERROR, PROTOCOL, INTERNAL, FLOW_CONTROL, _, CLOSED, FRAME_SIZE, REFUSED, CANCEL, COMPRESSION = range(10)
CALM = 11
# Settings (section 6.5.2).
TABLE_SIZE, ENABLE_PUSH, MAX_STREAMS, INITIAL_WINDOW, MAX_FRAME, MAX_HEADER_LIST = range(1, 7)


def frame(kind, payload=b"", flags=0, stream=0):
    return struct.pack("!I", len(payload))[1:] + bytes([kind, flags]) + struct.pack("!I", stream) + payload


def uint32(value):
    return struct.pack("!I", value)


def setting(name, value):
    return struct.pack("!HI", name, value)


def headers(stream, path="/test.Echo/Unary", extra=(), end=False, encoder=None):
    """The headers of a gRPC call."""
    fields = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "x"), ("te", "trailers")]
    block = (encoder or hpack.Encoder()).encode([*fields, ("content-type", "application/grpc"), *extra])
    return frame(HEADERS, block, END_HEADERS | (END_STREAM if end else 0), stream)


def message(body):
    return b"\0" + uint32(len(body)) + body


def call(stream, path="/test.Echo/Unary", body=b"x", extra=()):
    return headers(stream, path, extra) + frame(DATA, message(body), END_STREAM, stream)


class RawPeer:
    """A connection of raw frames that reads in the background and remembers what came."""

    def __init__(self, address, settings=b"", preface=True, reads=True, patience=PATIENCE, buffer=None):
        host, port = address.rsplit(":", 1)
        self.patience = patience
        self.socket = socket.socket()
        self.socket.settimeout(patience)
        if buffer is not None:
            # How much the kernel takes for a peer that does not read; only before it connects does it count.
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.connect((host, int(port)))
        self.frames = []
        self.closed = threading.Event()
        self._arrived = threading.Condition()
        if reads:
            threading.Thread(target=self._read, daemon=True).start()
        if preface:
            self.send(PREFACE + frame(SETTINGS, settings))

    def send(self, data):
        """Answers whether the server still took it."""
        try:
            self.socket.sendall(data)
            return True
        except OSError:
            return False

    def _read(self):
        buffer = b""
        try:
            while received := self.socket.recv(1 << 16):
                buffer += received
                while len(buffer) >= 9 and len(buffer) >= 9 + (size := int.from_bytes(buffer[:3], "big")):
                    kind, flags, stream = buffer[3], buffer[4], int.from_bytes(buffer[5:9], "big")
                    with self._arrived:
                        self.frames.append((kind, flags, stream, buffer[9 : 9 + size]))
                        self._arrived.notify_all()
                    buffer = buffer[9 + size :]
        except OSError:
            pass
        with self._arrived:
            self.closed.set()
            self._arrived.notify_all()

    def kinds(self, kind):
        return [f for f in list(self.frames) if f[0] == kind]

    def wait(self, condition):
        """Waits until the condition holds, which is looked at whenever a frame has come, and answers its value."""
        found = None

        def look():
            nonlocal found
            found = condition()
            return found or self.closed.is_set()

        with self._arrived:
            self._arrived.wait_for(look, self.patience)
        assert found, f"{'closed' if self.closed.is_set() else 'nothing'} behind {self.told()}"
        return found

    def frame(self, kind, stream=None):
        """The first frame of this kind, when it has come."""
        return self.wait(lambda: next((f for f in self.kinds(kind) if stream in (None, f[2])), None))

    def answer(self, stream):
        """The last fields of each name, and the body, of a stream that ended well."""
        end = lambda: next((True for f in self.frames if f[0] in (DATA, HEADERS) and f[2] == stream and f[1] & END_STREAM), None)
        self.wait(end)
        decoder, fields = hpack.Decoder(), {}
        for kind, _, of, payload in self.frames:
            if kind == HEADERS:
                decoded = decoder.decode(payload)
                if of == stream:
                    fields.update(decoded)
        return fields, b"".join(f[3] for f in self.kinds(DATA) if f[2] == stream)

    def told(self):
        """The last of what has come, for a person."""
        names = "DATA HEADERS PRIORITY RST SETTINGS PUSH PING GOAWAY WINDOW CONTINUATION".split()
        return [(names[f[0]], f"flags {f[1]}", f"stream {f[2]}", f[3][:40].hex()) for f in self.frames[-8:]]

    def ended(self, seconds=None):
        assert self.closed.wait(seconds or self.patience), "the server keeps the connection"

    def goaway(self):
        """The error code of the last GOAWAY; it may be lost when the server closes with bytes unread."""
        codes = [int.from_bytes(f[3][4:8], "big") for f in self.kinds(GOAWAY)]
        return codes[-1] if codes else None

    def close(self):
        # The thread that reads keeps the socket open otherwise.
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
