"""Failed builds by what their messages have in common."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mkframe._pandas import TEXT, as_text
from mkframe.errors import InputError
from mkframe.metrics._checks import status_of
from mkframe.metrics._failure_rate import wilson
from mkframe.metrics._history import history_of
from mkframe.metrics._streams import build_ids, memberships, missing_label

__all__ = ["failure_families", "families_of"]

Tokens: TypeAlias = tuple[str, ...]

NO_MESSAGE = "(no message)"
_NAME, _ANY = "<name>", "<*>"
_LONGEST = 2_000
_LEAST_VALUES = 8
"""Different capitalized words at one place of a message that make this place a name."""

_MONTHS = "jan|feb|mar|mär|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez"
_MONTH = rf"(?i:{_MONTHS})[a-zä]*\.?"
_CLOCK = r"\d{1,2}:\d{2}(?::\d{2})?(?:[.,]\d+)?(?:Z| ?[+-]\d{2}:?\d{2})?"
_TYPES = r"n?(?:var)?char\d?|n?text|string|decimal|numeric|number|float|(?:big|small|tiny)?int(?:eger)?"
_TYPES += r"|timestamp|datetime\d?|time|(?:var)?binary|raw"
_SEGMENT = r"(?:<name>|[\w.$~-]|,(?=\d))+"
_MASKS: Sequence[tuple[str, str]] = (
    ("url", r"\b[a-z][a-z0-9+.-]{1,9}://\S+"),
    ("mail", r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    (
        "name",
        r"„[^“”\"]{0,200}[“”\"]|“[^”]{0,200}”|‚[^‘’']{0,200}[‘’]|‘[^’]{0,200}’|»[^«]{0,200}«|«[^»]{0,200}»"
        r"|›[^‹]{0,200}‹|\"[^\"]{0,200}\"|`[^`]{0,200}`|(?<!\w)'[^']{0,200}'(?!\w)"
        r"|\[(?:<name>|[A-Za-z_][\w ]{0,100})\]",
    ),
    ("id", r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"),
    (
        "time",
        rf"(?:\b\d{{4}}-\d{{1,2}}-\d{{1,2}}(?:[T ]{_CLOCK})?"
        rf"|\b(?:\d{{1,2}}[./]\d{{1,2}}[./]\d{{2,4}}|\d{{1,2}}\.? {_MONTH} \d{{4}}"
        rf"|{_MONTH} \d{{1,2}}, \d{{4}})"
        rf"(?:,? (?:um |at )?{_CLOCK})?"
        rf"|\b{_CLOCK})"
        r"(?: ?(?:Uhr|[AP]M|UTC|GMT|CES?T|MES?Z))?(?!\w)",
    ),
    (
        "path",
        rf"(?<![\w.<>])(?:[A-Za-z]:)?[\\/]{{1,2}}(?:{_SEGMENT}(?: {_SEGMENT})?[\\/])*{_SEGMENT}"
        r"[\\/]?(?<![.,])",
    ),
    (
        "file",
        r"(?<![\w.-])(?:<name>|[\w.-])+\.(?:zip|xml|json|sql|csv|xlsx?|docx?|pdf|txt|log|ya?ml|ini|py|jar|dtsx|ktr|parquet|gz|tar)\b",
    ),
    (
        "host",
        r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b"
        r"|\b[\w-]+(?:\.[\w-]+)*\.(?:com|org|net|at|de|ch|eu|io|local|internal|intern|lan|corp|cloud)(?::\d+)?\b"
        r"|\b[a-z][\w-]*(?:\.[\w-]+)+:\d{2,5}\b|\blocalhost(?::\d+)?\b",
    ),
    ("id", r"\b0x[0-9a-fA-F]+\b|\b(?=[0-9a-fA-F]*\d)(?=[0-9a-fA-F]*[a-fA-F])[0-9a-fA-F]{7,}\b"),
    (
        "type",
        rf"\b(?:[A-Z][A-Z0-9_]*|(?i:{_TYPES}))\s?\(\s*(?:\d+|max|MAX)(?:\s*,\s*\d+)?(?: (?i:CHAR|BYTE))?\s*\)"
        r"|\b(?:n?varchar\d?|(?:big|small|tiny)?int|datetime\d?|datetimeoffset|varbinary)\b",
    ),
    ("name", r"\b[^\W\d][\w$]*(?:\.[^\W\d][\w$]*)+\b"),
    ("name", r"\b[^\W_]+(?:[_$]+[^\W_]+)+_*\b|\b_[^\W_]\w*\b"),
    ("n", r"\b(?:\d+(?:\.\d+)?(?:ms|us|[dhms])){2,}\b|\bPT(?:\d+(?:\.\d+)?[HMS])+\b"),
    ("name", r"\b(?=\w*[A-ZÄÖÜ])[^\W\d]+\d\w*\b"),
    (
        "n",
        r"(?<![\w<])[-+]?\d+(?:[.,:'’\u00a0\u202f]\d+)*(?:[eE][+-]?\d+)?"
        r"(?:\s?(?:%|ms|[smd]|sec(?:ond)?s?|min(?:ute)?s?|h(?:ours?)?"
        r"|Std\.?|Stunden?|Sek(?:\.|unden?)?|Min(?:\.|uten?)?|[kKMGT]i?B|[Bb]ytes?))?(?![\w])|\d+",
    ),
)
"""What is replaced, in this order where several begin at one place; all digits are 0 by then."""
_ANY_MASK = re.compile("|".join(f"(?P<m{place}>{pattern})" for place, (_, pattern) in enumerate(_MASKS)))
_CODE = re.compile(
    r"\b(?:[A-Z]{2,}-\d{2,}|[A-Z]{1,5}\d{4,5}[A-Z]?(?=[:\]])|[A-Z]{2,5}_\d{4,5}(?=[:\]])"
    r"|\d{6} \([0-9A-Z]{5}\)(?=:)"
    r"|(?:HTTP(?:/\d(?:\.\d)?)?|SQLSTATE|SQLCODE|(?:HTTP-)?[Ss]tatus[ _-]?(?:[Cc]ode)?"
    r"|[Ff]ehler(?:code|nummer)?"
    r"|(?:Win)?[Ee]rror[ _]?(?:[Cc]ode)?|[Ee]rrno|HRESULT|(?:[Ee]xit|[Rr]eturn) (?:code|status)|Msg|Code)"
    r"[ :=#\[(]+(?:0x[0-9A-Fa-f]{1,8}|-?\d{1,6}|\d\d[0-9A-Z]{3}|[A-Z]{1,5}\d{3,5})(?![\w.])"
    r"|(?:[Ee]rror_?)?[Cc]ode[\"']?\s*[=:]\s*[\"']?[A-Za-z]\w+"
    r"|(?:[a-z]\w*\.)*[A-Z]\w*(?:Exception|Error|Fault|Warning|Timeout|Failure))(?!\w)"
)
"""Codes tell failures apart, so they stay."""
_WORDS = frozenset(
    word
    for words in (
        "NOT NO AND OR NULL NICHT KEIN KEINE UND ODER ID ERROR FEHLER WARNING WARNUNG FATAL INFO DEBUG",
        "TIMEOUT INSERT UPDATE DELETE SELECT CREATE ALTER DROP MERGE TRUNCATE GRANT COMMIT ROLLBACK READ",
        "WRITE EXECUTE OPEN CLOSE START STOP BEGIN END PRIMARY FOREIGN UNIQUE KEY INDEX TABLE VIEW SCHEMA",
        "DATABASE XML JSON CSV YAML SQL HTTP HTTPS FTP SFTP SSL TLS TCP DNS LDAP JDBC ODBC API",
    )
    for word in words.split()
)
"""Words in capitals that are no names: two messages that differ in them differ."""
_SEPARATOR = r"\s*(?:,|;|->|→|=>|\||&|\bund\b|\band\b|\boder\b|\bor\b)\s*"
_LIKE_LISTED = re.compile(rf"(<[a-z]+>)(?:{_SEPARATOR}\1)+")
_PARTS = re.compile(r"<name>(?:\.<name>)+")
_NUMBERS = re.compile(r"<n>(?: <n>)+")
_TRACEBACK = "Traceback (most recent call last):"
_COMMA, _ARROW = re.compile(r"\s*[,;|&]\s*"), re.compile(r"\s*(?:->|→|=>)\s*")
_CONJUNCTIONS = frozenset({"and", "or", "und", "oder"})
_PLURAL = re.compile(r"(<n> (?:[a-z]{3,}(?=s\b)|[A-ZÄÖÜ][a-zäöüß]+e(?=n\b)))[sn]\b")
_TOKEN = re.compile(r"(<[a-z]+>|[\ue000-\uf8ff]|\w+(?:-\w+)*)")
_WORD = re.compile(r"\w+")
_IDENTIFIER = re.compile(r"[A-ZÄÖÜ][A-ZÄÖÜ-]+|\w*[a-zäöüß]\w*[A-ZÄÖÜ]\w*")
_CAPITALIZED = re.compile(r"[A-ZÄÖÜ][a-zäöüß]+(?:-[A-ZÄÖÜa-z][a-zäöüß]+)*")
_ZEROS = str.maketrans("123456789", "000000000")
_HELD = 0xE000
_PRIVATE = re.compile(r"[\ue000-\uf8ff]")
"""Characters that stand for a code while the rest of a message is masked."""
_ROUNDS = 5


def failure_families(builds: pd.DataFrame, *, names: Iterable[str] | None = None) -> pd.DataFrame:
    """Group failed builds by message, whatever names, numbers and times their messages hold.

    The first line of a message is made a template, with the lines that it announces by a colon, or that of
    the exception in a traceback of Python: names that are given, quoted text, addresses, paths,
    times, ids, data types with a length, identifiers and numbers become placeholders, lists of one kind
    become one; error codes and exception classes stay. Messages are then of one family where their templates
    differ in names only: in words in capitals or in mixed case, or in capitalized words where an identifier
    stands in other messages or where 8 different words do. Words in lower case are never put aside, so that
    "source table" and "target table" are two families. The order of the builds makes no difference.

    What `message` holds for a failed build is not documented by the vendor; it may be the text of the last
    progress.

    Parameters
    ----------
    builds : DataFrame
        With `status`, `message`, `build_start` and `patterns` (or `pattern_names`), indexed by id. Builds
        with the status FAILED are grouped.
    names : iterable of str, optional
        Names that messages may hold, such as those of patterns, instances, folders and functional roles.
        They may have blanks. Names of one or two characters are known by their capitals only.

    Returns
    -------
    DataFrame
        Index `family` (str), the template, most frequent first; builds without a message are the family
        "(no message)". Columns: `builds` int64; `share`, `low`, `high` float64, of all failed builds, with a
        95 % interval for independent builds (see `wilson`); `first_seen`, `last_seen` datetime64[us, UTC],
        starts of builds; `patterns` list of str; `build_ids` list of int; `example` str, the whole message
        of the newest of them, missing where there is none. `builds` adds up to all failed builds.

    Raises
    ------
    InputError
        If a column is missing, the index holds no ids, or a name is no text.

    Examples
    --------
    >>> start = pd.date_range("2026-04-01 08:00", periods=3, freq="D", tz="UTC")
    >>> builds = pd.DataFrame({"status": "FAILED", "build_start": start, "patterns": [[808]] * 3,
    ...     "message": ["Instance KUNDE_HUB (id 7): role BK is missing", "Timeout after 30 s",
    ...                 "Instance ORDER_SAT (id 12): role SK is missing"]}, index=[1, 2, 3])
    >>> failure_families(builds)["builds"].to_dict()
    {'Instance <name> (id <n>): role <name> is missing': 2, 'Timeout after <n>': 1}
    """
    builds = history_of(builds, ["status", "message", "build_start"]).builds
    ids = build_ids(builds)
    failed = np.flatnonzero((status_of(builds) == "FAILED").to_numpy(bool))
    messages = builds["message"].iloc[failed]
    texts = [text if isinstance(text, str) else None for text in messages]
    held = pd.DataFrame(
        {
            "family": pd.Series(families_of(texts, names), dtype=TEXT),
            "id": ids[failed],
            "build_start": builds["build_start"].iloc[failed].array,
            "example": pd.Series(texts, dtype=TEXT),
            "row": np.arange(len(failed)),
        }
    )
    held = held.sort_values(["build_start", "id", "example"], na_position="first")
    groups = held.groupby("family", sort=True)
    table = pd.DataFrame(
        {
            "builds": groups.size().astype("int64"),
            "first_seen": groups["build_start"].min(),
            "last_seen": groups["build_start"].max(),
            "example": groups["example"].last(),
        }
    )
    table["build_ids"] = _lists(held["family"], held["id"], table.index)
    table["patterns"] = _patterns(builds, failed, held, table.index)
    low, high = wilson(table["builds"], np.full(len(table), len(failed)))
    table = table.assign(share=table["builds"] / max(len(failed), 1), low=low, high=high)
    table = table.astype(
        {"first_seen": "datetime64[us, UTC]", "last_seen": "datetime64[us, UTC]", "example": TEXT}
    )
    table = table.sort_values("builds", ascending=False, kind="stable")
    order = ["builds", "share", "low", "high", "first_seen", "last_seen", "patterns", "build_ids", "example"]
    return table[order].set_axis(as_text(table.index).rename("family"))


def _lists(family: pd.Series[str], values: pd.Series[int], index: pd.Index[str]) -> pd.Series[Any]:
    """Collect the sorted values of each family."""
    found: dict[str, list[int]] = {name: [] for name in index}
    for name, value in zip(family, values, strict=True):
        found[name].append(value)
    return pd.Series([sorted(found[name]) for name in index], index=index, dtype="object")


def _patterns(
    builds: pd.DataFrame, failed: NDArray[Any], held: pd.DataFrame, index: pd.Index[str]
) -> pd.Series[Any]:
    """Collect the names of the patterns of each family, sorted; builds without a pattern add none."""
    names, row, place, known = memberships(builds, "pattern")
    family = held.set_index("row")["family"].reindex(np.arange(len(failed)))
    at = np.full(len(builds), -1, dtype=np.intp)
    at[failed] = np.arange(len(failed))
    row = at[row]
    named = (place < known) & (row >= 0)
    pairs = pd.DataFrame({"family": family.to_numpy()[row[named]], "place": place[named]}).drop_duplicates()
    found: dict[str, list[int]] = {name: [] for name in index}
    for name, value in zip(pairs["family"], pairs["place"], strict=True):
        found[name].append(value)
    lists = [[str(names[place]) for place in sorted(found[name])] for name in index]
    return pd.Series(lists, index=index, dtype="object")


def families_of(messages: Sequence[str | None], names: Iterable[str] | None = None) -> list[str]:
    """Name the family of each message.

    Parameters
    ----------
    messages : sequence of str or None
        None and blank messages are a family of their own.
    names : iterable of str, optional
        Names that messages may hold.

    Returns
    -------
    list of str
        One for each message.

    Examples
    --------
    >>> families_of(["Upload 7 failed", "Upload 12 failed", None])
    ['Upload <n> failed', 'Upload <n> failed', '(no message)']
    """
    mask = _masker(names)
    memo: dict[str | None, _Template | None] = {}
    for message in messages:
        if message not in memo:
            memo[message] = mask(message) if message and message.strip() else None
    templates = {template for template in memo.values() if template is not None}
    label_of = _labels(templates)
    nothing = missing_label(label_of.values(), NO_MESSAGE)
    found = {message: nothing if t is None else label_of[t] for message, t in memo.items()}
    return [found[message] for message in messages]


@dataclass(frozen=True)
class _Template:
    """A masked message: words and placeholders, and what stands between them."""

    tokens: Tokens
    between: Tokens

    def with_any(self, places: Iterable[int]) -> _Template:
        """Put aside the words at some places."""
        tokens = list(self.tokens)
        for place in places:
            tokens[place] = _ANY
        return _Template(tuple(tokens), self.between)

    def skeleton(self) -> _Template:
        """Put aside all names, where enough other words remain to recognize the message by."""
        names = [
            place
            for place, token in enumerate(self.tokens)
            if _is_name(token) and not (place == 0 and self.between[1].startswith(":"))
        ]
        kept = (token for place, token in enumerate(self.tokens) if place not in names)
        solid = sum(not token.startswith("<") for token in kept)
        return self.with_any(names) if 2 * solid >= len(names) else self

    def with_one(self, begin: int, end: int) -> _Template:
        """Put aside the words of a run as one name."""
        tokens = (*self.tokens[:begin], _ANY, *self.tokens[end:])
        return _Template(tokens, (*self.between[: begin + 1], *self.between[end:]))

    def runs(self) -> list[tuple[int, int]]:
        """List the runs of two or three words, parted by blanks, of which all but the first are capitalized.

        The first is capitalized or a name; a capitalized word before a name tells what is named.
        """
        is_capital = [_CAPITALIZED.fullmatch(token) is not None for token in self.tokens]
        return [
            (begin, begin + length)
            for length in (3, 2)
            for begin in range(1, len(self.tokens) - length + 1)
            if (is_capital[begin] or self.tokens[begin] == _ANY)
            and all(is_capital[begin + 1 : begin + length])
            and set(self.between[begin + 1 : begin + length]) == {" "}
        ]

    def capitalized(self) -> list[int]:
        """List the places of capitalized words, but for the one that begins the message."""
        return [place for place, token in enumerate(self.tokens) if place and _CAPITALIZED.fullmatch(token)]


def _is_name(token: str) -> bool:
    """Tell whether a word may be the name of something: by its capitals, or as a placeholder of one."""
    if token.startswith("<"):
        return token not in ("<n>", "<time>")
    return token not in _WORDS and _IDENTIFIER.fullmatch(token) is not None


def _masker(names: Iterable[str] | None) -> Callable[[str], _Template]:
    """Make the function that turns a message into a template."""
    replace_names = _name_replacer(names)
    memo: dict[tuple[str, ...], _Template] = {}

    def template(message: str) -> _Template:
        line = _line(message)[:_LONGEST]
        codes: list[str] = []

        def hold(code: re.Match[str]) -> str:
            codes.append(code[0])
            return chr(_HELD + len(codes) - 1)

        line = _CODE.sub(hold, _PRIVATE.sub(" ", line))
        # digits differ from message to message and only their number decides: each shape is masked once
        shape = replace_names(line).translate(_ZEROS)
        if (shape, *codes) not in memo:
            tokens, between = _masked(shape)
            restored = (codes[ord(t) - _HELD] if _PRIVATE.fullmatch(t) else t for t in tokens)
            memo[shape, *codes] = _Template(tuple(restored), between)
        return memo[shape, *codes]

    return template


def _line(message: str) -> str:
    """Find the line that tells the cause: the first one, or what it announces."""
    lines = [line.rstrip() for line in message.splitlines() if line.strip()]
    if lines[0].endswith(_TRACEBACK):
        # Python prints the places first, indented; of chained exceptions the last one ended the program
        last = max(place for place, line in enumerate(lines) if line.endswith(_TRACEBACK))
        lines = [line for line in lines[last + 1 :] if not line[0].isspace()] or lines
    head = next((place for place, line in enumerate(lines) if not line.endswith(":")), len(lines) - 1)
    return " ".join(line.strip() for line in lines[: head + 1])


def _masked(text: str) -> tuple[Tokens, Tokens]:
    """Replace what differs from message to message: words and placeholders, and what stands between."""
    text = _ANY_MASK.sub(lambda found: f"<{_MASKS[int(str(found.lastgroup)[1:])][0]}>", text)
    text = _NUMBERS.sub("<n>", _PARTS.sub(_NAME, text))
    text = _LIKE_LISTED.sub(r"\1", text)
    text = _PLURAL.sub(r"\1", text)
    parts = _TOKEN.split(" ".join(text.split()))
    return _without_lists(parts[1::2], parts[::2])


def _without_lists(tokens: Sequence[str], between: Sequence[str]) -> tuple[Tokens, Tokens]:
    """Make one name of each list of names, and of each chain with arrows."""
    out: list[str] = []
    gaps = [between[0]]
    begin = 0
    while begin < len(tokens):
        end = _end_of_list(tokens, between, begin)
        is_list = end > begin + 1
        # the first of them may have two words, where it begins behind a colon
        if is_list and out and gaps[-1] == " " and ":" in gaps[-2] and _CAPITALIZED.fullmatch(out[-1]):
            out.pop()
            gaps.pop()
        out.append(_NAME if is_list else tokens[begin])
        gaps.append(between[end])
        begin = end
    return tuple(out), tuple(gaps)


def _end_of_list(tokens: Sequence[str], between: Sequence[str], begin: int) -> int:
    """Find where a list ends that begins at a word; one behind the word where none does."""
    end, names, has_arrow = begin + 1, int(_is_name(tokens[begin])), False
    while end < len(tokens):
        gap, before, word = between[end], tokens[end - 1], tokens[end]
        if _ARROW.fullmatch(gap):
            has_arrow, end = True, end + 1
        elif _may_be_listed(before) and _may_be_listed(word) and _COMMA.fullmatch(gap):
            end += 1
        elif (
            word in _CONJUNCTIONS
            and _may_be_listed(before)
            and end + 1 < len(tokens)
            and _may_be_listed(tokens[end + 1])
            and between[end + 1] == " "
        ):
            end += 2
        elif end > begin + 1 and gap == " " and all(map(_CAPITALIZED.fullmatch, (before, word))):
            end += 1  # a name of several words
        else:
            break
        names += _is_name(tokens[end - 1])
    return end if has_arrow or names else begin + 1


def _may_be_listed(token: str) -> bool:
    return _is_name(token) or _CAPITALIZED.fullmatch(token) is not None


def _name_replacer(names: Iterable[str] | None) -> Callable[[str], str]:
    """Make the function that replaces known names, the longest first, where no word goes on beside them."""
    by_word = _by_first_word(names or ())

    def find(text: str, word: re.Match[str], done: int) -> tuple[int, int] | None:
        for name, offset in by_word.get(word[0], ()):
            begin = word.start() - offset
            end = begin + len(name)
            if begin >= done and text.startswith(name, begin) and _ends_words(text, begin, end):
                return begin, end
        return None

    def replace(text: str) -> str:
        parts, done = [], 0
        for word in _WORD.finditer(text):
            if found := find(text, word, done):
                parts += [text[done : found[0]], _NAME]
                done = found[1]
        return "".join([*parts, text[done:]])

    return replace if by_word else str


def _by_first_word(names: Iterable[str]) -> dict[str, list[tuple[str, int]]]:
    """List names by their first word, with its place in them, so that many are found as fast as few."""
    hint = "Give a sequence of names, such as names=[*patterns['name'], *instances['name']]."
    if isinstance(names, str):
        raise InputError(f"names={names!r} is one text, not a sequence of names.", hint=hint)
    found: dict[str, list[tuple[str, int]]] = {}
    for name in dict.fromkeys(names):
        if not isinstance(name, str):
            raise InputError(f"names holds {name!r}, which is no text.", hint=hint)
        first = _WORD.search(name)
        if first is not None and (len(name) > 2 or name.upper() == name):
            found.setdefault(first[0], []).append((name, first.start()))
    return {word: sorted(those, key=lambda pair: (-len(pair[0]), pair)) for word, those in found.items()}


def _ends_words(text: str, begin: int, end: int) -> bool:
    """Tell whether no word goes on before or behind a part of a text."""
    before, behind = text[begin - 1 : begin], text[end : end + 1]
    is_word = (text[begin].isalnum(), text[end - 1].isalnum())
    return not (is_word[0] and (before.isalnum() or before == "_")) and not (
        is_word[1] and (behind.isalnum() or behind == "_")
    )


def _labels(templates: Iterable[_Template]) -> dict[_Template, str]:
    """Name the family of each template, by what all templates of a family have in common."""
    skeleton_of = {template: template.skeleton() for template in templates}
    for _ in range(_ROUNDS):
        merged = _without_capitalized(set(skeleton_of.values()))
        changed = {template: merged[skeleton] for template, skeleton in skeleton_of.items()}
        if changed == skeleton_of:
            break
        skeleton_of = changed
    members: dict[_Template, list[_Template]] = {}
    for template, skeleton in skeleton_of.items():
        members.setdefault(skeleton, []).append(template)
    return {template: _label(skeleton, those) for skeleton, those in members.items() for template in those}


def _label(skeleton: _Template, members: Sequence[_Template]) -> str:
    """Write a skeleton, with a word put back where all templates of its length have the same one."""
    tokens = []
    like = [member for member in members if len(member.tokens) == len(skeleton.tokens)]
    for place, token in enumerate(skeleton.tokens):
        values = {member.tokens[place] for member in like}
        is_one = len(values) == 1 and len(like) == len(members)
        tokens.append(token if token != _ANY else values.pop() if is_one else _NAME)
    pairs = zip(skeleton.between, (*tokens, ""), strict=True)
    return "".join(part for pair in pairs for part in pair)


def _without_capitalized(skeletons: set[_Template]) -> dict[_Template, _Template]:
    """Put aside capitalized words where names stand elsewhere, or where many different words do."""
    values: dict[_Template, set[str]] = {}
    for skeleton in skeletons:
        for place in skeleton.capitalized():
            values.setdefault(skeleton.with_any([place]), set()).add(skeleton.tokens[place])
    is_name = {key for key, words in values.items() if key in skeletons or len(words) >= _LEAST_VALUES}
    found = {}
    for skeleton in skeletons:
        places = [p for p in skeleton.capitalized() if skeleton.with_any([p]) in is_name]
        shorter = (skeleton.with_one(begin, end) for begin, end in skeleton.runs())
        found[skeleton] = next(
            (one for one in shorter if one in skeletons),  # a name of several words, a path with a blank
            skeleton.with_any(places),
        )
    return found
