"""Generate an OpenAPI 3.1 document of the API from the schema alone.

OpenAPI cannot express two facts of the schema, so descriptions state them: query parameters that exclude each
other, and what the reference leaves open.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from mkframe import schema
from mkframe._version import __version__
from mkframe.errors import InputError
from mkframe.schema import Body, Exclusive, Field, Filter, Resource

__all__ = ["document"]

Json = dict[str, Any]

_WORDS: Json = {"type": "string"}
_RELEASES: Json = {"type": "object", "additionalProperties": _WORDS}
_TYPES: dict[str, Json] = {
    "int": {"type": "integer"},
    "bool": {"type": "boolean"},
    "flag": {"type": "integer", "enum": [0, 1]},
    "str": _WORDS,
    "timestamp": {"type": "string", "format": "date-time"},
    "naive": _WORDS,
    "ints": {"type": "array", "items": {"type": "integer"}},
    "strs": {"type": "array", "items": _WORDS},
    "downloads": {"type": "array", "items": {"$ref": "#/components/schemas/build_download"}},
    "releases": _RELEASES,
    "instances": {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/build_instance"}},
    "any": {},
}
_VERBS = {
    "find": ("get", "", "2XX", "Find {}"),
    "get": ("get", "/{id}", "2XX", "Get by id: {}"),
    "fetch": ("get", "/{id}", "2XX", "Fetch the file by id: {}"),
    "start": ("post", "", "2XX", "Start: {}"),
    "query": ("post", "", "2XX", "Run a statement"),
    "login": ("post", "", "201", "Log in"),
}
"""Method, what follows the path, status and summary; 2XX where the reference names no status."""


def document(base_url: str = schema.BASE_URL) -> Json:
    """Describe the API as an OpenAPI 3.1 document.

    Parameters
    ----------
    base_url : str, optional
        Base URL of the server, such as that of the embedded one; the vendor's by default.

    Returns
    -------
    dict
        The document, ready for `json.dumps`; the same call gives the same document, key by key.

    Raises
    ------
    InputError
        If `base_url` is no URL of a server.

    Notes
    -----
    A field is required if the schema never has it null. Keys that the reference does not name are neither
    required nor forbidden.

    Examples
    --------
    >>> page = document()
    >>> page["openapi"], page["servers"]
    ('3.1.0', [{'url': 'https://app.metakraftwerk.com/api/v1'}])
    >>> page["paths"]["/releases"]["get"]["parameters"][0]["description"]
    'Release group name. Not together with group_id.'
    """
    base_url = base_url.rstrip("/")
    root = _root(base_url)
    resources = [*schema.RESOURCES.values(), schema.LOGIN]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "MetaKraftwerk REST API",
            "version": __version__,
            "description": "As mkframe knows it from the vendor's public reference.",
        },
        "servers": [{"url": base_url}],
        "security": [{"bearer": []}],
        "tags": [{"name": r.name, "description": _description(r)} for r in resources],
        "paths": _paths(resources, root),
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "schemas": _schemas(resources),
        },
    }


def _root(base_url: str) -> str:
    parts = urlsplit(base_url)
    if "@" in base_url:
        raise InputError("The URL holds a user name or password.", hint="Leave it out of the document.")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(
            f"{base_url!r} is no base URL.", hint=f"Give one with http or https, such as {schema.BASE_URL}"
        )
    return f"{parts.scheme}://{parts.netloc}"


def _description(resource: Resource) -> str:
    notes = "".join(f"\n* {note}" for note in resource.notes)
    return resource.doc + (f"\n\nWhat to know, and what the reference leaves open:\n{notes}" if notes else "")


# --- paths ----------------------------------------------------------------------------------------------


def _paths(resources: Iterable[Resource], root: str) -> Json:
    paths: Json = {}
    for resource in resources:
        for verb in resource.verbs:
            method, tail, *_ = _VERBS[verb]
            paths.setdefault(resource.path + tail, {})[method] = _operation(resource, verb)
    login = paths[schema.AUTHENTICATION]
    paths[schema.AUTHENTICATION] = {"servers": [{"url": root}], **login}
    return paths


def _operation(resource: Resource, verb: str) -> Json:
    _, tail, status, summary = _VERBS[verb]
    rules = resource.exclusive if verb == "find" else resource.body_exclusive if not tail else ()
    operation: Json = {
        "operationId": f"{resource.name}_{verb}",
        "tags": [resource.name],
        "summary": summary.format(resource.name.replace("_", " ")),
    }
    if rules:
        operation["description"] = " ".join(map(_rule, rules))
    if verb == "login":
        operation["security"] = []
    if tail:
        operation["parameters"] = [_id(resource)]
    elif verb == "find":
        operation["parameters"] = [_parameter(f, resource.exclusive) for f in resource.filters]
    else:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _body(resource.body, resource.body_exclusive)}},
        }
    operation["responses"] = {status: _success(resource, verb), **_errors(resource, verb)}
    return operation


def _rule(rule: Exclusive) -> str:
    how = "Exactly one is needed" if rule.required else "At most one may be given"
    return f"{how}: {', '.join(rule.names)}."


def _id(resource: Resource) -> Json:
    doc = resource.field(resource.key).doc
    return {"name": "id", "in": "path", "required": True, "description": doc, "schema": _TYPES["int"]}


def _parameter(filter: Filter, rules: Iterable[Exclusive]) -> Json:
    others = [n for rule in rules if filter.name in rule.names for n in rule.names if n != filter.name]
    doc = filter.doc + (f" Not together with {' or '.join(others)}." if others else "")
    head = {"name": filter.name, "in": "query", "description": doc}
    if filter.type == "releases":
        return {**head, "content": {"application/json": {"schema": _RELEASES}}}
    return {**head, "schema": _TYPES[filter.type]}


def _body(keys: Iterable[Body], rules: Iterable[Exclusive] = ()) -> Json:
    keys = tuple(keys)
    shape: Json = {
        "type": "object",
        "properties": {b.name: {**_TYPES[b.type], "description": b.doc} for b in keys},
        "required": [b.name for b in keys if b.required],
    }
    groups = []
    for rule in rules:
        each: list[Json] = [{"required": [name]} for name in rule.names]
        groups.append({"oneOf": each if rule.required else [*each, {"not": {"anyOf": each}}]})
    return {**shape, "allOf": groups} if groups else shape


# --- answers --------------------------------------------------------------------------------------------


def _success(resource: Resource, verb: str) -> Json:
    row: Json = {"$ref": f"#/components/schemas/{resource.name}"}
    if verb == "fetch":
        header = {"description": "Names the file.", "schema": _WORDS}
        return {
            "description": "The file, as bytes; their content type is not said.",
            "headers": {"Content-Disposition": header},
            "content": {"*/*": {}},
        }
    if verb == "find":
        row = {"type": "array", "items": row}
    if verb == "start" and resource.name == "builds":
        row = {"$ref": "#/components/schemas/build_started"}
    description = (
        "As asked for." if _VERBS[verb][2] != "2XX" else "Done; which of these statuses is not said."
    )
    return {"description": description, "content": {"application/json": {"schema": row}}}


def _errors(resource: Resource, verb: str) -> Json:
    """Name the errors of an operation, with the reference's sentences as examples."""
    texts: dict[int, list[str]] = {status: [] for status in _statuses(resource, verb)}
    for message in resource.messages:
        if _concerns(message, resource, verb):
            texts.setdefault(message.status, []).append(message.text.format("X"))
    return {str(status): _error(status, texts[status]) for status in sorted(texts)}


