"""What a payload sees of random binds, empty file systems and images is what a simple model of a tree says.

The model is a dictionary from paths to contents. A mount replaces all at and below its target; outer ones come first, by the
length of what was written, then by option: -v, --mount, --tmpfs. A target that is not there is made, as an empty file
under a file, else with directories; one that is reached through a link of the image is where the link leads. It must
come out so in a root that can be written and in a read-only one. Left out are targets through a link that another
mount covers: what they need is made where the link leads as well, an empty directory more than the model has.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from tests.images.build import Layout, directory, file, layer, symlink
from tests.journeys.conftest import BUSYBOX

DIRECTORY = None
IMAGE = {
    "/a": DIRECTORY, "/a/one": "image one", "/a/b": DIRECTORY, "/a/b/two": "image two", "/e": DIRECTORY, "/f": "image f",
    "/a/b/c": DIRECTORY, "/a/b/c/three": "image three",
}  # fmt: skip
LINKS = {"/to-b": "/a/b", "/a/up": ".."}
OTHER = {"/s": DIRECTORY, "/s/five": "other five", "/four": "other four", "/b": DIRECTORY}
SOURCES = {
    "plain": {"/six": "host six", "/b": DIRECTORY, "/b/seven": "host seven"},
    "deep": {"/b": DIRECTORY, "/b/c": DIRECTORY, "/b/c/eight": "host eight", "/one": "host one"},
    "empty": {},
}
FILE_SOURCES = {"nine": "host nine"}
ORDER = ("bind", "file", "image", "tmpfs")
TARGETS = ["/a", "/a/b", "/a/b/c", "/a/new", "/a/b/new/deeper", "/e", "/e/x/y", "/n", "/n/m", "/to-b/c", "/to-b/n", "/a/up/n/o"]
FILE_TARGETS = ["/f", "/a/one", "/a/b/two", "/a/b/fresh", "/e/fresh", "/p/q/fresh", "/to-b/two", "/a/up/f"]
SHOW = (
    "for path in $(/bin/busybox find /a /e /f /n /p 2>/dev/null | /bin/busybox sort); do "
    'if [ -L "$path" ]; then continue; elif [ -d "$path" ]; then echo "$path/"; else echo "$path=$(/bin/busybox cat "$path")"; fi; done'
)


@pytest.fixture(scope="module")
def stage(shared_sampan, tmp_path_factory):
    """The command with both images, and the directory of the sources."""
    if not BUSYBOX.exists():
        pytest.skip("busybox-static is not installed")
    place = tmp_path_factory.mktemp("model")

    def entries(tree):
        return [
            directory(path[1:]) if content is DIRECTORY else file(path[1:], content.encode()) for path, content in tree.items()
        ]

    links = [symlink(path[1:], target) for path, target in LINKS.items()]
    root = [directory(name) for name in ("bin", "dev", "proc", "sys", "tmp", "etc")]
    product = replace(shared_sampan, home=place / "store")
    base = [*root, file("bin/busybox", BUSYBOX.read_bytes(), 0o755), *entries(IMAGE), *links]
    for tag, tree in (("base", base), ("other", entries(OTHER))):
        layout = Layout(place / f"layout-{tag}")
        layout.tag("1", layout.image([layer(tree)], {}))
        product.good("load", "-i", str(place / f"layout-{tag}"), "--name", f"model:{tag}")
    for name, tree in SOURCES.items():
        (place / name).mkdir()
        for path, content in tree.items():
            (place / name / path[1:]).mkdir() if content is DIRECTORY else (place / name / path[1:]).write_text(content)
    for name, content in FILE_SOURCES.items():
        (place / name).write_text(content)
    return product, place


@pytest.fixture
def free_shell(place):
    if place[1] != "a free shell":
        pytest.skip("the view of an engine does not depend on the shell")


MOUNTS = st.lists(
    st.one_of(
        st.tuples(st.just("bind"), st.sampled_from(sorted(SOURCES)), st.sampled_from(TARGETS)),
        st.tuples(st.just("file"), st.sampled_from(sorted(FILE_SOURCES)), st.sampled_from(FILE_TARGETS)),
        st.tuples(st.just("tmpfs"), st.just(""), st.sampled_from(TARGETS)),
        st.tuples(st.just("image"), st.just(""), st.sampled_from(TARGETS)),
    ),
    max_size=4,
    unique_by=lambda mount: mount[2],
)


def resolved(target: str, links: dict[str, str]) -> str:
    for link, goal in links.items():
        if target.startswith(link + "/"):
            return goal + target[len(link) :]
    return target


class Refused(Exception):
    """The model says that it cannot be done."""


def below(tree: dict, path: str) -> dict:
    return {known: content for known, content in tree.items() if known.startswith(path + "/")}


def seen(mounts: list[tuple[str, str, str]]) -> dict:
    """The view: path -> content, `DIRECTORY` for directories. Raises `Refused`."""
    view = dict(IMAGE)
    mounted: dict[str, str] = {}
    links = {"/to-b": "/a/b", "/a/up": ""}
    for kind, name, target in sorted(mounts, key=lambda mount: (mount[2].count("/"), ORDER.index(mount[0]))):
        goal = resolved(target, links)
        owner = max((place for place in mounted if goal == place or goal.startswith(place + "/")), key=len, default="")
        parents = [goal[:at] for at in range(1, len(goal)) if goal[at] == "/"]
        if any(view.get(parent, "missing") not in (DIRECTORY, "missing") for parent in parents):
            raise Refused
        missing = [path for path in (*parents, goal) if path not in view]
        if missing and mounted.get(owner) == "bind":
            raise Refused  # nothing is made in a directory of the host
        is_file = kind == "file"
        if goal in view and (view[goal] is DIRECTORY) == is_file:
            raise Refused
        for path in below(view, goal):
            del view[path]
        covered = {link for link in links if link.startswith(goal + "/")}
        assume(not any(other.startswith(link + "/") for link in covered for _, _, other in mounts))
        links = {link: end for link, end in links.items() if link not in covered}
        view.update(dict.fromkeys(parents, DIRECTORY))
        view[goal] = FILE_SOURCES[name] if is_file else DIRECTORY
        content = {"bind": SOURCES.get(name, {}), "image": OTHER}.get(kind, {})
        view.update({goal + path: inner for path, inner in content.items()})
        mounted = {place: of for place, of in mounted.items() if not place.startswith(goal + "/")}
        mounted[goal] = kind
    return view


@pytest.mark.usefixtures("free_shell")
@pytest.mark.parametrize("root", ["written", "read-only"])
@given(mounts=MOUNTS)
@example(mounts=[("bind", "deep", "/to-b/c"), ("tmpfs", "", "/a/b")])  # covered by what comes after it
@example(mounts=[("bind", "deep", "/to-b/c"), ("tmpfs", "", "/a/b"), ("bind", "deep", "/a/b/c")])
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_view_is_the_models(stage, place, can, root, mounts):
    product, sources = stage
    words = []
    for kind, name, target in sorted(mounts, key=lambda mount: ORDER.index(mount[0])):
        words += {
            "bind": ["-v", f"{sources}/{name}:{target}"], "file": ["-v", f"{sources}/{name}:{target}:ro"], "tmpfs": ["--tmpfs", target],
            "image": ["--mount", f"type=image,source=model:other,target={target}"],
        }[kind]  # fmt: skip
    options = [
        "--engine",
        place[0],
        *(["--isolate"] if "own-pid" in can else []),
        *(["--read-only"] if root == "read-only" else []),
    ]
    try:
        expected = seen(mounts)
    except Refused:
        expected = None
    done = product("run", *options, *words, "model:base", "/bin/busybox", "sh", "-c", SHOW)
    if expected is None:
        assert done.status == 125, (mounts, done)
        assert len([line for line in done.err.splitlines() if "warning: " not in line]) <= 2, done.err
        return
    assert done.status == 0, (mounts, done.err)
    found = dict(line.split("=", 1) if "=" in line else (line.rstrip("/"), DIRECTORY) for line in done.lines)
    assert found == expected, mounts
