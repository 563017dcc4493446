"""Requests, mounts, users, environment and plans: values and a pure function, so no root and no host is needed."""

from __future__ import annotations

import pytest

from sampan.container import environment, mounts, root, users
from sampan.container.asks import FEATURES, Can
from sampan.container.describe import describe
from sampan.container.edits import NONE
from sampan.container.facts import Facts
from sampan.container.plan import plan
from sampan.container.record import ContainerImage, Record, from_document
from sampan.container.request import Request
from sampan.errors import CannotHonour, CorruptRecord, UsageError
from sampan.host.accounts import Account
from sampan.oci.config import ImageConfig

pytestmark = pytest.mark.client

PASSWD = b"root:x:0:0:root:/root:/bin/bash\nnode:x:1000:1000::/home/node:/bin/sh\nbad line\nx:y\n"
GROUP = b"root:x:0:\nnode:x:1000:\nstaff:x:50:\n"
ALWAYS = frozenset(FEATURES) - {"memory-overlay", "kept-overlay"}
ALL = Can("namespace", frozenset(FEATURES))
IMAGE = ContainerImage(
    "docker.io/library/debian:12",
    "sha256:m",
    "sha256:c",
    "sha256:abc",
    "linux/amd64",
    "/store/trees/abc/rootfs",
    "/store/trees/abc/used",
)
ANA = Account(1000, 100, "ana", "users", "/home/ana")


def config(**fields) -> ImageConfig:
    found = ImageConfig()
    for name, value in {"cmd": ("bash",), **fields}.items():
        setattr(found, name, value)
    return found


def facts(**fields) -> Facts:
    return Facts(ANA, "/home/ana/work", **{"passwd": PASSWD, "group": GROUP, **fields})


def planned(image_config=None, can=ALL, keep="memory", directory="", fact=None, **request):
    record = Record("f" * 64, IMAGE, Request("debian:12", **request), keep=keep, directory=directory)
    return plan(record, image_config or config(), NONE, fact or facts(), can)


def targets(found):
    return {mount.target: mount for mount in found.mounts}


def values(found, caller=None):
    return environment.evaluate(list(found.environment), caller or {})


# -- the view of a plain run -------------------------------------------------------------------------------------


def test_a_plain_run_is_the_caller_at_home():
    found = planned()
    assert (found.identity.uid, found.identity.gid, found.identity.name) == (1000, 100, "ana")
    assert {"/dev", "/proc", "/sys", "/tmp", "/home/ana", "/etc/resolv.conf", "/etc/hosts", "/etc/passwd"} <= set(targets(found))
    assert found.namespaces == ("user", "mount")
    assert found.directory.path is None
    assert found.directory.bind
    assert isinstance(found.root, root.MemoryOverlay)
    assert (values(found)["HOME"], values(found)["USER"]) == ("/home/ana", "ana")
    assert found.label == "sampan:ffffffffffff:abc"


def test_the_same_arguments_give_the_same_plan():
    assert describe(planned(volumes=("/a:/b",))) == describe(planned(volumes=("/a:/b",)))


def test_isolate_is_the_bare_view():
    found = planned(isolate=True)
    assert not {"/tmp", "/home/ana/work", "/etc/passwd/x"} & set(targets(found))
    assert isinstance(targets(found)["/home/ana"], mounts.Tmpfs)
    assert (found.namespaces, found.hostname) == (("user", "mount", "pid", "ipc", "uts"), "f" * 12)
    assert found.directory.path == "/"
    assert "LANG" not in values(found, {"LANG": "de", "TERM": "xterm"})
    assert values(found, {"TERM": "xterm"})["TERM"] == "xterm"


def test_the_image_user_counts_only_with_isolate_or_u():
    assert planned(config(user="node")).identity.name == "ana"
    assert planned(config(user="node"), isolate=True).identity.name == "node"
    assert planned(user="node").identity.uid == 1000
    assert planned(user="node:staff").identity.gid == 50


def test_root_is_mapped_to_the_caller():
    found = planned(root=True)
    assert (found.identity.uid, values(found)["HOME"], found.owner) == (0, "/root", (1000, 100))


def test_network_none_has_its_own_hosts_and_no_resolver():
    found = planned(network="none")
    assert "net" in found.namespaces
    assert "/etc/resolv.conf" not in targets(found)
    assert b"localhost" in targets(found)["/etc/hosts"].content


def test_a_host_name_is_known_to_hosts():
    found = planned(hostname="box", fact=facts(hosts=b"10.0.0.1 login\n"))
    assert targets(found)["/etc/hosts"].content == b"10.0.0.1 login\n127.0.1.1\tbox\n"
    assert ("uts" in found.namespaces, values(found)["HOSTNAME"]) == (True, "box")


