"""What was asked of the servers and what they answered: the history that is judged in the end.

Every attempt has an actor of its own, so each audit record tells which attempt wrote it.
"""

import contextlib
import dataclasses
import itertools
import time

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from segmentation.v1 import membership_service_pb2_grpc as members_rpc
from segmentation.v1 import segment_service_pb2_grpc as segments_rpc
from segmentation.v1 import user_service_pb2_grpc as users_rpc

STUBS = [members_rpc.MembershipServiceStub, segments_rpc.SegmentServiceStub, users_rpc.UserServiceStub]
STREAMS = {"ListSegmentMembers"}
# Whether such a call took effect is not known.
UNKNOWN = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED}
FOREVER = 1 << 62


def now():
    """Microseconds since 1970, by the clock that the database has as well."""
    return time.time_ns() // 1000


def micros(stamp):
    return stamp.seconds * 1_000_000 + stamp.nanos // 1000


@dataclasses.dataclass
class Refusal:
    """A status that is not OK, with what its details say."""

    code: grpc.StatusCode
    text: str
    reason: str = ""
    resources: list = dataclasses.field(default_factory=list)
    fields: list = dataclasses.field(default_factory=list)

    @classmethod
    def of(cls, error):
        refusal = cls(error.code(), error.details())
        status = rpc_status.from_call(error)
        for detail in status.details if status else []:
            info, resource, bad = error_details_pb2.ErrorInfo(), error_details_pb2.ResourceInfo(), error_details_pb2.BadRequest()
            if detail.Unpack(info):
                refusal.reason = info.reason
            elif detail.Unpack(resource):
                refusal.resources.append(resource.resource_name)
            elif detail.Unpack(bad):
                refusal.fields += [violation.field for violation in bad.field_violations]
        return refusal


@dataclasses.dataclass
class Attempt:
    actor: str
    begun: int
    ended: int = FOREVER
    # Nil while it is not known whether it took effect.
    response: object = None
    refusal: Refusal | None = None


@dataclasses.dataclass
class Call:
    """One request and its attempts, of which the last one settled it unless its outcome stayed unknown."""

    method: str
    request: object
    attempts: list = dataclasses.field(default_factory=list)

    @property
    def request_id(self):
        if self.method == "ImportMemberships":
            return ""
        return getattr(self.request, "request_id", "")

    @property
    def is_dry(self):
        options = self.request[0].options if self.method == "ImportMemberships" else self.request
        return getattr(options, "validate_only", False)

    @property
    def begun(self):
        return self.attempts[0].begun

    @property
    def ended(self):
        return self.attempts[-1].ended

    @property
    def response(self):
        return self.attempts[-1].response

    @property
    def refusal(self):
        return self.attempts[-1].refusal

    @property
    def may_be_repeated(self):
        return bool(self.request_id) or self.is_dry or self.method.startswith(("Get", "Batch", "Check", "List"))

    def __str__(self):
        answer = self.response if self.response is not None else self.refusal or "not known"
        request = self.request[0] if self.method == "ImportMemberships" else self.request
        return f"{self.method} [{self.begun}, {self.ended}] by {[a.actor for a in self.attempts]}:\n{request}-> {answer}"


class Client:
    """A caller with a connection of its own to each server, who repeats what may be repeated until it is settled."""

    def __init__(self, world, name):
        self.world = world
        self.name = name
        self.calls = []
        self.numbers = itertools.count()
        self.channels = {}

    def close(self):
        for channel, _ in self.channels.values():
            channel.close()

    def method(self, address, name):
        if address not in self.channels:
            channel = grpc.insecure_channel(
                address, options=[("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)])
            self.channels[address] = channel, [stub(channel) for stub in STUBS]
        return next(getattr(stub, name) for stub in self.channels[address][1] if hasattr(stub, name))

    def ask(self, method, request, server=None):
        """Makes the call until its outcome is known, or once when it cannot be repeated."""
        call = Call(method, request)
        number = next(self.numbers)
        deadline = time.monotonic() + 120
        while True:
            attempt = Attempt(f"{self.name}.{number}.{len(call.attempts)}", now())
            call.attempts.append(attempt)
            self.attempt(call, attempt, server)
            if attempt.response is not None or attempt.refusal is not None or not call.may_be_repeated:
                break
            assert time.monotonic() < deadline, f"nobody settles {call}"
            time.sleep(0.01)
        self.calls.append(call)
        return call

    def attempt(self, call, attempt, server):
        address = self.world.address(server)
        with contextlib.suppress(KeyError):
            # A server that was killed has another address now.
            for gone in set(self.channels) - set(self.world.addresses()) - {address}:
                self.channels.pop(gone)[0].close()
        ask = self.method(address, call.method)
        request = iter(call.request) if call.method == "ImportMemberships" else call.request
        try:
            response = ask(request, timeout=10, metadata=(("x-segmentd-actor", attempt.actor),))
            attempt.response = list(response) if call.method in STREAMS else response
        except grpc.RpcError as error:
            if error.code() in UNKNOWN:
                return
            attempt.refusal = Refusal.of(error)
        attempt.ended = now()
