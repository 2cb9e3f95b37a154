"""A bucket: an object is there when it is complete, or not at all (multipart upload).

Each object carries the SHA-256 of its bytes as metadata `sha256`, so that a later copy knows it
without reading it. Every part is sent with its SHA-256 (or its MD5, for a store that the user's AWS
settings say knows no checksums); where the answer names neither, the object is read back.
Limits: docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html.
"""

import base64
import hashlib
import logging
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any

import msgspec

from webpairs_core import files
from webpairs_core.errors import StorageError
from webpairs_shards.format.layout import is_file_of_a_dataset
from webpairs_shards.write.places.patience import broken, code_of, is_missing, why
from webpairs_shards.write.places.place import File
from webpairs_shards.write.places.remote import RemotePlace

log = logging.getLogger(__name__)
PART_BYTES = 16 << 20
_MAX_PARTS = 10_000
_SHA256 = "sha256"
"""The name of the metadata."""


def s3_options(is_written: bool) -> dict[str, Any]:
    """For fsspec's s3. AWS's own settings hold (AWS_PROFILE, AWS_ENDPOINT_URL and the like); a
    public bucket needs no account to read from it."""
    from botocore.session import Session  # type: ignore[import-untyped]

    return {
        "anon": not is_written and Session().get_credentials() is None,
        # `Patience` alone decides on new attempts: three of them, one in the other, take an hour.
        "config_kwargs": {"retries": {"mode": "standard", "total_max_attempts": 1}},
        "use_listings_cache": False,
        "skip_instance_cache": True,
    }


class _Sent(msgspec.Struct, frozen=True):
    """What is known of bytes that the store took."""

    etag: str
    sha256: str
    """Base64, as S3 writes it; empty where checksums are not sent."""
    is_confirmed: bool
    """Whether the store has said that it holds these bytes."""


