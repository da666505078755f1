"""The rules that the repository keeps about itself, each a function from a source to complaints.

Theory. A structure that is only described decays; one that a test states holds. Imports go one way
so that the pure rooms can be run by a simulator; a small module and a small function can be read in
one go. All of it is visible in the syntax tree, so `ast` is all that is needed.

Every rule takes text and the module's name and returns sentences; nothing here touches a file but
`list_tracked` and `read_texts`. `test_tidy.py` applies the rules and proves each of them.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

MODULE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
DOCSTRING_LINES_MIN = 2

# What each room may import of the package besides itself; ids and errors are everyone's.
_PURE = ("counters", "members", "node", "wire")
_SHELL = ("security", "storage", "links", "api", "resp", "fronts")
ROOMS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("counters", "members", "security", "client"), ()),
    "node": ("counters", "members"),
    "wire": ("counters", "members", "node"),
    "storage": _PURE,
    **dict.fromkeys(("links", "api"), (*_PURE, "security")),
    "resp": (*_PURE, "security", "api"),
    "fronts": (*_PURE, "security", "api", "resp"),
    "daemon": (*_PURE, *_SHELL),
    "cli": (*_PURE, *_SHELL, "daemon"),
    "sim": (*_PURE, "storage.records", "storage.recovery"),
}
SHARED = ("ids", "errors")

# Time, chance, sockets and threads come into pure code as arguments or not at all.
IMPURE = (
    "asyncio",
    "datetime",
    "logging",
    "os",
    "random",
    "secrets",
    "socket",
    "sqlite3",
    "ssl",
    "subprocess",
    "threading",
    "time",
    "trio",
    "uuid",
)
PURE_MODULES = ("storage.records", "storage.recovery")

# What C libraries and processors give another last bit for, and draws made of it: a simulated
# history must be the same everywhere.
INEXACT = re.compile(
    r"(exp|expm1|exp2|log|log1p|log2|log10|pow|cbrt|hypot|a?(sin|cos|tan)h?|atan2|gamma|lgamma|erfc?"
    r"|gauss|triangular|\w+variate)"
)
# gcounterctl starts fast and runs where no daemon does.
CTL_MODULE = "gcounterd.cli.gcounterctl"
CTL_FOREIGN = ("trio", "numpy", "msgpack")

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_DEFINITIONS = (*_FUNCTIONS, ast.ClassDef)
_SET_CALLS = ("set", "frozenset")
_ORDER_KEEPING_CALLS = ("list", "tuple", "iter", "enumerate", "dict.fromkeys")


def room_of(module: str) -> str:
    """Return the room of `gcounterd.room.module`, or the module's own name at the top."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def is_pure(module: str) -> bool:
    """Say whether a module must be pure."""
    return room_of(module) in _PURE or module.removeprefix("gcounterd.") in PURE_MODULES


def imports(tree: ast.AST, module: str) -> Iterator[tuple[str, int]]:
    """Yield each name that is imported, whole (`a.b` for `from a import b`), with its line."""
    for statement in ast.walk(tree):
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                yield alias.name, statement.lineno
        elif isinstance(statement, ast.ImportFrom):
            base = statement.module or ""
            if statement.level:
                parent = module.split(".")[: -statement.level]
                base = ".".join([*parent, base] if base else parent)
            for alias in statement.names:
                yield f"{base}.{alias.name}", statement.lineno


def check_layers(source: str, module: str) -> list[str]:
    """Complain about an import from a room that this one must not know."""
    room = room_of(module)
    allowed = (*SHARED, room, *ROOMS.get(room, ()))
    return [
        f"{module}:{line}: {room or 'the package'} must not import {name}"
        for name, line in imports(ast.parse(source), module)
        if name.startswith("gcounterd.")
        and not any(_within(name.removeprefix("gcounterd."), part) for part in allowed if part)
        and not name.removeprefix("gcounterd.").startswith("__")
    ]


def _within(name: str, part: str) -> bool:
    return name == part or name.startswith(part + ".")


def check_purity(source: str, module: str) -> list[str]:
    """Complain about impure imports in a pure module; `from random import Random` is a type."""
    return [
        f"{module}:{line}: pure code must not import {name}"
        for name, line in imports(ast.parse(source), module)
        if name.split(".")[0] in IMPURE and name != "random.Random"
    ]


def check_exactness(source: str, module: str) -> list[str]:
    """Complain about inexact functions and powers in pure or simulated code, unless rounded."""
    parts = list(ast.walk(ast.parse(source)))
    rounds = [part for part in parts if isinstance(part, ast.Call) and _name(part.func) == "round"]
    rounded = [part for call in rounds for part in ast.walk(call)]
    return [
        f"{module}:{part.lineno}: {ast.unparse(part)} differs between machines; round it"
        for part in parts
        if isinstance(part, ast.Call | ast.BinOp) and _is_inexact(part) and part not in rounded
    ]


