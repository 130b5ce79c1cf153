"""Secrets that a server gives back, such as in "invalid token: ...", go no further than this room."""

from __future__ import annotations

import functools
import html
import json
import re
import sys
from collections.abc import Callable, Iterable
from urllib.parse import quote

from mkframe.errors import MkframeError
from mkframe.settings import Secret

__all__ = ["redact", "redact_errors"]

_SHORTEST = 4
"""Characters; a shorter word stands in every other sentence by chance."""
_BEGINNING = 8
"""Characters by which a secret is known where its end was cut off."""
_CUT = re.compile(r"[\\\w%&#;]{0,7}(?:\.\.\.|…|['\"]|$)")
"""What follows where a text was cut off, perhaps within an escaped character."""
_OURS = {"request"}
"""Fields that no server writes; what became of a build is found out by them."""


class redact_errors:  # noqa: N801
    """Takes secrets out of the errors of ours that leave a block, and out of what stands behind them.

    The frames within the block are left behind: their variables hold what the server has said.

    Parameters
    ----------
    secrets : callable
        Gives the secrets that are known when an error comes.
    """

    def __init__(self, secrets: Callable[[], list[Secret]]) -> None:
        self._secrets = secrets

    def __enter__(self) -> None:
        self._handled = sys.exception()  # the caller's own, with frames of the caller's

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        # No generator: contextlib would put the frames back.
        if isinstance(error, MkframeError):
            for step in _family(error, self._handled):
                step.__traceback__ = None
                _redact(step, self._secrets())


def redact(text: str, secrets: Iterable[Secret]) -> str:
    """Replace secrets in a text, also where they are written as in JSON, HTML or a URL, or cut short.

    Examples
    --------
    >>> redact("invalid token: 'open sesame'", [Secret("open sesame")])
    "invalid token: '***'"
    >>> redact("invalid token: 'open ses'", [Secret("open sesame")])
    "invalid token: '***'"
    """
    for word in sorted((secret.get_secret_value() for secret in secrets), key=len, reverse=True):
        if len(word) >= _SHORTEST:
            text = _without(text, [_letter(character) for character in word])
    return text


def _without(text: str, letters: list[re.Pattern[str]]) -> str:
    beginning = re.compile("".join(letter.pattern for letter in letters[:_BEGINNING]))
    for found in reversed(list(beginning.finditer(text))):
        end, whole = _end(text, found.end(), letters[_BEGINNING:])
        if whole or _CUT.match(text, end):
            text = text[: found.start()] + "***" + text[end:]
    return text


def _end(text: str, place: int, letters: list[re.Pattern[str]]) -> tuple[int, bool]:
    """Where the letters of a secret end, and whether all of them are there."""
    for letter in letters:
        if not (found := letter.match(text, place)):
            return place, False
        place = found.end()
    return place, True


@functools.lru_cache(maxsize=256)
def _letter(character: str) -> re.Pattern[str]:
    """Matches a character as itself and as JSON, HTML, a URL or Python write it, one within the other."""
    if character == "\\":
        return re.compile(r"(?:\\+|%5C)", re.I)
    escaped = json.dumps(character)[1:-1].lstrip("\\").split("\\")
    written = {re.escape(word) for word in (character, html.escape(character), quote(character, safe=""))}
    written |= {r"\\+".join(map(re.escape, escaped)), r"\+" if character == " " else re.escape(character)}
    return re.compile(rf"\\*(?:{'|'.join(sorted(written, key=len, reverse=True))})")


def _redact(step: BaseException, secrets: list[Secret]) -> None:
    step.args = tuple(redact(arg, secrets) if isinstance(arg, str) else arg for arg in step.args)
    for name, value in vars(step).items():
        if isinstance(value, str) and name not in _OURS:
            setattr(step, name, redact(value, secrets))


def _family(error: BaseException, handled: BaseException | None) -> list[BaseException]:
    """An error and all that it carries along, however that hangs on it."""
    found, todo = [], [error]
    while todo:
        step = todo.pop()
        if step is not handled and step not in found:
            found.append(step)
            near = (*step.args, *vars(step).values(), step.__cause__, step.__context__)
            todo += [one for one in near if isinstance(one, BaseException)]
    return found
