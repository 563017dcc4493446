"""What the commands of `sampan repo` share: the options that say where a repository and its keys are."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sampan.distribute.address import Where
from sampan.options.table import VALUE, Argument, Option

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed

REPOSITORY = Argument("REPO", "1", "a directory, s3://BUCKET/PREFIX or a URL, ending in the repository's name")
KEYS = Option("--keys", VALUE, "the directory of keys (default: the setting repo_keys)", "DIR")
NAME = Option("--name", VALUE, "the repository's name, where the address does not end in it", "FQRN")
ENDPOINT = Option("--endpoint", VALUE, "the S3 service (default: AWS_ENDPOINT_URL, else Amazon's)", "URL")
PLACE = (KEYS, NAME, ENDPOINT)
FORMAT = Option("--format", VALUE, "`table` or `json`", "FORMAT", ("table", "json"), "table")


def where(parsed: Parsed, context: Context, argument: str = "repo") -> Where:
    """The repository that a command line names."""
    found = Where(str(parsed.values[argument]), context.settings, context.notice, os.environ)
    found.keys = os.path.expanduser(parsed.text("keys") or "")
    found.name = parsed.text("name") or ""
    found.endpoint = str(parsed.values.get("endpoint") or "")
    return found