def _is_inexact(part: ast.Call | ast.BinOp) -> bool:
    if isinstance(part, ast.Call):
        return INEXACT.fullmatch(ast.unparse(part.func).rpartition(".")[2]) is not None
    names = [each.id for each in ast.walk(part) if isinstance(each, ast.Name)]
    return isinstance(part.op, ast.Pow) and not all(name.isupper() for name in names)


def check_set_order(source: str, module: str) -> list[str]:
    """Complain where pure code takes the elements of a set in its order, which is the hash's.

    Sees set displays and comprehensions, `set()` and `frozenset()`, and names bound to them.
    """
    units = list(_units(ast.parse(source)))
    outer = [unit for unit in units if not isinstance(unit, _FUNCTIONS)]
    shared = [name for unit in outer for name in _names_of_sets(unit)]
    shared += [f"self.{name}" for name in shared]
    shared += [name for unit in units for name in _names_of_sets(unit) if "." in name]
    return [
        f"{module}:{place.lineno}: the order of a set is nobody's; sort it"
        for unit in units
        for place in _iterated(unit)
        if _is_set(place) or _name(place) in (*shared, *_names_of_sets(unit))
    ]


def _units(body: ast.Module | ast.ClassDef) -> Iterator[ast.stmt]:
    """Yield functions, methods, and the statements beside them: what shares local names."""
    for part in body.body:
        if isinstance(part, ast.ClassDef):
            yield from _units(part)
        else:
            yield part


def _iterated(tree: ast.AST) -> Iterator[ast.expr]:
    for part in ast.walk(tree):
        if isinstance(part, ast.For | ast.AsyncFor | ast.comprehension):
            yield part.iter
        elif isinstance(part, ast.Starred):
            yield part.value
        elif isinstance(part, ast.Call) and _name(part.func) in _ORDER_KEEPING_CALLS and part.args:
            yield part.args[0]


def _is_set(expression: ast.expr) -> bool:
    if isinstance(expression, ast.BinOp):
        return _is_set(expression.left) or _is_set(expression.right)
    if isinstance(expression, ast.Call):
        return _name(expression.func) in _SET_CALLS
    return isinstance(expression, ast.Set | ast.SetComp)


def _names_of_sets(tree: ast.AST) -> tuple[str, ...]:
    names = []
    for part in ast.walk(tree):
        if isinstance(part, ast.AnnAssign):
            annotation = part.annotation
            base = annotation.value if isinstance(annotation, ast.Subscript) else annotation
            if _name(base) in _SET_CALLS:
                names.append(_name(part.target))
        elif isinstance(part, ast.Assign) and _is_set(part.value):
            names += [_name(target) for target in part.targets]
    return tuple(name for name in names if name)


def _name(expression: ast.expr) -> str:
    """Return `a` or `a.b`, "" for anything else."""
    if isinstance(expression, ast.Name):
        return expression.id
    if isinstance(expression, ast.Attribute) and isinstance(expression.value, ast.Name):
        return f"{expression.value.id}.{expression.attr}"
    return ""


def check_numpy(source: str, module: str) -> list[str]:
    """Complain about NumPy outside counters."""
    if room_of(module) == "counters":
        return []
    return [
        f"{module}:{line}: only counters knows NumPy"
        for name, line in imports(ast.parse(source), module)
        if name.split(".")[0] == "numpy"
    ]


def check_ctl(sources: Mapping[str, str]) -> list[str]:
    """Complain if gcounterctl comes to import what it must not, by whatever module at its top.

    `sources` is the package, text by module name. Imports within functions do not count: they are
    how a heavy library is put off.
    """
    seen: dict[str, str] = {CTL_MODULE: CTL_MODULE}
    waiting = [CTL_MODULE]
    complaints = []
    while waiting:
        module = waiting.pop()
        top = [part for part in ast.parse(sources.get(module, "")).body if not _for_types(part)]
        outer = ast.Module([part for part in top if not isinstance(part, _DEFINITIONS)], [])
        for name, _ in imports(outer, module):
            if name.split(".")[0] in CTL_FOREIGN:
                complaints.append(f"{seen[module]} imports {name}")
            for candidate in _with_parents(name):
                if candidate in sources and candidate not in seen:
                    seen[candidate] = f"{seen[module]} > {candidate}"
                    waiting.append(candidate)
    return complaints


def _for_types(part: ast.stmt) -> bool:
    return isinstance(part, ast.If) and _name(part.test).endswith("TYPE_CHECKING")


def _with_parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts) + 1)]


def check_size(source: str, module: str) -> list[str]:
    """Complain about long modules and long functions."""
    lines = len(source.splitlines())
    complaints = []
    if lines > MODULE_LINES_MAX:
        complaints.append(f"{module}: {lines} lines, more than {MODULE_LINES_MAX}")
    for part in ast.walk(ast.parse(source)):
        if isinstance(part, _FUNCTIONS):
            length = (part.end_lineno or part.lineno) - part.lineno + 1
            if length > FUNCTION_LINES_MAX:
                complaints.append(f"{module}:{part.lineno}: {part.name} has {length} lines")
    return complaints