class S3Place(RemotePlace):
    """See `Target`."""

    def __init__(self, url: str, system: Any, root: str, stop: Event) -> None:
        super().__init__(url, system, root, stop)
        self.system.retries = 1
        self._bucket, _, prefix = self.root.partition("/")
        self._prefix = f"{prefix}/" if prefix else ""

    @contextmanager
    def hold(self) -> Iterator[None]:
        """See `Target`. A bucket is there or not, and cannot be locked."""
        yield

    def sweep(self) -> None:
        """See `Target`. Aborts the uploads to our names that a killed copy has left."""
        for upload in self.patiently(self.url, "written", self._unfinished):
            name = upload["Key"].removeprefix(self._prefix)
            if is_file_of_a_dataset(name):
                self._abort(name, upload["UploadId"])

    def is_same(self, file: File) -> bool:
        """See `Target`. Goes by size and by the digest that the object carries."""
        head = self.patiently(self.address(file.name), "read", lambda: self._head(file.name))
        return (
            head is not None
            and head.get("Metadata", {}).get(_SHA256) == file.sha256
            and (not file.n_bytes or head["ContentLength"] == file.n_bytes)
        )

    def block_bytes(self, file: File) -> int:
        """See `Target`: so large that the parts suffice."""
        return max(PART_BYTES, math.ceil(file.n_bytes / _MAX_PARTS))

    def write(self, file: File, read: Callable[[], Iterator[bytes]]) -> None:
        """See `Target`."""
        if 0 < file.n_bytes <= self.block_bytes(file):
            data = b"".join(read())
            files.on_step(f"put {file.name}")
            sent = self._send("put_object", file.name, data, {"Metadata": {_SHA256: file.sha256}})
            n_bytes, is_confirmed = len(data), sent.is_confirmed
        else:
            n_bytes, is_confirmed = self._write_parts(file, read())
        self.check_size(file.name, n_bytes)
        if not is_confirmed and self.sha256(file.name) != file.sha256:
            self.remove(file.name)
            raise StorageError(
                f"{self.address(file.name)} did not arrive as it was sent: run the same command "
                "again"
            )

    def _write_parts(self, file: File, blocks: Iterator[bytes]) -> tuple[int, bool]:
        """Upload in parts; return bytes, and whether each part was confirmed.

        Where it fails, also in `blocks`, the upload is aborted and the key stays as it was.
        """
        facts: dict[str, Any] = {"Metadata": {_SHA256: file.sha256}}
        if self._has_checksums():
            facts["ChecksumAlgorithm"] = "SHA256"
        files.on_step(f"begin {file.name}")
        upload = self._call("create_multipart_upload", file.name, facts)["UploadId"]
        sent: list[_Sent] = []
        n_bytes = 0
        try:
            for number, block in enumerate(blocks, 1):
                files.on_step(f"part {number} of {file.name}")
                part = {"UploadId": upload, "PartNumber": number}
                sent.append(self._send("upload_part", file.name, block, part))
                n_bytes += len(block)
            files.on_step(f"complete {file.name}")
            self._complete(file, upload, sent)
        except BaseException:
            self._abort(file.name, upload)
            raise
        return n_bytes, all(part.is_confirmed for part in sent)

    def _send(self, method: str, name: str, data: bytes, facts: dict[str, Any]) -> _Sent:
        """Send bytes with a digest by which the store refuses those that changed on their way."""
        md5 = hashlib.md5(data, usedforsecurity=False).digest()
        sha256 = ""
        digest = {"ContentMD5": base64.b64encode(md5).decode()}
        if self._has_checksums():
            sha256 = base64.b64encode(hashlib.sha256(data).digest()).decode()
            digest = {"ChecksumSHA256": sha256}
        answer = self._call(method, name, {**facts, **digest, "Body": data})
        told, etag = answer.get("ChecksumSHA256"), answer["ETag"]
        # The ETag is the MD5, but for objects encrypted by KMS and for some other makers' stores.
        is_confirmed = told == sha256 if told and sha256 else etag.strip('"') == md5.hex()
        return _Sent(etag, sha256, is_confirmed)

    def _complete(self, file: File, upload: str, sent: list[_Sent]) -> None:
        parts: list[dict[str, Any]] = []
        for number, part in enumerate(sent, 1):
            facts = {"PartNumber": number, "ETag": part.etag}
            parts.append(facts | ({"ChecksumSHA256": part.sha256} if part.sha256 else {}))

        def act() -> None:
            try:
                self._ask(
                    "complete_multipart_upload",
                    file.name,
                    {"UploadId": upload, "MultipartUpload": {"Parts": parts}},
                )
            except FileNotFoundError:
                # NoSuchUpload: an earlier attempt was done, and its answer lost.
                head = self._head(file.name)
                if head is None or head.get("Metadata", {}).get(_SHA256) != file.sha256:
                    raise

        self.patiently(self.address(file.name), "written", act)

    def _abort(self, name: str, upload: str) -> None:
        """Also when it is time to leave: one attempt. The next copy sweeps what it could not."""
        try:
            self._ask("abort_multipart_upload", name, {"UploadId": upload})
        except broken() as error:
            log.debug("%s: an unfinished upload is left (%s)", self.address(name), why(error))

    def _unfinished(self) -> list[dict[str, Any]]:
        """Uploads in parts under our prefix that were neither completed nor aborted; none where
        one may not ask."""
        found: list[dict[str, Any]] = []
        facts: dict[str, Any] = {"Bucket": self._bucket, "Prefix": self._prefix}
        while True:
            try:
                answer = self.system.call_s3("list_multipart_uploads", **facts)
            except broken() as error:
                if code_of(error) in ("AccessDenied", "MethodNotAllowed", "NotImplemented"):
                    log.debug("%s: unfinished uploads cannot be listed", self.url)
                    return found
                raise
            found += answer.get("Uploads") or []
            if not answer.get("IsTruncated"):
                return found
            facts["KeyMarker"] = answer["NextKeyMarker"]
            facts["UploadIdMarker"] = answer["NextUploadIdMarker"]

    def _head(self, name: str) -> dict[str, Any] | None:
        """What the store says of an object; None where there is none."""
        try:
            return self._ask("head_object", name, {})
        except broken() as error:
            if is_missing(error):
                return None
            raise

    def _has_checksums(self) -> bool:
        """Whether the store takes them: the user's AWS settings (request_checksum_calculation)."""
        config = self.system.s3.meta.config  # older ones of botocore have no such setting
        return getattr(config, "request_checksum_calculation", "") != "when_required"

    def _call(self, method: str, name: str, facts: dict[str, Any]) -> dict[str, Any]:
        return self.patiently(self.address(name), "written", lambda: self._ask(method, name, facts))

    def _ask(self, method: str, name: str, facts: dict[str, Any]) -> dict[str, Any]:
        """One request. Raises what s3fs raises."""
        answer: dict[str, Any] = self.system.call_s3(
            method, Bucket=self._bucket, Key=f"{self._prefix}{name}", **facts
        )
        return answer
