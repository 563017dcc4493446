"""What lets a job in at stores and servers: a file that goes with it only if it is needed, and not longer than that.

It is written with the mode 0600, and removed by the node before the payload runs, or with whatever ends the job before that: a payload
that can see the directory of its job does not find it. No value of it is ever part of a message; `repr` does not show them. Tokens that
lie in files of the user are never part of it: the node reads them itself (`tokens`).
"""

from __future__ import annotations

import calendar
import json
import os
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sampan.errors import UsageError
from sampan.jobs import directory, tokens
from sampan.jobs.phases import BAD_JOB, EXPIRED, Failed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sampan.jobs.spec import Job
    from sampan.jobs.tokens import Source

FILE = "credentials.json"
ANY = "*"
WEB = ("http", "https")
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
    """`s3`: bucket or `*` -> key; `http`: origin, as `https://host:port`, -> the value of Authorization; `expires`: ISO 8601, UTC.

    `files`: origin -> the file that holds its token; read when it is needed, and never saved.
    """

    s3: Mapping[str, S3Key] = field(default_factory=dict)
    http: Mapping[str, str] = field(default_factory=dict, repr=False)
    expires: str = ""
    files: Mapping[str, Source] = field(default_factory=dict)

    def for_bucket(self, bucket: str) -> S3Key | None:
        """The key of a bucket, else the one for any."""
        return self.s3.get(bucket) or self.s3.get(ANY)

    def for_url(self, url: str) -> str:
        """What to send as Authorization to the origin of a URL; empty for nothing. Raises `Unauthorized` for a file without a token."""
        origin = tokens.origin_of(url)
        known = next((value for place, value in self.http.items() if tokens.origin_of(place) == origin), "")
        source = self.files.get(origin)
        return known or ("" if source is None else tokens.read(source, origin, {}))

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
    end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds_of(stated))) if stated else _in_days()
    key = S3Key(access, secret, environ.get("AWS_SESSION_TOKEN", ""), endpoint, region)
    return Credentials({ANY: key}, expires=end)


def of_shell(job: Job, known: Mapping[str, Source], environ: Mapping[str, str]) -> Credentials:
    """What a job that is submitted from a shell needs of its variables. Raises `UsageError` for a token that is not set."""
    key = of_environment(environ) if job.remote("s3") else NONE
    http = tokens.of_shell(known, job.remote(*WEB), environ)
    return replace(key, http=http, expires=key.expires or _in_days()) if http else key


def with_files(found: Credentials, known: Mapping[str, Source]) -> Credentials:
    """The same with the tokens that lie in files of the one who asks."""
    files = {origin: source for origin, source in known.items() if source.kind == "file"}
    return replace(found, files=files) if files else found


def carried(found: Credentials, job: Job) -> Credentials:
    """The same for a place from where the files cannot be seen: what they hold now goes along. Raises `Unauthorized`."""
    read = {tokens.origin_of(url): found.for_url(url) for url in job.remote(*WEB)}
    http = {origin: value for origin, value in read.items() if value}
    return replace(found, http={**found.http, **http}, expires=found.expires or (_in_days() if http else ""), files={})


def _in_days() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + DAYS * 86400))


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
        forget(path)
    except OSError as error:
        raise Failed(BAD_JOB, f"{path}/{FILE} cannot be removed before the program starts: {error.strerror}") from error
    return found


def forget(path: str) -> None:
    """Remove those of a job, if there are any. Raises OSError."""
    try:
        os.unlink(f"{path}/{FILE}")
    except FileNotFoundError:
        return


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