def _statuses(resource: Resource, verb: str) -> set[int]:
    """Return the errors that the reference states for all endpoints, as far as they can arise."""
    has_input = verb not in ("get", "fetch") and bool(resource.filters or resource.body)
    return {401, 500} | ({403} if verb != "login" else set()) | ({400} if has_input else set())


def _concerns(message: schema.Message, resource: Resource, verb: str) -> bool:
    single = verb in ("get", "fetch")
    if message.verbs:
        return verb in message.verbs
    if message == schema.NO_RECORD:
        keys: tuple[Filter | Body, ...] = resource.filters if verb == "find" else resource.body
        return single or any(k.name.endswith("_id") and k.type == "int" for k in keys)
    return message == schema.NOT_AUTHENTICATED or not single


def _error(status: int, texts: list[str]) -> Json:
    name = schema.ERROR_NAMES[status]
    content: Json = {"schema": {"$ref": "#/components/schemas/error"}}
    if texts:
        content["examples"] = {
            str(n): {"value": {"name": name, "message": text, "code": status}}
            for n, text in enumerate(texts, 1)
        }
    return {"description": schema.ERROR_MEANINGS[status], "content": {"application/json": content}}


# --- schemas --------------------------------------------------------------------------------------------


def _schemas(resources: Iterable[Resource]) -> Json:
    rows = {r.name: {"description": r.doc, **_object(r.fields)} for r in resources}
    started = _object(schema.STARTED)
    known = _object(schema.RESOURCES["builds"].fields)["properties"]
    build = {"type": "object", "properties": known, "required": ["id", "status"]}
    started["properties"]["build"] |= build
    return {
        **rows,
        "build_download": _object(schema.EMBEDDED_DOWNLOAD),
        "build_instance": {"oneOf": [_body(form) for form in schema.INSTANCE_FORMS]},
        "build_started": started,
        "error": _object(schema.ERROR_FIELDS),
    }


def _object(fields: Iterable[Field]) -> Json:
    fields = tuple(fields)
    return {
        "type": "object",
        "properties": {f.name: {**_value(f), "description": f.doc} for f in fields},
        "required": [f.name for f in fields if not f.null],
    }


def _value(field: Field) -> Mapping[str, Any]:
    plain = _TYPES[field.type]
    if not field.null or not plain:
        return plain
    nullable = {**plain, "type": [plain["type"], "null"]}
    return {**nullable, "enum": [*plain["enum"], None]} if "enum" in plain else nullable
