"""The machine's CVMFS configuration, and what names a repository, a server and a proxy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.cvmfs.client.site import check_fqrn, check_url, proxy_groups, read_site
from sampan.errors import BadSetting


def test_files_are_read_in_the_official_order(tmp_path):
    for name, text in {
        "default.conf": "CVMFS_QUOTA_LIMIT=1000\nCVMFS_TIMEOUT=7\nCVMFS_BASE='/keys dir' # why\n",
        "default.d/50-site.conf": 'CVMFS_HTTP_PROXY="http://a:3128|http://b:3128;DIRECT"\n',
        "default.local": "export CVMFS_QUOTA_LIMIT=2000\n",
        "domain.d/example.org.conf": 'CVMFS_SERVER_URL="http://one/cvmfs/@fqrn@;http://two/cvmfs/@org@"\nCVMFS_KEYS_DIR=${CVMFS_BASE}/$NOTHING\n',
        "config.d/sw.example.org.conf": "# a comment\nCVMFS_USE_GEOAPI=yes\nif [ x = y ]; then\nCVMFS_REPOSITORY_TAG=stable; false\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = read_site("sw.example.org", str(tmp_path))
    assert found.sources.urls == ("http://one/cvmfs/sw.example.org", "http://two/cvmfs/sw")
    assert found.sources.proxies == (("http://a:3128", "http://b:3128"), (None,))
    assert (found.sources.direct_seconds, found.sources.proxy_seconds, found.quota) == (10, 7, 2000)
    assert (found.keys, found.geo, found.tag) == (("/keys dir/",), True, "stable")
    assert read_site("sw.example.org", str(tmp_path / "nothing")).sources.urls == ()


@pytest.mark.parametrize("line", ["CVMFS_TIMEOUT=soon", "CVMFS_SERVER_URL=ftp://x/y", "CVMFS_HTTP_PROXY=http://:1"])
def test_what_is_wrong_is_refused(tmp_path, line):
    (tmp_path / "default.conf").write_text(line + "\n")
    with pytest.raises(BadSetting):
        read_site("sw.example.org", str(tmp_path))


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a..b", "-a", ".a", "a b", "a\n", "ä.org", "a\0"])
def test_what_is_no_name(name):
    with pytest.raises(BadSetting):
        check_fqrn(name)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x",
        "http://",
        "http:///x",
        "http://:80/",
        "http://a:0/",
        "http://a:b/",
        "http://a:70000",
        "file:///x",
        "http://a b/",
        "https://a\n",
    ],
)
def test_what_is_no_url(url):
    with pytest.raises(BadSetting):
        check_url(url)


@pytest.mark.parametrize(
    "url", ["http://a", "https://a.b:8000/cvmfs/x", "http://u:p@a:1/", "http://[::1]:80/x", "http://[::1]/x"]
)
def test_what_is_one(url):
    assert check_url(url) == url


@given(st.text(max_size=60))
def test_any_text_is_groups_or_refused(text):
    try:
        groups = proxy_groups(text)
    except BadSetting:
        return
    assert groups
    assert all(groups)