# -- what runs ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "request_", "fixed", "default"),
    [
        ({"cmd": ("bash",)}, {}, (), ("bash",)),
        ({"cmd": ("bash",)}, {"command": ("ls", "-l")}, ("ls", "-l"), ()),
        ({"entrypoint": ("tini", "--"), "cmd": ("srv",)}, {}, ("tini", "--"), ("srv",)),
        ({"entrypoint": ("tini", "--"), "cmd": ("srv",)}, {"command": ("x",)}, ("tini", "--", "x"), ()),
        ({"entrypoint": ("tini",), "cmd": ("srv",)}, {"entrypoint": "sh"}, ("sh",), ()),
        ({"entrypoint": ("tini",), "cmd": ("srv",)}, {"entrypoint": "", "command": ("a",)}, ("a",), ()),
    ],
)
def test_entrypoint_and_cmd_as_docker(image, request_, fixed, default):
    found = planned(config(**image), **request_)
    assert (found.args, found.default_arguments) == (fixed, default)


def test_an_image_without_a_program_needs_one():
    with pytest.raises(UsageError, match="does not say what to run"):
        planned(config(cmd=()))


# -- environment ----------------------------------------------------------------------------------------------------


def test_what_is_stated_wins_over_image_and_host():
    found = planned(config(env=("LANG=C.UTF-8", "A=image", "PATH=/opt/bin")), environment=("A=mine", "B"))
    seen = values(
        found, {"LANG": "de_DE.UTF-8", "B": "host", "SECRET": "x", "SLURM_JOB_ID": "7", "http_proxy": "p", "LC_ALL": "C"}
    )
    assert (seen["LANG"], seen["A"], seen["B"], seen["PATH"]) == ("C.UTF-8", "mine", "host", "/opt/bin")
    assert (seen["SLURM_JOB_ID"], seen["http_proxy"], seen["LC_ALL"]) == ("7", "p", "C")
    assert "SECRET" not in seen


def test_env_host_passes_all_and_files_come_before_e():
    files = (("/f", b"# comment\n\nA=file\nC=file with blanks\nD\n"),)
    found = planned(
        environment_host=True, environment=("A=option",), environment_files=("/f",), fact=facts(environment_files=files)
    )
    seen = values(found, {"SECRET": "x", "D": "host"})
    assert (seen["SECRET"], seen["A"], seen["C"], seen["D"]) == ("x", "option", "file with blanks", "host")
    assert values(planned())["PATH"] == environment.DEFAULT_PATH


def test_a_bad_line_of_an_env_file_is_named():
    with pytest.raises(UsageError, match="line 2 of /f"):
        planned(fact=facts(environment_files=(("/f", b"A=1\nno name here=2\n"),)))


# -- mounts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "source", "target", "flags"),
    [
        ("/a:/b", "/a", "/b", ()),
        ("/a:/b:ro", "/a", "/b", ("ro",)),
        ("/a:/b:z,ro,nosuid", "/a", "/b", ("ro", "nosuid")),
        ("/a", "/a", "/a", ()),
        ("./x:/b/../c", "/home/ana/work/x", "/c", ()),
        ("..:/up", "/home/ana", "/up", ()),
    ],
)
def test_volumes(text, source, target, flags):
    found = mounts.parse_volume(text, "/home/ana/work")
    assert (found.source, found.target, found.flags) == (source, target, flags)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("data:/b", "no named volumes"), (":/b", "names no source"), ("/a:b", "must be absolute"), ("/a:/", "cover the whole image"),
        ("/a:/b:rw,oops", "unknown flag 'oops'"), ("/a:/b:shared", "without root"),
    ],
)  # fmt: skip
def test_bad_volumes(text, sentence):
    with pytest.raises(UsageError, match=sentence):
        mounts.parse_volume(text, "/")


def test_tmpfs_options():
    found = mounts.parse_tmpfs("/scratch:size=64m,mode=700,noexec")
    assert (found.target, found.size, found.mode, "noexec" in found.flags) == ("/scratch", 64 << 20, 0o700, True)
    for text in ("rel", "/", "/x:size=big", "/x:what"):
        with pytest.raises(UsageError):
            mounts.parse_tmpfs(text)


def test_what_the_user_binds_replaces_the_default_there_and_below():
    found = planned(volumes=("/data:/home", "/p:/etc/passwd"))
    assert targets(found)["/home"].source == "/data"
    assert "/home/ana" not in targets(found)
    assert isinstance(targets(found)["/etc/passwd"], mounts.Bind)


