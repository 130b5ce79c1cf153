"""The MetaKraftwerk REST API as data.

Other modules read it: dtypes of frames, checks of filters, the signatures' docstrings, the demo server, the
tables of docs/resources.md and the row factories of the tests. There is no behavior here.

The source is the vendor's public reference. Where it is silent, `Resource.notes` says so; a gap is
never filled by a guess.

Null values: the reference marks some fields as null "if applicable" and shows nulls in others
(``name`` of a build). Where it promises nothing, `Field.null` is True; only keys without which a row
would make no sense, and fields the reference states as never null, are False.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = [
    "AUTHENTICATION",
    "BASE_URL",
    "Body",
    "ERROR_FIELDS",
    "ERROR_MEANINGS",
    "ERROR_NAMES",
    "Exclusive",
    "Field",
    "Filter",
    "INSTANCE_FORMS",
    "LOGIN",
    "Message",
    "PATTERN_VIEWS",
    "RESOURCES",
    "RUNNING",
    "Resource",
    "STARTED",
    "STATUSES",
    "TERMINAL",
    "VIEWS",
    "View",
    "is_over",
]

BASE_URL = "https://app.metakraftwerk.com/api/v1"
AUTHENTICATION = "/authentication"
"""Path of the login, at the root of the host and not below the base URL."""

STATUSES = ("BUILDING", "FINISHED", "FAILED", "CANCELED")
"""The build statuses of the reference; a server may send others, which are kept."""
TERMINAL = ("FINISHED", "FAILED", "CANCELED")
RUNNING = tuple(status for status in STATUSES if status not in TERMINAL)


def is_over(status: str | None, has_end: bool) -> bool:
    """Tell whether a build is over; if the reference does not list its status, decide by its end.

    The reference does not say that a running build has no end; for a status that it does not list, nothing
    else is known.

    Examples
    --------
    >>> is_over("FAILED", False), is_over("BUILDING", True), is_over("PAUSED", False), is_over("DONE", True)
    (True, False, False, True)
    """
    return status in TERMINAL or (status not in RUNNING and has_end)


ERROR_NAMES = {
    400: "BadRequest",
    401: "NotAuthenticated",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    500: "GeneralError",
}
"""Names in error bodies. Only ``BadRequestError`` is printed in the reference; the others are the words that
a FeathersJS server, whose error shape this is, uses for these codes."""

ERROR_MEANINGS = {
    400: "Missing or invalid parameters.",
    401: "Missing or expired token.",
    403: "Insufficient permissions.",
    404: "Resource does not exist.",
    405: "HTTP method not supported for this endpoint.",
    500: "Unexpected server error.",
}
"""Meaning of each status in the reference, the same for all endpoints."""

FieldType = Literal[
    "int",  # a whole number
    "bool",  # true or false
    "flag",  # a boolean that the API writes as 0 or 1
    "str",
    "timestamp",  # ISO 8601
    "naive",  # a time of a view, in a zone that is not said
    "ints",  # a list of whole numbers
    "strs",  # a list of words
    "downloads",  # a list of download objects
    "any",  # the reference gives no type
]
FilterType = Literal["int", "str", "bool", "releases"]


@dataclass(frozen=True, slots=True)
class Field:
    """One key of a row."""

    name: str
    type: FieldType
    doc: str
    null: bool = True


@dataclass(frozen=True, slots=True)
class Filter:
    """One query parameter of a find."""

    name: str
    type: FilterType
    doc: str


@dataclass(frozen=True, slots=True)
class Exclusive:
    """Names of which at most one may be given, or exactly one if `required`."""

    names: tuple[str, ...]
    required: bool = False


@dataclass(frozen=True, slots=True)
class Body:
    """One key of a POST body."""

    name: str
    type: Literal["int", "str", "bool", "releases", "instances"]
    doc: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """A documented error: ``{}`` stands for the requested name or id.

    `verbs` are those that answer with it, if the reference names only some.
    """

    status: int
    text: str
    verbs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Resource:
    """One endpoint: its path, the fields of its rows, its filters and verbs."""

    name: str
    doc: str
    fields: tuple[Field, ...]
    filters: tuple[Filter, ...] = ()
    exclusive: tuple[Exclusive, ...] = ()
    verbs: tuple[str, ...] = ("find", "get")
    key: str = "id"
    body: tuple[Body, ...] = ()
    body_exclusive: tuple[Exclusive, ...] = ()
    messages: tuple[Message, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """Path below the base URL."""
        return f"/{self.name}"

    def field(self, name: str) -> Field:
        """Return one of the fields by its name."""
        return next(f for f in self.fields if f.name == name)


@dataclass(frozen=True, slots=True)
class View:
    """A view of a project's meta database, asked through ``POST /metadata``.

    A view of `VIEWS` is ``@INFORMATION_SCHEMA.<name>``, one of `PATTERN_VIEWS` ``@<name>.<pattern>``.
    """

    name: str
    doc: str
    fields: tuple[Field, ...]
    notes: tuple[str, ...] = ()


# --- messages and fields that several resources share ----------------------------------------------

NOT_AUTHENTICATED = Message(401, "Not authenticated")
NO_RECORD = Message(404, "No record found for id '{}'")
NO_PROJECT = Message(404, "A project with the name '{}' does not exist!")
NO_PATTERN = Message(404, "A pattern with the name '{}' does not exist!")
NO_RELEASE_GROUP = Message(404, "A release group with the name '{}' does not exist!")
NO_PROJECT_ACCESS = Message(403, "You don't have permissions to access this project!", ("find", "start"))
PROJECT_REQUIRED = Message(400, "A project id or name is required!", ("start",))


def _id(doc: str) -> Field:
    return Field("id", "int", doc, null=False)


def _key(name: str, doc: str) -> Field:
    return Field(name, "int", doc, null=False)


def _sure(name: str, type: FieldType, doc: str) -> Field:
    return Field(name, type, doc, null=False)


_PROJECT = (
    Filter("project", "str", "Project name."),
    Filter("project_id", "int", "Project ID."),
)
_PATTERN = (
    Filter("pattern", "str", "Pattern name."),
    Filter("pattern_id", "int", "Pattern ID."),
)
_ONE_PROJECT = Exclusive(("project", "project_id"), required=True)
_EITHER_PROJECT = Exclusive(("project", "project_id"))
_EITHER_PATTERN = Exclusive(("pattern", "pattern_id"))
_NAME = Filter("name", "str", "Name.")

# --- the resources ----------------------------------------------------------------------------------

_PROJECTS = Resource(
    "projects",
    "Projects: the workspaces that hold patterns and instances.",
    fields=(
        _id("Project ID."),
        _sure("name", "str", "Project name."),
        _sure("deleted", "bool", "Whether the project is deleted."),
        _sure("disabled", "bool", "Whether the project is disabled."),
    ),
    filters=(_NAME,),
    messages=(NOT_AUTHENTICATED, NO_RECORD),
)

_PATTERNS = Resource(
    "patterns",
    "Patterns: reusable templates from which builds generate artifacts.",
    fields=(
        _id("Pattern ID."),
        _sure("name", "str", "Pattern name."),
        Field("description", "str", "Description."),
        _sure("type", "str", "Target platform: IICS, SNOWFLAKE, SYNAPSE, FABRIC and others."),
        _sure("vers_no", "str", "Version number of the pattern, such as 2.5.2."),
        _sure("status", "str", "State of the pattern, such as FINISHED."),
        _sure("active", "bool", "Whether the pattern is active."),
        _sure("deleted", "bool", "Whether the pattern is deleted."),
        _sure("disabled", "bool", "Whether the pattern is disabled."),
        Field("release_group_id", "int", "Release group the pattern belongs to."),
    ),
    filters=(_NAME,),
    messages=(NOT_AUTHENTICATED, NO_RECORD),
    notes=(
        "The full list of pattern types and statuses is not published.",
        "Which of a pattern's versions vers_no is, the current or the newest one, is not said.",
    ),
)

_INSTANCES = Resource(
    "instances",
    "Instances: the metadata that patterns are filled with.",
    fields=(
        _id("Instance ID."),
        _key("customer_id", "Customer ID."),
        _sure("name", "str", "Instance name."),
        _key("project_id", "Project ID."),
        _key("pattern_id", "Pattern ID."),
        _sure("errors", "int", "Number of validation errors."),
        _key("instance_folder_id", "Folder the instance lies in."),
        _sure("version", "int", "Current version of the instance."),
        Field("description", "str", "Description."),
        Field("release_id", "int", "Release ID."),
        _key("identity_id", "Identity ID, the same for all versions of the instance."),
        _key("user_id", "User ID of the owner."),
        Field("latest_commit_id", "int", "Latest commit ID."),
        _sure("labels", "strs", "Labels of the instance."),
    ),
    filters=(
        *_PROJECT,
        *_PATTERN,
        Filter("folder", "str", "Folder path, such as /RAW_VAULT."),
        _NAME,
        Filter("releases", "releases", "Release per release group, {group: release}."),
        Filter("checked_out", "bool", "Whether someone has checked the instance out."),
        Filter("checked_out_by_user_id", "int", "ID of the user who checked it out."),
        Filter("checked_out_by_user", "str", "Username of who checked it out."),
        Filter("deleted", "bool", "Whether the instance is deleted."),
        Filter("upload_disabled", "bool", "Whether uploads are disabled."),
        Filter("insert_disabled", "bool", "Whether inserts are disabled."),
        Filter("build_disabled", "bool", "Whether builds are disabled."),
        Filter("edit_disabled", "bool", "Whether edits are disabled."),
        Filter("invalid", "bool", "Whether the instance is invalid."),
    ),
    exclusive=(
        _ONE_PROJECT,
        _EITHER_PATTERN,
        Exclusive(("checked_out_by_user", "checked_out_by_user_id")),
    ),
    messages=(NOT_AUTHENTICATED, NO_PROJECT, NO_PATTERN, NO_RECORD),
    notes=(
        "The reference shows more fields than are listed here; those come as unknown columns.",
        "POST /instances uploads metadata; its body is not described, so mkframe does not send it.",
        "Whether a row says that it is checked out, deleted, invalid or disabled is not listed; "
        "the filters of those names do.",
        "Whether folder= includes sub-folders is not said.",
        "What releases= selects is not said, nor whether a username is an e-mail address.",
    ),
)

_INSTANCE_FOLDERS = Resource(
    "instance_folders",
    "Instance folders: the tree that instances are kept in.",
    fields=(
        _id("Folder ID."),
        _key("project_id", "Project ID."),
        _key("pattern_id", "Pattern ID."),
        Field("parent_folder_id", "int", "Folder above, if any."),
        _sure("name", "str", "Folder name."),
        _sure("path", "str", "Full path, such as /BUSINESS_VAULT/CRM; computed by the server."),
        _sure("deleted", "bool", "Whether the folder is deleted."),
        _sure("upload_disabled", "bool", "Whether uploads are disabled."),
        _sure("insert_disabled", "bool", "Whether inserts are disabled."),
        _sure("build_disabled", "bool", "Whether builds are disabled."),
        _sure("edit_disabled", "bool", "Whether edits are disabled."),
    ),
    filters=(*_PROJECT, *_PATTERN, _NAME, Filter("deleted", "bool", "Whether it is deleted.")),
    exclusive=(_ONE_PROJECT, _EITHER_PATTERN),
    messages=(NOT_AUTHENTICATED, NO_PROJECT, NO_PATTERN, NO_RECORD),
)

_BUILDS = Resource(
    "builds",
    "Builds: runs that generate artifacts from patterns and instances.",
    fields=(
        _id("Build ID."),
        _key("customer_id", "Customer ID."),
        _key("user_id", "User who started the build."),
        _key("project_id", "Project ID."),
        Field("progress", "int", "Progress in percent, 0 to 100."),
        _sure("status", "str", "BUILDING, FINISHED, FAILED or CANCELED."),
        Field("message", "str", "Current progress text."),
        Field("build_start", "timestamp", "Start of the build."),
        Field("build_end", "timestamp", "End of the build."),
        Field("created_at", "timestamp", "Creation of the record."),
        Field("updated_at", "timestamp", "Last change of the record."),
        Field("history_commited", "flag", "Whether the history has been committed."),
        Field("version", "int", "Build version."),
        Field("active", "flag", "Whether the build is active."),
        Field("mts", "int", "Internal time stamp; not a UTC time, see the notes."),
        Field("name", "str", "Build name."),
        Field("deliveries_calculated", "flag", "Whether deliveries have been calculated."),
        Field("description", "str", "Description given at the start."),
        Field("commit_ind", "int", "Commit indicator."),
        Field("deleted", "flag", "Whether the build is deleted."),
        Field("instances", "int", "Number of instances in the build."),
        Field("patterns", "ints", "IDs of the patterns in the build."),
        Field("releases", "ints", "IDs of the releases in the build."),
        Field("downloads", "downloads", "Artifacts of the build, if it has finished."),
    ),
    filters=(
        *_PROJECT,
        Filter("user", "str", "Username of who started the build."),
        Filter("user_id", "int", "ID of the user who started the build."),
        *_PATTERN,
        Filter("releases", "releases", "Release per release group, {group: release}."),
    ),
    exclusive=(_EITHER_PROJECT, Exclusive(("user", "user_id")), _EITHER_PATTERN),
    verbs=("find", "get", "start"),
    body=(
        Body("project", "str", "Project name."),
        Body("project_id", "int", "Project ID."),
        Body("instances", "instances", "Instances by id or by pattern, folder and name.", required=True),
        Body("releases", "releases", "Release per release group, {group: release}."),
        Body("description", "str", "Description of the build."),
        Body("wait", "bool", "Block until the build has ended; mkframe never sends it."),
        Body("restore", "bool", "Restore deleted instances before building."),
    ),
    body_exclusive=(_ONE_PROJECT,),
    messages=(
        NOT_AUTHENTICATED,
        NO_PROJECT_ACCESS,
        NO_PROJECT,
        NO_PATTERN,
        NO_RECORD,
        PROJECT_REQUIRED,
        Message(400, "No instances specified!", ("start",)),
        Message(403, "You don't have permissions to start builds in this project!", ("start",)),
        Message(404, "Instance not found", ("start",)),
    ),
    notes=(
        "No filter by time or status, no paging and no sorting: a find returns every build.",
        "No way to cancel a build.",
        "Whether message holds the error of a FAILED build is not said.",
        "mts lies two hours ahead of build_start in the vendor's example: no time is derived from it.",
        "A queue time is not recorded; created_at equals build_start in the only example.",
        "A build names how many instances it has, not which.",
        "Users are IDs here and names in DELIVERIES: they meet only in BUILD_ID.",
        "Whether a username is an e-mail address is not said.",
        "Users can edit name and description afterwards, and delete FAILED builds.",
        "Whether a find still lists deleted builds is not said: a failure rate may be too low.",
        "What a start answers for a closed release, or for instances with validation errors, is not said.",
        "What build_end and downloads hold before a build has finished is not said.",
        "What releases= answers for a release or group that does not exist is not said.",
    ),
)

_DOWNLOADS = Resource(
    "downloads",
    "Downloads: the artifacts that builds have generated.",
    fields=(
        _id("Download ID."),
        _key("customer_id", "Customer ID."),
        _key("pattern_id", "Pattern ID."),
        Field("name", "str", "File name to show."),
        Field("file_name", "str", "Path of the file on the server."),
        Field("type", "str", "Download type, such as IICS."),
        _key("build_id", "Build ID."),
        _key("project_id", "Project ID."),
        Field("version", "int", "Version number."),
        Field("upload_id", "int", "Upload ID."),
        Field("file_id", "int", "File ID, if applicable."),
        Field("downloaded", "int", "How often the file has been downloaded."),
        Field("instance_id", "int", "Instance ID, if applicable."),
    ),
    filters=(Filter("build_id", "int", "Build ID."), *_PATTERN),
    exclusive=(_EITHER_PATTERN,),
    verbs=("find", "fetch"),
    messages=(
        NOT_AUTHENTICATED,
        Message(403, "You don't have permissions to download build results!", ("fetch",)),
        NO_PATTERN,
        NO_RECORD,
    ),
    notes=(
        "GET /downloads/:id answers with the file, so a single row has no get.",
        "In fetch a bare id is refused, since a build may have the same: build=5139 are all artifacts of a "
        "build, downloads=7042 is one. In diff a bare id is a build's.",
        "Whether a fetch raises the counter downloaded is not said.",
        "The name carries a local, unpadded time: it does not sort.",
    ),
)

_DEPLOYMENTS = Resource(
    "deployments",
    "Deployments: delivery targets that are configured for patterns.",
    fields=(
        _id("Deployment ID."),
        _key("pattern_id", "Pattern ID."),
        Field("name", "str", "Deployment name."),
    ),
    filters=(*_PATTERN, Filter("name", "str", "Deployment name.")),
    exclusive=(_EITHER_PATTERN,),
    messages=(NOT_AUTHENTICATED, NO_PATTERN, NO_RECORD),
    notes=("The vendor recommends, but does not require, to name a pattern.",),
)

_BUILD_DEPLOYMENTS = Resource(
    "build_deployments",
    "Build deployments: runs of a deployment for one build.",
    fields=(
        _id("Build deployment ID."),
        _key("build_id", "Build ID."),
        _key("pattern_id", "Pattern ID."),
        _key("deployment_id", "Deployment ID."),
        Field("upload_id", "int", "Upload ID."),
        Field("agent_id", "int", "Agent ID."),
        Field("agent_group_id", "int", "Agent group ID."),
    ),
    filters=(
        Filter("build_id", "int", "Build ID."),
        *_PATTERN,
        Filter("deployment", "str", "Deployment name."),
        Filter("deployment_id", "int", "Deployment ID."),
    ),
    exclusive=(_EITHER_PATTERN, Exclusive(("deployment", "deployment_id"))),
    verbs=("find", "get", "start"),
    body=(
        Body("build_id", "int", "Build ID.", required=True),
        Body("deployment", "str", "Deployment name."),
        Body("deployment_id", "int", "Deployment ID."),
        Body("agent_id", "int", "Agent to run it."),
        Body("agent_group_id", "int", "Agent group to run it."),
    ),
    body_exclusive=(Exclusive(("deployment", "deployment_id"), required=True),),
    messages=(NOT_AUTHENTICATED, NO_PATTERN, NO_RECORD),
    notes=(
        "Neither time nor status: whether and when a deployment worked cannot be told.",
        "The body of the POST is inferred from the fields and unconfirmed.",
    ),
)

_METADATA = Resource(
    "metadata",
    "Metadata: one SQL statement in a project's meta database.",
    fields=(
        Field("id", "str", "ID of the statement (UUID).", null=False),
        _key("user_id", "User ID."),
        _sure("type", "str", "Kind of statement, such as select_statement."),
        _sure("sql", "str", "The statement."),
        _sure("stmt_no", "int", "Number of the statement."),
        _sure("start_time", "int", "Start, Unix milliseconds."),
        _sure("status", "str", "FINISHED or ERROR."),
        Field("rows", "any", "List of objects, keyed by column name."),
        Field("metadata", "any", "List of columns: name and type."),
    ),
    verbs=("query",),
    body=(
        Body("project", "str", "Project name."),
        Body("project_id", "int", "Project ID."),
        Body("statement", "str", "The SQL statement.", required=True),
    ),
    body_exclusive=(_ONE_PROJECT,),
    messages=(NOT_AUTHENTICATED, NO_PROJECT, NO_RECORD),
    notes=(
        "It runs any statement, writes included.",
        "Columns are of type string, text, integer, decimal or timestamp; how decimals are written is open.",
        "Times have no zone that can be trusted, even where they end in Z.",
        "Where a statement with status ERROR puts its error text is not said.",
    ),
)

_FUNCTIONAL_ROLES = Resource(
    "functional_roles",
    "Functional roles: their definitions for patterns.",
    fields=(
        _id("Functional role ID."),
        _key("pattern_id", "Pattern ID."),
        _sure("name", "str", "Name, such as SK, BK or SRC_AND_TGT_FIELD."),
        Field("class", "str", "Class: Functional, Naming or Technical."),
        Field("domain", "str", "Domain, such as FIELD or CONNECTION."),
        _sure("cardinality_min", "str", "Smallest cardinality, such as 0 or 1."),
        _sure("cardinality_max", "str", "Largest cardinality, such as 1 or N."),
        _sure("pos_no", "int", "Position."),
        _sure("deleted", "bool", "Whether the role is deleted."),
        _sure("disabled", "bool", "Whether the role is disabled."),
        _sure("readonly", "bool", "Whether the role is read-only."),
        Field("merge_strategy", "str", "Merge strategy: Overwrite, Retain, Merge or Add New."),
    ),
    filters=_PATTERN,
    exclusive=(_EITHER_PATTERN,),
    messages=(NOT_AUTHENTICATED, NO_PATTERN, NO_RECORD),
    notes=(
        "Deleted rows are left out by the server.",
        "Only a list is documented; whether a single row can be asked for is not said.",
    ),
)

_INSTANCE_PROPERTIES = Resource(
    "instance_properties",
    "Instance properties: the schema of a pattern's instance fields.",
    fields=(
        _id("Instance property ID."),
        _key("pattern_id", "Pattern ID."),
        _sure("name", "str", "Name, such as NAME, DATA_TYPE or PRECISION."),
        _sure("datatype", "str", "Data type, such as string or integer."),
        Field("format", "str", "Format."),
        Field("description", "str", "Description."),
        _sure("deleted", "bool", "Whether the property is deleted."),
        _sure("required", "bool", "Whether every row of an instance needs the property."),
        _sure("pos_no", "int", "Position."),
    ),
    filters=_PATTERN,
    exclusive=(_EITHER_PATTERN,),
    messages=(NOT_AUTHENTICATED, NO_PATTERN, NO_RECORD),
    notes=(
        "Deleted rows are left out by the server.",
        "Only a list is documented; whether a single row can be asked for is not said.",
    ),
)

_PATTERN_VARIABLES = Resource(
    "pattern_variables",
    "Pattern variables and their values, per level.",
    fields=(
        _key("pattern_variable_id", "Pattern variable ID."),
        _key("pattern_id", "Pattern ID."),
        _sure("name", "str", "Variable name."),
        Field("value", "str", "Value."),
        _sure("level", "str", "default, project, instance_folder or instance."),
        Field("project_id", "int", "Project ID, where the level has one."),
        Field("instance_folder_id", "int", "Instance folder ID, where the level has one."),
    ),
    filters=(
        *_PATTERN,
        *_PROJECT,
        Filter("instance_folder", "str", "Instance folder name."),
        Filter("instance_folder_id", "int", "Instance folder ID."),
        Filter("instance", "str", "Instance name."),
        Filter("instance_id", "int", "Instance ID."),
        _NAME,
        Filter("value", "str", "Value."),
    ),
    exclusive=(
        _EITHER_PATTERN,
        _EITHER_PROJECT,
        Exclusive(("instance_folder", "instance_folder_id")),
        Exclusive(("instance", "instance_id")),
    ),
    verbs=("find",),
    key="pattern_variable_id",
    messages=(NOT_AUTHENTICATED, NO_PROJECT, NO_PATTERN, NO_RECORD),
    notes=(
        "The reference shows more fields than are listed here; those come as unknown columns.",
        "Rows have no id of their own, and one variable has a row per level: the index repeats.",
        "Only a list is documented, and which id a single row would have is not said.",
    ),
)

_LABELS = Resource(
    "labels",
    "Labels of projects and patterns.",
    fields=(
        _id("Label ID."),
        Field("project_id", "int", "Project ID; null for a global label."),
        Field("pattern_id", "int", "Pattern ID; set for a pattern's label."),
        _sure("name", "str", "Label name."),
        _sure("color", "str", "Color, a word such as red, blue or green."),
    ),
    filters=(*_PROJECT, *_PATTERN, _NAME, Filter("color", "str", "Color.")),
    exclusive=(_EITHER_PROJECT, _EITHER_PATTERN),
    messages=(NOT_AUTHENTICATED, NO_PROJECT, NO_PATTERN, NO_RECORD),
    notes=("Only a list is documented; whether GET /labels/:id answers is not said.",),
)

_RELEASES = Resource(
    "releases",
    "Releases: versions of instance metadata, like branches.",
    fields=(
        _id("Release ID."),
        _key("group_id", "Release group ID."),
        _sure("name", "str", "Release name."),
        Field("description", "str", "Description."),
        Field("start_date", "timestamp", "Start; looks like a local midnight written in UTC."),
        Field("end_date", "timestamp", "End; looks like a local midnight written in UTC."),
        Field("closed", "bool", "Whether the release is closed."),
        Field("deleted", "bool", "Whether the release is deleted."),
        Field("hotfix_of_id", "int", "Release that this one is a hotfix of, if applicable."),
        Field("prev_release_id", "int", "Release before this one, if applicable."),
    ),
    filters=(
        Filter("group", "str", "Release group name."),
        Filter("group_id", "int", "Release group ID."),
        Filter("name", "str", "Release name."),
        Filter("closed", "bool", "Whether the release is closed."),
    ),
    exclusive=(Exclusive(("group", "group_id")),),
    messages=(NOT_AUTHENTICATED, NO_RELEASE_GROUP, NO_RECORD),
    notes=(
        "The dates look like local midnights written in UTC: the plain UTC day is a day early.",
        "When a release was changed, closed or moved is not recorded; a closed one can be opened again.",
        "Dates are plans: nothing is said to happen on them. A Default Release has none.",
    ),
)

_RELEASE_GROUPS = Resource(
    "release_groups",
    "Release groups: the lines that releases belong to.",
    fields=(_id("Release group ID."), _sure("name", "str", "Release group name.")),
    filters=(_NAME,),
    messages=(NOT_AUTHENTICATED, NO_RECORD),
    notes=(
        "The reference shows more fields than are listed here; those come as unknown columns.",
        "More filters than name may exist.",
    ),
)

_AGENTS = Resource(
    "agents",
    "Agents: programs that carry out deployments.",
    fields=(
        _id("Agent ID."),
        _sure("agent_id", "str", "Agent UUID."),
        _sure("name", "str", "Agent name."),
        _sure("deleted", "bool", "Whether the agent is deleted."),
        _sure("disabled", "bool", "Whether the agent is disabled."),
        _sure("online", "bool", "Whether the agent is online."),
        Field("group_id", "int", "Agent group ID."),
    ),
    filters=(
        _NAME,
        Filter("agent_id", "str", "Agent UUID."),
        Filter("online", "bool", "Whether the agent is online."),
        Filter("group_id", "int", "Agent group ID."),
        Filter("group", "str", "Agent group name."),
    ),
    exclusive=(Exclusive(("group", "group_id")),),
    messages=(NOT_AUTHENTICATED, NO_RECORD),
    notes=("What an unknown agent group's name answers is not said.",),
)

_AGENT_GROUPS = Resource(
    "agent_groups",
    "Agent groups.",
    fields=(
        _id("Agent group ID."),
        _sure("name", "str", "Agent group name."),
        Field("description", "str", "Description."),
    ),
    filters=(_NAME,),
    messages=(NOT_AUTHENTICATED, NO_RECORD),
)

RESOURCES: dict[str, Resource] = {
    resource.name: resource
    for resource in (
        _PROJECTS,
        _PATTERNS,
        _INSTANCES,
        _INSTANCE_FOLDERS,
        _BUILDS,
        _DOWNLOADS,
        _DEPLOYMENTS,
        _BUILD_DEPLOYMENTS,
        _METADATA,
        _FUNCTIONAL_ROLES,
        _INSTANCE_PROPERTIES,
        _PATTERN_VARIABLES,
        _LABELS,
        _RELEASES,
        _RELEASE_GROUPS,
        _AGENTS,
        _AGENT_GROUPS,
    )
}

EMBEDDED_DOWNLOAD = (
    _id("Download ID."),
    Field("pattern", "str", "Pattern name."),
    Field("pattern_id", "int", "Pattern ID."),
    Field("file_id", "int", "File ID, if applicable."),
    Field("name", "str", "File name to show."),
)
"""The downloads inside a build, as the vendor's example shows them. The builds page sends the reader to
the downloads page for their fields, so a server may as well send all of those."""

INSTANCE_FORMS = (
    (Body("id", "int", "Instance ID.", required=True),),
    (
        Body("pattern", "str", "Pattern name.", required=True),
        Body("folder", "str", "Folder path, such as /BUSINESS_VAULT.", required=True),
        Body("name", "str", "Instance name.", required=True),
    ),
)
"""The two ways in which the POST body of a build names an instance."""

STARTED = (
    _sure("build", "any", "The build: its id and status, or the whole of it where wait is true."),
    _sure("warnings", "strs", "Warning messages, such as missing releases."),
)
"""What the POST of a build answers."""

ERROR_FIELDS = (
    _sure("name", "str", "Name of the error, such as BadRequest."),
    _sure("message", "str", "Descriptive error message."),
    _sure("code", "int", "The HTTP status."),
)
"""The body of every error; a server may add more keys."""

LOGIN = Resource(
    "authentication",
    "Authentication: a token for an e-mail address and a password. Not below the base URL.",
    fields=(
        _sure("accessToken", "str", "The token (JWT), of a limited lifetime."),
        _sure("authentication", "any", "Strategy and token once more."),
        _sure("user", "any", "The user: id and email."),
    ),
    verbs=("login",),
    key="accessToken",
    body=(
        Body("strategy", "str", "The word local.", required=True),
        Body("email", "str", "E-mail address.", required=True),
        Body("password", "str", "Password.", required=True),
    ),
    messages=(Message(400, "'email' is required"), Message(401, "Invalid login")),
    notes=(
        "There is no refresh: after its end a token is answered with 401.",
        "The web application's token lives 20 hours; the REST page says only that the time is limited.",
    ),
)
"""The login, which has no rows and is in no table of resources."""

_PATTERN_NAME = Field("PATTERN", "str", "Pattern name.")
_PLACE = (Field("FOLDER", "str", "Folder path."), Field("INSTANCE", "str", "Instance name."))
_NO_ZONE = "is not said, and examples contradict one another"
_COMMIT = (
    *_PLACE,
    Field("RELEASE", "str", "Release name; empty without release management."),
    Field("USER_NAME", "str", "User; an e-mail address in examples."),
    Field("TYPE", "str", "Build or Commit, which is one by hand."),
    Field("STATUS", "str", "Status of the build; FINISHED for a commit by hand."),
    Field("COMMIT_TIMESTAMP", "int", "Unix milliseconds, on a clock that is not said."),
    Field("DELETED", "flag", "Whether the instance was deleted, 0 or 1."),
    Field("DESCRIPTION", "str", "Description."),
)
_COMMIT_NOTES = (
    "Whether COMMIT_TIMESTAMP is UTC is unknown, so it stays a number.",
    "A build commits all its instances at once, changed or not, whatever its status.",
    "Neither a build ID nor a commit's own or its parents' IDs are given.",
)

VIEWS: dict[str, View] = {
    view.name: view
    for view in (
        View(
            "DELIVERIES",
            "A row for every instance that a successful build changed.",
            fields=(
                Field("ID", "int", "Delivery ID.", null=False),
                _PATTERN_NAME,
                *_PLACE,
                Field("RELEASE", "str", "Release name; empty without release management."),
                Field("USER_NAME", "str", "User who built; an e-mail address in examples."),
                Field("BUILD_START", "naive", "Start of the build, on a clock that is not said."),
                Field("BUILD_ID", "int", "Build ID.", null=False),
                Field("COMPARE_TO_BUILD_ID", "int", "Build that was compared with; none for CREATION."),
                Field("MODE", "str", "CREATION or INST_DELTA."),
                Field("FIELD_COUNT", "int", "Number of rows of the instance."),
                Field("CHANGE_COUNT", "int", "Number of changes: ADDED, CHANGED and DELETED together."),
                Field("ADDED", "int", "Number of rows added."),
                Field("CHANGED", "int", "Number of rows changed."),
                Field("DELETED", "int", "Number of rows deleted."),
            ),
            notes=(
                f"In which zone BUILD_START is {_NO_ZONE}.",
                "Another page of the reference also names the modes INSTANCE_DELTA and PATTERN_DELTA.",
                "A build after a merge has two bases to compare with; one is named.",
            ),
        ),
        View(
            "COMMITS",
            "A row for every commit of an instance, by hand or by a build.",
            fields=(_PATTERN_NAME, *_COMMIT),
            notes=_COMMIT_NOTES,
        ),
        View(
            "INSTANCES",
            "The instances of the project.",
            fields=(
                Field("ID", "int", "Instance ID.", null=False),
                _PATTERN_NAME,
                *_PLACE,
                Field("UPLOAD_ENABLED", "flag", "Whether uploads are enabled."),
                Field("INSERT_ENABLED", "flag", "Whether inserts by SQL are enabled."),
                Field("EDIT_ENABLED", "flag", "Whether edits by hand are enabled."),
                Field("BUILD_ENABLED", "flag", "Whether builds are enabled."),
                Field("LATEST_BUILD_ID", "int", "Latest build, if any."),
                Field("DELETED", "flag", "Whether the instance is deleted."),
                Field("DESCRIPTION", "str", "Description."),
            ),
            notes=("Whether LATEST_BUILD_ID may be a build that failed is not said.",),
        ),
        View(
            "INSTANCE_LABELS",
            "A row for every label of an instance.",
            fields=(
                Field("ID", "int", "ID of the assignment.", null=False),
                _PATTERN_NAME,
                *_PLACE,
                Field("LABEL", "str", "Label name."),
                Field("COLOR", "str", "Color, a word such as blue or orange."),
                Field("USER_NAME", "str", "User who assigned it; an e-mail address in examples."),
                Field("CREATED", "naive", "When it was assigned, on a clock that is not said."),
            ),
            notes=(f"In which zone CREATED is {_NO_ZONE}.", "A label that was removed leaves no trace."),
        ),
        View(
            "PATTERN_VARIABLES",
            "A row for every pattern variable and instance folder.",
            fields=(
                _PATTERN_NAME,
                Field("FOLDER", "str", "Path of the instance folder."),
                Field("NAME", "str", "Variable name."),
                Field("VALUE", "str", "Value."),
            ),
            notes=("Whether a folder that inherits its value has a row is not said.",),
        ),
        View(
            "TABLES",
            "The project's own tables and views.",
            fields=(
                Field("ID", "int", "Table ID.", null=False),
                Field("TABLE_FOLDER", "str", "Folder path."),
                Field("TABLE_NAME", "str", "Table name."),
                Field("TABLE_TYPE", "str", "TABLE, VIEW or EXTERNAL_TABLE."),
                Field("CREATED", "naive", "When it was created, on a clock that is not said."),
                Field("DESCRIPTION", "str", "Description."),
            ),
            notes=(f"In which zone CREATED is {_NO_ZONE}.",),
        ),
        View(
            "COLUMNS",
            "The columns of the project's own tables and views.",
            fields=(
                Field("ID", "int", "Column ID.", null=False),
                Field("TABLE_FOLDER", "str", "Folder path."),
                Field("TABLE_NAME", "str", "Table name."),
                Field("COLUMN_NAME", "str", "Column name."),
                Field("ORDINAL_POSITION", "int", "Position; it begins at 0 in one example, at 1 in another."),
                Field("DATA_TYPE", "str", "Data type, such as string."),
                Field("CREATED", "naive", "When it was created, on a clock that is not said."),
                Field("DESCRIPTION", "str", "Description."),
            ),
            notes=(f"In which zone CREATED is {_NO_ZONE}.",),
        ),
    )
}
"""The views of a project's `@INFORMATION_SCHEMA`."""

PATTERN_VIEWS: dict[str, View] = {
    view.name: view
    for view in (
        View(
            "INSTANCES",
            "The metadata rows of a pattern's instances, as they are now in each release.",
            fields=(
                Field("@PATTERN", "str", "Pattern name."),
                Field("@FOLDER", "str", "Folder path."),
                Field("@INSTANCE", "str", "Instance name."),
                Field("@RELEASE", "str", "Release name; empty without release management."),
                Field("@POS_NO", "int", "Position of the row in its instance, from 1."),
                Field("@DELETED", "flag", "Whether the instance is deleted."),
                Field("FUNCTIONAL_ROLE", "str", "Functional role."),
                Field("NAME", "str", "Name of the field."),
            ),
            notes=(
                "The pattern's other instance properties follow, in their order.",
                "An instance in two releases has two sets of rows, with edits that are not committed.",
            ),
        ),
        View(
            "COMMITS",
            "The commits of a pattern's instances.",
            fields=_COMMIT,
            notes=_COMMIT_NOTES,
        ),
    )
}
"""The views that each pattern of a project has."""
