"""What lets a job in at stores and servers: a file that goes with it only if it is needed, and not longer than that.

It is written with the mode 0600, and removed by the node before the payload runs: a payload that can see the directory of its
job does not find it. No value of it is ever part of a message; `repr` does not show them.
"""

from __future__ import annotations

import calendar
import json
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sampan.errors import UsageError
from sampan.jobs import directory
from sampan.jobs.phases import BAD_JOB, EXPIRED, Failed

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE = "credentials.json"
ANY = "*"
FORMAT = 1
DAYS = 7
"""How long a key of a shell is good for in a job, unless it says so itself: queues are long, and a forgotten file should be worth nothing."""


@dataclass(frozen=True)
class S3Key:
    """A key of an object store; `endpoint` empty: Amazon's own of the region."""

    access: str = field(repr=False)
    secret: str = field(repr=False)
    token: str = field(default="", repr=False)
    endpoint: str = ""
    region: str = "us-east-1"


@dataclass(frozen=True)
class Credentials:
    """`s3`: bucket or `*` -> key; `http`: origin, as `https://host:port`, -> the value of Authorization; `expires`: ISO 8601, UTC."""

    s3: Mapping[str, S3Key] = field(default_factory=dict)
    http: Mapping[str, str] = field(default_factory=dict, repr=False)
    expires: str = ""

    def for_bucket(self, bucket: str) -> S3Key | None:
        """The key of a bucket, else the one for any."""
        return self.s3.get(bucket) or self.s3.get(ANY)

    def for_url(self, url: str) -> str:
        """What to send as Authorization to the origin of a URL; empty for nothing."""
        parts = urlsplit(url)
        return self.http.get(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", "")

    def check(self, phase: str) -> None:
        """Raises `Failed` if their time is over."""
        if self.expires and time.time() >= seconds_of(self.expires):
            raise Failed(
                EXPIRED, f"the credentials of the job have expired at {self.expires}", "submit it again with new ones", phase
            )


NONE = Credentials()


def of_environment(environ: Mapping[str, str]) -> Credentials:
    """The key that the tools of S3 take from their variables, for whoever submits from a shell.

    It ends when AWS_CREDENTIAL_EXPIRATION says so (which who hands out short keys sets), else after `DAYS`.
    """
    access, secret = environ.get("AWS_ACCESS_KEY_ID", ""), environ.get("AWS_SECRET_ACCESS_KEY", "")
    if not access or not secret:
        return NONE
    endpoint = environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL") or ""
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    stated = environ.get("AWS_CREDENTIAL_EXPIRATION", "")
    end = seconds_of(stated) if stated else time.time() + DAYS * 86400
    key = S3Key(access, secret, environ.get("AWS_SESSION_TOKEN", ""), endpoint, region)
    return Credentials({ANY: key}, expires=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(end)))


def save(path: str, credentials: Credentials) -> None:
    """Put them into the directory of a job. Raises `UsageError` for a time that is none, `HostError`."""
    if credentials.expires:
        seconds_of(credentials.expires)
    document = {
        "format": FORMAT,
        "expires": credentials.expires,
        "s3": {bucket: vars(key) for bucket, key in credentials.s3.items()},
        "http": dict(credentials.http),
    }
    directory.replace(f"{path}/{FILE}", json.dumps(document).encode("ascii"))


def take(path: str) -> Credentials:
    """Those of a job, whose file is gone then. Raises `Failed` for a damaged one; the sentence holds nothing of it."""
    found = look(path)
    try:
        os.unlink(f"{path}/{FILE}")
    except FileNotFoundError:
        return found
    except OSError as error:
        raise Failed(BAD_JOB, f"{path}/{FILE} cannot be removed before the program starts: {error.strerror}") from error
    return found


def look(path: str) -> Credentials:
    """Those of a job, whose file stays. Raises `Failed`."""
    place = f"{path}/{FILE}"
    try:
        found = directory.load(place)
    except FileNotFoundError:
        return NONE
    except (OSError, ValueError):
        raise Failed(BAD_JOB, f"{place} cannot be read", "submit the job again") from None
    try:
        keys = {
            str(bucket): S3Key(**{str(name): str(value) for name, value in key.items()}) for bucket, key in found["s3"].items()
        }
        origins = {str(origin): str(value) for origin, value in found["http"].items()}
        return Credentials(keys, origins, str(found["expires"]))
    except (KeyError, TypeError, AttributeError):
        raise Failed(BAD_JOB, f"{place} is damaged", "submit the job again") from None


def seconds_of(text: str) -> float:
    """A time of ISO 8601 in UTC, as seconds since 1970. Raises `UsageError`."""
    try:
        return float(calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")))
    except ValueError:
        raise UsageError(f"{text[:40]!r} is not a time in UTC", "write 2026-11-25T12:00:00Z") from None
