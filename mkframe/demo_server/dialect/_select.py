"""Queries of the dialect, rewritten for SQLite: FROM and joins, grouping, set operators, WITH, CONNECT BY."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from sqlglot import exp

from mkframe.demo_server.dialect._expressions import ExpressionBinder, Facts, call, check_arguments, literal
from mkframe.demo_server.dialect._outer_joins import take_marks
from mkframe.demo_server.dialect._prepare import AUTOMATIC
from mkframe.demo_server.dialect._scope import Bound, Query, Scope, Source
from mkframe.demo_server.dialect._values import (
    ANY,
    INTEGER,
    TEXT,
    Column,
    SqlError,
    common_type,
    family,
    unsupported,
)

__all__ = ["Catalog", "QueryBinder", "Relation"]

_MOST_SOURCES = 200
_MOST_COLUMNS = 1000
_MOST_TERMS = 400
"""SQLite takes 500 between set operators."""
_CLAUSES = (
    "expressions", "from_", "joins", "where", "group", "having", "order", "limit", "distinct", "connect",
    "with_", "hint", "kind",
)  # fmt: skip
_SET_WORDS = {exp.Union: "UNION", exp.Intersect: "INTERSECT", exp.Except: "EXCEPT"}


@dataclass(frozen=True, slots=True)
class Relation:
    """What a name in FROM stands for: SQL to read from, or the query of a view.

    `sql` of a column may hold ``{}`` for the alias of the relation.
    """

    columns: tuple[Column, ...]
    sql: str
    column_sql: tuple[str, ...]


class Catalog(Protocol):
    """Knows the tables and views that a statement may read."""

    def relation(self, folder: str, name: str, binder: QueryBinder) -> Relation:
        """Return a table or view; raise `SqlError` if there is none."""


@dataclass(eq=False)
class _Walk:
    """A CONNECT BY while its query is rewritten."""

    number: int
    base: str
    """The columns of FROM, as `b1`, `b2` and so on."""
    start: Scope
    """The rows of FROM as `n`: the first rows, and those that a step adds."""
    step: Scope
    """The same with LEVEL of a step, and `p` as the row above."""
    extras: list[tuple[str, str, str]] = field(default_factory=list)
    """Further columns: a name, its SQL in the first rows, and in a step."""


class QueryBinder(ExpressionBinder):
    """Rewrites queries against a catalog."""

    def __init__(self, catalog: Catalog, facts: Facts) -> None:
        super().__init__(facts)
        self.catalog = catalog
        self.views: list[Any] = []
        """Views that are being expanded: one that comes again holds itself."""
        self._count_sources = 0
        self._with: list[dict[str, Query | Relation]] = []
        self._walks: dict[Scope, _Walk] = {}

    def next_number(self) -> int:
        """Number sources and named queries; more than a limit is an error."""
        self._count_sources += 1
        if self._count_sources > _MOST_SOURCES:
            raise SqlError(
                f"A statement reads from at most {_MOST_SOURCES} sources, those of views included."
            )
        return self._count_sources

    # --- queries ----------------------------------------------------------------------------------------

    def query(self, node: exp.Expr, parent: Scope | None = None) -> Query:
        """Rewrite a query."""
        if isinstance(node, exp.Subquery):
            return self._parenthesis(node, parent)
        if isinstance(node, exp.SetOperation):
            return self._set_operation(node, parent)
        if isinstance(node, exp.Select):
            return self._select(node, parent)
        if isinstance(node, exp.Paren):
            return self.query(node.this, parent)
        if isinstance(node, exp.Table):
            raise unsupported("A table or a join in parentheses")
        raise unsupported(f"{type(node).__name__.upper()} as a query")

    def subquery(self, node: exp.Expr, scope: Scope) -> Query:
        return self.query(node, scope)

    def _parenthesis(self, node: exp.Subquery, parent: Scope | None) -> Query:
        check_arguments(node, "this", "order", "limit", "with_", name="A query in parentheses")
        with_sql = self._with_clause(node, parent)
        try:
            query = self.query(node.this, parent)
            return self._finish(query, node, with_sql)
        finally:
            self._leave_with(node)

    def _finish(self, query: Query, node: exp.Expr, with_sql: str) -> Query:
        """Add the WITH, ORDER BY and LIMIT of a whole to a query."""
        order = node.args.get("order")
        tail = self._order_of_whole(order, query) if order is not None else ""
        tail += self._limit(node.args.get("limit"))
        if not tail and not with_sql:
            return query
        head = f"WITH {with_sql} " if with_sql else ""
        sql = f"{head}SELECT * FROM ({query.sql}){tail}"
        return replace(query, sql=sql, simple=False)

    def _order_of_whole(self, order: exp.Expr, query: Query) -> str:
        check_arguments(order, "expressions", name="ORDER BY")
        source = Source("", "", query.columns, tuple(f"c{n}" for n in range(1, len(query.columns) + 1)))
        scope = Scope(sources=[source])
        items = []
        for ordered in order.expressions:
            place = self._position(ordered.this, len(query.columns))
            bound = self.value(ordered.this, scope).sql if place is None else f"c{place}"
            items.append(bound + self.direction(ordered))
        return " ORDER BY " + ", ".join(items)

    @staticmethod
    def _position(node: exp.Expr, most: int) -> int | None:
        if not (isinstance(node, exp.Literal) and not node.is_string):
            return None
        text = str(node.this)
        if not text.isdigit() or not 1 <= int(text) <= most:
            raise SqlError(f"ORDER BY {text}: the query has {most} columns.", "CompileError")
        return int(text)

    @staticmethod
    def _limit(node: exp.Expr | None) -> str:
        if node is None:
            return ""
        if not isinstance(node, exp.Limit):
            raise SqlError(
                f"{type(node).__name__.upper()} is not supported by this server; write LIMIT n.",
                "CompileError",
            )
        if node.meta.get("top"):
            raise SqlError("TOP is not supported by this server; write LIMIT n.", "CompileError")
        check_arguments(node, "expression")
        value = node.expression
        if isinstance(value, exp.Literal) and not value.is_string and str(value.this).isdigit():
            return f" LIMIT {min(int(value.this), 2**62)}"
        raise SqlError(f"LIMIT takes a whole number, not {value.sql()}.", "CompileError")

    def _set_operation(self, node: exp.SetOperation, parent: Scope | None) -> Query:
        with_sql = self._with_clause(node, parent)
        try:
            parts: list[tuple[str, exp.Expr]] = []
            rest: exp.Expr = node
            while isinstance(rest, exp.SetOperation) and (rest is node or not self._is_whole(rest)):
                check_arguments(rest, "this", "expression", "distinct", "order", "limit", "with_")
                word = _SET_WORDS[type(rest)]
                if not rest.args.get("distinct"):
                    if word != "UNION":
                        raise unsupported(f"{word} ALL")
                    word = "UNION ALL"
                parts.append((word, rest.expression))
                rest = rest.this
            for part in (rest, *(p for _, p in parts)):
                if isinstance(part, exp.Select) and (part.args.get("order") or part.args.get("limit")):
                    raise unsupported("ORDER BY or LIMIT before a set operator, without parentheses")
            queries = [self.query(rest, parent)]
            words = []
            for word, part in reversed(parts):
                words.append(word)
                queries.append(self.query(part, parent))
            return self._finish(self._combined(queries, words), node, with_sql)
        finally:
            self._leave_with(node)

    @staticmethod
    def _is_whole(node: exp.Expr) -> bool:
        return any(node.args.get(key) is not None for key in ("order", "limit", "with_"))

    @staticmethod
    def _combined(queries: list[Query], words: list[str]) -> Query:
        first = queries[0]
        if any(len(q.columns) != len(first.columns) for q in queries):
            counts = ", ".join(str(len(q.columns)) for q in queries)
            raise SqlError(f"query block has incorrect number of result columns: {counts}", "CompileError")
        sql = ""
        for number, (word, query) in enumerate(zip(["", *words], queries, strict=True), 1):
            if number % _MOST_TERMS == 0:
                sql = f"SELECT * FROM ({sql})"
            part = query.sql if query.simple else f"SELECT * FROM ({query.sql})"
            sql += f" {word} {part}" if word else part
        columns = []
        for n, column in enumerate(first.columns):
            types = [q.columns[n].type for q in queries]
            found_type = common_type(types)
            if found_type == ANY and ANY not in types:
                raise SqlError(
                    "expression must have same datatype as corresponding expression: "
                    f"{', '.join(dict.fromkeys(types))} in column {n + 1}",
                    "CompileError",
                )
            columns.append(Column(column.name, found_type))
        outer = frozenset().union(*(q.outer for q in queries))
        return Query(sql, tuple(columns), outer)

    # --- WITH -------------------------------------------------------------------------------------------

    def _with_clause(self, node: exp.Expr, parent: Scope | None) -> str:
        clause = node.args.get("with_")
        if clause is None:
            return ""
        check_arguments(clause, "expressions", name="WITH")
        known: dict[str, Query | Relation] = {}
        self._with.append(known)
        parts = []
        for cte in clause.expressions:
            if not isinstance(cte, exp.CTE):
                raise unsupported(type(cte).__name__.upper())
            check_arguments(cte, "this", "alias", name="WITH")
            alias = cte.args["alias"]
            name = self.identifier(alias.this)
            if name.upper() in known:
                raise SqlError(f"WITH names {name!r} twice.", "CompileError")
            query = self.query(cte.this)
            columns = self._renamed(query.columns, alias.args.get("columns"), name)
            number = self.next_number()
            names = ", ".join(f"c{n}" for n in range(1, len(columns) + 1))
            parts.append(f"w{number}({names}) AS ({query.sql})")
            known[name.upper()] = Relation(
                columns, f"w{number}", tuple(f"{{}}.c{n}" for n in range(1, len(columns) + 1))
            )
        return ", ".join(parts)

    def _leave_with(self, node: exp.Expr) -> None:
        if node.args.get("with_") is not None:
            self._with.pop()

    def _renamed(
        self, columns: tuple[Column, ...], names: Sequence[exp.Expr] | None, what: str
    ) -> tuple[Column, ...]:
        if not names:
            return columns
        if len(names) != len(columns):
            raise SqlError(
                f"{what} names {len(names)} columns, its query has {len(columns)}.", "CompileError"
            )
        return tuple(Column(self.identifier(n), c.type) for n, c in zip(names, columns, strict=True))

    # --- FROM -------------------------------------------------------------------------------------------

    def source(self, node: exp.Expr, scope: Scope) -> str:
        """Add a source to the scope; return its SQL."""
        check_arguments(
            node, "this", "db", "alias", *(("with_",) if isinstance(node, exp.Subquery) else ()), name="FROM"
        )
        alias = node.args.get("alias")
        names = None
        if alias is not None:
            check_arguments(alias, "this", "columns", name="An alias")
            names = alias.args.get("columns")
        number = self.next_number()
        if isinstance(node, exp.Subquery):
            inner = node.copy()
            inner.set("alias", None)
            query = self.query(inner)
            name, folder = (self.identifier(alias.this) if alias is not None and alias.this else "", "")
            columns = self._renamed(query.columns, names, name)
            sql = tuple(f"s{number}.c{n}" for n in range(1, len(columns) + 1))
            scope.add(Source(name, folder, columns, sql))
            return f"({query.sql}) AS s{number}"
        if not isinstance(node, exp.Table) or not isinstance(node.this, exp.Identifier):
            raise unsupported(f"{self._shown(node)} in FROM")
        relation, folder = self._relation(node), node.text("db")
        columns = self._renamed(relation.columns, names, node.name)
        name = self.identifier(alias.this) if alias is not None and alias.this else node.name
        folder = "" if alias is not None and alias.this else folder
        scope.add(Source(name, folder, columns, tuple(c.format(f"s{number}") for c in relation.column_sql)))
        return f"{relation.sql} AS s{number}"

    def _relation(self, node: exp.Table) -> Relation:
        folder, name = node.text("db"), node.name
        if not folder:
            for known in reversed(self._with):
                found = known.get(name.upper())
                if isinstance(found, Relation):
                    return found
        return self.catalog.relation(folder, name, self)

    def isolated(self, read: Callable[[], Query]) -> Query:
        """Rewrite the query of a view, which does not see the WITH of the statement."""
        kept, self._with = self._with, []
        try:
            return read()
        finally:
            self._with = kept

    def _from(self, node: exp.Select, scope: Scope) -> str:
        clause = node.args.get("from_")
        if clause is None:
            return ""
        check_arguments(clause, "this")
        sql = self.source(clause.this, scope)
        product = False
        for join in node.args.get("joins") or ():
            if join.method:
                raise unsupported(f"{join.method.upper()} JOIN")
            check_arguments(join, "this", "side", "kind", "on", "using", name="JOIN")
            side, kind = join.side.upper(), join.kind.upper()
            if side not in ("", "LEFT", "RIGHT", "FULL") or kind not in ("", "INNER", "OUTER", "CROSS"):
                raise unsupported(f"{side} {kind} JOIN".strip())
            if (kind == "OUTER" and not side) or (kind in ("CROSS", "INNER") and side):
                raise unsupported(f"{side} {kind} JOIN".strip())
            on, using = join.args.get("on"), join.args.get("using")
            if kind == "CROSS" and (on is not None or using):
                raise SqlError("CROSS JOIN takes no ON and no USING.", "CompileError")
            plain = on is None and not using and not side
            if product and side in ("RIGHT", "FULL"):
                raise unsupported(f"{side} JOIN after a comma or a JOIN without ON")
            product = product or (plain and kind != "CROSS")
            left = len(scope.sources)
            source = self.source(join.this, scope)
            condition = self._using(using, side, left, scope) if using else ""
            if on is not None:
                condition = self._plain(self.condition(on, scope, "on"), "ON").sql
            words = f"{side} JOIN" if side else "JOIN"
            sql += f" {words} {source}"
            if condition or side:
                sql += f" ON {condition or '1'}"
        return sql

    def _using(self, names: Sequence[exp.Expr], side: str, left: int, scope: Scope) -> str:
        conditions = []
        before, after = Scope(sources=scope.sources[:left], merged=dict(scope.merged)), scope.sources[left:]
        right_scope = Scope(sources=after)
        for node in names:
            name = self.identifier(node)
            one, two = before.column(name, "", ""), right_scope.column(name, "", "")
            if one is None or two is None:
                raise SqlError(f"USING: column '{name}' is not on both sides.", "CompileError")
            if family(one.type) != family(two.type) or ANY in (one.type, two.type):
                raise unsupported(f"USING ({name}) over different types")
            conditions.append(f"({one.sql} = {two.sql})")
            sql = {"RIGHT": two.sql, "FULL": f"coalesce({one.sql}, {two.sql})"}.get(side, one.sql)
            scope.merged[name.upper()] = Bound(sql, common_type([one.type, two.type]))
        return " AND ".join(conditions)

    @staticmethod
    def _plain(bound: Bound, where: str) -> Bound:
        if bound.aggregate or bound.window:
            what = "An aggregate" if bound.aggregate else "A window"
            raise SqlError(f"{what} is not allowed in {where}.", "CompileError")
        return bound

    # --- SELECT -----------------------------------------------------------------------------------------

    def _select(self, node: exp.Select, parent: Scope | None) -> Query:
        check_arguments(node, *_CLAUSES, name="SELECT")
        if node.args.get("kind"):
            raise unsupported(f"SELECT {node.args['kind']}")
        with_sql = self._with_clause(node, parent)
        try:
            return self._select_core(node, Scope(parent=parent), with_sql)
        finally:
            self._leave_with(node)

    def _select_core(self, node: exp.Select, scope: Scope, with_sql: str) -> Query:
        node, original = take_marks(node), node
        from_sql = self._from(node, scope)
        shown = scope if node is original else self._in_order(original, node, scope)
        walk = self._connect(node, scope, from_sql)
        items = self._items(node, scope, shown)
        where = node.args.get("where")
        clauses = ""
        if where is not None:
            check_arguments(where, "this")
            clauses += " WHERE " + self._plain(self.condition(where.this, scope, "where"), "WHERE").sql
        grouped = self._group(node, scope)
        if grouped:
            clauses += " GROUP BY " + ", ".join(map(_no_position, grouped))
        bound = [(name, self._item(item, scope)) for name, item in items]
        having = node.args.get("having")
        checked = [b for _, b in bound]
        if having is not None:
            check_arguments(having, "this")
            tested = self.condition(having.this, scope, "having")
            if tested.window:
                raise SqlError("A window is not allowed in HAVING.", "CompileError")
            checked.append(tested)
            clauses += " HAVING " + tested.sql
        distinct = self._distinct(node)
        order = self._order(node.args.get("order"), bound, scope, distinct=bool(distinct), checked=checked)
        if having is not None and not grouped and not any(b.aggregate for b in checked):
            raise unsupported("HAVING without GROUP BY and aggregates")
        if grouped or any(b.aggregate for b in checked):
            self._check_grouped(checked, scope)
        if walk is not None:
            walk_sql, path = self._walk_sql(walk, node, from_sql)
            with_sql = f"{with_sql}, {walk_sql}" if with_sql else walk_sql
            from_sql = f"h{walk.number} AS w{walk.number}"
            if not order and not distinct and not grouped and not any(b.aggregate for b in checked):
                order = f" ORDER BY {path}"
        selected = ", ".join(f"{b.sql} AS c{n}" for n, (_, b) in enumerate(bound, 1))
        head = f"WITH {'RECURSIVE ' if walk else ''}{with_sql} " if with_sql else ""
        sql = f"{head}SELECT {distinct}{selected}"
        sql += (f" FROM {from_sql}" if from_sql else "") + clauses
        limit = self._limit(node.args.get("limit"))
        columns = tuple(Column(name, b.type) for name, b in bound)
        if not columns or len(columns) > _MOST_COLUMNS:
            raise SqlError(f"A query has 1 to {_MOST_COLUMNS} columns, not {len(columns)}.", "CompileError")
        simple = not (with_sql or order or limit)
        return Query(sql + order + limit, columns, frozenset(scope.outer), simple)

    @staticmethod
    def _in_order(original: exp.Select, node: exp.Select, scope: Scope) -> Scope:
        """Return the sources as they were written, before outer joins were made of marks."""
        written = [original.args["from_"].this, *(j.this for j in original.args.get("joins") or ())]
        made = [node.args["from_"].this, *(j.this for j in node.args.get("joins") or ())]
        places = {id(n.meta.get("written")): place for place, n in enumerate(made)}
        return Scope(sources=[scope.sources[places[id(n)]] for n in written])

    def _distinct(self, node: exp.Select) -> str:
        distinct = node.args.get("distinct")
        if distinct is None:
            return ""
        check_arguments(distinct, name="DISTINCT")
        return "DISTINCT "

    def _items(self, node: exp.Select, scope: Scope, shown: Scope) -> list[tuple[str, exp.Expr | Bound]]:
        """Expand the select list, and let its aliases be known."""
        items: list[tuple[str, exp.Expr | Bound]] = []
        for item in node.expressions:
            if isinstance(item, exp.Star) or (
                isinstance(item, exp.Column) and isinstance(item.this, exp.Star)
            ):
                items += self._star(item, scope, shown)
            elif isinstance(item, exp.Alias) and item.alias.startswith(AUTOMATIC):
                items.append((item.alias.removeprefix(AUTOMATIC), item.this))
            elif isinstance(item, exp.Alias):
                name = self.identifier(item.args["alias"])
                scope.aliases.setdefault(name.upper(), []).append(item.this)
                items.append((name, item.this))
            elif isinstance(item, exp.Column):
                items.append((self._column_name(item, scope), item))
            else:
                items.append((self._shown(item).strip("'").upper(), item))
        return items

    def _column_name(self, node: exp.Column, scope: Scope) -> str:
        name = self.identifier(node.this)
        for source in scope.sources:
            if node.text("table") and source.name.upper() != node.text("table").upper():
                continue
            if name[:1] == "$" and name[1:].isdigit() and int(name[1:]) <= len(source.columns):
                return source.columns[int(name[1:]) - 1].name
            places = source.find(name)
            if places:
                return source.columns[places[0]].name
        return name

    def _star(self, item: exp.Expr, scope: Scope, shown: Scope) -> list[tuple[str, exp.Expr | Bound]]:
        star = item.this if isinstance(item, exp.Column) else item
        check_arguments(star, name="*")
        table = item.text("table") if isinstance(item, exp.Column) else ""
        sources = shown.sources
        if table:
            folder = item.text("db")
            sources = [
                s for s in sources
                if s.name.upper() == table.upper() and folder.upper() in ("", s.folder.upper())
            ]  # fmt: skip
            if not sources:
                raise SqlError(f"Table or View '{table}' does not exist!", "CompileError")
        elif not sources:
            raise SqlError("SELECT * needs FROM.", "CompileError")
        found: list[tuple[str, exp.Expr | Bound]] = []
        merged = {} if table else scope.merged
        for name in merged:
            column = next(s.columns[s.find(name)[0]] for s in sources if s.find(name))
            bound = scope.column(name, "", "")
            if bound is not None:
                found.append((column.name, bound))
        for source in sources:
            for column, sql in zip(source.columns, source.sql, strict=True):
                if column.name.upper() not in merged:
                    free = frozenset() if sql in scope.keys else frozenset({(scope, sql)})
                    found.append((column.name, Bound(sql, column.type, free)))
        return found

    def _item(self, item: exp.Expr | Bound, scope: Scope) -> Bound:
        if isinstance(item, Bound):
            return replace(item, free=frozenset(f for f in item.free if f[1] not in scope.keys))
        return self.value(item, scope)

    def _group(self, node: exp.Select, scope: Scope) -> list[str]:
        group = node.args.get("group")
        if group is None:
            return []
        check_arguments(group, "expressions", name="GROUP BY")
        keys: dict[str, str] = {}
        for key in group.expressions:
            if isinstance(key, exp.Literal):
                raise unsupported("GROUP BY by position")
            bound = self._plain(self.value(key, scope), "GROUP BY")
            keys[bound.sql] = bound.type
        scope.keys = keys
        return list(keys)

    @staticmethod
    def _check_grouped(bounds: Sequence[Bound], scope: Scope) -> None:
        for bound in bounds:
            for owner, sql in bound.free:
                if owner is scope:
                    name = next(
                        (s.columns[s.sql.index(sql)].name for s in scope.sources if sql in s.sql), sql
                    )
                    raise SqlError(f"not a GROUP BY expression: {name}", "CompileError")

    def _order(
        self, node: exp.Expr | None, items: Sequence[tuple[str, Bound]], scope: Scope, *, distinct: bool,
        checked: list[Bound],
    ) -> str:  # fmt: skip
        if node is None:
            return ""
        check_arguments(node, "expressions", name="ORDER BY")
        parts = []
        for ordered in node.expressions:
            place = self._position(ordered.this, len(items))
            if place is None:
                place = self._named_item(ordered.this, items, scope)
            if place is None:
                bound = self.value(ordered.this, scope)
                place = next((n for n, (_, b) in enumerate(items, 1) if b.sql == bound.sql), None)
                if place is None:
                    if distinct:
                        raise SqlError(
                            "ORDER BY with DISTINCT needs a column of the select list.", "CompileError"
                        )
                    checked.append(bound)
                    parts.append(_no_position(bound.sql) + self.direction(ordered))
                    continue
            parts.append(f"{place}" + self.direction(ordered))
        return " ORDER BY " + ", ".join(parts)

    def _named_item(self, node: exp.Expr, items: Sequence[tuple[str, Bound]], scope: Scope) -> int | None:
        """Return the place of the alias that ORDER BY names."""
        if not isinstance(node, exp.Column) or node.text("table"):
            return None
        name = self.identifier(node.this).upper()
        if name not in scope.aliases:
            return None
        places = [n for n, (column, _) in enumerate(items, 1) if column.upper() == name]
        if len({items[n - 1][1].sql for n in places}) > 1:
            raise SqlError(f"column ambiguously defined: {name}", "CompileError")
        return places[0] if places else None

    # --- CONNECT BY -------------------------------------------------------------------------------------

    def _connect(self, node: exp.Select, scope: Scope, from_sql: str) -> _Walk | None:
        """Let the sources of a scope be the rows of a walk."""
        connect = node.args.get("connect")
        if connect is None:
            return None
        check_arguments(connect, "start", "connect", name="CONNECT BY")
        if connect.args.get("connect") is None:
            raise SqlError("START WITH needs CONNECT BY.", "CompileError")
        if any(not j.args.get("on") and not j.args.get("using") and j.kind.upper() != "CROSS"
               for j in node.args.get("joins") or ()):  # fmt: skip
            raise unsupported("CONNECT BY over sources with commas between; write JOIN ... ON")
        if scope.outer or scope.merged:
            raise unsupported("CONNECT BY with USING, or over columns of a query around")
        number = self.next_number()

        def scope_of(alias: str) -> Scope:
            made, place = Scope(parent=None), 0
            for source in scope.sources:
                sql = []
                for _ in source.columns:
                    place += 1
                    sql.append(f"{alias}.b{place}")
                made.sources.append(replace(source, sql=tuple(sql)))
            return made

        start, step, walked = scope_of("n"), scope_of("n"), scope_of(f"w{number}")
        step.prior = scope_of("p")
        base = ", ".join(
            f"{sql} AS b{n}" for n, sql in enumerate((s for src in scope.sources for s in src.sql), 1)
        )
        walk = _Walk(number, base, start, step)
        level = {"LEVEL": Bound("1", INTEGER)}
        start.merged, step.merged = level, {"LEVEL": Bound("(p.level + 1)", INTEGER)}
        scope.sources, scope.merged = walked.sources, {}
        self._walks[scope] = walk
        self._walks[start] = self._walks[step] = walk
        return walk

    def _pseudo(self, name: str, scope: Scope, *, quoted: bool) -> Bound | None:
        found = super()._pseudo(name, scope, quoted=quoted)
        if found is None and name == "LEVEL" and not quoted and scope in self._walks:
            sql = f"w{self._walks[scope].number}.level"
            return Bound(sql, INTEGER, frozenset({(scope, sql)}))
        return found

    def _walk_sql(self, walk: _Walk, node: exp.Select, from_sql: str) -> tuple[str, str]:
        connect, number = node.args["connect"], walk.number
        start = connect.args.get("start")
        first = self._plain(self.condition(start, walk.start), "START WITH").sql if start is not None else "1"
        step = self._plain(self.condition(connect.args["connect"], walk.step), "CONNECT BY").sql
        places = sum(len(s.columns) for s in walk.start.sources)
        columns = [f"b{n}" for n in range(1, places + 1)]
        key = call("key", "n.rn")
        if any(self._function_name(f) == "PRIOR" for f in connect.args["connect"].find_all(exp.Anonymous)):
            loop = call("fail", literal("CONNECT BY loop: a row is its own ancestor"))
            path = f"(CASE WHEN {call('instr', 'p.path', key)} THEN {loop} ELSE p.path || '/' || {key} END)"
        else:
            path = f"(p.path || '/' || {key})"
        rows = f"SELECT {walk.base}, row_number() OVER () AS rn" + (f" FROM {from_sql}" if from_sql else "")
        if not from_sql:
            rows = "SELECT 1 AS rn"
        names = [*columns, "level", "path", *(e[0] for e in walk.extras)]
        one = [*(f"n.{c}" for c in columns), "1", key, *(e[1] for e in walk.extras)]
        two = [*(f"n.{c}" for c in columns), "p.level + 1", path, *(e[2] for e in walk.extras)]
        sql = (
            f"n{number} AS MATERIALIZED ({rows}), h{number}({', '.join(names)}) AS ("
            f"SELECT {', '.join(one)} FROM n{number} AS n WHERE {first} UNION ALL "
            f"SELECT {', '.join(two)} FROM h{number} AS p JOIN n{number} AS n ON {step})"
        )
        return sql, f"w{number}.path"

    def _extra(self, scope: Scope, first: str, step: str, type: str) -> Bound:
        walk = self._walks[scope]
        name = f"x{len(walk.extras)}"
        for known, one, two in walk.extras:
            if (one, two) == (first, step):
                name = known
                break
        else:
            walk.extras.append((name, first, step))
        sql = f"w{walk.number}.{name}"
        return Bound(sql, type, frozenset({(scope, sql)}))

    def _walk_of(self, scope: Scope, what: str) -> _Walk:
        walk = self._walks.get(scope)
        if walk is None:
            raise SqlError(f"{what} needs CONNECT BY.", "CompileError")
        if scope in (walk.start, walk.step):
            raise unsupported(f"{what} within START WITH or CONNECT BY")
        return walk

    def path(self, nodes: Sequence[exp.Expr], scope: Scope) -> Bound:
        walk = self._walk_of(scope, "SYS_CONNECT_BY_PATH")
        self._count("SYS_CONNECT_BY_PATH", nodes, 2, 2)
        value = self._plain(self.value(nodes[0], walk.start), "SYS_CONNECT_BY_PATH")
        between = self._plain(self.value(nodes[1], walk.start), "SYS_CONNECT_BY_PATH")
        first = call("concat", between.sql, self._text_argument(value).sql)
        name = f"p.x{len(walk.extras)}"
        for known, one, _ in walk.extras:
            name = f"p.{known}" if one == first else name
        return self._extra(scope, first, call("concat", name, first), TEXT)

    def root(self, node: exp.Expr, scope: Scope) -> Bound:
        walk = self._walk_of(scope, "CONNECT_BY_ROOT")
        value = self._plain(self.value(node, walk.start), "CONNECT_BY_ROOT")
        name = f"p.x{len(walk.extras)}"
        for known, one, two in walk.extras:
            name = f"p.{known}" if one == value.sql and two == f"p.{known}" else name
        return self._extra(scope, value.sql, name, value.type)

    def prior(self, node: exp.Expr, scope: Scope) -> Bound:
        walk = self._walks.get(scope)
        if walk is None:
            raise SqlError("PRIOR needs CONNECT BY.", "CompileError")
        if scope is walk.start:
            raise unsupported("PRIOR within START WITH")
        above = walk.step.prior
        if above is None:
            raise SqlError("PRIOR needs CONNECT BY.", "CompileError")
        value = self._plain(self.value(node, above), "PRIOR")
        if scope is walk.step:
            return replace(value, free=frozenset())
        return self._extra(scope, "NULL", value.sql, value.type)


def _no_position(sql: str) -> str:
    """Keep SQLite from taking a number for the position of a column."""
    return f"({sql} + 0)" if sql.strip("()- ").isdigit() else sql
