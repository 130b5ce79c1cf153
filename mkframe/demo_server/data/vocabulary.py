"""Names of users, instances and columns, and the texts of progress, failures and descriptions."""

from __future__ import annotations

OWNER = (1, "demo@example.com")
VIEWER = (10, "viewer@example.com")
SCHEDULER = (11, "scheduler@example.com")
PEOPLE = {
    2: "anna.keller@example.com",
    3: "bruno.vogel@example.com",
    4: "carla.nunez@example.com",
    5: "deniz.arslan@example.com",
    6: "eva.lindqvist@example.com",
    7: "farid.haddad@example.com",
    8: "greta.olsen@example.com",
    9: "hugo.martin@example.com",
}
"""Users by ID. User names are e-mail addresses here, as in the view DELIVERIES."""
USERS = dict([OWNER, *PEOPLE.items(), VIEWER, SCHEDULER])


def _split(text: str) -> tuple[str, ...]:
    return tuple(text.split())


NOUNS = {
    402: _split(
        "AIRPLANE AIRPORT AIRLINE FLIGHT PASSENGER BOOKING TICKET CREW GATE BAGGAGE ROUTE SCHEDULE "
        "LOYALTY FARE SEAT MAINTENANCE WEATHER INCIDENT CATERING FUEL"
    ),
    405: _split(
        "CUSTOMER ORDERS ORDER_LINE PRODUCT PRICE DISCOUNT STORE REGION CAMPAIGN RETURNS CHANNEL BASKET "
        "SUPPLIER INVENTORY PROMOTION"
    ),
    411: _split(
        "ACCOUNT LEDGER INVOICE PAYMENT COST_CENTER BUDGET ASSET CURRENCY TAX_CODE JOURNAL VENDOR PAYROLL "
        "FORECAST CONTRACT DUNNING"
    ),
    418: _split(
        "SHIPMENT CARRIER WAREHOUSE PALLET TRUCK DRIVER STOP CUSTOMS TRACKING_EVENT DEPOT CONTAINER "
        "DELIVERY_NOTE TOUR FREIGHT_RATE CLAIM"
    ),
    395: _split("PERSON ADDRESS POLICY COVERAGE"),
}
"""Names of the instances of a project."""
PLANTED = _split(
    "EXCHANGE_RATE LANGUAGE BUSINESS_PARTNER EMPLOYEE CONTACT_PERSON BANK_ACCOUNT COUNTRY FAX_NUMBER CONSENT "
    "COMPLAINT SURVEY HOLIDAY TERRITORY VOUCHER LEGACY_CODE WARRANTY TELEX"
)
"""Names of the planted instances, in each of their places."""
COMMITS = ("new attributes", "wider data types", "after review", None, None, None, "ticket DWH-{n}")
"""Descriptions of commits by hand."""
SUFFIXES = ("", "_DETAIL", "_STATUS", "_HISTORY", "_X_REF")

_TEXT, _LONG, _DAY, _TIME = ("VARCHAR", 50), ("VARCHAR", 200), ("DATE", None), ("TIMESTAMP", None)
_WHOLE, _NUMBER, _FLAG = ("INTEGER", None), ("NUMBER", 18), ("CHAR", 1)
ATTRIBUTES: dict[str, tuple[str, int | None]] = {
    **dict.fromkeys(_split("CODE TYPE STATUS COUNTRY CITY CURRENCY CATEGORY LANGUAGE UNIT SERIAL_NO"), _TEXT),
    **dict.fromkeys(_split("NAME REMARK EXTERNAL_REF SOURCE_KEY OWNER_NAME CREATED_BY RISK_CLASS"), _LONG),
    **dict.fromkeys(_split("VALID_FROM VALID_TO DUE_DATE"), _DAY),
    **dict.fromkeys(_split("CHANGED_AT APPROVED_AT SEEN_AT"), _TIME),
    **dict.fromkeys(_split("QUANTITY PRIORITY SEQUENCE_NO CAPACITY"), _WHOLE),
    **dict.fromkeys(_split("AMOUNT WEIGHT LATITUDE LONGITUDE DISTANCE"), _NUMBER),
    "ACTIVE_FLAG": _FLAG,
}
"""Columns that instances get, with their data types and lengths."""

PHASES = (
    "reading metadata ...",
    "validating instances ...",
    "generating artifacts ...",
    "packing results ...",
    "calculating deliveries ...",
)
"""Progress texts. Only the last is printed in the reference, on a build that is FINISHED."""

FAILURE_MESSAGES = (
    "Instance {instance} (id {id}): functional role BK is missing, {n} fields checked",
    "Connection to repository node-{small}.example.com:8443 timed out after {n} s",
    "Pattern {pattern}: variable TARGET_SCHEMA is not set for folder {folder}",
    "Duplicate field '{field}' in instance {instance} (id {id}), positions {small} and {n}",
    "Template error in {pattern}, line {n}: unknown property DATA_TYP",
    "Data type {type} of field '{field}' in {instance} is not supported by the target (code {n})",
    "Out of memory while writing part {small} of build {build}",
)
"""Messages of failed builds. Open in the reference: whether ``message`` says why; here it does."""

REMARKS = (
    None,
    None,
    "test",
    "build via rest api",
    "new attributes for {instance}",
    "fix data types of {instance}",
    "{instance}: source system changed its key",
    "after review",
    "for integration test {n}",
    "hot candidate, ticket DWH-{n}",
)
