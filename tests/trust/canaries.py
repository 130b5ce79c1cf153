"""Words that must turn up nowhere, and the search for them in whatever form somebody may see them."""

from __future__ import annotations

import base64
import copy
import functools
import html
import json
import pickle
import re
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import ipywidgets
import pandas as pd
import traitlets
from IPython.core.ultratb import VerboseTB
from ipywidgets.embed import dependency_state

from mkframe.settings import Secret

TOKEN = "canary-Tok3n.7f3a91c2e5b84d06-a5f1c07e9b2d4836.Zq8vX2nL0pKc"
FRESH = "canary-Fr3sh.c41e08d7a2f95b63-d90b6e3f18c7a254.Wm5tR7yH1jGu"
PASSWORD = "canary p4ss\"w0rd'\\ <ö&%> 2c9e71bd-60af38e4"
"""Holds what JSON, HTML, URLs and Python each write in another way."""
EMAIL = "canary.ada.77d1e0@example.org"
SECRETS = {"token": TOKEN, "fresh token": FRESH, "password": PASSWORD}


def disguises(word: str) -> dict[str, bytes]:
    """How a word may be written; each in the bytes of UTF-8, which is how it is searched for."""
    inside = json.dumps(word)[1:-1]
    half = len(word) // 2
    written = {
        "plain": word,
        "JSON": inside,
        "JSON in JSON": json.dumps(inside)[1:-1],
        "repr": repr(word)[1:-1],
        "repr of JSON": repr(inside)[1:-1],
        "HTML": html.escape(word),
        "URL": quote(word, safe=""),
        "form": quote_plus(word),
        "hexadecimal": word.encode().hex(),
        "backwards": word[::-1],
        "first half": word[:half],
        "second half": word[half:],
    }
    return {name: text.encode() for name, text in written.items()} | _base64(word)


def _base64(word: str) -> dict[str, bytes]:
    """Base64 of the word at each of three places in a longer text, without the letters that vary."""
    found = {}
    for shift in range(3):
        code = base64.b64encode(b"\0" * shift + word.encode())
        found[f"base64, {shift} before"] = code[4 if shift else 0 : -4]
    return found


def traces(shown: str | bytes, words: dict[str, str] = SECRETS) -> list[str]:
    """Where and as what any of the words stands in what is shown."""
    content = shown if isinstance(shown, bytes) else shown.encode("utf-8", "surrogatepass")
    return [
        f"{name} ({disguise}): ...{content[max(0, at - 60) : at + 30]!r}"
        for name, word in words.items()
        for disguise, form in disguises(word).items()
        if (at := content.find(form)) >= 0
    ]


# --- all that somebody may see of a thing -------------------------------------------------------------


def views(thing: Any) -> Iterator[str | bytes]:
    """What a notebook, a debugger, a pickle and a curious person show of a thing."""
    if isinstance(thing, BaseException):
        yield from _of_error(thing)
    if isinstance(thing, str | bytes):
        yield thing
    yield from _of_object(thing, depth=6, seen=set())
    yield from _carried(thing)
    if isinstance(thing, pd.DataFrame):
        yield from (thing.to_string(), thing.to_json(default_handler=str), repr(thing.attrs))
    if isinstance(thing, ipywidgets.Widget):
        yield json.dumps(dependency_state([thing], drop_defaults=False), default=repr)


def _of_error(error: BaseException) -> Iterator[str]:
    """Tracebacks with the variables of all frames."""
    for step in family(error):
        whole = traceback.TracebackException.from_exception(step, capture_locals=True)
        yield "".join(whole.format())


def verbose(error: BaseException) -> str:
    """The traceback of a notebook after ``%xmode Verbose``."""
    made = VerboseTB(theme_name="nocolor", include_vars=True)
    return "\n".join(made.structured_traceback(type(error), error, error.__traceback__))


def family(error: BaseException) -> list[BaseException]:
    """An error and all that hangs on it."""
    found: list[BaseException] = []
    todo: list[Any] = [error]
    while todo:
        step = todo.pop()
        if isinstance(step, BaseException) and step not in found:
            found.append(step)
            todo += [*step.args, *vars(step).values(), step.__cause__, step.__context__]
    return found


def _of_object(thing: Any, depth: int, seen: set[int]) -> Iterator[str | bytes]:
    """Its words for itself, and those of what hangs on it."""
    if id(thing) in seen:
        return
    seen.add(id(thing))
    yield repr(thing)
    yield str(thing)
    yield " ".join(dir(thing))
    if hasattr(thing, "_repr_html_") and not isinstance(thing, type):
        yield str(thing._repr_html_())
    if not depth:
        return
    for inner in _inside(thing):
        yield from _of_object(inner, depth - 1, seen)


def _inside(thing: Any) -> list[Any]:
    if isinstance(thing, dict):
        return [*thing.keys(), *thing.values()]
    if isinstance(thing, list | tuple | set | frozenset):
        return list(thing)
    if isinstance(thing, pd.DataFrame | pd.Series | str | bytes | int | float) or callable(thing):
        return []
    if isinstance(thing, Secret):
        return []  # the one place where a word is kept
    slots = [name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())]
    own = [getattr(thing, name, None) for name in slots]
    return [*vars(thing).values(), *own] if hasattr(thing, "__dict__") else own


def _carried(thing: Any) -> Iterator[bytes | str]:
    """As it goes to another process; what refuses to go may not say why too loudly."""
    # Copies of widgets, and of models that know some, close those that they are copies of.
    ways = [pickle.dumps] if isinstance(thing, traitlets.HasTraits) else [pickle.dumps, copy.deepcopy]
    for carry in ways:
        try:
            carried = carry(thing)
        except Exception as refusal:
            yield "".join(traceback.format_exception(refusal))
        else:
            yield carried if isinstance(carried, bytes) else repr(carried)


def files(folder: Path) -> Iterator[bytes | str]:
    """Names and contents of all files in a folder, hidden ones too."""
    for path in sorted(folder.rglob("*")):
        yield str(path)
        if path.is_file():
            yield path.read_bytes()


def remnants(shown: str | bytes, words: dict[str, str] = SECRETS) -> list[str]:
    """Eight characters in a row of any of the words, in any case, whatever stands between them.

    Of the word itself, its base64 at each of three places, and its hexadecimal digits.
    """
    bare = _bare(shown if isinstance(shown, str) else shown.decode("latin-1"))
    return [f"{name}: {part}" for name, word in words.items() for part in _parts(word) if part in bare]


@functools.cache
def _parts(word: str) -> list[str]:
    codes = [code.decode() for code in _base64(word).values()]
    forms = map(_bare, (word, *codes, word.encode().hex()))
    return [form[i : i + 8] for form in forms for i in range(len(form) - 7)]


def _bare(text: str) -> str:
    return re.sub("[^a-z0-9]", "", text.lower())
