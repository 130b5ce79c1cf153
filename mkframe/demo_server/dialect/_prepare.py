"""Tokens made ready for sqlglot's Oracle grammar, so that it reads them as the dialect means them.

The grammar itself is left as it is: its classes may be compiled, and compiled ones cannot be inherited from.

* It rewrites many functions as it reads them (DECODE to CASE, NVL to COALESCE). A name that it does not know
  is left alone, so each function gets a prefix.
* PRIOR and CONNECT_BY_ROOT become functions; a comma between the conditions of CONNECT BY becomes AND.
* An expression of a select list without an alias gets one that holds its text, which is the column's name.
"""

from __future__ import annotations

from sqlglot.parsers.oracle import OracleParser
from sqlglot.tokenizer_core import Token, TokenType

from mkframe.demo_server.dialect._values import SqlError, unknown_function

__all__ = ["AUTOMATIC", "FUNCTION", "prepare"]

FUNCTION = "MKF_"
"""Before the name of a function."""
AUTOMATIC = "\x02"
"""Before an alias that nobody wrote."""
_KEPT = {"TRIM", "CHR", "NTH_VALUE"}
"""Functions with words inside their parentheses, or after them, that the grammar knows."""
_CALLED = OracleParser.FUNC_TOKENS - {
    TokenType.ANY, TokenType.ALL, TokenType.SOME, TokenType.EXISTS, TokenType.IDENTIFIER, TokenType.NULL,
    TokenType.LIKE, TokenType.ILIKE, TokenType.RLIKE, TokenType.GLOB, TokenType.UNION, TokenType.OFFSET,
    TokenType.TABLE, TokenType.UNNEST, TokenType.WINDOW, TokenType.FILTER, TokenType.INTERVAL,
}  # fmt: skip
"""What the grammar takes for a function before a parenthesis, without what is a construct of its own."""
_OTHER_FORMS = {
    **dict.fromkeys(("JSON_TABLE", "LISTAGG", "OVERLAY", "POSITION", "TRY_CAST", "XMLTABLE"), ""),
    "CAST": "; write value::TYPE",
    "EXTRACT": "; write TO_CHAR(time, format)",
    "REGEXP_LIKE": "; write REGEXP_INSTR(text, pattern) > 0",
    "SUBSTRING": "; write SUBSTR(text, start, length)",
}
"""Functions of other dialects, mostly of a grammar of their own, and what to write instead."""
_OPERATORS = {"PRIOR", "CONNECT_BY_ROOT"}
_OPERAND_ENDS = {
    TokenType.VAR, TokenType.IDENTIFIER, TokenType.R_PAREN, TokenType.NUMBER, TokenType.STRING,
    TokenType.NULL, TokenType.END, TokenType.CURRENT_USER,
}  # fmt: skip
_CLAUSES = {
    TokenType.WHERE, TokenType.GROUP_BY, TokenType.ORDER_BY, TokenType.HAVING, TokenType.LIMIT,
    TokenType.UNION, TokenType.EXCEPT, TokenType.INTERSECT, TokenType.FETCH, TokenType.OFFSET,
    TokenType.QUALIFY, TokenType.CONNECT_BY, TokenType.INTO, TokenType.WINDOW, TokenType.FOR,
}  # fmt: skip
_AFTER_LISTS = {
    TokenType.FROM, TokenType.WHERE, TokenType.GROUP_BY, TokenType.ORDER_BY, TokenType.HAVING,
    TokenType.UNION, TokenType.EXCEPT, TokenType.INTERSECT, TokenType.CONNECT_BY, TokenType.R_PAREN,
}  # fmt: skip
_QUERY_STARTS = {TokenType.SELECT, TokenType.WITH, TokenType.L_PAREN}
_WINDOW_STARTS = {TokenType.ORDER_BY, TokenType.PARTITION_BY, TokenType.R_PAREN}
_VALUES = {TokenType.NUMBER, TokenType.STRING, TokenType.NULL, TokenType.CURRENT_USER}
_NO_ALIASES = {TokenType.END, TokenType.STAR, TokenType.NULL}


