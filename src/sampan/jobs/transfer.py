"""Bring a file from where its URI says into a file of the node, and take one there (`file`, `http`, `https`, `s3`, `cvmfs`).

A file appears under its name when it is whole: it is written under another one beside it and renamed.
"""

from __future__ import annotations

import base64
import errno
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit, urlunsplit

from sampan.errors import NotAtRegistry, SampanError, Unauthorized
from sampan.jobs import phases, s3, uris
from sampan.jobs.digests import Measured, measured
from sampan.jobs.phases import Failed
from sampan.registry import files
from sampan.registry.pacing import Limits
from sampan.registry.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sampan.events import Notice
    from sampan.jobs.credentials import Credentials

PART = ".sampan-part-"
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class Carrier:
    """What transfers need: who is let in, how often to try, where notices go, and whether to stop (`check` may raise)."""

    credentials: Credentials
    tries: int
    notice: Notice
    check: Callable[[], None]

    def transport(self) -> Transport:
        """Connections for one job; made when something is to be fetched at all."""
        return Transport(self.notice, os.environ, limits=Limits(tries=self.tries))

    def headers(
        self, method: str, url: str, body: str = s3.EMPTY, bucket: str = ""
    ) -> Callable[[Mapping[str, str]], Mapping[str, str]]:
        """How to make the headers of a request."""
        if bucket:
            key = self.credentials.for_bucket(bucket)
            return lambda extra: s3.signed(method, url, key, body, extra)
        return lambda extra: {**extra, **self._authorization(url)}

    def _authorization(self, url: str) -> dict[str, str]:
        known = self.credentials.for_url(url)
        return {"Authorization": known} if known else {}


def fetch(uri: str, target: str, carrier: Carrier) -> Measured:
    """The file at a `http`, `https` or `s3` URI, at `target`, with its digest. Raises `Failed`."""
    carrier.credentials.check(phases.STAGE_IN)
    url, headers = _request("GET", uri, carrier)
    transport = carrier.transport()
    temporary = part_of(target)
    try:
        with open(temporary, "xb") as stream:
            found = files.fetch(transport, url, headers, stream, uris.shown(uri))
        os.rename(temporary, target)
    except SampanError as error:
        raise _not_fetched(uri, error) from error
    except OSError as error:
        code = phases.INPUT_NO_SPACE if error.errno in NO_ROOM else phases.BAD_JOB
        raise Failed(
            code, f"cannot write {uris.shown(uri)} to {target}: {error.strerror}", "make room", phases.STAGE_IN
        ) from error
    finally:
        transport.close()
        _remove(temporary)
    return Measured("file", found.size, f"sha256:{found.sha256}")


def _not_fetched(uri: str, error: SampanError) -> Failed:
    code = phases.INPUT_NOT_FETCHED
    if isinstance(error, NotAtRegistry):
        code = phases.INPUT_MISSING
    elif isinstance(error, Unauthorized):
        code = phases.INPUT_DENIED
    return Failed(code, f"cannot fetch {uris.shown(uri)}: {error.sentence}", error.hint)


def _request(
    method: str, uri: str, carrier: Carrier, body: str = s3.EMPTY
) -> tuple[str, Callable[[Mapping[str, str]], Mapping[str, str]]]:
    """URL and headers for a URI; a user and password in it become a header."""
    if uris.scheme_of(uri) == "s3":
        bucket, key = uris.object_of(uri)
        url = s3.url_of(bucket, key, carrier.credentials.for_bucket(bucket))
        return url, carrier.headers(method, url, body, bucket)
    parts = urlsplit(uri)
    user, at, host = parts.netloc.rpartition("@")
    url = urlunsplit((parts.scheme, host, parts.path, parts.query, ""))
    if not at:
        return url, carrier.headers(method, url)
    name, _, password = user.partition(":")
    proof = base64.b64encode(f"{unquote(name)}:{unquote(password)}".encode()).decode()
    return url, lambda extra: {**extra, "Authorization": f"Basic {proof}"}


