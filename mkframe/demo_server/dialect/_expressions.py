"""Expressions and conditions of the dialect, rewritten for SQLite and typed on the way."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlglot import exp

from mkframe.demo_server.dialect._functions import FUNCTIONS, PREFIX
from mkframe.demo_server.dialect._prepare import AUTOMATIC, FUNCTION
from mkframe.demo_server.dialect._scope import Bound, Query, Scope
from mkframe.demo_server.dialect._values import (
    ANY,
    DATE,
    INTEGER,
    NULL,
    NUMBER,
    TEXT,
    TIMESTAMP,
    SqlError,
    common_type,
    family,
    from_time,
    unknown_function,
    unsupported,
)

__all__ = ["ExpressionBinder", "Facts", "check_arguments", "literal"]

_COMPARISONS: dict[type[exp.Expr], str] = {
    exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">=",
}  # fmt: skip
_ARITHMETIC: dict[type[exp.Expr], tuple[str, str]] = {
    exp.Add: ("+", "add"), exp.Sub: ("-", "subtract"), exp.Mul: ("*", "multiply"),
    exp.Div: ("/", "divide"), exp.Mod: ("%", "modulo"),
}  # fmt: skip
_AGGREGATES = {"COUNT", "SUM", "AVG", "MIN", "MAX", "MEDIAN", "ANY_VALUE"}
_MADE = re.compile(f' AS "{AUTOMATIC}[^"]*"')
_PSEUDO_COLUMNS = {"CONNECT_BY_ISCYCLE", "CONNECT_BY_ISLEAF", "ROWNUM"}
"""Names that Oracle answers without a column, and the documentation does not have."""
_RANKS = {"RANK", "DENSE_RANK", "ROW_NUMBER"}
_VALUES = {"FIRST_VALUE", "LAST_VALUE", "NTH_VALUE", "LAG", "LEAD"}
_NOT_WORKING = {"DIV0", "DIV0NULL"}
_CASTS = {
    exp.DType.TEXT: TEXT, exp.DType.INT: INTEGER, exp.DType.DECIMAL: NUMBER, exp.DType.TIMESTAMP: TIMESTAMP,
    exp.DType.DATE: DATE,
}  # fmt: skip
_NAMES = {
    "CURRENT_TIMESTAMP": "SYSDATE, SYSTIMESTAMP or CURRENT_TIMESTAMP",
    "WITHINGROUP": "WITHIN GROUP",
}
"""Names of constructs that the parser calls otherwise."""
_SHOWN = (exp.Placeholder, exp.Parameter, exp.Interval, exp.Tuple, exp.Boolean, exp.BitwiseAnd, exp.BitwiseOr)
"""Nodes that are written back as they were read."""
_MOST_ARGUMENTS = 100
"""SQLite takes 127."""
_WHOLE_FRAME = "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING"
_LARGEST = 2**63


_Window = tuple[list[Bound], list[Bound], list[str]]
"""PARTITION BY, ORDER BY, and the latter as SQL with its directions."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What system functions answer: who asks, and which release is selected for a pattern."""

    user: str
    release: Callable[[str], str | None]


def check_arguments(node: exp.Expr, *known: str, name: str = "") -> None:
    """Refuse a construct that the parser reads and this module does not know."""
    for key, value in node.args.items():
        if value not in (None, False, [], "") and key not in known:
            what = name or type(node).__name__.upper()
            raise unsupported(f"{what} with {key.strip('_').upper()}")


def literal(text: str) -> str:
    """Write a text as a literal of SQLite; an empty one is NULL."""
    if "\0" in text:
        raise SqlError("A text holds the character 0, which cannot be stored.")
    return "'" + text.replace("'", "''") + "'" if text else "NULL"


def call(name: str, *arguments: str) -> str:
    """Write a call of a function of this package."""
    return f"{PREFIX}{name}({', '.join(arguments)})"


def _nested(name: str, arguments: list[str]) -> str:
    """Call a function whose arguments can be taken some at a time, from left to right."""
    while len(arguments) > _MOST_ARGUMENTS:
        arguments = [f"{name}({', '.join(arguments[:_MOST_ARGUMENTS])})", *arguments[_MOST_ARGUMENTS:]]
    return f"{name}({', '.join(arguments)})"


def _balanced(conditions: list[str], word: str) -> str:
    """Join conditions as a balanced tree, for SQLite bounds the depth of one."""
    while len(conditions) > 1:
        pairs = [conditions[n : n + 2] for n in range(0, len(conditions), 2)]
        conditions = [f"({f' {word} '.join(pair)})" if len(pair) > 1 else pair[0] for pair in pairs]
    return conditions[0]


