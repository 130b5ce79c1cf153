"""Typed containers that msgspec decodes rows into, made from the schema.

A row type refuses what the schema does not promise. Keys that the schema does not know are learned
while reading and become further attributes, so that a server with a few fields more stays on the fast
road.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from typing import Annotated, Any

import msgspec

from mkframe import schema

__all__ = ["DOWNLOAD_WIDTH", "RowSchema", "download_fields", "download_type", "fields_of"]

_Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_TYPES: dict[str, Any] = {
    "int": _Int64,
    "flag": int,
    "bool": bool,
    "str": str,
    "timestamp": str,
    "ints": list[_Int64],
    "strs": list[str],
    "any": Any,
}
DOWNLOAD_WIDTH = len(schema.EMBEDDED_DOWNLOAD)
"""Number of fields of a download inside a build that are always there."""
_LONG_FORM = {f.name: f for f in schema.RESOURCES["downloads"].fields}


@functools.lru_cache(maxsize=64)
def fields_of(resource: str, extras: tuple[str, ...] = ()) -> tuple[schema.Field, ...]:
    """Fields of a resource in column order, unknown ones last."""
    unknown = (schema.Field(name, "any", "Not in the reference.") for name in extras)
    return (*schema.RESOURCES[resource].fields, *unknown)


@functools.lru_cache(maxsize=64)
def download_fields(extras: tuple[str, ...] = ()) -> tuple[schema.Field, ...]:
    """Fields of a download inside a build: the short form, then whatever else was seen."""
    seen = (_LONG_FORM.get(name, schema.Field(name, "any", "Not in the reference.")) for name in extras)
    seen = (dataclasses.replace(field, null=True) for field in seen)  # the short form lacks them by right
    return (*schema.EMBEDDED_DOWNLOAD, *seen)


class RowSchema(msgspec.Struct, frozen=True, gc=False):
    """What one answer looks like: its resource and the keys that were learned from it.

    `extras` are unknown keys of the rows, `nested` further keys of the downloads inside them.
    """

    resource: str
    extras: tuple[str, ...] = ()
    nested: tuple[str, ...] = ()

    def fields(self) -> tuple[schema.Field, ...]:
        """Fields in column order."""
        return fields_of(self.resource, self.extras)

    def decoder(self) -> msgspec.json.Decoder[list[Any]]:
        """A decoder of a list of rows; the attributes are called c0, c1 … in column order."""
        return _decoder(self)

    def learn(self, extras: list[str], nested: list[str]) -> RowSchema:
        """Return the shape with further keys."""
        return RowSchema(self.resource, (*self.extras, *extras), (*self.nested, *nested))


_TAKEN = re.compile(r"__|learned$|toDict$|field_")
"""Keys that cannot be attributes too, since Python, msgspec or this module call theirs so."""


class _Download(msgspec.Struct, frozen=True, gc=False):
    """What every download type has in common: pickle finds its type again by its learned keys."""

    def toDict(self) -> dict[str, Any]:  # noqa: N802  the name by which pandas' to_json asks for it
        """Give the fields by the server's names."""
        fields: dict[str, Any] = msgspec.to_builtins(self)
        return fields

    def __reduce__(self) -> tuple[Any, ...]:
        return _revive, (self.learned, msgspec.structs.astuple(self))  # type: ignore[attr-defined]


def _revive(nested: tuple[str, ...], values: tuple[Any, ...]) -> msgspec.Struct:
    return download_type(nested)(*values)


@functools.lru_cache(maxsize=64)
def _decoder(shape: RowSchema) -> msgspec.json.Decoder[list[Any]]:
    attributes: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    names = {}
    for number, field in enumerate(shape.fields()):
        attribute = f"c{number}"
        names[attribute] = field.name
        kind = list[download_type(shape.nested)] if field.type == "downloads" else _TYPES[field.type]  # type: ignore[misc]
        attributes.append((attribute, kind | None, None) if field.null else (attribute, kind))
    row = msgspec.defstruct(
        "Row",
        attributes,
        rename=names,
        frozen=True,
        gc=False,
        forbid_unknown_fields=True,
        kw_only=True,  # so that attributes with and without a default may keep the column order
    )
    return msgspec.json.Decoder(list[row])  # type: ignore[valid-type]


@functools.lru_cache(maxsize=64)
def download_type(nested: tuple[str, ...]) -> type[msgspec.Struct]:
    """A small immutable record, outside the garbage collector's walk; a key that is absent is None."""
    attributes: list[tuple[str, Any, Any]] = []
    names = {}
    for number, field in enumerate(download_fields(nested)):
        is_free = field.name.isidentifier() and not _TAKEN.match(field.name)
        attribute = field.name if is_free else f"field_{number}"
        names[attribute] = field.name
        attributes.append((attribute, _TYPES[field.type] | None, None))
    return msgspec.defstruct(
        "Download",
        attributes,
        bases=(_Download,),
        namespace={"learned": nested},
        module=__name__,
        rename=names,
        frozen=True,
        gc=False,
        forbid_unknown_fields=True,
        repr_omit_defaults=True,
    )
