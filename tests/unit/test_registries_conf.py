"""registries.conf and hosts.toml, read as podman and containerd read them; and the routes that come out."""

from __future__ import annotations

import pytest

from sampan.errors import BadSetting, UsageError
from sampan.oci.reference import Reference
from sampan.registry import hosts_toml, registries_conf
from sampan.registry.routes import PULL, PUSH, RESOLVE, Routing
from sampan.registry.tls import TlsRules

pytestmark = pytest.mark.client
DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.fixture
def files(tmp_path):
    """Writes files below a home and below a stand-in for /etc; gives routes."""

    class Files:
        environ = {"HOME": str(tmp_path)}
        path = tmp_path

        def write(self, name, text):
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            return str(file)

        def conf(self, text):
            return self.write(".config/containers/registries.conf", text)

        def hosts(self, domain, text):
            return self.write(f".config/containerd/certs.d/{domain}/hosts.toml", text)

        def routing(self, **more):
            return Routing({**self.environ, **more}, f"{tmp_path}/etc")

        def shown(self, text, purpose=None):
            """The routes as `host/path`."""
            reference = Reference.parse(text)
            purpose = purpose or (PULL if reference.digest else RESOLVE)
            return [f"{one.host}/{one.path}" for one in self.routing().routes(reference, purpose)]

    return Files()


def test_without_files_the_registry_itself_is_the_only_way(files):
    (route,) = files.routing().routes(Reference.parse("debian:12"), RESOLVE)
    assert (route.host, route.domain, route.path, route.is_mirror, route.insecure) == (
        "registry-1.docker.io", "docker.io", "library/debian", False, False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        ("example.com/foo/x:1", "example.com/foo"),
        ("example.com/foo:1", "example.com/foo"),
        (f"example.com/foo@{DIGEST}", "example.com/foo"),
        ("example.com/foot:1", "example.com"),
        ("example.com:5000/x", None),
        ("example.com.evil.org/x", None),
        ("example.com/foo/bar/x:1", "example.com/foo/bar"),
        ("example.com/exact:2", "example.com/exact:2"),
        ("example.com/exact:20", "example.com"),
        ("a.wild.org/x", "*.wild.org"),
        ("b.a.wild.org:5000/x", "*.wild.org"),
        ("b.wild.org/x", "b.wild.org"),
        ("wild.org/x", None),
    ],
)
def test_the_longest_prefix_counts(files, name, prefix):
    prefixes = ("example.com", "example.com/foo", "example.com/foo/bar", "example.com/exact:2", "*.wild.org", "b.wild.org")
    files.conf("".join(f'[[registry]]\nprefix = "{one}"\n' for one in prefixes))
    found = files.routing().conf().entry(str(Reference.parse(name)))
    assert (found and found.prefix) == prefix


def test_names_are_moved_to_the_location(files):
    files.conf(
        '[[registry]]\nprefix = "example.com/foo"\nlocation = "internal:5000/bar"\n'
        '[[registry]]\nprefix = "docker.io"\nlocation = "hub.lan/proxy"\n'
        '[[registry]]\nprefix = "*.wild.org"\nlocation = "wild.lan"\n'
        '[[registry]]\nprefix = "*.tame.org"\n'
        '[[registry]]\nlocation = "plain.org"\ninsecure = true\n'
    )
    assert files.shown("example.com/foo/x:1") == ["internal:5000/bar/x"]
    assert files.shown("example.com/foo:1") == ["internal:5000/bar"]
    assert files.shown("debian") == ["hub.lan/proxy/library/debian"]
    assert files.shown("a.b.wild.org/x/y") == ["wild.lan/x/y"]
    assert files.shown("a.tame.org/x") == ["a.tame.org/x"]
    assert files.routing().routes(Reference.parse("plain.org/x"), RESOLVE)[0].insecure
    assert files.shown("example.com/foo/x:1", PUSH) == ["internal:5000/bar/x"]


