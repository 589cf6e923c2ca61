"""An S3-compatible service for tests: moto's server behind a gate that checks every signature with botocore, and can fail.

moto by itself takes any signature. The gate computes what botocore would have signed for the request as it came, compares the
body with the SHA-256 that was signed, and looks at the expiry of links, as S3 does; what passes goes on to moto.
"""

import contextlib
import datetime
import hashlib
import http.client
import http.server
import threading
import urllib.parse

import boto3
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto.server import ThreadedMotoServer

KEY_ID, SECRET, REGION, BUCKET = "AKIAGATEEXAMPLE", "gate/Secret+0123456789abcdefABCDEF", "eu-central-1", "audit-reports"


class S3:
    """`url` is the bucket's address. `failures` are what the next requests are answered with instead, `deletions` the next
    DELETEs."""

    def __init__(self):
        self.moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self.moto.start()
        host, port = self.moto.get_host_and_port()
        self.behind = f"{host}:{port}"
        self.client = boto3.client(
            "s3", endpoint_url=f"http://{self.behind}", region_name=REGION, aws_access_key_id=KEY_ID, aws_secret_access_key=SECRET)
        self.client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        self.failures = []
        self.deletions = []
        self.requests = []
        self.stalled = threading.Event()
        self.go_on = threading.Event()
        gate = self

        class Handler(Gate):
            s3 = gate

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/{BUCKET}/of/segmentd"

    def stop(self):
        self.go_on.set()
        self.server.shutdown()
        self.server.server_close()
        self.moto.stop()

    def flags(self):
        return ("--report-bucket", self.url, "--report-bucket-region", REGION, "--report-bucket-key-id", KEY_ID)

    def environment(self):
        return {"SEGMENTD_REPORT_BUCKET_SECRET": SECRET}

    def objects(self):
        return [o["Key"].removeprefix("of/segmentd/") for o in self.client.list_objects_v2(Bucket=BUCKET).get("Contents", [])]

    def head(self, name):
        return self.client.head_object(Bucket=BUCKET, Key=f"of/segmentd/{name}")


class Gate(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    s3 = None

    def handle(self):
        # Who was cut off, or went away, is no news.
        with contextlib.suppress(ConnectionError):
            super().handle()

    def do_GET(self):
        self.pass_on()

    do_HEAD = do_PUT = do_DELETE = do_GET

    def pass_on(self):
        failures = self.s3.deletions if self.command == "DELETE" and self.s3.deletions else self.s3.failures
        failure = failures.pop(0) if failures else None
        if failure == "stall":
            self.s3.stalled.set()
            self.s3.go_on.wait(300)
            self.close_connection = True
            return
        if failure == "drop":
            self.rfile.read(1)
            self.close_connection = True
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.s3.requests.append((self.command, self.path))
        if failure:
            return self.refuse(*failure)
        if complaint := self.complaint(body):
            return self.refuse(403, complaint)
        connection = http.client.HTTPConnection(self.s3.behind, timeout=30)
        names = ("Content-Type", "Content-Disposition", "Cache-Control", "Range")
        headers = {name: self.headers[name] for name in names if name in self.headers}
        connection.request(self.command, self.path, body=body, headers={**headers, "Host": self.s3.behind, "Authorization": "AWS4-HMAC-SHA256 Credential=x/20260101/x/s3/aws4_request"})
        answer = connection.getresponse()
        content = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "content-length", "transfer-encoding", "date", "server"):
                self.send_header(name, value)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else len(content)
        self.send_header("Content-Length", str(length or 0))
        self.end_headers()
        self.wfile.write(content)
        connection.close()

    def refuse(self, status, code):
        body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>no</Message></Error>'.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def complaint(self, body):
        """Why the signature is not good; None when it is."""
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
        if "X-Amz-Signature" in query:
            return self.complaint_of_link(query)
        header = self.headers.get("Authorization", "")
        if not header.startswith("AWS4-HMAC-SHA256 "):
            return "AccessDenied"
        parts = dict(part.strip().split("=", 1) for part in header.removeprefix("AWS4-HMAC-SHA256 ").split(","))
        signed = {name: self.headers[name] for name in parts["SignedHeaders"].split(";")}
        if not {"host", "x-amz-date", "x-amz-content-sha256"} <= set(signed):
            return "AccessDenied"
        if hashlib.sha256(body).hexdigest() != signed["x-amz-content-sha256"]:
            return "XAmzContentSHA256Mismatch"
        request = AWSRequest(self.command, f"http://{self.headers['Host']}{self.path}", headers=signed)
        request.context["timestamp"] = signed["x-amz-date"]
        auth = S3SigV4Auth(Credentials(KEY_ID, SECRET), "s3", REGION)
        return None if parts["Signature"] == self.signature(auth, request) else "SignatureDoesNotMatch"

    def complaint_of_link(self, query):
        url = f"http://{self.headers['Host']}{self.path}"
        request = AWSRequest("GET", url[: url.index("&X-Amz-Signature=")], headers={"host": self.headers["Host"]})
        request.context["timestamp"] = query["X-Amz-Date"]
        auth = S3SigV4QueryAuth(Credentials(KEY_ID, SECRET), "s3", REGION, expires=int(query["X-Amz-Expires"]))
        if query["X-Amz-Signature"] != self.signature(auth, request):
            return "SignatureDoesNotMatch"
        begin = datetime.datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
        age = (datetime.datetime.now(datetime.timezone.utc) - begin).total_seconds()
        return None if -900 < age < int(query["X-Amz-Expires"]) <= 604_800 else "AccessDenied"

    @staticmethod
    def signature(auth, request):
        return auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)

    def log_message(self, *_):
        pass
