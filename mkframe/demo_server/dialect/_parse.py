"""Reading a statement: tokens, and trees of queries and expressions by sqlglot's Oracle grammar."""

from __future__ import annotations

import functools
import re
from typing import Any

from sqlglot import exp
from sqlglot.dialects.oracle import Oracle
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from mkframe.demo_server.dialect._prepare import prepare
from mkframe.demo_server.dialect._values import SqlError, unsupported

__all__ = ["Tokens", "parse_expression", "parse_query", "parse_source", "read_tokens"]

_LONGEST = 200_000
_MOST = 50_000
_FOREIGN = {TokenType.ISNULL, TokenType.NOTNULL}
"""Words of other dialects that sqlglot knows."""
_HALF = re.compile("[\ud800-\udfff]")
_INCOMPLETE = re.compile(r"Required keyword: '\w+' missing for <class '[\w.]*\.(\w+)'>")
_GOT = re.compile(r" but got <Token .*>")


class _Dialect(Oracle):
    INTERSECT_BINDS_TIGHTER_THAN_UNION_AND_EXCEPT = True


@functools.cache
def _dialect() -> Any:
    return _Dialect()


def read_tokens(sql: str) -> Tokens:
    """Split a statement into tokens; one semicolon may end it."""
    if len(sql) > _LONGEST:
        raise SqlError(f"This server reads statements of up to {_LONGEST} characters.", "SyntaxError")
    if _HALF.search(sql):
        raise SqlError("The statement holds half of a surrogate pair, which is no character.", "SyntaxError")
    try:
        found = _dialect().tokenize(sql)
    except SqlglotError as error:
        raise SqlError("A text, a quoted name or a comment is not closed.", "SyntaxError") from error
    if len(found) > _MOST:
        raise SqlError(f"This server reads statements of up to {_MOST} words.", "SyntaxError")
    tokens = _joined(found)
    while tokens and tokens[-1].token_type == TokenType.SEMICOLON:
        tokens.pop()
    for token in tokens:
        if token.token_type in _FOREIGN or (token.token_type == TokenType.EQ and token.text == "=="):
            raise unsupported(token.text.upper())
    if any(t.token_type == TokenType.SEMICOLON for t in tokens):
        raise SqlError("One statement at a time; a second one follows the semicolon.", "SyntaxError")
    return Tokens(tokens, sql)


def _joined(found: list[Token]) -> list[Token]:
    """Make one quoted name of each @SCHEMA.NAME and of each @COLUMN of an INSERT."""
    made: list[Token] = []
    at = 0
    while at < len(found):
        token = found[at]
        if token.token_type == TokenType.PARAMETER and at + 1 < len(found):
            name, end = f"@{found[at + 1].text.upper()}", at + 1
            dotted = at + 3 < len(found) and found[at + 2].token_type == TokenType.DOT
            if dotted:
                name, end = f"{name}.{found[at + 3].text}", at + 3
            kind = TokenType.IDENTIFIER if dotted else TokenType.PARAMETER
            made.append(
                Token(kind, name, line=token.line, col=token.col, start=token.start, end=found[end].end)
            )
            at = end + 1
        else:
            made.append(token)
            at += 1
    return made


