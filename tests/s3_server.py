"""moto's S3 on loopback, in a process of its own, and a proxy that spoils what goes through it."""

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

BUCKET = "pairs"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def settings(port: int) -> dict[str, str]:
    """The environment of a command that should use the server at `port`, and no other."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {**mine, **CREDENTIALS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}


class S3Server:
    """A bucket, by way of the plain client of botocore: not the one that the tests are about."""

    def __init__(self, port: int) -> None:
        from botocore.session import Session  # type: ignore[import-untyped]

        self.port = port
        self.client: Any = Session().create_client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{port}",
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def keys(self, prefix: str = "") -> list[str]:
        listed = self.client.list_objects_v2(Bucket=BUCKET, Prefix=prefix)
        return [one["Key"] for one in listed.get("Contents", [])]

    def get(self, key: str) -> bytes:
        data: bytes = self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return data

    def put(self, key: str, data: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=key, Body=data)

    def etag(self, key: str) -> str:
        tag: str = self.client.head_object(Bucket=BUCKET, Key=key)["ETag"]
        return tag.strip('"')

    def times(self, prefix: str) -> dict[str, Any]:
        listed = self.client.list_objects_v2(Bucket=BUCKET, Prefix=prefix)
        return {one["Key"]: one["LastModified"] for one in listed.get("Contents", [])}

    def unfinished(self) -> list[str]:
        """Keys of the uploads in parts that were neither completed nor aborted."""
        listed = self.client.list_multipart_uploads(Bucket=BUCKET)
        return [one["Key"] for one in listed.get("Uploads", [])]

    def add_reader(self) -> dict[str, str]:
        """The key of a new user who may read and list, and nothing else."""
        from botocore.session import Session

        iam = Session().create_client(
            "iam",
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        iam.create_user(UserName="reader")
        allowed = {"Effect": "Allow", "Action": ["s3:Get*", "s3:List*"], "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        iam.put_user_policy(UserName="reader", PolicyName="read", PolicyDocument=policy)
        key: dict[str, str] = iam.create_access_key(UserName="reader")["AccessKey"]
        return key

    def empty(self) -> None:
        for key in self.keys():
            self.client.delete_object(Bucket=BUCKET, Key=key)
        for one in self.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []):
            self.client.abort_multipart_upload(
                Bucket=BUCKET, Key=one["Key"], UploadId=one["UploadId"]
            )


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """moto's server with an empty bucket; gone at the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).parent / "moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=settings(port)
    )
    try:
        _wait_for(port)
        server = S3Server(port)
        server.client.create_bucket(Bucket=BUCKET)
        yield server
    finally:
        process.kill()
        process.wait()


def _wait_for(port: int) -> None:
    for _ in range(600):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise AssertionError("moto's server did not start in a minute")


class Proxy:
    """`with Proxy(server.port) as proxy:` passes requests on, one a connection.

    `fault(request)` is asked for each request, its first line and headers as text, and says what
    becomes of it: None, or one of the words below.

    * `503`, `400`, `404`: answered by SlowDown, BadDigest, NoSuchUpload, unread.
    * `reset`: the connection is reset in the middle of the body, which never arrives.
    * `forget`: the request is done, but its answer is lost.
    * `flip`: one byte of the body is changed on its way.
    * `cut`: the answer breaks off in the middle of its body.
    """

    def __init__(self, port: int, fault: Callable[[str], str | None]) -> None:
        self._port = port
        self._fault = fault
        self.requests: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        # A thread in accept() wakes when the socket is shut, not when it is closed.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(client,), daemon=True).start()

    def _one(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            head, body = _head(client)
            if not head:
                return
            self.requests.append(head)
            fault = self._fault(head)
            if fault in _REFUSALS:
                client.sendall(_REFUSALS[fault])
                _rest(client, head, body)  # else the answer is lost in a reset
                return
            if "100-continue" in head.lower():
                client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            if fault == "reset":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                return
            body = _rest(client, head, body)
            if fault == "flip":
                middle = len(body) // 2
                body = body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]
            answer = self._ask(head, body)
            if fault == "cut":
                answer = answer[: len(answer) - (len(answer) - answer.index(b"\r\n\r\n")) // 2]
            if fault != "forget":
                client.sendall(answer)

    def _ask(self, head: str, body: bytes) -> bytes:
        lines = [
            line
            for line in head.split("\r\n")
            if not line.lower().startswith(("connection:", "expect:"))
        ]
        head = "\r\n".join([*lines, "Connection: close", "", ""])
        with socket.create_connection(("127.0.0.1", self._port)) as server:
            server.sendall(head.encode("latin-1") + body)
            parts = []
            while part := server.recv(1 << 16):
                parts.append(part)
        return b"".join(parts)


def _refusal(status: str, code: str) -> bytes:
    body = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>"
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nConnection: close\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()


_REFUSALS = {
    "503": _refusal("503 Slow Down", "SlowDown"),
    "400": _refusal("400 Bad Request", "BadDigest"),
    "404": _refusal("404 Not Found", "NoSuchUpload"),
}


def _head(client: socket.socket) -> tuple[str, bytes]:
    """The head of a request, and what of its body came with it."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = client.recv(1 << 16)
        if not part:
            return "", b""
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    return head.decode("latin-1"), body


def _rest(client: socket.socket, head: str, body: bytes) -> bytes:
    """The whole body."""
    told = re.search(r"(?im)^content-length: *(\d+)", head)
    n_bytes = int(told[1]) if told else 0
    parts = [body]
    n_read = len(body)
    while n_read < n_bytes:
        part = client.recv(1 << 20)
        if not part:
            break
        parts.append(part)
        n_read += len(part)
    return b"".join(parts)
