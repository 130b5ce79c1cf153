"""Base classes of the accessors, one of which the client has for each resource.

The signature of a `find` is written out in its class, so that Tab, Shift-Tab and type checkers see it. Its
docstring is made from the schema. Defining a class whose signature and the schema disagree fails.
"""

from __future__ import annotations

import datetime as dt
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

import pandas as pd

from mkframe import _validation, frames
from mkframe._http import Transport
from mkframe.client._traceback import shorten_tracebacks
from mkframe.errors import InputError
from mkframe.schema import RESOURCES, Resource

__all__ = ["Accessor", "Bool", "GettableAccessor", "Id", "Name", "ReleaseNames", "Text", "check_accessors"]

Id = int | None
Name = str | int | None
Text = str | None
Bool = bool | None
ReleaseNames = Mapping[str, str] | None

_TYPE_NAMES = {"int": "int", "str": "str", "bool": "bool", "releases": "mapping of str to str"}


class Accessor:
    """The calls that one resource offers."""

    resource: ClassVar[str]

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def __repr__(self) -> str:
        verbs = ", ".join(f"{verb}()" for verb in RESOURCES[self.resource].verbs if hasattr(self, verb))
        return f"<{self.resource} of {self._transport.settings.url}: {verbs}>"

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        find = vars(cls).get("find")
        if find is not None:
            _check_signature(cls.resource, find)
            find.__doc__ = _find_doc(cls.resource)
            cls.find = _check_filter_names(cls.resource, find)  # type: ignore[attr-defined]
        shorten_tracebacks(cls)

    def _find(self, **filters: Any) -> pd.DataFrame:
        """Load all rows that match every filter; None means that a filter is not given."""
        params = _validation.query_params(self.resource, filters)
        read = functools.partial(frames.decode, self.resource, limits=self._transport.settings.limits)
        frame = self._transport.get(f"/{self.resource}", params, parse=read, kind="find")
        frame.attrs = {
            "resource": self.resource,
            "url": self._transport.settings.url,
            "filters": params,
            "loaded_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        }
        return frame


class GettableAccessor(Accessor):
    """The calls of a resource whose rows can be loaded by id."""

    def get(self, id: int) -> pd.Series[Any]:
        """Load one row by its id.

        Parameters
        ----------
        id : int
            Its id; where only the name is known, use `find`.

        Returns
        -------
        Series
            Fields as in `find`, named by the id.

        Raises
        ------
        InputError
            If the id is not a whole number; nothing was sent.
        NotFoundError
            If there is no such row.
        InvalidResponseError
            If another row comes.
        """
        number = _validation.as_id("id", id)
        read = functools.partial(frames.decode_one, self.resource, key=number)
        return self._transport.get(f"/{self.resource}/{number}", parse=read)


def _check_signature(resource: str, find: Callable[..., Any]) -> None:
    written = [name for name in inspect.signature(find).parameters if name != "self"]
    declared = [f.name for f in RESOURCES[resource].filters]
    if written != declared:
        raise TypeError(f"{resource}.find takes {written}, but the schema declares {declared}.")


def _check_filter_names(resource: str, find: Callable[..., pd.DataFrame]) -> Callable[..., pd.DataFrame]:
    """Answer a filter without a name, or of an unknown name, with a sentence instead of a TypeError."""
    names = {f.name for f in RESOURCES[resource].filters}

    @functools.wraps(find)
    def checked(self: Accessor, *positional: Any, **filters: Any) -> pd.DataFrame:
        if positional:
            first = RESOURCES[resource].filters[0].name
            raise InputError(f"{resource}.find takes filters by name only.", hint=f"Write {first}=...")
        if not filters.keys() <= names:
            raise _validation.filter_name_error(resource, filters)
        return find(self, **filters)

    return checked


def check_accessors(accessors: Mapping[str, type[Accessor]], resources: Iterable[Resource]) -> None:
    """Check that each resource of the schema has an accessor with the calls that it offers.

    Raises
    ------
    TypeError
        If an accessor or one of its methods is missing.
    """
    for resource in resources:
        accessor = accessors.get(resource.name)
        if accessor is None:
            raise TypeError(
                f"The schema declares the resource {resource.name!r}, but mkframe.client.Client has no "
                "accessor of that name."
            )
        missing = [verb for verb in resource.verbs if not hasattr(accessor, verb)]
        if missing:
            raise TypeError(
                f"The schema declares {resource.name}.{missing[0]}, but the class {accessor.__name__} has "
                "no such method."
            )


def _find_doc(resource: str) -> str:
    """Write the docstring of a find from the schema."""
    known = RESOURCES[resource]
    filters = "\n".join(
        f"{f.name} : {_accepted(resource, f.name)}, optional\n    {f.doc}" for f in known.filters
    )
    columns = "\n".join(
        f"    ``{f.name}`` {frames.dtype_of(f)}: {f.doc}" for f in known.fields if f.name != known.key
    )
    rules = "".join(
        f"    If {'not exactly one' if g.required else 'more than one'} of {', '.join(g.names)} is given.\n"
        for g in known.exclusive
    )
    listed = "".join(f"* {note}\n" for note in known.notes)
    parameters = f"\nParameters\n----------\n{filters}\n" if filters else ""
    notes = (
        f"\nNotes\n-----\nWhat to know, and what the vendor's reference leaves open:\n\n{listed}"
        if listed
        else ""
    )
    return (
        f"{known.doc}\n\nFind all, or those that match every filter.\n{parameters}\n"
        f"Returns\n-------\nDataFrame\n    Indexed by ``{known.key}`` int64, one row each.\n\n{columns}\n\n"
        f"Raises\n------\nInputError\n    If a filter is of the wrong type; nothing was sent.\n{rules}"
        f"NotFoundError\n    If a name or id does not exist and the server says so.\n{notes}"
    )


def _accepted(resource: str, name: str) -> str:
    known = {f.name: f for f in RESOURCES[resource].filters}
    type_name = _TYPE_NAMES[known[name].type]
    return f"{type_name} or int" if f"{name}_id" in known else type_name