class Tokens:
    """The tokens of a statement, read from left to right."""

    def __init__(self, tokens: list[Token], sql: str) -> None:
        self._tokens, self.sql, self._at = tokens, sql, 0

    def __len__(self) -> int:
        return len(self._tokens) - self._at

    def word(self, ahead: int = 0) -> str:
        """Return the next word in upper case, or nothing; a quoted name or a text is no word."""
        at = self._at + ahead
        if at >= len(self._tokens) or self._tokens[at].token_type in (TokenType.IDENTIFIER, TokenType.STRING):
            return ""
        return self._tokens[at].text.upper()

    def take(self, *words: str) -> bool:
        """Go past these words if they come next; sqlglot joins some of them, such as ORDER BY."""
        at = self._at
        for word in words:
            parts = self.word(at - self._at).split()
            if parts[:1] != [word]:
                return False
            at += 1
        self._at = at
        return True

    def expect(self, *words: str) -> None:
        """Go past these words."""
        if not self.take(*words):
            raise self.error(f"{' '.join(words)} is expected")

    def name(self, what: str) -> str:
        """Read a name; in upper case if it is not quoted."""
        token = self._next(what)
        if token.token_type == TokenType.IDENTIFIER:
            return token.text
        if not (token.text[:1].isalpha() or token.text[:1] in "_$#"):
            self._at -= 1
            raise self.error(f"{what} is expected")
        return token.text.upper()

    def path(self, what: str) -> tuple[str, str]:
        """Read `folder.name` or `name`, as written; a view of the server comes as a name with @."""
        parts = [self.raw_name(what)]
        while self.take("."):
            parts.append(self.raw_name(what))
        if len(parts) > 2:
            raise self.error(f"{what} is written folder.name")
        return ("", parts[0]) if len(parts) == 1 else (parts[0], parts[1])

    def raw_name(self, what: str) -> str:
        """Read a name as it is written."""
        token = self._next(what)
        quoted = token.token_type == TokenType.IDENTIFIER
        if not quoted and not (token.text[:1].isalpha() or token.text[:1] in "_$#"):
            self._at -= 1
            raise self.error(f"{what} is expected")
        return token.text

    def column(self) -> str:
        """Read a column of an INSERT INTO @INSTANCES, where @FOLDER stands bare."""
        if self._at < len(self._tokens) and self._tokens[self._at].token_type == TokenType.PARAMETER:
            self._at += 1
            return self._tokens[self._at - 1].text
        return self.name("a column")

    def text(self) -> str:
        """Read a text in single quotes."""
        token = self._next("a text")
        if token.token_type != TokenType.STRING:
            self._at -= 1
            raise self.error("a text in single quotes is expected")
        return token.text

    def whole_number(self) -> int:
        """Read a whole number."""
        token = self._next("a whole number")
        if token.token_type != TokenType.NUMBER or not token.text.isdigit():
            self._at -= 1
            raise self.error("a whole number is expected")
        return int(token.text)

    def is_view(self) -> bool:
        """Say whether @SCHEMA.NAME comes next."""
        return (
            self._at < len(self._tokens)
            and self._tokens[self._at].token_type == TokenType.IDENTIFIER
            and self._tokens[self._at].text.startswith("@")
        )

    def names(self, what: str) -> list[str]:
        """Read a list of names in parentheses."""
        self.expect("(")
        found = [self.name(what)]
        while self.take(","):
            found.append(self.name(what))
        self.expect(")")
        return found

    def inside(self) -> Tokens:
        """Read a parenthesis with what is in it."""
        self.expect("(")
        first, depth = self._at, 1
        while self._at < len(self._tokens):
            depth += {"(": 1, ")": -1}.get(self.word(), 0)
            self._at += 1
            if not depth:
                return Tokens(self._tokens[first : self._at - 1], self.sql)
        raise self.error(") is expected")

    def until(self, *words: str) -> Tokens:
        """Read up to one of these words outside of parentheses and CASE, or to the end."""
        first, depth = self._at, 0
        while self._at < len(self._tokens):
            word = self.word()
            if depth == 0 and word in words:
                break
            depth += {"(": 1, "CASE": 1, ")": -1, "END": -1}.get(word, 0)
            if depth < 0:
                break
            self._at += 1
        return Tokens(self._tokens[first : self._at], self.sql)

    def literal(self) -> exp.Expr | None:
        """Return the one text, number or NULL that is left, if that is all: a parser takes longer."""
        if len(self) != 1:
            return None
        token = self._tokens[self._at]
        if token.token_type == TokenType.STRING:
            return exp.Literal.string(token.text)
        if token.token_type == TokenType.NUMBER:
            return exp.Literal.number(token.text)
        return exp.Null() if token.token_type == TokenType.NULL else None

    def first(self) -> Tokens:
        """Read one token."""
        self._next("a word")
        return Tokens(self._tokens[self._at - 1 : self._at], self.sql)

    def copy(self) -> Tokens:
        """Return the tokens that are left, to look ahead."""
        return Tokens(self._tokens[self._at :], self.sql)

    def rest(self) -> list[Token]:
        """Return the tokens that are left, and go to the end."""
        left = self._tokens[self._at :]
        self._at = len(self._tokens)
        return left

    def end(self) -> None:
        """Check that nothing is left."""
        if len(self):
            raise self.error("the statement should end here")

    def error(self, what: str) -> SqlError:
        """Describe a place that cannot be read."""
        if self._at < len(self._tokens):
            token = self._tokens[self._at]
            return SqlError(f"{what}, but found {token.text!r} ({token.line}:{token.col}).", "SyntaxError")
        return SqlError(f"{what}, but the statement ends.", "SyntaxError")

    def _next(self, what: str) -> Token:
        if self._at >= len(self._tokens):
            raise self.error(f"{what} is expected")
        self._at += 1
        return self._tokens[self._at - 1]


