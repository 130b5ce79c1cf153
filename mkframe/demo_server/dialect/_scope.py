"""What a name means at a place of a query: sources, their columns, and the scopes around."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from mkframe.demo_server.dialect._values import Column, SqlError

__all__ = ["Bound", "Query", "Scope", "Source"]

Reference = tuple["Scope", str]
"""A column of a scope, as its SQL."""


@dataclass(frozen=True, slots=True)
class Bound:
    """An expression in SQLite's words, with its type.

    `free` are the columns of the innermost scope that are neither grouped by nor inside an aggregate.
    """

    sql: str
    type: str
    free: frozenset[Reference] = frozenset()
    aggregate: bool = False
    window: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """A query in SQLite's words; its columns are called c1, c2 and so on there."""

    sql: str
    columns: tuple[Column, ...]
    outer: frozenset[Reference] = frozenset()
    simple: bool = False
    """Whether it can stand between set operators as it is."""


@dataclass(frozen=True, slots=True)
class Source:
    """A table, view or query in FROM: its name there, its columns, and the SQL of each."""

    name: str
    folder: str
    columns: tuple[Column, ...]
    sql: tuple[str, ...]

    def find(self, name: str) -> list[int]:
        """Return the places of the columns of a name; an exact spelling wins over another case."""
        exact = [n for n, c in enumerate(self.columns) if c.name == name]
        return exact or [n for n, c in enumerate(self.columns) if c.name.upper() == name.upper()]


@dataclass(eq=False)
class Scope:
    """The sources of one SELECT, within the scopes around it."""

    parent: Scope | None = None
    sources: list[Source] = field(default_factory=list)
    merged: dict[str, Bound] = field(default_factory=dict)
    """Columns of USING, by their names in upper case."""
    aliases: dict[str, list[object]] = field(default_factory=dict)
    """The expressions of the select list by their names in upper case."""
    keys: dict[str, str] = field(default_factory=dict)
    """What is grouped by, as SQL, with its type."""
    outer: set[Reference] = field(default_factory=set)
    """Columns of the scopes around that this one uses."""
    prior: Scope | None = None
    """The row above in a CONNECT BY."""

    def column(self, name: str, table: str, folder: str) -> Bound | None:
        """Find a column in this scope only; None if there is none."""
        if not table and name.upper() in self.merged:
            return self._known(self.merged[name.upper()])
        sources = self.sources
        if table:
            sources = [s for s in sources if s.name.upper() == table.upper()]
            if folder:
                sources = [s for s in sources if s.folder.upper() == folder.upper()]
            if len(sources) > 1:
                raise SqlError(f"Two sources are called {table!r}.", "CompileError")
        if name[:1] == "$" and name[1:].isdigit():
            return self._by_position(name, sources)
        found = [(s, n) for s in sources for n in s.find(name)]
        if len(found) > 1:
            raise SqlError(f"column ambiguously defined: {name}", "CompileError")
        if not found:
            return None
        if table and name.upper() in self.merged:
            raise SqlError("column part of `USING` clause cannot have qualifier")
        source, place = found[0]
        return self._known(Bound(source.sql[place], source.columns[place].type))

    def _by_position(self, name: str, sources: list[Source]) -> Bound | None:
        if len(sources) != 1:
            raise SqlError(f"{name} needs the name of a source before it.", "CompileError")
        place, source = int(name[1:]) - 1, sources[0]
        if not 0 <= place < len(source.columns):
            raise SqlError(f"{name}: the source has {len(source.columns)} columns.", "CompileError")
        return self._known(Bound(source.sql[place], source.columns[place].type))

    def _known(self, bound: Bound) -> Bound:
        if bound.sql in self.keys:
            return replace(bound, free=frozenset())
        return replace(bound, free=frozenset({(self, bound.sql)}))

    def add(self, source: Source) -> None:
        """Add a source; its name must be new."""
        if source.name and any(
            s.name.upper() == source.name.upper() and s.folder.upper() == source.folder.upper()
            for s in self.sources
        ):
            raise SqlError(f"Two sources are called {source.name!r}; give one an alias.", "CompileError")
        self.sources.append(source)
