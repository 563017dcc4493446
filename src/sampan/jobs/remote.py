"""Bring a file from a URI of another machine (`http`, `https`, `s3`) into a file of this one, and take one there.

Imported where something has such a URI: an HTTP client costs 30 ms, and most jobs have their files on a shared file system.
"""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit, urlunsplit

from sampan.errors import NotAtRegistry, SampanError, Unauthorized
from sampan.jobs import phases, s3, uris
from sampan.jobs.digests import Measured, measured
from sampan.jobs.phases import Failed
from sampan.jobs.transfer import NO_ROOM, part_of, remove
from sampan.registry import files
from sampan.registry.pacing import Limits
from sampan.registry.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sampan.jobs.transfer import Carrier

    Headers = Callable[[Mapping[str, str]], Mapping[str, str]]


def fetch(uri: str, target: str, carrier: Carrier) -> Measured:
    """The file at a `http`, `https` or `s3` URI, at `target`, with its digest. Raises `Failed`."""
    carrier.credentials.check(phases.STAGE_IN)
    transport = Transport(carrier.notice, os.environ, limits=Limits(tries=carrier.tries))
    temporary = part_of(target)
    try:
        url, headers = _request("GET", uri, carrier)
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
        remove(temporary)
    return Measured("file", found.size, f"sha256:{found.sha256}")


def _not_fetched(uri: str, error: SampanError) -> Failed:
    code = phases.INPUT_NOT_FETCHED
    if isinstance(error, NotAtRegistry):
        code = phases.INPUT_MISSING
    elif isinstance(error, Unauthorized):
        code = phases.INPUT_DENIED
    return Failed(code, f"cannot fetch {uris.shown(uri)}: {error.sentence}", error.hint)


def _request(method: str, uri: str, carrier: Carrier, body: str = s3.EMPTY) -> tuple[str, Headers]:
    """URL and headers for a URI; a user and password in it become a header."""
    if uris.scheme_of(uri) == "s3":
        bucket, key = uris.object_of(uri)
        url = s3.url_of(bucket, key, carrier.credentials.for_bucket(bucket))
        return url, _headers(carrier, method, url, body, bucket)
    parts = urlsplit(uri)
    user, at, host = parts.netloc.rpartition("@")
    url = urlunsplit((parts.scheme, host, parts.path, parts.query, ""))
    if not at:
        return url, _headers(carrier, method, url)
    name, _, password = user.partition(":")
    proof = base64.b64encode(f"{unquote(name)}:{unquote(password)}".encode()).decode()
    return url, lambda extra: {**extra, "Authorization": f"Basic {proof}"}


def store(path: str, uri: str, known: Measured, carrier: Carrier) -> None:
    """Put the file at `path` to a `http`, `https` or `s3` URI where nothing is yet. Raises `Failed`."""
    carrier.credentials.check(phases.STAGE_OUT)
    transport = Transport(carrier.notice, os.environ, limits=Limits(tries=carrier.tries))
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


def _headers(carrier: Carrier, method: str, url: str, body: str = s3.EMPTY, bucket: str = "") -> Headers:
    """How to make the headers of a request."""
    if bucket:
        key = carrier.credentials.for_bucket(bucket)
        return lambda extra: s3.signed(method, url, key, body, extra)
    # Looked up for each try: whoever keeps a token in a file may have renewed it meanwhile.
    return lambda extra: {**extra, **({"Authorization": known} if (known := carrier.credentials.for_url(url)) else {})}