def parse_query(tokens: Tokens) -> exp.Expr:
    """Read the rest of a statement as a query."""
    if not len(tokens):
        raise tokens.error("a query is expected")
    return _parse(tokens.rest(), tokens.sql, query=True)


def parse_expression(tokens: Tokens) -> exp.Expr:
    """Read the rest of a statement as one expression or condition."""
    if not len(tokens):
        raise tokens.error("an expression is expected")
    if (plain := tokens.literal()) is not None:
        return plain
    select = Token(TokenType.SELECT, "SELECT")
    found = _parse([select, *tokens.rest()], tokens.sql, query=False)
    if (
        not isinstance(found, exp.Select)
        or len(found.expressions) != 1
        or any(value for key, value in found.args.items() if key != "expressions")
    ):
        raise tokens.error("one expression is expected")
    (expression,) = found.expressions
    if isinstance(expression, exp.Alias):
        raise tokens.error(f"an expression is expected without the name {expression.alias}")
    return expression  # type: ignore[no-any-return]


def parse_source(tokens: Tokens) -> exp.Expr:
    """Read the rest of a statement as one table, view or query in FROM, with its alias."""
    if not len(tokens):
        raise tokens.error("a table or a query is expected")
    head = [Token(TokenType.SELECT, "SELECT"), Token(TokenType.STAR, "*"), Token(TokenType.FROM, "FROM")]
    found = _parse([*head, *tokens.rest()], tokens.sql, query=False)
    if not isinstance(found, exp.Select) or any(
        value for key, value in found.args.items() if key not in ("expressions", "from_")
    ):
        raise tokens.error("one table or query is expected")
    return found.args["from_"].this  # type: ignore[no-any-return]


def _parse(tokens: list[Token], sql: str, *, query: bool) -> exp.Expr:
    for token in tokens:
        if token.token_type == TokenType.PARAMETER:
            raise SqlError(
                f'A column whose name begins with @ is written in double quotes: "{token.text}".',
                "SyntaxError",
            )
    try:
        (found,) = _dialect().parser().parse(prepare(tokens, sql, query=query), sql)
    except (SqlglotError, ValueError) as error:
        raise SqlError(_first_line(error), "SyntaxError") from error
    if found is None:
        raise SqlError("A query is expected.", "SyntaxError")
    return found  # type: ignore[no-any-return]


def _first_line(error: Exception) -> str:
    text = str(error).splitlines()[0] if str(error) else "The statement cannot be read"
    text = _INCOMPLETE.sub(lambda found: f"{found[1].upper()} is not complete", text)
    text = _GOT.sub("", text)
    return text.replace("Invalid expression / Unexpected token", "Unexpected word")
