"""A repository in an S3 bucket, as any server of that protocol gives it out.

boto3 does the talking (an optional extra): it finds credentials where sites keep them, signs, and tries again, which is not worth doing
anew for a publisher's machine. An object appears whole or not at all, by the protocol. The lock is an object that is made only if it is
not there, with the time until which it holds; its holder renews it, and one whose holder died is taken over after that time. Where a
server ignores conditions, the check of the manifest before it is replaced is what remains.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

from sampan.cvmfs.directory import named
from sampan.cvmfs.objects import Stored
from sampan.errors import HostError, NoSpace, NotInRepository, RepositoryBusy, Unauthorized, Unreachable, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sampan.cvmfs.hashing import Hash
    from sampan.events import Notice

LOCK = ".sampan-lock"
_HELD = 900.0
"""Seconds that a lock holds without being renewed."""
_POLL = 5.0
_FOR_EVER = "max-age=259200"
_FRESH = "max-age=60"
_MISSING = ("404", "NoSuchKey", "NotFound", "NoSuchBucket")
_DENIED = ("403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken")
_TAKEN = ("412", "PreconditionFailed", "ConditionalRequestConflict", "409")
_FULL = ("QuotaExceeded", "InsufficientStorage", "507")


class S3Store:
    """A `Store` below `prefix` of a bucket. For several threads."""

    def __init__(self, bucket: str, prefix: str = "", *, endpoint: str | None = None, client: Any = None) -> None:
        """`client`: a boto3 client; else one is made, with the credentials that boto3 finds. Raises `HostError` without boto3."""
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._client = _client(endpoint) if client is None else client

    @property
    def name(self) -> str:
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    def _call(self, method: str, key: str, **words: Any) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        shown = f"{self.name}/{key}"
        try:
            return getattr(self._client, method)(Bucket=self._bucket, Key=self._prefix + key, **words)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in _MISSING:
                raise NotInRepository(f"{self.name} has no {key}") from error
            if code in _TAKEN:
                raise RepositoryBusy(f"{shown} was changed by somebody else") from error
            if code in _DENIED:
                raise Unauthorized(
                    f"the server of {self.name} refused {shown} ({printable(code)})",
                    "are AWS_ACCESS_KEY_ID and its secret right?",
                ) from error
            kind = NoSpace if code in _FULL else HostError
            raise kind(f"the server of {self.name} failed at {shown}: {printable(code)}") from error
        except BotoCoreError as error:
            raise Unreachable(f"cannot reach the server of {self.name}: {printable(str(error)[:200])}") from error

    def _read(self, key: str) -> bytes:
        from botocore.exceptions import BotoCoreError
        from urllib3.exceptions import HTTPError

        try:
            return bytes(self._call("get_object", key)["Body"].read())
        except (BotoCoreError, HTTPError) as error:
            raise Unreachable(f"the answer for {self.name}/{key} broke off") from error

    def get(self, hash: Hash, suffix: str = "") -> bytes:
        return self._read(hash.path(suffix))

    def has(self, hash: Hash, suffix: str = "") -> bool:
        try:
            self._call("head_object", hash.path(suffix))
        except NotInRepository:
            return False
        return True

    def get_root_file(self, name: str) -> bytes:
        return self._read(name)

    def put(self, hash: Hash, suffix: str, data: bytes) -> bool:
        if self.has(hash, suffix):
            return False
        self._put(hash.path(suffix), data, CacheControl=_FOR_EVER)
        return True

    def put_root_file(self, name: str, data: bytes) -> None:
        self._put(name, data, CacheControl=_FRESH)

    def put_root_files(self, files: Sequence[tuple[str, bytes]]) -> None:
        for name, data in files:
            self.put_root_file(name, data)

    def _put(self, key: str, data: bytes, **words: Any) -> str:
        answer = self._call("put_object", key, Body=data, ContentType="application/octet-stream", **words)
        return str(answer.get("ETag", ""))

    def flush(self) -> None:
        """What was answered is stored."""

    def stored(self) -> Iterator[Stored]:
        from botocore.exceptions import BotoCoreError, ClientError

        base = f"{self._prefix}data/"
        try:
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=base):
                for item in page.get("Contents", ()):
                    found = named(item["Key"][len(base) :].replace("/", "", 1))
                    if found is not None:
                        yield Stored(*found, item["Size"], item["LastModified"].timestamp())
        except (BotoCoreError, ClientError) as error:
            raise Unreachable(f"cannot list {self.name}: {printable(str(error)[:200])}") from error

    def remove(self, hash: Hash, suffix: str) -> None:
        self._call("delete_object", hash.path(suffix))

    @contextlib.contextmanager
    def lock(self, what: str, notice: Notice, *, wait: bool = False) -> Iterator[None]:
        held = _Lock(self, what, self._acquire(what, notice, wait=wait))
        try:
            yield
        finally:
            held.release()

    def _acquire(self, what: str, notice: Notice, *, wait: bool) -> str:
        told = False
        while True:
            try:
                return self._put(LOCK, _claim(what), IfNoneMatch="*")
            except RepositoryBusy:
                there = self._holder()
            if there is None:
                continue
            etag, holder, until = there
            if until < time.time():
                with contextlib.suppress(RepositoryBusy):
                    return self._put(LOCK, _claim(what), IfMatch=etag)
                continue
            if not wait:
                raise RepositoryBusy(
                    f"{holder} holds the lock of {self.name} for another {max(int(until - time.time()), 1)} s",
                    f"wait for it; if it died, the lock ends by itself, or remove {LOCK}",
                )
            if not told:
                notice.say(f"waiting for {holder} to let go of {self.name}")
                told = True
            time.sleep(_POLL)

    def _holder(self) -> tuple[str, str, float] | None:
        """ETag, holder and end of the lock that is there now."""
        try:
            answer = self._call("get_object", LOCK)
        except NotInRepository:
            return None
        try:
            document = json.loads(answer["Body"].read())
            return str(answer["ETag"]), printable(str(document["holder"])[:200]), float(document["until"])
        except (ValueError, KeyError, TypeError):
            return str(answer["ETag"]), "somebody", 0.0


class _Lock:
    """Renews the lock from a thread until it is released."""

    def __init__(self, store: S3Store, what: str, etag: str) -> None:
        self._store = store
        self._what = what
        self._etag = etag
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="sampan-lock", daemon=True)
        self._thread.start()

    def _renew(self) -> None:
        while not self._done.wait(_HELD / 3):
            # Lost or unreachable: the check before the manifest decides.
            with contextlib.suppress(RepositoryBusy, HostError, Unreachable, NotInRepository):
                self._etag = self._store._put(LOCK, _claim(self._what), IfMatch=self._etag)  # noqa: SLF001 - one class in two

    def release(self) -> None:
        self._done.set()
        self._thread.join()
        with contextlib.suppress(RepositoryBusy, HostError, Unreachable, NotInRepository):
            self._store._call("delete_object", LOCK)  # noqa: SLF001


def _claim(what: str) -> bytes:
    holder = f"process {os.getpid()} on {socket.gethostname()}, which {what},"
    return json.dumps({"holder": holder, "until": time.time() + _HELD}).encode()


def _client(endpoint: str | None) -> Any:
    try:
        import boto3
        from botocore.config import Config
    except ImportError as error:
        raise HostError("publishing into S3 needs the Python package boto3", "pip install 'sampan[s3]'") from error
    config = Config(max_pool_connections=16, retries={"max_attempts": 5, "mode": "standard"})
    return boto3.client("s3", endpoint_url=endpoint, config=config)
