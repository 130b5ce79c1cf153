"""Secrets that a server gives back, such as in "invalid token: ...", are taken out of its words.

What is looked for is any run of eight characters of a secret, in any case, whatever blanks, line breaks or
punctuation stand in it, and also as JSON, HTML, URLs and Python write it, as base64 and as hexadecimal.
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

__all__ = ["redact", "redact_errors"]

_SHORTEST = 4
"""Characters; a shorter word stands in every other sentence by chance."""
_RUN = 8
"""Characters of a secret in a row that are never shown. Of a shorter secret, the whole is."""
_SHORTEST_CODE = 5
"""Characters of base64 that do not stand in a sentence by chance."""
_LONGEST = 1 << 16
"""Characters of a text that are looked at; the rest is not shown."""
_BEYOND = 1 << 10
"""Characters that are looked at behind the last that is shown, for a secret that begins before it."""
_LONGEST_OF_A_LIBRARY = 500
_LAYERS = 4
"""How often a text may be escaped, one way within the other."""
_ESCAPE = re.compile(
    r"(?:%[0-9a-f]{2})+"
    r"|&(?:\#[0-9]{1,7}|\#x[0-9a-f]{1,6}|[a-z][a-z0-9]{1,30});"
    r"|\\+(?:(?-i:u)[0-9a-f]{4}|(?-i:U)00[01][0-9a-f]{5}|x[0-9a-f]{2}|(?-i:[abfnrtv0]))?"
    r"|‹U\+[0-9a-f]{4,6}›",
    re.I,
)
"""A character as URLs, HTML, JSON and Python, or `mkframe._text` write it. Each run matches at once."""
_CUT = re.compile(r"\.\.\.|…|['\"]|\Z")
"""What follows where a text was cut off."""
_OURS = {"request", "hint"}
"""Fields that no server writes."""


class redact_errors:  # noqa: N801
    """Takes secrets out of the errors and warnings of ours that leave a block, and out of what hangs on them.

    The frames within the block are left behind: their variables hold what the server has said. An error of
    a library that stands behind one of ours is replaced by its words: nobody knows what else it holds.

    Parameters
    ----------
    secrets : callable
        Gives the secrets that are known when an error comes.
    """

    def __init__(self, secrets: Callable[[], list[Secret]]) -> None:
        self._secrets = secrets

    def __enter__(self) -> None:
        self._handled = sys.exception()  # the caller's own, with frames of the caller's
        self._before = errors.screen(lambda text: redact(text, self._secrets()))

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        # No generator: contextlib would put the frames back.
        errors.screen(self._before)
        if isinstance(error, MkframeError):
            _clean(error, _Forms(self._secrets()), self._handled)


def redact(text: str, secrets: Iterable[Secret], most: int = _LONGEST) -> str:
    """Replace secrets in a text, also where they are written in another way or in part.

    Parameters
    ----------
    text : str
        Words of a server.
    secrets : iterable of Secret
        What is looked for.
    most : int, optional
        How many characters are wanted; a secret is never cut, but hidden before.

    Returns
    -------
    str
        The text with ``***`` for each place where a secret, or eight characters of one, stands.

    Examples
    --------
    >>> redact("invalid token: 'open sesame'", [Secret("open sesame")])
    "invalid token: '***'"
    >>> redact("Basic b3BlbiBzZXNhbWU=, SESAME or Open%20S...", [Secret("open sesame")])
    'Basic ***=, SESAME or ***...'
    """
    return _Forms(secrets).hidden(text, most)


class _Text:
    """A text as it is read once all escapes are resolved, and where each character of it stands."""

    def __init__(self, text: str) -> None:
        self.plain, self.starts, self.ends = _resolved(text)
        signs = [(f, i) for i, c in enumerate(self.plain) for f in _folded(c)]
        letters = [(f, i) for f, i in signs if f.isalnum()]
        self.signs, self.letters = "".join(f for f, _ in signs), "".join(f for f, _ in letters)
        """All that can be seen, and letters and digits alone; in one case, accents left out."""
        self.of_signs, self.of_letters = [i for _, i in signs], [i for _, i in letters]
        """Which character of `plain` each comes from."""


class _Forms:
    """Ways in which secrets may be written, for texts that are read as `_Text`."""

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
            if len(word) >= _SHORTEST:
                self._add(word)

    def _add(self, word: str) -> None:
        for spoken in {word, _bytes(word).decode("latin-1"), word[::-1]}:  # a header's bytes are Latin-1
            text = _Text(spoken)
            self.letters |= _runs(text.letters)
            self.signs |= _runs(text.signs)
            if len(text.signs) < _RUN and text.plain.strip():
                self.words.add(_lower(text.plain))
        begun = [_Text(word).letters]
        for written in map(_bytes, {word, json.dumps(word)[1:-1], quote(_bytes(word), safe="")}):
            for code in _base64(written):
                self.letters |= _runs(code)
                self.codes |= {code} if _SHORTEST_CODE <= len(code) < _RUN else set()
                begun.append(code)
            self.letters |= _runs(written.hex())
        self.beginnings |= {b[:n] for b in begun for n in range(_SHORTEST, _RUN) if len(b) >= n}

    def hidden(self, text: str, most: int = _LONGEST) -> str:
        """Put ``***`` for secrets; see `redact`."""
        most, shown, at = min(most, _LONGEST), [], 0
        for start, end in self._places(_Text(text[: most + _BEYOND])):
            if start >= most:
                break
            shown += [text[at:start], "***"]
            at = end
        tail = "..." if most == _LONGEST < len(text) else ""
        return "".join([*shown, text[at:most], tail])

    def _places(self, text: _Text) -> Iterator[tuple[int, int]]:
        """Where secrets stand, from left to right, with what is joined to them."""
        hidden = bytearray(len(text.plain))
        for first, last in self._found(text):
            hidden[first : last + 1] = b"\1" * (last + 1 - first)
        return _joined(text, hidden)

    def _found(self, text: _Text) -> Iterator[tuple[int, int]]:
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
            for found in re.finditer(_by_itself(word), lower):
                yield found.start(), found.end() - 1
        yield from self._cut(text)

    def _cut(self, text: _Text) -> Iterator[tuple[int, int]]:
        for cut in _CUT.finditer(text.plain):
            end = bisect.bisect_left(text.of_letters, cut.start())
            for n in range(min(_RUN - 1, end), _SHORTEST - 1, -1):
                if text.letters[end - n : end] in self.beginnings:
                    yield text.of_letters[end - n], text.of_letters[end - 1]
                    break


def _joined(text: _Text, hidden: bytearray) -> Iterator[tuple[int, int]]:
    """Stretches of a text that are hidden, each to the end of the word that it stands in."""
    place, until = 0, 0
    while (first := hidden.find(1, place)) >= 0:
        last = first
        while first > place and _joins(text.plain[first - 1]):
            first -= 1
        while last + 1 < len(hidden) and (hidden[last + 1] or _joins(text.plain[last + 1])):
            last += 1
        start, end = max(text.starts[first], until), text.ends[last]
        if end > start:
            yield start, end
        place, until = last + 1, end


def _joins(character: str) -> bool:
    return character.isalnum() or character in "_-"


def _by_itself(word: str) -> str:
    before = r"(?<![^\W_])" if word[0].isalnum() else ""
    after = r"(?![^\W_])" if word[-1].isalnum() else ""
    return f"{before}{re.escape(word)}{after}"


def _bytes(word: str) -> bytes:
    return word.encode("utf-8", "surrogatepass")


def _runs(text: str) -> set[str]:
    return {text[i : i + _RUN] for i in range(len(text) - _RUN + 1)}


def _base64(content: bytes) -> Iterator[str]:
    """The characters that are the same wherever the content stands, in one case and without ``+/-_``."""
    for before, varying in ((0, 0), (1, 2), (2, 3)):
        code = base64.b64encode(b"\0" * before + content).decode().rstrip("=")
        same = code[varying : -1 if (before + len(content)) % 3 else None]
        yield "".join(c.lower() for c in same if c.isalnum())


def _resolved(text: str) -> tuple[str, list[int], list[int]]:
    starts, ends = list(range(len(text))), list(range(1, len(text) + 1))
    for _ in range(_LAYERS):
        found = list(_ESCAPE.finditer(text))
        if not found:
            break
        parts: list[str] = []
        first: list[int] = []
        last: list[int] = []
        at = 0
        for escape in found:
            meant = _meant(escape[0])
            parts += [text[at : escape.start()], meant]
            first += starts[at : escape.start()] + [starts[escape.start()]] * len(meant)
            last += ends[at : escape.start()] + [ends[escape.end() - 1]] * len(meant)
            at = escape.end()
        text = "".join([*parts, text[at:]])
        starts, ends = first + starts[at:], last + ends[at:]
    return text, starts, ends


def _meant(escape: str) -> str:
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


def _folded(character: str) -> str:
    """Its letters in one case and without accents; nothing where it cannot be seen."""
    if character.isascii():
        return character.lower() if "!" <= character <= "~" else ""
    plain = unicodedata.normalize("NFKD", character).casefold()
    return "".join(c for c in plain if unicodedata.category(c)[0] not in "CMZ")


def _lower(text: str) -> str:
    """In lower case, character by character."""
    return "".join(low if len(low := c.lower()) == 1 else c for c in text)


# --- errors ---------------------------------------------------------------------------------------------


def _clean(error: MkframeError, secrets: _Forms, handled: BaseException | None) -> None:
    """Redact an error and all that hangs on it, up to what the caller was handling already."""
    done: dict[int, BaseException] = {}
    todo = [error]

    def cleaned(step: BaseException) -> BaseException:
        if step is handled:
            return step
        if id(step) not in done:
            done[id(step)] = step if isinstance(step, MkframeError) else _words_of(step, secrets, handled)
            if isinstance(step, MkframeError):
                todo.append(step)
        return done[id(step)]

    done[id(error)] = error
    while todo:
        step = todo.pop()
        step.__traceback__ = None
        _redact(step, secrets, cleaned)
        if step.__cause__ is not None:
            step.__cause__ = cleaned(step.__cause__)
        if step.__context__ is not None:
            step.__context__ = cleaned(step.__context__)


def _words_of(error: BaseException, secrets: _Forms, handled: BaseException | None) -> LibraryError:
    kind = type(error)
    words = secrets.hidden(f"{kind.__module__}.{kind.__qualname__}: {error}", _LONGEST_OF_A_LIBRARY)
    made = LibraryError(single_line(words.removeprefix("builtins."), _LONGEST_OF_A_LIBRARY))
    made.__context__ = handled
    return made


def _redact(step: MkframeError, secrets: _Forms, cleaned: Callable[[BaseException], BaseException]) -> None:
    # The request is ours, and no word of a server's.
    ours = step.request or "\0"

    def clean(value: Any) -> Any:
        if isinstance(value, str):
            return ours.join(map(secrets.hidden, value.split(ours)))
        if isinstance(value, tuple | list):
            return [clean(inner) for inner in value]
        return cleaned(value) if isinstance(value, BaseException) else value

    step.args = tuple(clean(step.args))
    for name, value in vars(step).items():
        if name not in _OURS:
            setattr(step, name, clean(value))
