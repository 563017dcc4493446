"""Requests to an object store, signed (AWS Signature Version 4, "Signing and authenticating REST requests"). Pure but for the clock.

Objects are asked for by path (`ENDPOINT/BUCKET/KEY`), which every store understands; Amazon's own is asked by the name of the
bucket where that can be part of a host name.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sampan.jobs.credentials import S3Key

EMPTY = hashlib.sha256(b"").hexdigest()
_UNRESERVED = "-._~"


def url_of(bucket: str, key: str, credential: S3Key | None, query: str = "") -> str:
    """The URL of an object, or of the bucket where `key` is empty."""
    path = quote(key, safe="/" + _UNRESERVED, encoding="utf-8", errors="surrogateescape")
    endpoint = credential.endpoint.rstrip("/") if credential is not None else ""
    if endpoint:
        base = f"{endpoint}/{bucket}"
    else:
        region = credential.region if credential is not None else "us-east-1"
        is_host = bucket.replace("-", "a").isalnum() and bucket.islower()
        base = f"https://{bucket}.s3.{region}.amazonaws.com" if is_host else f"https://s3.{region}.amazonaws.com/{bucket}"
    return f"{base}/{path}{'?' + query if query else ''}"


def signed(
    method: str,
    url: str,
    credential: S3Key | None,
    body: str = EMPTY,
    extra: Mapping[str, str] | None = None,
    now: float | None = None,
) -> dict[str, str]:
    """The headers of a request; `body` is the sha256 of what is sent. Without a credential the request is anonymous."""
    if credential is None:
        return dict(extra or {})
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() if now is None else now))
    parts = urlsplit(url)
    headers = {"host": parts.netloc, "x-amz-content-sha256": body, "x-amz-date": moment}
    if credential.token:
        headers["x-amz-security-token"] = credential.token
    headers.update({name.lower(): value.strip() for name, value in (extra or {}).items()})
    names = ";".join(sorted(headers))
    request = "\n".join(
        (
            method,
            parts.path or "/",
            _query(parts.query),
            *(f"{name}:{headers[name]}" for name in sorted(headers)),
            "",
            names,
            body,
        )
    )
    scope = f"{moment[:8]}/{credential.region}/s3/aws4_request"
    text = "\n".join(("AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(request.encode()).hexdigest()))
    key = b"AWS4" + credential.secret.encode()
    for word in scope.split("/"):
        key = hmac.new(key, word.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    del headers["host"]  # the connection says it
    proof = f"AWS4-HMAC-SHA256 Credential={credential.access}/{scope}, SignedHeaders={names}, Signature={signature}"
    return {**headers, "Authorization": proof}


def _query(text: str) -> str:
    pairs = sorted(parse_qsl(text, keep_blank_values=True))
    return "&".join(f"{quote(name, safe=_UNRESERVED)}={quote(value, safe=_UNRESERVED)}" for name, value in pairs)