def test_mirrors_come_first_and_are_never_pushed_to(files):
    files.conf(
        """
        [[registry]]
        prefix = "example.com"
        [[registry.mirror]]
        location = "all.lan/m"
        insecure = true
        [[registry.mirror]]
        location = "tags.lan"
        pull-from-mirror = "tag-only"
        [[registry.mirror]]
        location = "digests.lan"
        pull-from-mirror = "digest-only"
        [[registry]]
        prefix = "strict.com"
        mirror-by-digest-only = true
        [[registry.mirror]]
        location = "all.lan"
        """
    )
    assert files.shown("example.com/x:1") == ["all.lan/m/x", "tags.lan/x", "example.com/x"]
    assert files.shown(f"example.com/x@{DIGEST}") == ["all.lan/m/x", "digests.lan/x", "example.com/x"]
    assert files.shown("example.com/x:1", PUSH) == ["example.com/x"]
    assert files.shown("strict.com/x:1") == ["strict.com/x"]
    assert files.shown(f"strict.com/x@{DIGEST}") == ["all.lan/x", "strict.com/x"]
    first, *_, last = files.routing().routes(Reference.parse("example.com/x:1"), RESOLVE)
    assert (first.is_mirror, first.insecure, first.domain, last.is_mirror, last.insecure) == (True, True, "all.lan", False, False)


def test_blocked(files):
    file = files.conf('[[registry]]\nprefix = "evil.com"\nblocked = true\n[[registry]]\nprefix = "evil.com/good"\n')
    with pytest.raises(UsageError, match="evil.com/x is blocked on this machine") as caught:
        files.shown("evil.com/x")
    assert caught.value.hint == f"see the entry 'evil.com' in {file}"
    assert files.shown("evil.com/good/x") == ["evil.com/good/x"]
    with pytest.raises(UsageError, match=r"evil.com is blocked"):
        files.routing().registry("evil.com")


def test_which_files_are_read(files):
    files.write("etc/containers/registries.conf", '[[registry]]\nprefix = "a.com"\nlocation = "system.lan"\n')
    assert files.shown("a.com/x") == ["system.lan/x"]
    files.write("etc/containers/registries.conf.d/2.conf", '[[registry]]\nprefix = "b.com"\nlocation = "two.lan"\n')
    files.write("etc/containers/registries.conf.d/1.conf", '[[registry]]\nprefix = "b.com"\nlocation = "one.lan"\n')
    files.write("etc/containers/registries.conf.d/3.other", "not read")
    assert files.shown("b.com/x") == ["two.lan/x"]
    files.write(".config/containers/registries.conf.d/0.conf", '[[registry]]\nprefix = "b.com"\nlocation = "own.lan"\n')
    assert files.shown("b.com/x") == ["own.lan/x"]
    files.conf("")
    assert files.shown("a.com/x") == ["a.com/x"]
    assert files.shown("b.com/x") == ["own.lan/x"]
    chosen = files.write("chosen.conf", '[[registry]]\nprefix = "a.com"\nlocation = "chosen.lan"\n')
    routing = files.routing(CONTAINERS_REGISTRIES_CONF=chosen)
    assert routing.routes(Reference.parse("a.com/x"), RESOLVE)[0].host == "chosen.lan"


def test_the_old_format_says_what_is_insecure_or_blocked(files):
    files.conf(
        "[registries.search]\nregistries = ['s.com']\n[registries.insecure]\nregistries = ['i.com']\n"
        "[registries.block]\nregistries = ['evil.com']\n"
    )
    assert files.routing().routes(Reference.parse("i.com/x"), RESOLVE)[0].insecure
    with pytest.raises(UsageError, match="blocked"):
        files.shown("evil.com/x")
    assert files.shown("x") == ["registry-1.docker.io/library/x"]


