"""Redact secrets that a server sends back, such as in "invalid token: ...".

Any run of eight characters of a secret is redacted: in upper or lower case, with blanks, line breaks or
punctuation in between, escaped as in JSON, HTML, URLs and Python, as base64 and as hexadecimal.
"""

from __future__ import annotations

import base64
import bisect
import html
import json
import re
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import quote

from mkframe import errors
from mkframe._text import single_line
from mkframe.errors import LibraryError, MkframeError
from mkframe.settings import Secret

__all__ = ["Redacting", "redact"]

_MIN_SECRET = 4
"""Characters; shorter secrets occur in ordinary sentences by chance."""
_RUN = 8
"""Number of consecutive characters of a secret that are redacted. A shorter secret is redacted as a whole."""
_MIN_CODE = 5
"""Characters; shorter base64 occurs in ordinary sentences by chance."""
_MAX_TEXT = 1 << 16
"""Characters of a text that are searched; the rest is not shown."""
_LOOKAHEAD = 1 << 10
"""Characters that are searched behind the last that is shown, for a secret that begins before it."""
_MAX_LIBRARY_TEXT = 500
_MAX_ESCAPE_LEVELS = 4
"""How often a text may be escaped, one escape within the other."""
_ESCAPE = re.compile(
    r"(?:%[0-9a-f]{2})+"
    r"|&(?:\#[0-9]{1,7}|\#x[0-9a-f]{1,6}|[a-z][a-z0-9]{1,30});"
    r"|\\+(?:(?-i:u)[0-9a-f]{4}|(?-i:U)00[01][0-9a-f]{5}|x[0-9a-f]{2}|(?-i:[abfnrtv0]))?"
    r"|‹U\+[0-9a-f]{4,6}›",
    re.I,
)
"""A character as URLs, HTML, JSON and Python, or `mkframe._text` write it. Each run matches at once."""
_CUT_MARK = re.compile(r"\.\.\.|…|['\"]|\Z")
"""The sign behind a text that was cut off."""
_OWN_FIELDS = {"request", "hint"}
"""Fields that never hold a text of the server."""


class Redacting:
    """Redacts secrets in mkframe's errors and warnings that leave a block, and in their causes and contexts.

    The frames within the block are removed, since their variables hold texts of the server. An error of a
    library in the chain is replaced by its redacted text, since its fields are unknown.

    Parameters
    ----------
    secrets : callable
        Returns the secrets that are known when an error is raised.
    """

    def __init__(self, secrets: Callable[[], list[Secret]]) -> None:
        self._secrets = secrets

    def __enter__(self) -> None:
        self._handled = sys.exception()  # an error that the caller handles keeps the caller's frames
        errors.add_screen(self)

    def clean(self, sentence: str) -> str:
        """Redact a sentence of a warning."""
        return redact(sentence, self._secrets())

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        # No generator: contextlib would put the frames back.
        errors.remove_screen(self)
        if isinstance(error, MkframeError):
            _clean(error, _SecretForms(self._secrets()), self._handled)


def redact(text: str, secrets: Iterable[Secret], most: int = _MAX_TEXT) -> str:
    """Replace secrets in a text, also where they are escaped, encoded or incomplete.

    Parameters
    ----------
    text : str
        Text of a server.
    secrets : iterable of Secret
        Secrets to search for.
    most : int, optional
        Number of characters to return. Secrets are redacted before the text is cut.

    Returns
    -------
    str
        The text with ``***`` in place of each secret, or of eight characters or more of one.

    Examples
    --------
    >>> redact("invalid token: 'open sesame'", [Secret("open sesame")])
    "invalid token: '***'"
    >>> redact("Basic b3BlbiBzZXNhbWU=, SESAME or Open%20S...", [Secret("open sesame")])
    'Basic ***=, SESAME or ***...'
    """
    return _SecretForms(secrets).redact(text, most)


class _Text:
    """A text without its escapes, and the position of each character in the original."""

    def __init__(self, text: str) -> None:
        self.plain, self.starts, self.ends = _unescape(text)
        signs = [(f, i) for i, c in enumerate(self.plain) for f in _fold(c)]
        letters = [(f, i) for f, i in signs if f.isalnum()]
        self.signs, self.letters = "".join(f for f, _ in signs), "".join(f for f, _ in letters)
        """All that can be seen, and letters and digits alone; in one case, accents left out."""
        self.of_signs, self.of_letters = [i for _, i in signs], [i for _, i in letters]
        """Which character of `plain` each comes from."""