def store(path: str, uri: str, known: Measured, carrier: Carrier) -> None:
    """Put the file at `path` to a `http`, `https` or `s3` URI where nothing is yet. Raises `Failed`."""
    carrier.credentials.check(phases.STAGE_OUT)
    transport = carrier.transport()
    told = uris.shown(uri)
    # The signature holds the digest; a measured file has it, unless checksums are off.
    digest = known.digest or measured(path).digest
    try:
        if uris.scheme_of(uri) == "s3" and files.is_there(transport, *_request("HEAD", uri, carrier), told):
            raise FileExistsError(told)
        url, headers = _request("PUT", uri, carrier, digest.partition(":")[2])
        condition = {} if uris.scheme_of(uri) == "s3" else {"if-none-match": "*"}
        files.store(transport, url, lambda extra: headers({**extra, **condition}), path, told)
    except FileExistsError as error:
        raise Failed(phases.OUTPUT_THERE, f"there is something at {told} already", "choose another destination") from error
    except Unauthorized as error:
        raise Failed(phases.OUTPUT_DENIED, f"cannot store {told}: {error.sentence}", error.hint) from error
    except SampanError as error:
        raise Failed(phases.OUTPUT_NOT_STORED, f"cannot store {told}: {error.sentence}", error.hint) from error
    except OSError as error:
        raise Failed(phases.OUTPUT_NOT_STORED, f"cannot read {path}: {error.strerror}") from error
    finally:
        transport.close()


def copy(source: str, target: str, check: Callable[[], None]) -> None:
    """Copy a file or directory; it appears at `target` when it is whole. Links in a directory stay links. Raises OSError."""
    temporary = part_of(target)
    try:
        if os.path.isdir(source):
            shutil.copytree(source, temporary, symlinks=True, copy_function=_checking_copy(check))
        else:
            _copy_file(source, temporary, check)
        os.rename(temporary, target)
    finally:
        _remove(temporary)


def move(source: str, target: str, check: Callable[[], None]) -> None:
    """Move a file or directory to a name that nothing has. Raises FileExistsError, OSError; the source then is as it was."""
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, "there is something already", target)
    try:
        if os.path.isdir(source) and not os.path.islink(source):
            os.rename(source, target)
        else:
            os.link(source, target, follow_symlinks=False)  # a rename would replace what another has put there meanwhile
            os.unlink(source)
        return
    except OSError as error:
        if error.errno not in (
            errno.EXDEV,
            errno.EPERM,
            errno.EMLINK,
            errno.ENOTSUP,
            errno.EOPNOTSUPP,
            errno.ENOSYS,
            errno.EACCES,
        ):
            raise
    copy(source, target, check)
    _remove(source)


def part_of(path: str) -> str:
    """The name of something that is not whole yet, beside where it will be."""
    return os.path.join(os.path.dirname(path), f"{PART}{os.urandom(6).hex()}")


def _checking_copy(check: Callable[[], None]) -> Callable[[str, str], str]:
    def copied(source: str, target: str) -> str:
        _copy_file(source, target, check)
        return target

    return copied


def _copy_file(source: str, target: str, check: Callable[[], None]) -> None:
    """Contents and mode; close reports what a network file system has kept for the end."""
    with open(source, "rb", buffering=0) as reader, open(target, "xb", buffering=0) as writer:
        while True:
            check()
            moved = _piece(reader.fileno(), writer.fileno())
            if not moved:
                break
        os.fchmod(writer.fileno(), os.fstat(reader.fileno()).st_mode & 0o777)


def _piece(reader: int, writer: int) -> int:
    data = os.read(reader, 1 << 20)
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(writer, rest) :]
    return len(data)


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, ignore_errors=True)
        return
    try:
        os.unlink(path)
    except OSError:
        pass
