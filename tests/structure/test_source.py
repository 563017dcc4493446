"""Questions about the whole source: sizes, cycles, layers, shell strings, stubs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTHON = sorted((ROOT / "src").rglob("*.py"))
TEST_PYTHON = sorted((ROOT / "tests").rglob("*.py"))
NATIVE = sorted((ROOT / "native").rglob("*.[ch]"))
MAX_FILE, MAX_FUNCTION, MAX_PARAMETERS = 500, 60, 6
FORBIDDEN_NAMES = ("util", "utils", "helper", "helpers", "common", "manager", "misc")


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(path: Path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


@pytest.mark.parametrize("path", PYTHON + NATIVE + TEST_PYTHON, ids=shown)
def test_files_are_short(path):
    assert len(path.read_text(errors="replace").splitlines()) <= MAX_FILE


@pytest.mark.parametrize("path", PYTHON, ids=shown)
def test_functions_fit_a_screen(path):
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1}"
        for node in functions(path)
        if node.end_lineno - node.lineno >= MAX_FUNCTION
    ]
    assert long == []


@pytest.mark.parametrize("path", PYTHON, ids=shown)
def test_functions_take_few_parameters(path):
    """`self` and keyword-only parameters of constructors of values are not counted: a record has as many fields as it has."""
    wide = []
    for node in functions(path):
        arguments = [a for a in node.args.posonlyargs + node.args.args if a.arg not in ("self", "cls")]
        if node.name != "__init__" and len(arguments) + len(node.args.kwonlyargs) > MAX_PARAMETERS:
            wide.append(node.name)
    assert wide == []


def test_no_vague_module_names():
    assert [shown(p) for p in PYTHON + NATIVE if p.stem in FORBIDDEN_NAMES] == []


@pytest.mark.parametrize("path", PYTHON, ids=shown)
def test_no_shell_strings_no_eval(path):
    """`shell=True`, os.system and eval are never needed: programs are started by argument vectors."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.keyword) and node.arg == "shell":
            found.append("shell=")
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name in ("os.system", "os.popen", "eval", "exec", "subprocess.getoutput"):
                found.append(name)
    assert found == []


@pytest.mark.parametrize("path", PYTHON + NATIVE, ids=shown)
def test_nothing_is_left_to_do(path):
    text = path.read_text()
    assert [mark for mark in ("TODO", "FIXME", "XXX", "NotImplemented") if mark in text] == []


@pytest.mark.parametrize("path", PYTHON, ids=shown)
def test_each_module_says_what_it_is_for(path):
    assert ast.get_docstring(ast.parse(path.read_text())), f"{shown(path)} has no docstring"


def test_layers():
    """import-linter reads its contract from pyproject.toml."""
    done = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"], cwd=ROOT, capture_output=True, text=True,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def imports_of(path: Path, package: str) -> set[str]:
    """Modules imported when `path` is imported: not inside functions, not for type checking."""
    found: set[str] = set()

    def visit(nodes):
        for node in nodes:
            if isinstance(node, ast.Import):
                found.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                found.add(node.module or "")
                found.update(f"{node.module}.{alias.name}" for alias in node.names)
            elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                visit(node.orelse)
            elif isinstance(node, (ast.If, ast.Try, ast.With)):
                visit(ast.iter_child_nodes(node))

    visit(ast.parse(path.read_text()).body)
    return {name for name in found if name.startswith(package)}


def test_no_import_cycle():
    names = {".".join(p.relative_to(ROOT / "src").with_suffix("").parts).removesuffix(".__init__"): p for p in PYTHON}
    graph = {name: imports_of(path, "sampan") & set(names) - {name} for name, path in names.items()}
    done: set[str] = set()

    def walk(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail[trail.index(name) :], name))
        if name not in done:
            for other in sorted(graph[name]):
                walk(other, (*trail, name))
            done.add(name)

    for name in sorted(graph):
        walk(name, ())
