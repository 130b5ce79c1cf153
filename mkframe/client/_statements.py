"""Check that a statement only reads, whatever engine runs it.

Which engine runs a statement, and what it takes for a quote or a comment, is not documented. So two kinds of
text are distinguished. Text that all engines read alike is skipped: ``'text'`` and ``"name"`` with doubled
quotes, and comments of ``-- `` and ``/* */``. Text that some engines read differently, such as
``q'[text]'``, ``# comment`` or a backslash before a quote, may end elsewhere for them; all words behind its
beginning are checked, also those in quotes and comments.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field

from mkframe._text import escape_invisible
from mkframe.errors import InputError

__all__ = ["check_reading"]

_READING = ("SELECT", "WITH")
_WRITES = frozenset(
    {
        "ALTER", "CALL", "CREATE", "DBCC", "DELETE", "DENY", "DROP", "EXEC", "EXECUTE", "GRANT", "INSERT",
        "INTO", "KILL", "MERGE", "RECONFIGURE", "REPLACE", "REVOKE", "SHUTDOWN", "TRUNCATE", "UPDATE",
        "UPDATETEXT", "UPSERT", "WRITETEXT",
    }
)  # fmt: skip
"""Words that write behind a WITH, in the middle of a SELECT, or where an engine needs no semicolon."""
_WRITING_PAIRS = frozenset(
    {
        ("FOR", "SHARE"), ("KEY", "SHARE"), ("LOCK", "IN"), ("BACKUP", "DATABASE"), ("BACKUP", "LOG"),
        ("RESTORE", "DATABASE"), ("RESTORE", "LOG"),
    }
)  # fmt: skip
_FUNCTIONS = frozenset({"INSERT", "REPLACE", "TRUNCATE"})
"""Words of these that are a function of texts or numbers before a parenthesis."""
_BEFORE_TEXT = frozenset({"B", "DATE", "INTERVAL", "N", "TIME", "TIMESTAMP", "X"})
"""Words that may touch a text without changing where it ends."""
_HINT = "Send one SELECT or WITH statement; write=True lifts this guard."
_NAME_HINT = f"{_HINT} A column of such a name goes in double quotes."

# Some engines turn these into quotes: modifier letters, typographic quotes, primes, full-width quotes.
_ALIKE = "\u02b9\u02bc\u02c8\u2018-\u201f\u2032\u2033\uff02\uff07"
_PLAIN = r"(?:[^'\"`$\[\]\\/*#\-]|-(?!-))"
"""A character that neither begins nor ends a quote or comment in any engine."""
_ON_LINE = r"(?:[^'\"`$\[\]\\/*#\-\r\n\u2028\u2029]|-(?!-))"
_END = r"(?=\r?\n|\Z)"
_TOKEN = re.compile(
    rf"""
    (?P<space> (?:(?![\u2028\u2029])\s)++ )
  | (?P<skipped>                                    # what all engines skip, or take for a text or a name
        '(?!'') (?:[^'\\{_ALIKE}]|''|\\(?!'))*+ '
      | /\*(?!M?!|[+/]) (?:[^*/]|\*(?!/)|/(?!\*))*+ \*/
      | --(?=\s|\Z) [^\r\n\u2028\u2029]*+ {_END}
    )
  | (?P<name> "(?!"") (?:[^"\\{_ALIKE}]|""|\\(?!"))*+ " )
  | (?P<doubtful>                                   # what ends at the same place in all engines
        /\*(?:M?!|\+) {_PLAIN}*+ \*/
      | (?:--|//|\#) {_ON_LINE}*+ {_END}
      | \[ {_PLAIN}*+ \]
      | ` {_PLAIN}*+ `
    )
  | (?P<open> ['"`\#\[\\] | /[*/] | -- | \$(?:[^\W\d]\w*)?\$ )
  | (?P<word> [^\W\d]\w*(?:\.[^\W\d]\w*)* )
  | (?P<number> \d\w* )
  | (?P<sign> . )
    """,
    re.X | re.S,
)
_EXPOSED = re.compile(r"(?P<word>[^\W\d]\w*(?:\.[^\W\d]\w*)*)|(?P<number>\d\w*)|(?P<sign>\S)")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_BATCH = re.compile(r"^[^\S\n]*(?:GO(?:[^\S\n]+\d+)?|/)[^\S\n]*;?[^\S\n]*$", re.I | re.M)


@dataclass
class _Words:
    """The words and signs of a statement that count, and the first sign that engines read differently."""

    found: list[str] = field(default_factory=list)
    start: str = ""
    """The first of them that no engine skips."""
    doubt: str = ""

    def add(self, word: str) -> None:
        """Take a word that no engine skips."""
        self.found.append(word)
        if not self.start and word != "(":
            self.start = word

    def expose(self, sign: str, text: str) -> None:
        """Take all words of a text that some engines skip."""
        self.doubt = self.doubt or escape_invisible(sign)
        self.found += (match[0] for match in _EXPOSED.finditer(text))


def check_reading(sql: str) -> None:
    """Check that a text is one SELECT or WITH for every engine and holds no word that writes.

    Raises
    ------
    InputError
        If it is none, or if engines may differ in this.
    """
    if control := _CONTROL.search(sql):
        raise InputError(
            f"The statement holds the control character {escape_invisible(control[0])}, "
            "which some engines skip.",
            hint=_HINT,
        )
    if _BATCH.search(sql):
        raise InputError(
            "More than one statement may be given: a line holds nothing but GO or /, which parts them.",
            hint=_HINT,
        )
    words = _words(sql)
    tokens = words.found
    while tokens and tokens[-1] == ";":
        tokens.pop()
    if words.start.upper() not in _READING:
        started = f"it starts with {words.start[:20]!r}" if words.start else "it is empty"
        if words.doubt and not words.start:
            started = f"it starts with {words.doubt}, which engines read in different ways"
        raise InputError(f"The statement is not one that reads: {started}.", hint=_HINT)
    if ";" in tokens:
        raise InputError(f"More than one statement is given{_reading(words)}.", hint=_HINT)
    if writing := _writing(tokens):
        raise InputError(
            f"The statement does not only read: it holds {writing}{_reading(words)}.", hint=_NAME_HINT
        )


def _words(sql: str) -> _Words:
    words, at = _Words(), 0
    while at < len(sql):
        match = _TOKEN.match(sql, at)
        assert match is not None  # any character is a sign  # noqa: S101
        kind, text, start, at = match.lastgroup, match[0], at, match.end()
        if kind == "doubtful" and (words.start or text.startswith(("--", "//", "#"))):
            words.expose(_sign(text), text)
        elif kind in ("doubtful", "open"):
            if text == "\\":
                raise InputError("The statement holds a backslash outside of quotes.", hint=_HINT)
            words.expose(_sign(text) if kind == "doubtful" else text, sql[start:])
            break
        elif kind in ("word", "number") and sql.startswith("'", at) and text.upper() not in _BEFORE_TEXT:
            words.add(text)
            words.expose(f"{text[-10:]}'", sql[at:])
            break
        elif kind == "sign" and not text.isascii():
            raise InputError(
                f"The statement holds {escape_invisible(text)!r} (U+{ord(text):04X}) outside of quotes.",
                hint=_HINT,
            )
        elif kind not in ("space", "skipped"):
            words.add(text)
    return words


def _sign(text: str) -> str:
    return text[:2] if text[0] in "-/" else text[0]


def _writing(tokens: list[str]) -> str | None:
    """Return the first word that writes, also one that touches a number."""
    plain = [_plain(token.partition(".")[0]) for token in tokens]
    for word, after in zip(plain, [*plain[1:], ""], strict=True):
        if word in _WRITES and not (word in _FUNCTIONS and after == "("):
            return word
        if (word, after) in _WRITING_PAIRS:
            return f"{word} {after}"
        if word[:1].isdigit() and (ending := next((w for w in _WRITES if word.endswith(w)), None)):
            return ending
    return None


def _plain(word: str) -> str:
    return word.upper() if word.isascii() else unicodedata.normalize("NFKC", word).upper()


def _reading(words: _Words) -> str:
    return f", for an engine that reads {words.doubt} in another way" if words.doubt else ""
