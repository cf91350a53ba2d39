"""Directives that render what the code already knows, so that no table is kept by hand.

``message-table MODULE``: every message of a module as its field list, from the schema.
``code-table MODULE``: every enumeration and flag set of a module, with its values.
``name-table MODULE``: every public name of a module, with the first sentence of its docstring.
``transition-table MODULE``: the state machine of a module, from its ``TRANSITIONS``, refusals included.
``assumption-table MODULE``: the rows of the module's ``ASSUMPTIONS``.
``tampering-table FILE``: the cells of the matrix step × artefact, from the file that the tests play.

The first three read what the module exports, in the order of its definition; of a package, what its modules export.
"""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum, Flag
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, TypeAlias

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import PycodeError
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective

from pytio.wire import Field, WireStruct

LITERAL = re.compile(r"(`+)(.+?)\1")
Cell: TypeAlias = "str | nodes.Node"


def prose(text: str) -> list[nodes.Node]:
    """Return inline nodes for ``text``: what is between backticks becomes a literal, the rest stays as it is."""
    parts = LITERAL.split(text)  # text, fence, literal, text, fence, literal, ... text
    found: list[nodes.Node] = []
    for plain, literal in zip(parts[::3], [*parts[2::3], ""], strict=True):
        found += [nodes.Text(plain)] if plain else []
        found += [nodes.literal(literal, literal)] if literal else []
    return found


def paragraphs(doc: str) -> Iterator[nodes.paragraph]:
    """Yield a docstring's paragraphs up to its first section or indented part."""
    for part in inspect.cleandoc(doc).split("\n\n"):
        if part.startswith(" ") or re.match(r"\w+:\n", part) or part.rstrip().endswith("::"):
            return
        yield nodes.paragraph("", "", *prose(" ".join(part.split())))


def table(head: Sequence[str], rows: Iterable[Sequence[Cell]], widths: Sequence[int]) -> nodes.table:
    """Return a table; a text cell may hold literals between backticks, a column without any text is left out."""
    body = [list(row) for row in rows]
    kept = [column for column in range(len(head)) if any(row[column] != "" for row in body)]
    group = nodes.tgroup("", *(nodes.colspec(colwidth=widths[column]) for column in kept), cols=len(kept))

    def make_row(cells: Sequence[Cell]) -> nodes.row:
        entries = (prose(cell) if isinstance(cell, str) else [cell] for cell in (cells[column] for column in kept))
        return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", *entry)) for entry in entries))

    group += nodes.thead("", make_row(head))
    group += nodes.tbody("", *(make_row(row) for row in body))
    return nodes.table("", group)


def literal(text: str) -> Cell:
    """Return a literal cell, or an empty one."""
    return nodes.literal(text, text) if text else ""


class ModuleTable(SphinxDirective):
    """What the directives share: a module as the argument, its exports, and the comments beside assignments."""

    required_arguments = 1
    module: ModuleType

    def run(self) -> list[nodes.Node]:
        """Import the module and render it; a page that names what is not there is a warning, and so a failed build."""
        try:
            self.module = importlib.import_module(self.arguments[0])
        except ImportError as error:
            return [self.state.document.reporter.warning(str(error), line=self.lineno)]
        found = list(self.render())
        if not found:
            message = f"{self.arguments[0]} has nothing that {self.name} could show"
            return [self.state.document.reporter.warning(message, line=self.lineno)]
        return found

    def render(self) -> Iterator[nodes.Node]:
        """Yield the nodes for ``self.module``."""
        raise NotImplementedError

    def exported(self, kind: type) -> Iterator[Any]:
        """Yield the exported subclasses of ``kind``, module by module, in the order of their definition."""
        names = [(module, name) for module in self.family() for name in getattr(module, "__all__", ())]
        classes = {value: None for module, name in names if inspect.isclass(value := getattr(module, name))}
        wanted = [cls for cls in classes if issubclass(cls, kind) and cls is not kind]
        yield from sorted(wanted, key=lambda cls: (cls.__module__, inspect.getsourcelines(cls)[1]))

    def family(self) -> list[ModuleType]:
        """Return the module and, of a package, the modules in it."""
        inside = pkgutil.iter_modules(getattr(self.module, "__path__", []), self.module.__name__ + ".")
        return [self.module, *(importlib.import_module(found.name) for found in inside)]

    def heading(self, title: str, cls: type) -> Iterator[nodes.Node]:
        """Yield a heading that can be linked to, and the docstring below it."""
        rubric = nodes.rubric("", "", nodes.literal(title, title), ids=[nodes.make_id(f"{cls.__module__}-{title}")])
        self.state.document.note_explicit_target(rubric, rubric)
        self.note_class(cls, rubric)
        yield rubric
        yield from paragraphs(cls.__doc__ or "")

    def note_class(self, cls: type, node: nodes.Element) -> None:
        """Let references to a class lead to a node, unless a page describes the class in full."""
        domain = self.env.domains.python_domain
        name = f"{cls.__module__}.{cls.__qualname__}"
        if name not in domain.objects:
            domain.note_object(name, "class", node["ids"][0], aliased=True, location=node)

    @staticmethod
    def comments(module: str) -> dict[tuple[str, str], str]:
        """Return what ``#:`` comments and strings under assignments say, by class and name."""
        try:
            found = ModuleAnalyzer.for_module(module).find_attr_docs()
        except PycodeError:
            return {}
        return {key: " ".join(" ".join(lines).split()) for key, lines in found.items()}