class ExpressionBinder:
    """Rewrites expressions in a scope."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts

    # --- conversions ------------------------------------------------------------------------------------

    @staticmethod
    def merge(sql: str, type: str, parts: Iterable[Bound]) -> Bound:
        """Return an expression made of parts."""
        parts = tuple(parts)
        return Bound(
            sql,
            type,
            frozenset().union(*(p.free for p in parts)),
            any(p.aggregate for p in parts),
            any(p.window for p in parts),
        )

    def convert(self, bound: Bound, wanted: str) -> Bound:
        """Convert to a family of types: number, text or time."""
        if family(bound.type) in (wanted, NULL):
            return bound
        name = {"number": "number", "text": "date_text" if bound.type == DATE else "text", "time": "time"}[
            wanted
        ]
        kind = {"number": NUMBER, "text": TEXT, "time": TIMESTAMP}[wanted]
        return replace(bound, sql=call(name, bound.sql), type=kind)

    def _text_argument(self, bound: Bound) -> Bound:
        return self.convert(bound, "text") if bound.type == DATE else bound

    def same_family(self, first: Bound, others: Sequence[Bound]) -> list[Bound]:
        """Convert values to the type of the first one, as NVL, NVL2 and DECODE do."""
        wanted = family(first.type)
        if wanted in (NULL, ANY):
            return list(others)
        return [self.convert(o, wanted) for o in others]

    def together(self, parts: Sequence[Bound], where: str) -> str:
        """Return the common type of parts that must be of one family."""
        found_type = common_type([p.type for p in parts])
        if found_type == ANY and all(p.type != ANY for p in parts):
            types = ", ".join(dict.fromkeys(p.type for p in parts if p.type != NULL))
            raise SqlError(f"inconsistent datatypes in {where}: {types}", "CompileError")
        return found_type

    # --- conditions -------------------------------------------------------------------------------------

    def condition(self, node: exp.Expr, scope: Scope, place: str = "") -> Bound:
        """Rewrite a condition; `place` says whether ANY, ALL and correlated EXISTS may stand there."""
        method = _CONDITIONS.get(type(node))
        if method is not None:
            return method(self, node, scope, place)
        if isinstance(node, exp.Predicate):
            raise self._unknown(node)
        raise SqlError(f"A condition is expected, not {self._shown(node)}.", "CompileError")

    def _between(self, node: exp.Between, scope: Scope, place: str) -> Bound:
        check_arguments(node, "this", "low", "high")
        value = self.value(node.this, scope)
        low = self.compare(">=", value, self.value(node.args["low"], scope))
        high = self.compare("<=", value, self.value(node.args["high"], scope))
        return self.merge(f"({low.sql} AND {high.sql})", "condition", (low, high))

    def _is(self, node: exp.Is, scope: Scope, place: str) -> Bound:
        check_arguments(node, "this", "expression")
        if not isinstance(node.expression, exp.Null):
            raise unsupported(f"IS {node.expression.sql()}")
        return self._around("({} IS NULL)", self.value(node.this, scope))

    def _exists(self, node: exp.Exists, scope: Scope, place: str) -> Bound:
        check_arguments(node, "this")
        query = self.subquery(node.this, scope)
        if query.outer and place != "where":
            raise unsupported("A correlated EXISTS outside of WHERE or under OR (as documented)")
        return Bound(f"EXISTS ({query.sql})", "condition", self.visible(query))

    def _in_parentheses(self, node: exp.Paren, scope: Scope, place: str) -> Bound:
        return self._around("({})", self.condition(node.this, scope, place))

    def _not(self, node: exp.Not, scope: Scope, place: str) -> Bound:
        return self._around("(NOT {})", self.condition(node.this, scope, place))

    def _chain(self, node: exp.Expr, scope: Scope, place: str) -> Bound:
        kind, parts, rest = type(node), [], node
        while isinstance(rest, kind):
            parts.append(rest.expression)
            rest = rest.this
        if kind is exp.Or:
            place = "or" if place == "where" else place
        bound = [self.condition(p, scope, place) for p in [rest, *reversed(parts)]]
        word = "AND" if kind is exp.And else "OR"
        return self.merge(_balanced([b.sql for b in bound], word), "condition", bound)

    def _around(self, form: str, bound: Bound) -> Bound:
        return replace(bound, sql=form.format(bound.sql), type="condition")

    def _comparison(self, node: exp.Expr, scope: Scope, place: str) -> Bound:
        check_arguments(node, "this", "expression")
        operator, right = _COMPARISONS[type(node)], node.expression
        if isinstance(right, exp.Anonymous) and right.name.upper() in ("ANY", "ALL"):
            raise unsupported(f"{right.name.upper()} with a list of values")
        left = self.value(node.this, scope)
        if isinstance(right, (exp.Any, exp.All)):
            return self._quantified(operator, left, right, scope, place)
        return self.compare(operator, left, self.value(right, scope))

    def compare(self, operator: str, left: Bound, right: Bound) -> Bound:
        """Compare two values after the conversions that their types ask for."""
        one, two = family(left.type), family(right.type)
        if ANY in (one, two):
            sql = f"({call('compare', left.sql, right.sql)} {operator} 0)"
            return self.merge(sql, "condition", (left, right))
        if NULL not in (one, two) and one != two:
            wanted = "time" if "time" in (one, two) else "number"
            left, right = self.convert(left, wanted), self.convert(right, wanted)
        return self.merge(f"({left.sql} {operator} {right.sql})", "condition", (left, right))

    def _quantified(self, operator: str, left: Bound, node: exp.Expr, scope: Scope, place: str) -> Bound:
        word = "ALL" if isinstance(node, exp.All) else "ANY"
        self._check_place(place, f"{word} (query)")
        check_arguments(node, "this")
        query = self._one_column(node.this, scope, word)
        compared = self.compare(operator, left, Bound("q.c1", query.columns[0].type)).sql
        # three values of truth: false before unknown for ALL, true before unknown for ANY
        first, second = ("NOT " + compared, "0") if word == "ALL" else (compared, "1")
        last = "1" if word == "ALL" else "0"
        sql = (
            f"(CASE WHEN EXISTS (SELECT 1 FROM ({query.sql}) AS q WHERE {first}) THEN {second} WHEN EXISTS "
            f"(SELECT 1 FROM ({query.sql}) AS q WHERE {compared} IS NULL) THEN NULL ELSE {last} END)"
        )
        return replace(self.merge(sql, "condition", (left,)), free=left.free | self.visible(query))

    def _check_place(self, place: str, what: str) -> None:
        if place != "where":
            raise unsupported(f"{what} outside of WHERE or under OR (as documented)")

    def _in(self, node: exp.In, scope: Scope, place: str) -> Bound:
        check_arguments(node, "this", "expressions", "query")
        left = self.value(node.this, scope)
        if node.args.get("query") is not None:
            query = self._one_column(node.args["query"], scope, "IN")
            right = Bound("q.c1", query.columns[0].type)
            left, sql = self._in_query(left, right, query)
            return replace(
                self.merge(f"({left.sql} IN ({sql}))", "condition", (left,)),
                free=left.free | self.visible(query),
            )
        items = [self.value(e, scope) for e in node.expressions]
        if not items:
            raise SqlError("IN needs a list of values or a query.", "SyntaxError")
        if {family(i.type) for i in items} <= {family(left.type), NULL} and family(left.type) != ANY:
            sql = f"({left.sql} IN ({', '.join(i.sql for i in items)}))"
            return self.merge(sql, "condition", (left, *items))
        compared = [self.compare("=", left, item) for item in items]
        return self.merge(_balanced([c.sql for c in compared], "OR"), "condition", compared)

    def _in_query(self, left: Bound, right: Bound, query: Query) -> tuple[Bound, str]:
        one, two = family(left.type), family(right.type)
        if ANY in (one, two):
            raise unsupported("IN (query) over values of mixed types")
        if one == two or NULL in (one, two):
            return left, query.sql
        wanted = "time" if "time" in (one, two) else "number"
        inner = self.convert(right, wanted)
        return self.convert(left, wanted), f"SELECT {inner.sql} FROM ({query.sql}) AS q"

    def _like(self, node: exp.Expr, scope: Scope, place: str) -> Bound:
        escape: Bound | None = None
        if isinstance(node, exp.Escape):
            if not (isinstance(node.expression, exp.Literal) and len(node.expression.this) == 1):
                raise SqlError("ESCAPE takes one character.", "CompileError")
            escape = self.value(node.expression, scope)
            node = node.this
        if not isinstance(node, exp.Like):
            raise unsupported(f"ESCAPE after {self._shown(node)}")
        check_arguments(node, "this", "expression", "negate")
        parts = [self._text_argument(self.value(n, scope)) for n in (node.this, node.expression)]
        arguments = [p.sql for p in parts] + ([escape.sql] if escape else [])
        sql = call("like", *arguments)
        return self.merge(f"(NOT {sql})" if node.args.get("negate") else sql, "condition", parts)

    # --- values -----------------------------------------------------------------------------------------

    def value(self, node: exp.Expr, scope: Scope) -> Bound:
        """Rewrite an expression that yields a value."""
        bound = self._value(node, scope)
        if bound.sql in scope.keys:
            return replace(bound, free=frozenset(), aggregate=False)
        return bound

    def _value(self, node: exp.Expr, scope: Scope) -> Bound:
        method = _METHODS.get(type(node))
        if method is not None:
            return method(self, node, scope)
        if type(node) in _ARITHMETIC:
            return self._arithmetic(node, scope)
        if type(node) in _COMPARISONS or isinstance(node, (exp.Connector, exp.Predicate, exp.Not)):
            raise unsupported("A condition where a value is needed")
        raise self._unknown(node)

    @classmethod
    def _unknown(cls, node: exp.Expr) -> SqlError:
        """Name a construct that the parser reads and this module does not know."""
        name = node.sql_name() if isinstance(node, exp.Func) else type(node).__name__.upper()
        name = _NAMES.get(name, name)
        return unsupported(f"{name} ({cls._shown(node)})" if isinstance(node, _SHOWN) else name)

    @staticmethod
    def _shown(node: exp.Expr) -> str:
        try:
            text = _MADE.sub("", node.sql("oracle")).replace(FUNCTION, "")
        except Exception:
            text = type(node).__name__.upper()
        return repr(text if len(text) <= 80 else text[:80] + "...")

    def _literal(self, node: exp.Literal, scope: Scope) -> Bound:
        text = str(node.this)
        if node.is_string:
            return Bound(literal(text), TEXT if text else NULL)
        if text.isascii() and text.isdigit() and int(text) < _LARGEST:
            return Bound(str(int(text)), INTEGER)
        try:
            number = float(text)
        except ValueError:
            raise SqlError(f"{text!r} is no number.", "SyntaxError") from None
        if number in (float("inf"), float("-inf")):
            raise SqlError(f"The number {text[:40]} is too large.")
        return Bound(repr(number), NUMBER)

    def _null(self, node: exp.Expr, scope: Scope) -> Bound:
        return Bound("NULL", NULL)

    def _paren(self, node: exp.Paren, scope: Scope) -> Bound:
        inner = self.value(node.this, scope)
        return replace(inner, sql=f"({inner.sql})")

    def _column(self, node: exp.Column, scope: Scope) -> Bound:
        check_arguments(node, "this", "table", "db")
        if isinstance(node.this, exp.Star):
            raise SqlError("* stands only in a select list and in COUNT(*).", "CompileError")
        name = self.identifier(node.this)
        table, folder = node.text("table"), node.text("db")
        bound = self.resolve(name, table, folder, scope, quoted=bool(node.this.args.get("quoted")))
        if bound is None:
            if not table and name in _PSEUDO_COLUMNS:
                raise unsupported(name)
            shown = ".".join(p for p in (folder, table, name) if p)
            raise SqlError(f"Column '{shown}' does not exist!", "CompileError")
        return bound

    @staticmethod
    def identifier(node: Any) -> str:
        """Return a name: in upper case unless it is quoted."""
        if not isinstance(node, exp.Identifier):
            raise unsupported(f"the name {node!s}")
        return str(node.this) if node.args.get("quoted") else str(node.this).upper()

    def resolve(self, name: str, table: str, folder: str, scope: Scope, *, quoted: bool) -> Bound | None:
        """Find a column in a scope or in those around it; else an alias, LEVEL or CURRENT_USER."""
        passed: list[Scope] = []
        at: Scope | None = scope
        while at is not None:
            found = at.column(name, table, folder)
            if found is None and not table:
                found = self._pseudo(name, at, quoted=quoted)
            if found is not None:
                for inner in passed:
                    inner.outer |= found.free or {(at, found.sql)}
                return found
            passed.append(at)
            at = at.parent
        return None

    def _pseudo(self, name: str, scope: Scope, *, quoted: bool) -> Bound | None:
        targets = scope.aliases.get(name.upper())
        if targets:
            if len(targets) > 1:
                raise SqlError(f"column ambiguously defined: {name}", "CompileError")
            (target,) = targets
            scope.aliases[name.upper()] = []  # an alias that uses its own name is unknown there
            try:
                return self.value(target, scope)  # type: ignore[arg-type]
            finally:
                scope.aliases[name.upper()] = targets
        return None

    def _current_user(self, node: exp.Expr, scope: Scope) -> Bound:
        check_arguments(node)
        return Bound(literal(self.facts.user), TEXT)

    def _arithmetic(self, node: exp.Expr, scope: Scope) -> Bound:
        check_arguments(node, "this", "expression", "typed", "safe")
        sign, name = _ARITHMETIC[type(node)]
        left, right = self.value(node.this, scope), self.value(node.expression, scope)
        families = {family(left.type), family(right.type)}
        if "time" in families:
            if sign == "-" and families <= {"time", NULL}:
                return self.merge(call("days", left.sql, right.sql), INTEGER, (left, right))
            if families <= {"time", "number", "text"} or sign != "-":
                raise unsupported(f"{sign} with a DATE or TIMESTAMP")
        if left.type == right.type == INTEGER and sign in "+-*":
            return self.merge(f"({left.sql} {sign} {right.sql})", INTEGER, (left, right))
        whole = left.type == right.type == INTEGER and sign == "%"
        return self.merge(call(name, left.sql, right.sql), INTEGER if whole else NUMBER, (left, right))

    def _neg(self, node: exp.Neg, scope: Scope) -> Bound:
        inner = self.value(node.this, scope)
        if inner.type == INTEGER or inner.type == NUMBER:
            return replace(inner, sql=f"(-{inner.sql})" if inner.sql[:1] != "-" else f"(- {inner.sql})")
        if family(inner.type) == "time":
            raise unsupported("- before a DATE or TIMESTAMP")
        return replace(inner, sql=call("subtract", "0", inner.sql), type=NUMBER)

    def _concat(self, node: exp.DPipe, scope: Scope) -> Bound:
        parts: list[exp.Expr] = []
        rest: exp.Expr = node
        while isinstance(rest, exp.DPipe):
            check_arguments(rest, "this", "expression", "safe")
            if isinstance(rest.expression, (exp.Add, exp.Sub)):
                raise unsupported("|| before + or - without parentheses")
            parts.append(rest.expression)
            rest = rest.this
        bound = [self._text_argument(self.value(p, scope)) for p in [rest, *reversed(parts)]]
        return self.merge(_nested(PREFIX + "concat", [b.sql for b in bound]), TEXT, bound)

    def _case(self, node: exp.Case, scope: Scope) -> Bound:
        check_arguments(node, "this", "ifs", "default")
        parts: list[Bound] = []
        results: list[Bound] = []
        sql = "CASE"
        compared = self.value(node.this, scope) if node.this is not None else None
        for branch in node.args["ifs"]:
            if compared is not None:
                test = self.compare("=", compared, self.value(branch.this, scope))
            else:
                test = self.condition(branch.this, scope)
            result = self.value(branch.args["true"], scope)
            sql += f" WHEN {test.sql} THEN {result.sql}"
            parts += [test, result]
            results.append(result)
        if node.args.get("default") is not None:
            results.append(self.value(node.args["default"], scope))
            sql += f" ELSE {results[-1].sql}"
            parts.append(results[-1])
        return self.merge(f"({sql} END)", self.together(results, "CASE"), parts)

    def _cast(self, node: exp.Cast, scope: Scope) -> Bound:
        check_arguments(node, "this", "to", "_type")
        to = node.args["to"]
        wanted = _CASTS.get(to.this)
        if wanted is None or to.args.get("expressions"):
            raise unsupported(f"The type {to.sql()}")
        inner = self.value(node.this, scope)
        if wanted == TEXT:
            return replace(self.convert(inner, "text"), type=TEXT)
        if family(wanted) == "time":
            return replace(self.convert(inner, "time"), type=wanted)
        name = "store_integer" if wanted == INTEGER else "store_number"
        return replace(inner, sql=call(name, inner.sql), type=wanted)

    def _date_literal(self, node: exp.Expr, scope: Scope) -> Bound:
        from datetime import datetime

        if isinstance(
            node.this, exp.Cast
        ):  # date'2026-01-01'::STRING, which the parser groups from the right
            cast, plain = node.this.copy(), node.copy()
            plain.set("this", cast.this.copy())
            cast.set("this", plain)
            return self._cast(cast, scope)
        text = node.this.this if isinstance(node.this, exp.Literal) and node.this.is_string else None
        date = isinstance(node, exp.DateStrToDate)
        pattern = "%Y-%m-%d" if date else "%Y-%m-%d %H:%M:%S"
        for form in (pattern, pattern + ".%f"):
            try:
                moment = datetime.strptime(text or "", form)
            except ValueError:
                continue
            return Bound(literal(from_time(moment)), DATE if date else TIMESTAMP)
        raise SqlError(f"{text!r} is no {'date' if date else 'timestamp'} literal.", "CompileError")

    def _scalar(self, node: exp.Expr, scope: Scope) -> Bound:
        query = self._one_column(node, scope, "A query that stands for a value")
        sql = f"(SELECT {call('single', 'q.c1')} FROM ({query.sql}) AS q)"
        return Bound(sql, query.columns[0].type, self.visible(query))

    def _one_column(self, node: exp.Expr, scope: Scope, what: str) -> Query:
        query = self.subquery(node, scope)
        if len(query.columns) != 1:
            raise SqlError(f"{what} needs one column, the query has {len(query.columns)}.", "CompileError")
        return query

    @staticmethod
    def visible(query: Query) -> frozenset[tuple[Scope, str]]:
        """Return the columns around that a query uses and that are not grouped by there."""
        return frozenset((scope, sql) for scope, sql in query.outer if sql not in scope.keys)

    def subquery(self, node: exp.Expr, scope: Scope) -> Query:
        """Rewrite a query inside an expression."""
        raise NotImplementedError

    # --- functions --------------------------------------------------------------------------------------

    def _anonymous(self, node: exp.Anonymous, scope: Scope) -> Bound:
        name = self._function_name(node)
        if name in _AGGREGATES:
            return self._aggregate(name, node, scope)
        if name in ("PRIOR", "CONNECT_BY_ROOT"):
            self._count(name, node.expressions, 1, 1)
            read = self.prior if name == "PRIOR" else self.root
            return read(node.expressions[0], scope)
        if name in _RANKS | _VALUES:
            raise SqlError(f"{name} needs OVER (...).", "CompileError")
        return self.function(name, node.expressions, scope)

    @staticmethod
    def _function_name(node: exp.Anonymous) -> str:
        if not isinstance(node.this, str):
            raise unsupported(f"The function {node.this.sql()}")
        return str(node.this).upper().removeprefix(FUNCTION)

    def function(self, name: str, nodes: Sequence[exp.Expr], scope: Scope) -> Bound:
        """Rewrite a call of a scalar function."""
        if name in _NOT_WORKING:
            raise unsupported(f"The function {name} (documented as not working)")
        special = _SPECIAL.get(name)
        if special is not None:
            least, most, method = special
            self._count(name, nodes, least, most)
            return method(self, name, [self.value(n, scope) for n in nodes])
        if name == "CURRENT_RELEASE":
            return self._current_release(nodes)
        if name == "SYS_CONNECT_BY_PATH":
            return self.path(nodes, scope)
        known = FUNCTIONS.get(name)
        if known is None:
            raise unknown_function(name)
        self._count(name, nodes, known.least, known.most)
        parts = [self.value(n, scope) for n in nodes]
        if known.texts:
            parts = [self._text_argument(p) for p in parts]
        found_type = known.result([p.type for p in parts])
        return self.merge(_nested(PREFIX + name.lower(), [p.sql for p in parts]), found_type, parts)

    @staticmethod
    def _count(name: str, nodes: Sequence[Any], least: int, most: int) -> None:
        if not least <= len(nodes) <= most:
            wanted = str(least) if least == most else f"{least} to {most}"
            raise SqlError(f"Number of arguments of {name}: {wanted}, not {len(nodes)}.", "CompileError")
        for node in nodes:
            if isinstance(node, (exp.Star, exp.Distinct, exp.Alias)):
                raise SqlError(f"{name} takes plain expressions.", "CompileError")

    def _decode(self, name: str, parts: list[Bound]) -> Bound:
        """Rewrite DECODE; the first search gives the type to compare in, the first result that of all."""
        value, searches, results = parts[0], parts[1:-1:2], parts[2::2]
        default = parts[-1] if len(parts) % 2 == 0 else Bound("NULL", NULL)
        first = next((r for r in (*results, default) if r.type != NULL), default)
        *results, default = self.same_family(first, [*results, default])
        sql = "(CASE"
        for search, result in zip(searches, results, strict=True):
            sql += f" WHEN {call('matches', searches[0].sql, value.sql, search.sql)} THEN {result.sql}"
        found_type = common_type([r.type for r in (*results, default)])
        return self.merge(f"{sql} ELSE {default.sql} END)", found_type, [*parts, *results, default])

    def _nvl(self, name: str, parts: list[Bound]) -> Bound:
        first, second = parts[0], self.same_family(parts[0], parts[1:])[0]
        found_type = common_type([first.type, second.type])
        return self.merge(f"coalesce({first.sql}, {second.sql})", found_type, (first, second))

    def _nvl2(self, name: str, parts: list[Bound]) -> Bound:
        value, known = parts[0], parts[1]
        (unknown,) = self.same_family(known, parts[2:])
        sql = f"(CASE WHEN {value.sql} IS NOT NULL THEN {known.sql} ELSE {unknown.sql} END)"
        return self.merge(sql, common_type([known.type, unknown.type]), (value, known, unknown))

    def _coalesce(self, name: str, parts: list[Bound]) -> Bound:
        found_type = self.together(parts, "COALESCE")
        return self.merge(_nested("coalesce", [p.sql for p in parts]), found_type, parts)

    def _nullif(self, name: str, parts: list[Bound]) -> Bound:
        test = self.compare("=", parts[0], parts[1])
        sql = f"(CASE WHEN {test.sql} THEN NULL ELSE {parts[0].sql} END)"
        return self.merge(sql, parts[0].type, parts)

    def _to_char(self, name: str, parts: list[Bound]) -> Bound:
        model = parts[1].sql if len(parts) > 1 else "NULL"
        if len(parts) > 1 and family(parts[0].type) == "text":
            raise unsupported("TO_CHAR of a text with a format")
        date = "1" if parts[0].type == DATE else "0"
        return self.merge(call("to_char", parts[0].sql, model, date), TEXT, parts)

    def _current_release(self, nodes: Sequence[exp.Expr]) -> Bound:
        if len(nodes) != 1 or not (isinstance(nodes[0], exp.Literal) and nodes[0].is_string):
            raise SqlError("CURRENT_RELEASE takes the name of a pattern as text.", "CompileError")
        text = str(nodes[0].this)
        pattern = text[len("@INSTANCES.") :] if text.upper().startswith("@INSTANCES.") else text
        release = self.facts.release(pattern)
        return Bound("NULL", TEXT) if release is None else Bound(literal(release), TEXT)

    def _trim(self, node: exp.Trim, scope: Scope) -> Bound:
        check_arguments(node, "this", "expression", "position")
        of = node.args.get("expression")
        parts = [self._text_argument(self.value(node.this, scope))]
        parts.append(self._text_argument(self.value(of, scope)) if of is not None else Bound("' '", TEXT))
        position = node.args.get("position") or "BOTH"
        return self.merge(call("trim", *(p.sql for p in parts), literal(position)), TEXT, parts)

    def _chr(self, node: exp.Chr, scope: Scope) -> Bound:
        charset = node.args.get("charset")
        if len(node.expressions) != 1 or (charset and charset.name.upper() != "NCHAR_CS"):
            raise SqlError("CHR takes one number, and USING NCHAR_CS.", "CompileError")
        part = self.value(node.expressions[0], scope)
        return self.merge(call("chr", part.sql, "1" if charset else "0"), TEXT, (part,))

    # --- aggregates and windows -------------------------------------------------------------------------

    def _aggregate(self, name: str, node: exp.Anonymous, scope: Scope) -> Bound:
        distinct, sql, found_type, parts = self._aggregate_parts(name, node, scope)
        if any(p.aggregate or p.window for p in parts):
            raise unsupported(f"{name} of an aggregate or of a window")
        outer = {r for p in parts for r in p.free if r[0] is not scope}
        return Bound(f"{sql[0]}({distinct}{sql[1]})", found_type, frozenset(outer), aggregate=True)

    def _aggregate_parts(
        self, name: str, node: exp.Anonymous, scope: Scope
    ) -> tuple[str, tuple[str, str], str, list[Bound]]:
        """Return DISTINCT, the function with its argument, the type, and the argument."""
        distinct, nodes = "", list(node.expressions)
        if name == "COUNT" and len(nodes) == 1 and isinstance(nodes[0], exp.Star):
            check_arguments(nodes[0])
            return "", ("count", "*"), INTEGER, []
        if len(nodes) == 1 and isinstance(nodes[0], exp.Distinct):
            check_arguments(nodes[0], "expressions")
            distinct, nodes = "DISTINCT ", nodes[0].expressions
        self._count(name, nodes, 1, 1)
        part = self.value(nodes[0], scope)
        if name in ("SUM", "AVG") and part.type != INTEGER:
            if family(part.type) == "time":
                raise SqlError(f"{name} needs numbers, not a DATE or TIMESTAMP.", "CompileError")
            part = self.convert(part, "number")
        name_of, found_type = {
            "COUNT": ("count", INTEGER),
            "SUM": ("sum" if part.type == INTEGER else PREFIX + "sum", part.type),
            "AVG": ("avg" if part.type == INTEGER else PREFIX + "avg", NUMBER),
            "MIN": (PREFIX + "min" if part.type == ANY else "min", part.type),
            "MAX": (PREFIX + "max" if part.type == ANY else "max", part.type),
            "MEDIAN": (PREFIX + "median", TIMESTAMP if family(part.type) == "time" else NUMBER),
            "ANY_VALUE": (PREFIX + "any_value", part.type),
        }[name]
        if name in ("MEDIAN", "ANY_VALUE", "MIN", "MAX") and distinct:
            if name == "MEDIAN":
                raise unsupported("MEDIAN with DISTINCT")
            distinct = ""
        if name == "MEDIAN" and family(part.type) not in ("time", "number"):
            part = self.convert(part, "number")
        return distinct, (name_of, part.sql), found_type, [part]

    def _window(self, node: exp.Window, scope: Scope) -> Bound:
        if node.args.get("over") != "OVER":
            raise unsupported(f"{node.args.get('over')} after a function")
        check_arguments(node, "this", "partition_by", "order", "spec", "over", name="OVER")
        function, ignoring = _without_nulls(node.this)
        partition = [self.value(p, scope) for p in node.args.get("partition_by") or ()]
        ordered = self._window_order(node.args.get("order"), scope)
        frame = self._frame(node.args.get("spec"), ordered, scope)
        window = (partition, [b for b, _ in ordered], [b.sql + words for b, words in ordered])
        if isinstance(function, exp.NthValue):
            return self._value_window("NTH_VALUE", function, ignoring, window, frame, scope)
        if not isinstance(function, exp.Anonymous):
            raise unsupported(f"OVER after {self._shown(function)}")
        name = self._function_name(function)
        if name in _VALUES:
            return self._value_window(name, function, ignoring, window, frame, scope)
        if ignoring:
            raise unsupported(f"{name} with IGNORE NULLS")
        if name in _RANKS:
            return self._rank(name, function, window, frame)
        if name == "RATIO_TO_REPORT":
            return self._ratio(function, window, frame, scope)
        if name not in _AGGREGATES:
            raise unsupported(f"{name} with OVER")
        return self._aggregate_window(name, function, window, frame, scope)

    def _rank(self, name: str, node: exp.Anonymous, window: _Window, frame: str) -> Bound:
        self._count(name, node.expressions, 0, 0)
        self._need_order(name, window[1])
        if frame:
            raise unsupported(f"{name} with ROWS or RANGE")
        return self._over(f"{name.lower()}()", INTEGER, [], window, "")

    def _aggregate_window(
        self, name: str, node: exp.Anonymous, window: _Window, frame: str, scope: Scope
    ) -> Bound:
        distinct, (called, argument), found_type, parts = self._aggregate_parts(name, node, scope)
        if name in ("MEDIAN", "ANY_VALUE") and (window[1] or frame):
            raise SqlError(f"{name} OVER takes PARTITION BY only.", "CompileError")
        if distinct:
            if window[1] or frame or name != "COUNT":
                raise unsupported(f"{name} (DISTINCT ...) with OVER")
            called = PREFIX + "count_distinct"
        return self._over(f"{called}({argument})", found_type, parts, window, frame)

    def _ratio(
        self,
        node: exp.Anonymous,
        window: _Window,
        frame: str,
        scope: Scope,
    ) -> Bound:
        self._count("RATIO_TO_REPORT", node.expressions, 1, 1)
        if window[1] or frame:
            raise SqlError("RATIO_TO_REPORT OVER takes PARTITION BY only.", "CompileError")
        part = self.convert(self.value(node.expressions[0], scope), "number")
        total = self._over(call("sum", part.sql), NUMBER, [part], window, "")
        return replace(total, sql=call("divide", part.sql, f"nullif({total.sql}, 0)"))

    def _over(
        self, function: str, type: str, parts: Sequence[Bound],
        window: _Window, frame: str,
    ) -> Bound:  # fmt: skip
        partition, order, words = window
        over = []
        if partition:
            over.append("PARTITION BY " + ", ".join(p.sql for p in partition))
        if order:
            over.append("ORDER BY " + ", ".join(words))
        if frame:
            over.append(frame)
        all_parts = (*parts, *partition, *order)
        if any(p.window for p in all_parts):
            raise unsupported("A window inside a window")
        if function.startswith(PREFIX) and _may_be_empty(frame):
            function, settled = self._native(function)
            bound = self.merge(f"{function} OVER ({' '.join(over)})", type, all_parts)
            return replace(bound, sql=call("settle", bound.sql) if settled else bound.sql, window=True)
        bound = self.merge(f"{function} OVER ({' '.join(over)})", type, all_parts)
        return replace(bound, window=True)

    @staticmethod
    def _native(function: str) -> tuple[str, bool]:
        """Return the function of SQLite for a frame that may be without rows."""
        for name in ("sum", "avg"):
            if function.startswith(f"{PREFIX}{name}("):
                return function.removeprefix(PREFIX), True
        raise unsupported("A window frame without the current row, for this function")

    def _value_window(
        self, name: str, node: exp.Expr, ignoring: bool, window: _Window,
        frame: str, scope: Scope,
    ) -> Bound:  # fmt: skip
        self._need_order(name, window[1])
        from_last = False
        if isinstance(node, exp.NthValue):
            check_arguments(node, "this", "offset", "from_first", name=name)
            from_last = node.args.get("from_first") is False
            nodes = [node.this, node.args["offset"]]
        else:
            nodes = list(node.expressions)
        if name in ("LAG", "LEAD"):
            if frame:
                raise unsupported(f"{name} with ROWS or RANGE")
            return self._shifted(name, nodes, ignoring, window, scope)
        self._count(name, nodes, *((2, 2) if name == "NTH_VALUE" else (1, 1)))
        value = self.value(nodes[0], scope)
        place = self._whole_number(nodes[1], name) if name == "NTH_VALUE" else 1
        if name != "FIRST_VALUE":
            frame = frame or _WHOLE_FRAME
        if ignoring:
            last = name == "LAST_VALUE" or from_last
            called = call("last_known" if last else "first_known", value.sql, str(place))
        elif from_last:
            called = call("nth_from_last", value.sql, str(place))
        elif name == "NTH_VALUE":
            called = f"nth_value({value.sql}, {place})"
        else:
            called = f"{name.lower()}({value.sql})"
        return self._over(called, value.type, [value], window, frame)

    def _shifted(
        self, name: str, nodes: list[exp.Expr], ignoring: bool,
        window: _Window, scope: Scope,
    ) -> Bound:  # fmt: skip
        self._count(name, nodes, 1, 3)
        value = self.value(nodes[0], scope)
        offset = self._whole_number(nodes[1], name, least=0) if len(nodes) > 1 else 1
        default = self.same_family(value, [self.value(nodes[2], scope)])[0] if len(nodes) > 2 else None
        parts = [value] + ([default] if default else [])
        found_type = common_type([p.type for p in parts])
        if not ignoring:
            arguments = f"{value.sql}, {offset}" + (f", {default.sql}" if default else "")
            return self._over(f"{name.lower()}({arguments})", found_type, parts, window, "")
        if not offset:
            raise unsupported(f"{name} with offset 0 and IGNORE NULLS")
        if name == "LAG":
            called, frame = "lag_known", "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW"
        else:
            called, frame = "lead_known", "ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING"
        bound = self._over(call(called, value.sql, str(offset)), found_type, parts, window, frame)
        return replace(bound, sql=f"coalesce({bound.sql}, {default.sql})") if default else bound

    @staticmethod
    def _need_order(name: str, order: list[Bound]) -> None:
        if not order:
            raise SqlError(f"{name} needs ORDER BY within OVER (...).", "CompileError")

    @staticmethod
    def _whole_number(node: exp.Expr, what: str, least: int = 1) -> int:
        if isinstance(node, exp.Literal) and not node.is_string and str(node.this).isdigit():
            number = int(node.this)
            if least <= number < _LARGEST:
                return number
        raise SqlError(f"{what} needs a whole number of {least} or more there.", "CompileError")

    def _window_order(self, node: exp.Expr | None, scope: Scope) -> list[tuple[Bound, str]]:
        if node is None:
            return []
        check_arguments(node, "expressions", name="ORDER BY")
        return [(self.value(o.this, scope), self.direction(o)) for o in node.expressions]

    @staticmethod
    def direction(node: exp.Expr) -> str:
        """Return ASC or DESC with the place of NULL, which is the greatest value."""
        check_arguments(node, "this", "desc", "nulls_first", name="ORDER BY")
        nulls = "FIRST" if node.args.get("nulls_first") else "LAST"
        return f" {'DESC' if node.args.get('desc') else 'ASC'} NULLS {nulls}"

    def _frame(self, node: exp.Expr | None, order: list[tuple[Bound, str]], scope: Scope) -> str:
        if node is None:
            return ""
        check_arguments(node, "kind", "start", "start_side", "end", "end_side", name="A window frame")
        kind = str(node.args["kind"]).upper()
        if kind not in ("ROWS", "RANGE"):
            raise unsupported(f"{kind} in OVER")
        if not order:
            raise SqlError("A window frame needs ORDER BY.", "CompileError")
        start = self._bound_of_frame(node, "start", kind, order)
        if node.args.get("end") is None:
            return f"{kind} {start}"
        return f"{kind} BETWEEN {start} AND {self._bound_of_frame(node, 'end', kind, order)}"

    def _bound_of_frame(self, node: exp.Expr, which: str, kind: str, order: list[tuple[Bound, str]]) -> str:
        value, side = node.args[which], node.args.get(f"{which}_side")
        if isinstance(value, str):
            return f"{value} {side}" if side else value
        if side is None or not isinstance(value, exp.Literal) or value.is_string:
            raise unsupported(f"The window bound {value.sql()}")
        if kind == "RANGE" and (len(order) != 1 or family(order[0][0].type) != "number"):
            raise unsupported("RANGE with a distance over anything but one number")
        return f"{value.this} {side}"

    # --- hierarchies, which queries know ----------------------------------------------------------------

    def path(self, nodes: Sequence[exp.Expr], scope: Scope) -> Bound:
        """Rewrite SYS_CONNECT_BY_PATH."""
        raise NotImplementedError

    def prior(self, node: exp.Expr, scope: Scope) -> Bound:
        """Rewrite PRIOR with its operand."""
        raise NotImplementedError

    def root(self, node: exp.Expr, scope: Scope) -> Bound:
        """Rewrite CONNECT_BY_ROOT with its operand."""
        raise NotImplementedError


def _without_nulls(node: exp.Expr) -> tuple[exp.Expr, bool]:
    """Take IGNORE NULLS or RESPECT NULLS off a function, after its parentheses or within; tell IGNORE."""
    if isinstance(node, (exp.IgnoreNulls, exp.RespectNulls)):
        return node.this, isinstance(node, exp.IgnoreNulls)
    arguments = node.expressions if isinstance(node, exp.Anonymous) else []
    if arguments and isinstance(arguments[0], (exp.IgnoreNulls, exp.RespectNulls)):
        plain = exp.Anonymous(this=node.this, expressions=[arguments[0].this, *arguments[1:]])
        return plain, isinstance(arguments[0], exp.IgnoreNulls)
    return node, False


def _may_be_empty(frame: str) -> bool:
    """Say whether a frame may be without its own row, and so without any."""
    start, _, end = frame.partition(" AND ")
    return "FOLLOWING" in start or "PRECEDING" in end


_CONDITIONS: dict[type[exp.Expr], Callable[[ExpressionBinder, Any, Scope, str], Bound]] = {
    exp.And: ExpressionBinder._chain,
    exp.Or: ExpressionBinder._chain,
    exp.Paren: ExpressionBinder._in_parentheses,
    exp.Not: ExpressionBinder._not,
    exp.Between: ExpressionBinder._between,
    exp.In: ExpressionBinder._in,
    exp.Like: ExpressionBinder._like,
    exp.Escape: ExpressionBinder._like,
    exp.Is: ExpressionBinder._is,
    exp.Exists: ExpressionBinder._exists,
    **dict.fromkeys(_COMPARISONS, ExpressionBinder._comparison),
}
_METHODS: dict[type[exp.Expr], Callable[[ExpressionBinder, Any, Scope], Bound]] = {
    exp.Literal: ExpressionBinder._literal,
    exp.Null: ExpressionBinder._null,
    exp.Paren: ExpressionBinder._paren,
    exp.Column: ExpressionBinder._column,
    exp.Neg: ExpressionBinder._neg,
    exp.DPipe: ExpressionBinder._concat,
    exp.Case: ExpressionBinder._case,
    exp.Cast: ExpressionBinder._cast,
    exp.DateStrToDate: ExpressionBinder._date_literal,
    exp.StrToTime: ExpressionBinder._date_literal,
    exp.Subquery: ExpressionBinder._scalar,
    exp.Select: ExpressionBinder._scalar,
    exp.Anonymous: ExpressionBinder._anonymous,
    exp.Trim: ExpressionBinder._trim,
    exp.Chr: ExpressionBinder._chr,
    exp.Window: ExpressionBinder._window,
    exp.CurrentUser: ExpressionBinder._current_user,
}
_SPECIAL: dict[str, tuple[int, int, Callable[[ExpressionBinder, str, list[Bound]], Bound]]] = {
    "NVL": (2, 2, ExpressionBinder._nvl),
    "DECODE": (3, 255, ExpressionBinder._decode),
    "NVL2": (3, 3, ExpressionBinder._nvl2),
    "COALESCE": (2, 255, ExpressionBinder._coalesce),
    "NULLIF": (2, 2, ExpressionBinder._nullif),
    "TO_CHAR": (1, 2, ExpressionBinder._to_char),
}
