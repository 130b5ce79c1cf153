"""Typed containers that msgspec decodes rows into, made from the schema.

A row type refuses what the schema does not promise. Keys that the schema does not know are added while an
answer is read and become further attributes, so that a server with a few more fields stays on the fast path.
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
    "naive": str,
    "ints": list[_Int64],
    "strs": list[str],
    "any": Any,
}
DOWNLOAD_WIDTH = len(schema.EMBEDDED_DOWNLOAD)
"""Number of fields of a download inside a build that are always there."""
_LONG_FORM = {f.name: f for f in schema.RESOURCES["downloads"].fields}


@functools.lru_cache(maxsize=64)
def fields_of(resource: str, extras: tuple[str, ...] = ()) -> tuple[schema.Field, ...]:
    """Return the fields of a resource in column order, unknown ones last."""
    unknown = (schema.Field(name, "any", "Not in the reference.") for name in extras)
    return (*schema.RESOURCES[resource].fields, *unknown)


@functools.lru_cache(maxsize=64)
def download_fields(extras: tuple[str, ...] = ()) -> tuple[schema.Field, ...]:
    """Return the fields of a download inside a build: the short form, then further keys."""
    further = (_LONG_FORM.get(name, schema.Field(name, "any", "Not in the reference.")) for name in extras)
    further = (dataclasses.replace(field, null=True) for field in further)  # the short form may lack them
    return (*schema.EMBEDDED_DOWNLOAD, *further)


class RowSchema(msgspec.Struct, frozen=True, gc=False):
    """The fields of one answer: its resource, and the keys that only this answer has.

    `extras` are unknown keys of the rows, `nested` further keys of the downloads inside them. Rows that are
    of no resource have their fields `given`.
    """

    resource: str
    extras: tuple[str, ...] = ()
    nested: tuple[str, ...] = ()
    given: tuple[schema.Field, ...] = ()

    def fields(self) -> tuple[schema.Field, ...]:
        """Return the fields in column order."""
        return self.given or fields_of(self.resource, self.extras)

    def decoder(self) -> msgspec.json.Decoder[list[Any]]:
        """Return a decoder of a list of rows, whose attributes are called c0, c1 … in column order."""
        return _decoder(self)

    def with_extra_keys(self, extras: list[str], nested: list[str]) -> RowSchema:
        """Return the schema with further keys."""
        return RowSchema(self.resource, (*self.extras, *extras), (*self.nested, *nested))


_RESERVED = re.compile(r"__|extra_keys$|field_")
"""Keys that cannot be attributes, since Python, msgspec or this module use these names."""


@functools.lru_cache(maxsize=64)
def _decoder(row_schema: RowSchema) -> msgspec.json.Decoder[list[Any]]:
    attributes: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    names = {}
    for number, field in enumerate(row_schema.fields()):
        attribute = f"c{number}"
        names[attribute] = field.name
        kind = list[download_type(row_schema.nested)] if field.type == "downloads" else _TYPES[field.type]  # type: ignore[misc]
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
    """Return the type that a download is decoded into; absent keys are None."""
    attributes: list[tuple[str, Any, Any]] = []
    names = {}
    for number, field in enumerate(download_fields(nested)):
        is_free = field.name.isidentifier() and not _RESERVED.match(field.name)
        attribute = field.name if is_free else f"field_{number}"
        names[attribute] = field.name
        attributes.append((attribute, _TYPES[field.type] | None, None))
    return msgspec.defstruct(
        "Download",
        attributes,
        namespace={"extra_keys": nested},
        rename=names,
        frozen=True,
        gc=False,
        forbid_unknown_fields=True,
    )