def test_outer_mounts_come_before_inner_ones():
    found = planned(volumes=("/a:/mnt/x/y", "/b:/mnt"))
    order = [mount.target for mount in found.mounts]
    assert order.index("/mnt") < order.index("/mnt/x/y")


def test_what_is_bound_below_a_place_without_an_overlay_is_mounted_on_it():
    found = planned(can=Can("namespace", ALWAYS), volumes=("/a:/var/tmp/x", "/b:/run"))
    order = [mount.target for mount in found.mounts]
    assert order.index("/var/tmp") < order.index("/var/tmp/x")
    assert order.count("/run") == 1


def test_one_target_twice_is_refused():
    with pytest.raises(UsageError, match="two mounts have the target /x"):
        planned(volumes=("/a:/x",), tmpfs=("/x",))


# -- users ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "uid", "gid", "name"),
    [
        ("node", 1000, 1000, "node"), ("1000", 1000, 1000, "node"), ("1000:1000", 1000, 1000, "node"), ("0", 0, 0, "root"),
        ("4711", 4711, 0, "4711"), ("4711:staff", 4711, 50, "4711"), ("root:7", 0, 7, "root"), ("node:", 1000, 1000, "node"),
    ],
)  # fmt: skip
def test_user_forms(text, uid, gid, name):
    found = users.resolve(text, PASSWD, GROUP)
    assert (found.uid, found.gid, found.name) == (uid, gid, name)


@pytest.mark.parametrize(
    ("text", "sentence"), [("nobody", "no user 'nobody'"), ("node:nogroup", "no group"), ("99999999999", "ids go from")]
)
def test_unknown_users(text, sentence):
    with pytest.raises(UsageError, match=sentence):
        users.resolve(text, PASSWD, GROUP)


def test_passwd_stays_well_formed():
    """Udocker wrote `1000:1000:x:1000:1000:...` for --user=1000:1000 (its defect D14)."""
    written = targets(planned())["/etc/passwd"].content.decode().splitlines()
    assert written[0] == "ana:x:1000:100:ana:/home/ana:/bin/sh"
    assert all(line.count(":") == 6 for line in written if line.startswith(("ana", "root", "node")))
    assert "/etc/passwd" not in targets(planned(user="1000:1000"))


# -- roots and engines ------------------------------------------------------------------------------------------------


def test_roots():
    assert isinstance(planned(read_only=True).root, root.Tree)
    kept = planned(keep="overlay", directory="/store/containers/1").root
    assert (kept.upper, kept.work) == ("/store/containers/1/upper", "/store/containers/1/work")
    assert planned(keep="copy", directory="/c").root.path == "/c/rootfs"
    assert isinstance(planned(keep="overlay", directory="/c", read_only=True).root, root.Tree)


def test_without_an_overlay_the_tree_is_read_only_and_that_is_said():
    found = planned(can=Can("namespace", ALWAYS))
    assert isinstance(found.root, root.Tree)
    assert {"/run", "/var/tmp"} <= set(targets(found))
    assert any("can be written here" in warning for warning in found.warnings)


def test_a_missing_must_is_refused_by_name():
    with pytest.raises(CannotHonour, match=r"--network none is not possible: the engine proot cannot cut off the network"):
        planned(can=Can("proot", frozenset({"binds", "memory-overlay"})), network="none")


def test_a_terminal_is_not_made_up():
    with pytest.raises(UsageError, match="-t asks for a terminal"):
        planned(tty=True)
    assert planned(tty=True, fact=facts(terminal=True)).args == ()


# -- requests and records ----------------------------------------------------------------------------------------------


def test_contradictions():
    for fields in ({"root": True, "user": "1"}, {"workdir": "x"}, {"environment": ("=x",)}, {"hostname": "-"}, {"nonsense": 1}):
        with pytest.raises(UsageError):
            Request("debian", **fields)


def test_a_record_survives_its_document():
    request = Request("debian:12", command=("a", "b"), volumes=("/a:/b",), root=True, network="none", environment=("A=1",))
    record = Record("1" * 64, IMAGE, request, name="x", created="2026-01-01T00:00:00Z", keep="overlay", directory="/c")
    again = from_document(record.document(), "/c", IMAGE.tree, IMAGE.used)
    assert again.document() == record.document()
    assert again.request.document() == request.document()


@pytest.mark.parametrize("hole", ["image", "request", "keep", "id"])
def test_a_damaged_record_says_so(hole):
    document = Record("1" * 64, IMAGE, Request("debian"), keep="overlay").document()
    del document[hole]
    with pytest.raises(CorruptRecord, match="is damaged"):
        from_document(document, "/c", "", "")