def check_docstring(source: str, module: str) -> list[str]:
    """Complain about a module that does not say what it is, unless it is empty."""
    if not source.strip():
        return []
    lines = (ast.get_docstring(ast.parse(source)) or "").splitlines()
    if len([line for line in lines if line.strip()]) >= DOCSTRING_LINES_MIN:
        return []
    return [f"{module}: says too little about itself at its top"]


def check_prints(source: str, module: str) -> list[str]:
    """Complain about print() where a log or an answer belongs."""
    if room_of(module) == "cli" or module.endswith(".__main__"):
        return []
    return [
        f"{module}:{part.lineno}: print()"
        for part in ast.walk(ast.parse(source))
        if isinstance(part, ast.Call) and _name(part.func) == "print"
    ]


def check_sleeps(source: str, module: str) -> list[str]:
    """Complain about time.sleep in tests: there is an event, or an endpoint to poll."""
    tree = ast.parse(source)
    lines = [line for name, line in imports(tree, module) if name == "time.sleep"]
    lines += [
        part.lineno
        for part in ast.walk(tree)
        if isinstance(part, ast.Attribute) and _name(part) == "time.sleep"
    ]
    return [f"{module}:{line}: time.sleep" for line in lines]


# Interrupted by empty groups, so that this file does not contain what it forbids.
LEFTOVERS = {
    "an unfinished note": re.compile(r"\b(?:TO(?:)DO|FIX(?:)ME|XX(?:)X)\b"),
    "a path of one machine": re.compile(
        r"(?<![\w.~-])/(?:wo(?:)rk|ro(?:)ot)/|\.libr(?:)ary\b|\.\./sha(?:)red\b"
    ),
    "a package registry's host": re.compile(r"files\.python(?:)hosted|\bpypi\.(?:)org"),
    "a merge conflict": re.compile(r"^(?:<{7}|>{7}) ", re.MULTILINE),
}


def check_leftovers(text: str, path: str) -> list[str]:
    """Complain about words that belong on a desk, not in a repository."""
    return [
        f"{path}:{text.count(chr(10), 0, found.start()) + 1}: {kind}: {found.group()!r}"
        for kind, pattern in LEFTOVERS.items()
        for found in pattern.finditer(text)
    ]


_FENCE = re.compile(r"^(```|~~~).*?^\1\s*$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^(#{1,6}) +(.+?)\s*#*$", re.MULTILINE)


def check_title(text: str, path: str) -> list[str]:
    """Complain unless a document has exactly one heading of the first level."""
    titles = [found for found in _HEADING.finditer(_FENCE.sub("", text)) if found[1] == "#"]
    return [] if len(titles) == 1 else [f"{path}: {len(titles)} first-level headings, not 1"]


def check_links(documents: Mapping[str, str], files: Iterable[str]) -> list[str]:
    """Complain about links to files, or to headings, that are not there.

    `documents` is Markdown by path from the root; `files` are all paths. Folders may be linked.
    """
    there = {str(part): True for path in files for part in (Path(path), *Path(path).parents)}
    complaints = []
    for path, text in documents.items():
        for target in _LINK.findall(_FENCE.sub("", text)):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            goal = _resolve(Path(path).parent / name) if name else path
            if goal not in there:
                complaints.append(f"{path}: {target} leads nowhere")
            elif anchor and goal in documents and anchor not in anchors(documents[goal]):
                complaints.append(f"{path}: {target}: no such heading")
    return complaints


def _resolve(path: Path) -> str:
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and parts:
            parts.pop()
        else:
            parts.append(part)
    return str(Path(*parts))


def anchors(text: str) -> list[str]:
    """Return the anchors that a forge gives to the headings of a document."""
    names: list[str] = []
    for found in _HEADING.finditer(_FENCE.sub("", text)):
        plain = re.sub(r"[^\w\- ]", "", found[2].lower()).replace(" ", "-")
        same = sum(1 for name in names if name == plain or re.fullmatch(f"{plain}-\\d+", name))
        names.append(f"{plain}-{same}" if same else plain)
    return names


def check_test_names(paths: Iterable[str]) -> list[str]:
    """Complain about two test modules of one name: without packages, pytest takes them for one."""
    seen: dict[str, str] = {}
    complaints = []
    for path in sorted(paths):
        first = seen.setdefault(Path(path).name, path)
        if first != path:
            complaints.append(f"{path} has the name of {first}")
    return complaints


def list_tracked(root: Path) -> list[str]:
    """Return the paths, from `root`, of the files that are or are about to be tracked."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, capture_output=True, check=True, text=True).stdout
    return sorted(name for name in listed.split("\0") if name and (root / name).is_file())


def read_texts(root: Path, paths: Iterable[str]) -> dict[str, str]:
    """Return the text of those files that are text, by path."""
    texts = {}
    for path in paths:
        with suppress(UnicodeDecodeError):
            texts[path] = (root / path).read_text(encoding="utf-8")
    return texts