class _SecretForms:
    """The forms in which secrets may be written, to search for in a `_Text`."""

    def __init__(self, secrets: Iterable[Secret]) -> None:
        self.letters: set[str] = set()
        self.signs: set[str] = set()
        """Runs of eight."""
        self.beginnings: set[str] = set()
        """Of fewer, where a text is cut off."""
        self.codes: set[str] = set()
        self.words: set[str] = set()
        """What is too short for runs, by its whole."""
        for word in {secret.get_secret_value() for secret in secrets}:
            if len(word) >= _MIN_SECRET:
                self._add(word)

    def _add(self, word: str) -> None:
        for form in {word, _bytes(word).decode("latin-1"), word[::-1]}:  # a header's bytes are Latin-1
            text = _Text(form)
            self.letters |= _runs(text.letters)
            self.signs |= _runs(text.signs)
            if len(text.signs) < _RUN and text.plain.strip():
                self.words.add(_lower(text.plain))
        begun = [_Text(word).letters]
        for written in map(_bytes, {word, json.dumps(word)[1:-1], quote(_bytes(word), safe="")}):
            for code in _base64(written):
                self.letters |= _runs(code)
                self.codes |= {code} if _MIN_CODE <= len(code) < _RUN else set()
                begun.append(code)
            self.letters |= _runs(written.hex())
        self.beginnings |= {b[:n] for b in begun for n in range(_MIN_SECRET, _RUN) if len(b) >= n}

    def redact(self, text: str, most: int = _MAX_TEXT) -> str:
        """Replace secrets by ``***``; see the function `redact`."""
        most, shown, at = min(most, _MAX_TEXT), [], 0
        for start, end in self._ranges(_Text(text[: most + _LOOKAHEAD])):
            if start >= most:
                break
            shown += [text[at:start], "***"]
            at = end
        tail = "..." if most == _MAX_TEXT < len(text) else ""
        return "".join([*shown, text[at:most], tail])

    def _ranges(self, text: _Text) -> Iterator[tuple[int, int]]:
        """Find the ranges of secrets, from left to right, with the words that they are part of."""
        marked = bytearray(len(text.plain))
        for first, last in self._matches(text):
            marked[first : last + 1] = b"\1" * (last + 1 - first)
        return _redacted_ranges(text, marked)

    def _matches(self, text: _Text) -> Iterator[tuple[int, int]]:
        for runs, stream, at in (
            (self.letters, text.letters, text.of_letters),
            (self.signs, text.signs, text.of_signs),
        ):
            done = -1
            for i in range(len(stream) - _RUN + 1):
                if stream[i : i + _RUN] in runs:
                    # Each character is marked once, however many lie between two that count.
                    yield max(at[i], done), at[i + _RUN - 1]
                    done = at[i + _RUN - 1]
        for code in self.codes:
            for found in re.finditer(re.escape(code), text.letters):
                yield text.of_letters[found.start()], text.of_letters[found.end() - 1]
        lower = _lower(text.plain)
        for word in self.words:
            for found in re.finditer(_whole_word_pattern(word), lower):
                yield found.start(), found.end() - 1
        yield from self._cut_matches(text)

    def _cut_matches(self, text: _Text) -> Iterator[tuple[int, int]]:
        for cut in _CUT_MARK.finditer(text.plain):
            end = bisect.bisect_left(text.of_letters, cut.start())
            for n in range(min(_RUN - 1, end), _MIN_SECRET - 1, -1):
                if text.letters[end - n : end] in self.beginnings:
                    yield text.of_letters[end - n], text.of_letters[end - 1]
                    break


def _redacted_ranges(text: _Text, marked: bytearray) -> Iterator[tuple[int, int]]:
    """Widen the marked characters to whole words, and return their ranges in the original text."""
    place, until = 0, 0
    while (first := marked.find(1, place)) >= 0:
        last = first
        while first > place and _is_word_character(text.plain[first - 1]):
            first -= 1
        while last + 1 < len(marked) and (marked[last + 1] or _is_word_character(text.plain[last + 1])):
            last += 1
        start, end = max(text.starts[first], until), text.ends[last]
        if end > start:
            yield start, end
        place, until = last + 1, end


def _is_word_character(character: str) -> bool:
    return character.isalnum() or character in "_-"


def _whole_word_pattern(word: str) -> str:
    before = r"(?<![^\W_])" if word[0].isalnum() else ""
    after = r"(?![^\W_])" if word[-1].isalnum() else ""
    return f"{before}{re.escape(word)}{after}"