class MessageTable(ModuleTable):
    """``message-table MODULE``: the messages of a module."""

    HEAD: ClassVar = ("offset", "size", "field", "type", "present when", "meaning")
    WIDTHS: ClassVar = (10, 10, 24, 24, 20, 40)

    def render(self) -> Iterator[nodes.Node]:
        """Yield heading, docstring and field list of each message."""
        messages = [cls for cls in self.exported(WireStruct) if cls.FIELDS or not cls.__subclasses__()]
        for message in messages:  # without the bases that only say whose messages these are
            comments = self.comments(message.__module__)
            yield from self.heading(message.__name__, message)
            rows = [
                (*row[:2], *map(literal, row[2:]), comments.get((message.__name__, field.name)) or self.constant(field))
                for row, field in zip(message.describe(), message.FIELDS, strict=True)
            ]
            yield table(self.HEAD, rows, self.WIDTHS) if rows else nodes.paragraph("", "It has no fields.")

    @staticmethod
    def constant(field: Field) -> str:
        """Return what the field of every such message holds, where that is so."""
        value = field.constant
        return "" if value is None else f"always `{getattr(value, 'name', value)}`"


class CodeTable(ModuleTable):
    """``code-table MODULE``: the enumerations of a module."""

    HEAD: ClassVar = ("value", "name", "meaning")
    WIDTHS: ClassVar = (12, 40, 60)

    def render(self) -> Iterator[nodes.Node]:
        """Yield heading, docstring and members of each enumeration; a flag shows its bit."""
        for codes in self.exported(Enum):
            comments = self.comments(codes.__module__)
            yield from self.heading(codes.__name__, codes)
            rows = [
                (
                    self.number(codes, member.value),
                    literal(name),
                    comments.get((codes.__name__, name), self.words(member)),
                )
                for name, member in codes.__members__.items()
            ]
            yield table(self.HEAD, rows, self.WIDTHS)

    @classmethod
    def number(cls, codes: type[Enum], value: object) -> str:
        """Return a number as wide as the largest of its enumeration, which bit a flag is, or nothing for words."""
        if not isinstance(value, int):
            return ""
        if issubclass(codes, Flag):
            return cls.bit(value)
        digits = max(len(f"{member.value:x}") for member in codes)
        return f"0x{value:0{digits + digits % 2}x}"

    @staticmethod
    def words(member: Enum) -> str:
        """Return what a member without a number says."""
        return member.value if isinstance(member.value, str) else ""

    @staticmethod
    def bit(value: int) -> str:
        """Return which bit a flag is, or its value where it is several."""
        return f"bit {value.bit_length() - 1}" if value and value & (value - 1) == 0 else hex(value)


