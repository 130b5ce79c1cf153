"""Seeded failure messages, English and German, whose families are known."""

from __future__ import annotations

import random
from collections.abc import Callable

__all__ = ["simulate_messages"]

_TABLES = [
    "customer_hub",
    "SALES_ORDER_SAT",
    "Kontobewegung",
    "OrderLine",
    "ARTIKEL",
    "lnk_kunde_konto",
    "dwh.fact_sales",
]
_TABLES += ["CORE.POLICY_HUB", "Lieferant", "INVOICE_PIT", "Bestellung Historie", "RV_SENSOR_DATA", "VERTRAG"]
_PATTERNS = ["RAW_VAULT_HUB", "Link Loader", "PIT", "Snapshot Satellite v2", "DM_DIMENSION", "Bridge"]
_FOLDERS = ["/RAW/CRM", "/MART/Vertrieb Wien", "/STAGE/SAP/FI_CO", "/BV"]
_USERS = ["eva.huber@example.com", "m.novak@example.org", "jk@dwh.example.net"]
_TYPES = ["VARCHAR(30)", "NUMBER(18,4)", "CLOB", "DECIMAL(9, 2)", "TIMESTAMP(6)", "GEOMETRY", "nvarchar(max)"]
_ROLES = ["BK", "HASHKEY", "LOAD_DATE", "SRC", "PARENT"]


def simulate_messages(n: int, seed: int) -> tuple[list[str], list[int], list[str]]:
    """Simulate messages, the number of the family of each, and the names that a server would know."""
    r = random.Random(seed)
    table, pattern, folder, user, role, kind = (
        (lambda values=values: r.choice(values))
        for values in (_TABLES, _PATTERNS, _FOLDERS, _USERS, _ROLES, _TYPES)
    )

    def number(most: int = 5) -> str:
        value = r.randrange(10 ** r.randrange(1, most))
        return (
            r.choice([str(value), f"{value:,}", f"{value:,}".replace(",", ".")])
            if value > 999
            else str(value)
        )

    def target() -> str:
        return r.choice(["Snowflake", "FABRIC", "Synapse", "IICS", "Oracle"])

    def quoted(text: str) -> str:
        before, behind = r.choice(["''", '""', "„“", "»«"])
        return f"{before}{text}{behind}"

    def code() -> str:
        return "".join(r.choices("0123456789abcdef", k=32))

    def moment() -> str:
        day = r.randrange(1, 29), r.randrange(1, 13)
        time = f"{r.randrange(24):02d}:{r.randrange(60):02d}:{r.randrange(60):02d}"
        iso, german = f"2026-{day[1]:02d}-{day[0]:02d} {time}", f"{day[0]:02d}.{day[1]:02d}.2026 {time}"
        return r.choice([iso, german])

    def chain() -> str:
        return " -> ".join(r.sample(_TABLES, r.randrange(2, 6)))

    def some() -> str:
        return ", ".join(r.sample(_TABLES, r.randrange(1, 5)))

    families: list[Callable[[], str]] = [
        lambda: f"Column {role()} of source table {table()} was not found",
        lambda: f"Column {role()} of target table {table()} was not found",
        lambda: f"Source field {quoted(table())} has type {kind()}, expected {kind()}",
        lambda: f"Dependency cycle: {chain()}",
        lambda: f"Cannot resolve parent of instance {table()} in {folder()}",
        lambda: f"Cannot resolve child of instance {table()} in {folder()}",
        lambda: f"java.lang.NullPointerException at line {number()}",
        lambda: f"java.lang.IllegalStateException at line {number()}",
        lambda: f"ORA-00001: unique constraint ({table()}) violated",
        lambda: f"ORA-02291: integrity constraint ({table()}) violated",
        lambda: f"HTTP 500 from https://repo{r.randrange(9)}.example.com/api/{number()}",
        lambda: f"HTTP 502 from https://repo{r.randrange(9)}.example.com/api/{number()}",
        lambda: f"Pattern {pattern()} has no template for {target()}",
        lambda: f"Checksum {code()} of part {number()} does not match {code()}",
        lambda: f"{number()} of {number()} instances were skipped because {table()} is locked by {user()}",
        lambda: f"Session expired at {moment()}",
        lambda: f"Could not parse expression near {quoted(table())}: unexpected token",
        lambda: f"Could not parse expression near {quoted(table())}: missing bracket",
        lambda: f"Missing instances: {some()}",
        lambda: f"Write to C:\\builds\\{number()}\\{table().replace(' ', '_')}.sql failed: access denied",
        lambda: f"Quota of {number()} MB for project reached after {r.randrange(1, 90)}.{r.randrange(9)} s",
        lambda: f"Agent {code()[:8]}-{code()[:4]}-{code()[:4]}-{code()[:4]}-{code()[:12]} did not answer",
        lambda: f"Duplicate key {role()} in {number()} rows",
        lambda: f"Release {quoted('R' + number(3))} ends before {moment()}",
        lambda: "Build was stopped by the server",
        lambda: f"Quelltabelle {table()} wurde nicht gefunden",
        lambda: f"Zieltabelle {table()} wurde nicht gefunden",
        lambda: f"Instanz {quoted(table())} ist von {user()} seit {moment()} ausgecheckt",
        lambda: f"Für Muster {quoted(pattern())} fehlt die Variable {quoted(role())}",
        lambda: f"Ordner {folder()} ist gesperrt",
        lambda: f"Ordner {folder()} ist leer",
        lambda: f"Datentyp {kind()} kann nicht in {kind()} umgewandelt werden",
        lambda: f"Zyklische Abhängigkeit: {chain()}",
        lambda: f"Feld {role()} in {table()} ist doppelt ({number()} Zeilen)",
        lambda: f"Der Dienst hat nach {number()} Sekunden nicht geantwortet",
        lambda: f"Fehlercode 17: Verbindung zu 10.{r.randrange(99)}.0.{r.randrange(99)}:1521 verloren",
        lambda: f"Fehlercode 23: Verbindung zu 10.{r.randrange(99)}.0.{r.randrange(99)}:1521 verloren",
        lambda: f"Ungültige Instanzen: {some()}",
        lambda: f"Schlüssel {role()} darf in {table()} nicht leer sein",
        lambda: f"Speicher reicht nicht: {number()} KB von {number()} KB belegt",
    ]
    weights = [1 / (1 + place) ** 0.7 for place in r.sample(range(len(families)), len(families))]
    truths = r.choices(range(len(families)), weights, k=max(n - len(families), 0)) + list(
        range(len(families))
    )
    r.shuffle(truths)
    return [families[k]() for k in truths], truths, [*_TABLES, *_PATTERNS, *_FOLDERS, *_ROLES]