def prepare(tokens: list[Token], sql: str, *, query: bool) -> list[Token]:
    """Return the tokens of a query, or of a SELECT that was put before one expression."""
    if query and tokens[0].token_type not in _QUERY_STARTS:
        raise SqlError(f"A query is expected, but found {tokens[0].text!r}.", "SyntaxError")
    for first, second, third in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if (
            first.token_type == TokenType.ALIAS
            and second.token_type == TokenType.L_PAREN
            and third.token_type not in _QUERY_STARTS | _WINDOW_STARTS
        ):
            raise SqlError(f"Unsupported syntax: a query is expected, not {third.text!r}.", "SyntaxError")
    for comma, after in zip(tokens, [*tokens[1:], None], strict=True):
        if comma.token_type == TokenType.COMMA and (after is None or after.token_type in _AFTER_LISTS):
            found = after.text.upper() if after else "the end"  # the grammar would overlook such a comma
            raise SqlError(f"Something is missing between a comma and {found}.", "SyntaxError")
    kinds = {token.token_type for token in tokens}
    if TokenType.CONNECT_BY not in kinds and any(_is_start(tokens, at) for at in range(len(tokens))):
        raise SqlError("START WITH needs CONNECT BY.", "SyntaxError")
    made = _with_conjunctions(_with_calls(_with_operators(tokens)))
    return _with_aliases(made, sql, 0 if query else 1)


def _like(token: Token, kind: TokenType, text: str) -> Token:
    return Token(kind, text, line=token.line, col=token.col, start=token.start, end=token.end)


def _type(tokens: list[Token], at: int) -> TokenType | None:
    return tokens[at].token_type if 0 <= at < len(tokens) else None


def _is_start(tokens: list[Token], at: int) -> bool:
    return _type(tokens, at) == TokenType.BEGIN and _type(tokens, at + 1) == TokenType.WITH


def _closing(tokens: list[Token], at: int) -> int:
    """Return the place after the parenthesis that opens at a place."""
    depth = 0
    while at < len(tokens):
        depth += {TokenType.L_PAREN: 1, TokenType.R_PAREN: -1}.get(tokens[at].token_type, 0)
        at += 1
        if not depth:
            break
    return at


def _with_operators(tokens: list[Token]) -> list[Token]:
    """Put the operand of PRIOR and CONNECT_BY_ROOT in parentheses."""
    made: list[Token] = []
    closing: list[int] = []
    for at, token in enumerate(tokens):
        made.append(token)
        named = _type(tokens, at - 1) in (TokenType.DOT, TokenType.ALIAS)
        word = token.text.upper() if token.token_type == TokenType.VAR and not named else ""
        if word in _OPERATORS and _type(tokens, at + 1) in _OPERAND_ENDS - {TokenType.R_PAREN}:
            made.append(_like(token, TokenType.L_PAREN, "("))
            closing.append(_operand_end(tokens, at + 1))
        while closing and closing[-1] == at + 1:
            closing.pop()
            made.append(_like(token, TokenType.R_PAREN, ")"))
    return made


def _operand_end(tokens: list[Token], at: int) -> int:
    at += 1
    while _type(tokens, at) == TokenType.DOT:
        at += 2
    return _closing(tokens, at) if _type(tokens, at) == TokenType.L_PAREN else at


def _with_calls(tokens: list[Token]) -> list[Token]:
    return [_called(tokens, at) if _is_call(tokens, at) else token for at, token in enumerate(tokens)]


def _called(tokens: list[Token], at: int) -> Token:
    name = tokens[at].text.upper()
    if name in _OTHER_FORMS:
        raise unknown_function(name, _OTHER_FORMS[name])
    return _like(tokens[at], TokenType.VAR, FUNCTION + name)