class NameTable(ModuleTable):
    """``name-table MODULE``: the public names of a module."""

    def render(self) -> Iterator[nodes.Node]:
        """Yield one table: name, first sentence."""
        names: tuple[str, ...] = self.module.__all__
        rows = [(self.named(name), self.summary(name)) for name in names]
        if rows:
            yield table(("name", "what it is"), rows, (40, 80))

    def named(self, name: str) -> Cell:
        """Return the cell of a name; references to a class lead to it."""
        value = getattr(self.module, name)
        if not inspect.isclass(value):
            return literal(name)
        cell = nodes.literal(name, name, ids=[nodes.make_id(f"{self.module.__name__}-name-{name}")])
        self.state.document.note_explicit_target(cell, cell)
        self.note_class(value, cell)
        return cell

    def summary(self, name: str) -> str:
        """Return the first paragraph of a name's documentation, wherever it was defined."""
        value = getattr(self.module, name)
        if inspect.isclass(value) or inspect.isroutine(value) or inspect.ismodule(value):
            return " ".join((inspect.getdoc(value) or "").partition("\n\n")[0].split())
        homes = [module.__name__ for module in self.family() if name in vars(module)]
        return next((text for home in homes if (text := self.comments(home).get(("", name)))), "")


def names(members: list[Enum]) -> nodes.inline:
    """Return names as literals, divided by commas."""
    found = nodes.inline()
    for number, member in enumerate(members):
        found += [nodes.Text(", ")] if number else []
        found += nodes.literal(member.name, member.name)
    return found


class TransitionTable(SphinxDirective):
    """One table from ``MODULE.TRANSITIONS``: (state, cause) to state."""

    required_arguments = 1
    HEAD: ClassVar = ("from", "to", "by")
    WIDTHS: ClassVar = (20, 20, 80)

    def run(self) -> list[nodes.Node]:
        """Render the table."""
        return [table(self.HEAD, self.rows(), self.WIDTHS)]

    def rows(self) -> Iterator[tuple[nodes.Node, nodes.Node, nodes.Node]]:
        """Yield a row for each pair of states, in the order of the states."""
        transitions = importlib.import_module(self.arguments[0]).TRANSITIONS
        ways: dict[tuple[Enum, Enum], list[Enum]] = defaultdict(list)
        for (before, cause), after in transitions.items():
            ways[before, after].append(cause)
        states = list(dict.fromkeys(before for before, _ in ways))
        order = list(dict.fromkeys([*states, *(after for _, after in ways)]))  # what ends a move may be no state
        for before in states:
            for after in sorted((one for state, one in ways if state is before), key=order.index):
                yield names([before]), names([after]), names(ways[before, after])


class AssumptionTable(ModuleTable):
    """``assumption-table MODULE``: what a module assumes, how sure that is, and where it is in the code."""

    def render(self) -> Iterator[nodes.Node]:
        """Yield one table: name, text, confidence, place."""
        rows = [
            (literal(name), row.text, row.confidence, literal(row.place))
            for name, row in self.module.ASSUMPTIONS.items()
        ]
        yield table(("name", "what is assumed", "confidence", "where"), rows, (14, 70, 14, 36))


class TamperingTable(SphinxDirective):
    """``tampering-table FILE``: what is tampered with in which step, and what comes of it."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Read the file, whose path is relative to the folder of the documentation."""
        path = Path(self.env.srcdir) / self.arguments[0]
        self.env.note_dependency(str(path))
        head = ("step", "tampered with", "fails in", "error", "which says, or why it holds")
        rows = [
            (
                cell["step"],
                cell["artefact"],
                cell.get("fails", ""),
                literal(cell.get("error", "")),
                cell.get("holds") or cell["phrase"],
            )
            for cell in json.loads(path.read_text(encoding="utf-8"))
        ]
        return [table(head, rows, (1, 4, 1, 2, 6))]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives."""
    app.add_directive("message-table", MessageTable)
    app.add_directive("code-table", CodeTable)
    app.add_directive("name-table", NameTable)
    app.add_directive("transition-table", TransitionTable)
    app.add_directive("assumption-table", AssumptionTable)
    app.add_directive("tampering-table", TamperingTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