def test_aliases(files):
    files.write(
        "etc/containers/registries.conf.d/shortnames.conf",
        '[aliases]\n"fedora" = "registry.fedoraproject.org/fedora"\n"a/b" = "c.io/d/e"\n"gone" = "x.io/gone"\n"new" = "old.io/x"\n',
    )
    files.write(".config/containers/registries.conf.d/own.conf", '[aliases]\n"gone" = ""\n')
    noted = files.write(".cache/containers/short-name-aliases.conf", '[aliases]\n"new" = "new.io/x"\n')
    conf = files.routing().conf()

    def alias(text):
        found = conf.alias(text)
        return found and str(found[0])

    assert alias("fedora") == "registry.fedoraproject.org/fedora:latest"
    assert alias("fedora:40") == "registry.fedoraproject.org/fedora:40"
    assert alias(f"a/b:1@{DIGEST}") == f"c.io/d/e:1@{DIGEST}"
    assert conf.alias("new") == (Reference.parse("new.io/x"), noted)
    for text in ("gone", "debian", "docker.io/fedora", "quay.io/fedora", "localhost/fedora", "Fedora/x", "a/b/c"):
        assert alias(text) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[registry]", "is not valid TOML"),
        ("registry = 1", "'registry' must be written as [[registry]]"),
        ("[[registry]]\ninsecure = true", "neither prefix nor location"),
        ('[[registry]]\nprefix = "a.com"\ninsecure = "yes"', "'insecure' must be true or false"),
        ("[[registry]]\nprefix = 7", "'prefix' must be a text"),
        ('[[registry]]\nprefix = "https://a.com"', "must be written without https://"),
        ('[[registry]]\nprefix = "a.*.com"', "a wildcard stands for the front"),
        ('[[registry]]\nprefix = "*.a.com/x"', "a wildcard stands for the front"),
        ('[[registry]]\nprefix = "a.com"\n[[registry.mirror]]\ninsecure = true', "a mirror with the location ''"),
        ('[[registry]]\nprefix = "a.com"\n[[registry.mirror]]\nlocation = "x"\npull-from-mirror = "never"', "pull-from-mirror is all"),
        ('[aliases]\n"x" = "a.com/X"', "which names no image"),
        ('[aliases]\n"x" = "a.com/x:1"', "which names no image"),
        ('[aliases]\n"q.io/x" = "a.com/x"', "which names no image"),
        ("x = " + "[" * 5000, "nested too deeply"),
    ],
)  # fmt: skip
def test_files_that_cannot_be_understood(files, text, words):
    file = files.conf(text)
    with pytest.raises(BadSetting) as caught:
        files.routing().conf().alias("x") and files.shown("a.com/x")
    assert file in caught.value.sentence
    assert words in caught.value.sentence


def test_a_file_of_aliases_alone_is_read_when_a_short_name_is_looked_up(files):
    """TOML costs 10 ms, and podman's long list forbids nothing."""
    files.conf('# a comment\n\n[aliases]\n  # another\n"x" = "a.com/X"\n')
    assert files.shown("a.com/x") == ["a.com/x"]
    with pytest.raises(BadSetting):
        files.routing().conf().alias("y")
    files.conf('[aliases]\n"x" = "a.com/y"\n[[registry]]\nprefix = "a.com"\nlocation = "b.com"\n')
    assert files.shown("a.com/x") == ["b.com/x"]
    files.conf('registry = [{prefix = "a.com", location = "c.com"}]\n[aliases]\n')
    assert files.shown("a.com/x") == ["c.com/x"]


def test_a_location_that_makes_no_name(files):
    files.conf('[[registry]]\nprefix = "a.com"\nlocation = "b.com/X"\n')
    with pytest.raises(BadSetting, match="which makes no name"):
        files.shown("a.com/x")


def test_hosts(files):
    files.hosts(
        "docker.io",
        """
        server = "https://registry-1.docker.io"
        [host."https://mirror.lan"]
          capabilities = ["pull", "resolve"]
          ca = "ca.pem"
          client = [["c.pem", "/k.pem"], ["d.pem", ""]]
          [host."https://mirror.lan".header]
            x-key = ["a", "b"]
        [host."http://plain.lan:5000/api"]
          capabilities = ["pull"]
        [host."https://whole.lan/registry/v2"]
          override_path = true
          skip_verify = true
        """,
    )
    reference = Reference.parse("debian")
    resolve, pull, push = (files.routing().routes(reference, purpose) for purpose in (RESOLVE, PULL, PUSH))
    assert [one.host for one in resolve] == ["mirror.lan", "whole.lan", "registry-1.docker.io"]
    assert [one.host for one in pull] == ["mirror.lan", "plain.lan:5000", "whole.lan", "registry-1.docker.io"]
    assert [one.host for one in push] == ["whole.lan"]
    base = str(files.path / ".config/containerd/certs.d/docker.io")
    mirror, plain, whole, own = pull
    assert mirror.tls == TlsRules((f"{base}/ca.pem",), ((f"{base}/c.pem", "/k.pem"), (f"{base}/d.pem", "")))
    assert (mirror.headers, mirror.namespace, mirror.domain) == ((("x-key", "a, b"),), "docker.io", "mirror.lan")
    assert (plain.scheme, plain.root, plain.tls) == ("http", "/api/v2", None)
    assert (whole.root, whole.tls) == ("/registry/v2", TlsRules(verify=False))
    assert (own.namespace, own.domain, own.is_mirror, own.scheme) == ("", "docker.io", False, "https")


