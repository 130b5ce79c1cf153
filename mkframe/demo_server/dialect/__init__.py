"""The SQL dialect of the meta database, as the vendor documents it: sqlglot reads, SQLite runs.

What is not supported ends in an error that names the construct; nothing is ever run with another meaning.
Open in the documentation; here:

* column names of expressions are their text in upper case;
* LIKE respects case, as comparisons do; an empty text is NULL;
* numbers beyond 64 bits or 17 digits are held as the doubles that JSON would carry;
* a text compared with a number or a time is converted, and it is an error where that fails;
* a CONNECT BY that reaches a row again below itself is an error instead of a statement that never ends;
* scripting (blocks, procedures, CALL) is not supported.
"""

from mkframe.demo_server.dialect._engine import Engine, Result
from mkframe.demo_server.dialect._expressions import Facts
from mkframe.demo_server.dialect._functions import PREFIX
from mkframe.demo_server.dialect._instances import Pattern
from mkframe.demo_server.dialect._values import (
    DATE,
    INTEGER,
    NUMBER,
    STRING,
    TEXT,
    TIMESTAMP,
    Column,
    SqlError,
)

__all__ = [
    "DATE", "INTEGER", "NUMBER", "PREFIX", "STRING", "TEXT", "TIMESTAMP", "Column", "Engine", "Facts",
    "Pattern", "Result", "SqlError",
]  # fmt: skip
