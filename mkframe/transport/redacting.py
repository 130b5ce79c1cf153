"""Secrets that a server gives back, such as in "invalid token: ...", go no further than this room."""

from __future__ import annotations

import contextlib
import html
import json
import re
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import quote, quote_plus

from mkframe.errors import MkframeError
from mkframe.settings import Secret

__all__ = ["redacted", "withheld"]

_SHORTEST = 4
"""Characters; a shorter word stands in every other sentence by chance."""
_BEGINNING = 8
"""Characters by which a secret is known where its end was cut off."""
_CUT = re.compile(r"\.\.\.|…|['\"]|$")
"""What follows where a text was cut off."""
_INSTEAD = "***"
_OURS = {"request"}
"""Fields that no server writes; what became of a build is found out by them."""


@contextlib.contextmanager
def withheld(secrets: Callable[[], list[Secret]]) -> Iterator[None]:
    """Take secrets out of the errors that leave this block, and out of what stands behind them.

    Parameters
    ----------
    secrets : callable
        Gives the secrets that are known when an error comes.
    """
    try:
        yield
    except MkframeError as error:
        known = secrets()
        for step in _family(error):
            _redact(step, known)
        raise


def redacted(text: str, secrets: Iterable[Secret]) -> str:
    """Replace secrets in a text, also where they are written as in JSON, HTML or a URL, or cut short.

    Examples
    --------
    >>> redacted("invalid token: 'open sesame'", [Secret("open sesame")])
    "invalid token: '***'"
    >>> redacted("invalid token: 'open ses'", [Secret("open sesame")])
    "invalid token: '***'"
    """
    for form in (form for secret in secrets for form in _forms(secret.reveal())):
        text = _without_beginnings(text.replace(form, _INSTEAD), form)
    return text


def _redact(step: BaseException, secrets: list[Secret]) -> None:
    step.args = tuple(redacted(arg, secrets) if isinstance(arg, str) else arg for arg in step.args)
    for name, value in vars(step).items():
        if isinstance(value, str) and name not in _OURS:
            setattr(step, name, redacted(value, secrets))


def _family(error: BaseException) -> list[BaseException]:
    """An error and all that it carries along, however that hangs on it."""
    found, todo = [], [error]
    while todo:
        step = todo.pop()
        if step not in found:
            found.append(step)
            near = (*step.args, *vars(step).values(), step.__cause__, step.__context__)
            todo += [one for one in near if isinstance(one, BaseException)]
    return found


def _forms(word: str) -> list[str]:
    """How a word may be written; the longest first, since one may begin another."""
    if len(word) < _SHORTEST:
        return []
    inside = json.dumps(word)[1:-1], json.dumps(word, ensure_ascii=False)[1:-1], repr(word)[1:-1]
    forms = {word, *inside, *(repr(form)[1:-1] for form in inside), html.escape(word), quote(word, safe="")}
    return sorted({*forms, quote(word), quote_plus(word)}, key=len, reverse=True)


def _without_beginnings(text: str, form: str) -> str:
    """Replace the beginning of a word where the text was cut off within it."""
    place = len(text)
    while (place := text.rfind(form[:_BEGINNING], 0, place)) >= 0:
        alike = (end for end in range(len(form), 0, -1) if text.startswith(form[:end], place))
        end = place + next(alike)
        if _CUT.match(text, end):
            text = text[:place] + _INSTEAD + text[end:]
    return text