def test_where_hosts_toml_lies(files):
    def write(where, host):
        return files.write(f"{where}/hosts.toml", f'server = "https://{host}"')

    write("etc/containerd/certs.d/_default", "default.lan")
    assert files.shown("a.com:5000/x") == ["default.lan/x"]
    write("etc/containerd/certs.d/a.com:5000", "system.lan")
    assert files.shown("a.com:5000/x") == ["system.lan/x"]
    write("etc/containerd/certs.d/a.com_5000_", "underscore.lan")
    assert files.shown("a.com:5000/x") == ["underscore.lan/x"]
    write(".config/containerd/certs.d/a.com:5000", "own.lan")
    assert files.shown("a.com:5000/x") == ["own.lan/x"]
    assert files.shown("a.com/x") == ["default.lan/x"]
    # Certificates alone: the default is for registries that have nothing of their own.
    files.write("etc/containerd/certs.d/c.com/ca.crt", "")
    assert files.shown("c.com/x") == ["c.com/x"]


def test_registries_conf_comes_before_hosts_toml(files):
    files.hosts("a.com", 'server = "https://hosts.lan"')
    files.hosts("b.com", 'server = "https://hosts.lan"')
    files.conf('[[registry]]\nprefix = "a.com/x"\nlocation = "conf.lan"\n')
    assert files.shown("a.com/x/y") == ["conf.lan/y"]
    assert files.shown("a.com/z") == ["hosts.lan/z"]


def test_hosts_without_server_end_at_the_registry_itself(files):
    files.hosts("a.com", 'ca = "ca.pem"\n[host."https://m.lan"]\ncapabilities = ["pull"]\n')
    assert files.shown(f"a.com/x@{DIGEST}") == ["m.lan/x", "a.com/x"]
    assert files.shown("a.com/x:1", PUSH) == ["a.com/x"]
    own = files.routing().routes(Reference.parse("a.com/x"), RESOLVE)[-1]
    assert (own.scheme, own.tls.authorities[0].endswith("/a.com/ca.pem")) == ("", True)
    assert files.routing().registry("a.com").tls == own.tls


def test_nobody_may_be_asked(files):
    files.hosts("a.com", 'server = "https://a.com"\ncapabilities = ["pull"]\n')
    with pytest.raises(UsageError, match="has the capability 'push'"):
        files.shown("a.com/x", PUSH)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = [", "is not valid TOML"),
        ('[host."https://m.lan"]\ncapabilities = ["fly"]', "capability 'fly'"),
        ('[host."https://m.lan"]\nca = 7', "'ca' must be a list of texts"),
        ('[host."https://m.lan"]\nclient = [["a"]]', "'client' must be"),
        ('[host."https://m.lan"]\nclient = 1', "'client' must be"),
        ('[host."https://m.lan"]\nskip_verify = 1', "'skip_verify' must be true or false"),
        ('[host."https://u:p@m.lan"]', "has a user name in it"),
        ('[host."ftp://m.lan"]', "names a host by"),
        ('[host."https://m.lan".header]\n"a b" = "c"', "no name of a header"),
        ('[host."https://m.lan".header]\nHost = "c"', "belongs to the request itself"),
        ('[host."https://m.lan".header]\n"a" = "c\\nd"', "must be a list of texts"),
    ],
)
def test_hosts_files_that_cannot_be_understood(files, text, words):
    file = files.hosts("a.com", text)
    with pytest.raises(BadSetting) as caught:
        hosts_toml.load("a.com", files.environ, f"{files.path}/etc")
    assert file in caught.value.sentence
    assert words in caught.value.sentence


def test_no_files_are_no_entries(files):
    assert registries_conf.load(files.environ, f"{files.path}/etc").entries == ()
    assert hosts_toml.load("a.com", files.environ, f"{files.path}/etc") == ()