def _bytes(word: str) -> bytes:
    return word.encode("utf-8", "surrogatepass")


def _runs(text: str) -> set[str]:
    return {text[i : i + _RUN] for i in range(len(text) - _RUN + 1)}


def _base64(content: bytes) -> Iterator[str]:
    """Encode at each of three offsets; return the characters that are independent of what is around them."""
    for before, varying in ((0, 0), (1, 2), (2, 3)):
        code = base64.b64encode(b"\0" * before + content).decode().rstrip("=")
        same = code[varying : -1 if (before + len(content)) % 3 else None]
        yield "".join(c.lower() for c in same if c.isalnum())


def _unescape(text: str) -> tuple[str, list[int], list[int]]:
    starts, ends = list(range(len(text))), list(range(1, len(text) + 1))
    for _ in range(_MAX_ESCAPE_LEVELS):
        found = list(_ESCAPE.finditer(text))
        if not found:
            break
        parts: list[str] = []
        first: list[int] = []
        last: list[int] = []
        at = 0
        for escape in found:
            decoded = _unescape_one(escape[0])
            parts += [text[at : escape.start()], decoded]
            first += starts[at : escape.start()] + [starts[escape.start()]] * len(decoded)
            last += ends[at : escape.start()] + [ends[escape.end() - 1]] * len(decoded)
            at = escape.end()
        text = "".join([*parts, text[at:]])
        starts, ends = first + starts[at:], last + ends[at:]
    return text, starts, ends


def _unescape_one(escape: str) -> str:
    if escape[0] == "%":
        content = bytes.fromhex(escape.replace("%", ""))
        try:
            return content.decode()
        except UnicodeDecodeError:
            return content.decode("latin-1")
    if escape[0] == "&":
        return html.unescape(escape)
    if escape[0] == "‹":
        return _character(escape[3:-1])
    rest = escape.lstrip("\\")
    return _character(rest[1:]) if len(rest) > 1 else " " * len(rest)


def _character(number: str) -> str:
    code = int(number, 16)
    return chr(code) if code <= sys.maxunicode else ""


def _fold(character: str) -> str:
    """Return its letters in lower case and without accents; nothing for an invisible character."""
    if character.isascii():
        return character.lower() if "!" <= character <= "~" else ""
    plain = unicodedata.normalize("NFKD", character).casefold()
    return "".join(c for c in plain if unicodedata.category(c)[0] not in "CMZ")


def _lower(text: str) -> str:
    """Convert to lower case; the length stays the same."""
    return "".join(low if len(low := c.lower()) == 1 else c for c in text)


# --- errors ---------------------------------------------------------------------------------------------


def _clean(error: MkframeError, forms: _SecretForms, handled: BaseException | None) -> None:
    """Redact an error with its causes and contexts, up to the error that the caller is handling."""
    done: dict[int, BaseException] = {}
    todo = [error]

    def cleaned(step: BaseException) -> BaseException:
        if step is handled:
            return step
        if id(step) not in done:
            done[id(step)] = step if isinstance(step, MkframeError) else _library_error(step, forms, handled)
            if isinstance(step, MkframeError):
                todo.append(step)
        return done[id(step)]

    done[id(error)] = error
    while todo:
        step = todo.pop()
        step.__traceback__ = None
        _redact(step, forms, cleaned)
        if step.__cause__ is not None:
            step.__cause__ = cleaned(step.__cause__)
        if step.__context__ is not None:
            step.__context__ = cleaned(step.__context__)


def _library_error(error: BaseException, forms: _SecretForms, handled: BaseException | None) -> LibraryError:
    kind = type(error)
    text = forms.redact(f"{kind.__module__}.{kind.__qualname__}: {error}", _MAX_LIBRARY_TEXT)
    made = LibraryError(single_line(text.removeprefix("builtins."), _MAX_LIBRARY_TEXT))
    made.__context__ = handled
    return made


def _redact(
    step: MkframeError, forms: _SecretForms, cleaned: Callable[[BaseException], BaseException]
) -> None:
    # The request is no text of the server.
    ours = step.request or "\0"

    def clean(value: Any) -> Any:
        if isinstance(value, str):
            return ours.join(map(forms.redact, value.split(ours)))
        if isinstance(value, tuple | list):
            return [clean(inner) for inner in value]
        return cleaned(value) if isinstance(value, BaseException) else value

    step.args = tuple(clean(step.args))
    for name, value in vars(step).items():
        if name not in _OWN_FIELDS:
            setattr(step, name, clean(value))
