"""Oracle's mark (+) for outer joins, made to LEFT JOIN."""

from __future__ import annotations

from sqlglot import exp

from mkframe.demo_server.dialect._values import SqlError, unsupported

__all__ = ["take_marks"]


def take_marks(node: exp.Select) -> exp.Select:
    """Return a query whose marks are joins; the query itself where it has none.

    Each source of the result holds the one that it was made of in ``meta["written"]``.
    """
    where = node.args.get("where")
    marked = [c for c in node.find_all(exp.Column) if c.args.get("join_mark") and c.parent_select is node]
    if not marked:
        return node
    if where is None or any(not _within(c, where) for c in marked):
        raise unsupported("(+) outside of WHERE")
    sources = _sources(node)
    conditions: dict[str, list[exp.Expr]] = {}
    partners: dict[str, set[str]] = {}
    kept: list[exp.Expr] = []
    for part in _parts(where.this):
        names = {_source_of(c, sources) for c in part.find_all(exp.Column) if c.args.get("join_mark")}
        if not names:
            kept.append(part)
            continue
        if len(names) > 1:
            raise SqlError("a predicate may reference only one outer-joined table")
        (inner,) = names
        others = _check_part(part, inner, sources)
        conditions.setdefault(inner, []).append(part)
        partners.setdefault(inner, set()).update(others)
    for inner, others in partners.items():
        if len(others) > 1:
            raise SqlError("a table may be outer joined to at most one other table")
        if not others:
            raise unsupported(f"(+) on {inner} without a partner")
    return _joined(node, sources, conditions, partners, kept)


def _within(node: exp.Expr, ancestor: exp.Expr) -> bool:
    at: exp.Expr | None = node
    while at is not None and at is not ancestor:
        at = at.parent
    return at is not None


def _sources(node: exp.Select) -> dict[str, exp.Expr]:
    joins = node.args.get("joins") or ()
    if any(j.side or j.kind or j.args.get("on") or j.args.get("using") for j in joins):
        raise unsupported("(+) together with JOIN")
    found: dict[str, exp.Expr] = {}
    for source in [node.args["from_"].this, *(j.this for j in joins)]:
        name = source.alias_or_name.upper()
        if not name or name in found:
            raise SqlError("(+) needs sources of different names.", "CompileError")
        found[name] = source
    return found


def _source_of(column: exp.Column, sources: dict[str, exp.Expr]) -> str:
    table = column.text("table").upper()
    if not table:
        raise unsupported(f"(+) after {column.name} without the name of its source")
    if table not in sources:
        raise SqlError(f"Table or View '{column.text('table')}' does not exist!", "CompileError")
    return table


def _parts(condition: exp.Expr) -> list[exp.Expr]:
    parts: list[exp.Expr] = []
    rest: exp.Expr = condition
    while isinstance(rest, exp.And):
        parts[:0] = _parts(rest.expression) if isinstance(rest.expression, exp.And) else [rest.expression]
        rest = rest.this
    return [rest, *parts]


def _check_part(part: exp.Expr, inner: str, sources: dict[str, exp.Expr]) -> set[str]:
    """Check one condition; return the other sources that it names."""
    if part.find(exp.Or, exp.In, exp.Subquery, exp.Select, exp.Any, exp.All) is not None:
        raise unsupported("(+) within OR, IN or a query")
    others = set()
    for column in part.find_all(exp.Column):
        table = column.text("table").upper()
        if not table:
            raise unsupported(f"{column.name} without the name of its source beside (+)")
        if table == inner and not column.args.get("join_mark"):
            raise SqlError(f"a predicate may not mix {inner} with and without (+)", "CompileError")
        if table != inner and table in sources:
            others.add(table)
    return others


def _joined(
    node: exp.Select, sources: dict[str, exp.Expr], conditions: dict[str, list[exp.Expr]],
    partners: dict[str, set[str]], kept: list[exp.Expr],
) -> exp.Select:  # fmt: skip
    order = [name for name in sources if name not in conditions]
    waiting = [name for name in sources if name in conditions]
    if not order:
        raise SqlError("two tables cannot be outer-joined to each other")
    plain = len(order)
    while waiting:
        ready = [name for name in waiting if partners[name] <= set(order)]
        if not ready:
            raise SqlError("two tables cannot be outer-joined to each other")
        order.append(ready[0])
        waiting.remove(ready[0])
    made = node.copy()
    made.set("from_", exp.From(this=_copy(sources[order[0]])))
    joins = [exp.Join(this=_copy(sources[name])) for name in order[1:plain]]
    joins += [
        exp.Join(this=_copy(sources[name]), side="LEFT", on=_all(conditions[name])) for name in order[plain:]
    ]
    made.set("joins", joins)
    made.set("where", exp.Where(this=_all(kept)) if kept else None)
    return made


def _copy(source: exp.Expr) -> exp.Expr:
    made = source.copy()
    made.meta["written"] = source
    return made


def _all(conditions: list[exp.Expr]) -> exp.Expr:
    made: exp.Expr | None = None
    for condition in conditions:
        part = condition.copy()
        for column in part.find_all(exp.Column):
            column.set("join_mark", False)
        made = part if made is None else exp.And(this=made, expression=part)
    if made is None:
        raise SqlError("(+) needs a condition.", "CompileError")
    return made