def _is_call(tokens: list[Token], at: int) -> bool:
    """Say whether a word before a parenthesis is a function, and not a name before a list of columns."""
    token = tokens[at]
    if _type(tokens, at + 1) != TokenType.L_PAREN or token.text.upper() in _KEPT:
        return False
    if token.token_type not in _CALLED:
        return False
    before = _type(tokens, at - 1)
    if before in (*_OPERAND_ENDS, TokenType.ALIAS, TokenType.DCOLON):
        return False
    if before == TokenType.WITH and not _is_start(tokens, at - 2):
        return False  # WITH a (b) AS (...)
    end = _closing(tokens, at + 1)
    named = before == TokenType.COMMA and _type(tokens, end) == TokenType.ALIAS
    return not (named and _type(tokens, end + 1) == TokenType.L_PAREN)  # WITH a AS (...), b (c) AS (...)


def _with_conjunctions(tokens: list[Token]) -> list[Token]:
    made: list[Token] = []
    depths: list[int] = []
    depth = 0
    for at, token in enumerate(tokens):
        kind = token.token_type
        depth += {TokenType.L_PAREN: 1, TokenType.R_PAREN: -1}.get(kind, 0)
        starts = _is_start(tokens, at)
        while depths and (depth < depths[-1] or (depth == depths[-1] and (kind in _CLAUSES or starts))):
            depths.pop()
        if kind == TokenType.CONNECT_BY:
            depths.append(depth)
        joins = kind == TokenType.COMMA and depths and depth == depths[-1]
        made.append(_like(token, TokenType.AND, "AND") if joins else token)
    return made


def _with_aliases(tokens: list[Token], sql: str, first: int) -> list[Token]:
    """Name the expressions of all select lists that have no alias."""
    aliases: dict[int, Token] = {}
    for at in range(first, len(tokens)):
        if tokens[at].token_type == TokenType.SELECT:
            for begin, end in _items(tokens, at + 1):
                if _needs_alias(tokens, begin, end):
                    text = sql[tokens[begin].start : tokens[end - 1].end + 1]
                    aliases[end] = _like(tokens[end - 1], TokenType.IDENTIFIER, AUTOMATIC + text.upper())
    made: list[Token] = []
    for at in range(len(tokens) + 1):
        if at in aliases:
            made += [_like(aliases[at], TokenType.ALIAS, "AS"), aliases[at]]
        if at < len(tokens):
            made.append(tokens[at])
    return made


def _items(tokens: list[Token], at: int) -> list[tuple[int, int]]:
    """Return the places of the items of a select list."""
    while _type(tokens, at) in (TokenType.DISTINCT, TokenType.ALL, TokenType.HINT):
        at += 1
    found, begin, depth = [], at, 0
    while at < len(tokens):
        kind = tokens[at].token_type
        last = kind == TokenType.FROM and tokens[at - 1].token_type == TokenType.R_PAREN
        modifier = last and at + 1 < len(tokens) and tokens[at + 1].text.upper() in ("FIRST", "LAST")
        depth += {TokenType.L_PAREN: 1, TokenType.R_PAREN: -1}.get(kind, 0)
        starts = _is_start(tokens, at)
        if depth < 0 or (
            not depth and (kind in _CLAUSES or starts or (kind == TokenType.FROM and not modifier))
        ):
            break
        if kind == TokenType.COMMA and not depth:
            found.append((begin, at))
            begin = at + 1
        at += 1
    return [*found, (begin, at)]


def _needs_alias(tokens: list[Token], begin: int, end: int) -> bool:
    if end <= begin:
        return False
    kinds = [t.token_type for t in tokens[begin:end]]
    if kinds[-1] == TokenType.STAR and (len(kinds) == 1 or kinds[-2] == TokenType.DOT):
        return False
    names = all(kind == TokenType.DOT for kind in kinds[1::2]) and len(kinds) % 2 == 1
    if names and kinds[-1] not in _VALUES:
        return False  # a column
    if len(kinds) < 2 or kinds[-2] == TokenType.ALIAS:
        return len(kinds) < 2
    # a column may have the name of a keyword, and a type comes after ::
    named = tokens[end - 2].text.isidentifier() and (
        len(kinds) == 2 or kinds[-3] in (TokenType.DOT, TokenType.DCOLON)
    )
    ends = kinds[-2] in _OPERAND_ENDS or named
    return not (
        ends and kinds[-1] not in (*_NO_ALIASES, TokenType.R_PAREN, TokenType.STRING, TokenType.NUMBER)
    )
