"""Projects and patterns, and how many instances each pattern has in each project."""

from __future__ import annotations

from dataclasses import dataclass

CUSTOMER = 1


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern; `versions` counts its template changes during the history.

    A build takes about `seconds` for each instance, to the power of `growth`.
    """

    id: int
    name: str
    type: str
    group: int | None
    versions: int
    folders: tuple[str, ...]
    seconds: float
    growth: float = 1.0
    active: bool = True


_VAULT = ("/RAW_VAULT", "/RAW_VAULT/CRM", "/RAW_VAULT/ERP", "/BUSINESS_VAULT", "/BUSINESS_VAULT/CRM")
_MART = ("/STAGING", "/MART", "/MART/FINANCE", "/MART/SALES")
_LAKE = ("/BRONZE", "/SILVER", "/SILVER/EVENTS", "/GOLD")

PATTERNS = {
    p.id: p
    for p in (
        Pattern(799, "OLD_HLS", "IICS", 4, 1, ("/RAW_VAULT",), 9, active=False),
        Pattern(808, "CORE_DV_HLS", "IICS", 1, 4, _VAULT, 9),
        Pattern(812, "STAGE_LOAD", "IICS", 1, 2, ("/STAGING", "/STAGING/CRM", "/STAGING/ERP"), 6),
        Pattern(815, "BV_PIT_BRIDGE", "SNOWFLAKE", 1, 3, ("/BUSINESS_VAULT", "/BUSINESS_VAULT/PIT"), 11),
        Pattern(821, "SF_DIM_FACT", "SNOWFLAKE", 2, 3, _MART, 12),
        Pattern(826, "SYN_STAGING", "SYNAPSE", 2, 2, ("/STAGING", "/STAGING/SAP"), 7),
        Pattern(830, "SYN_MART", "SYNAPSE", 2, 3, _MART, 14),
        Pattern(834, "FAB_LAKEHOUSE", "FABRIC", 3, 2, _LAKE, 5, growth=1.6),
        Pattern(839, "FAB_WAREHOUSE", "FABRIC", 3, 2, ("/GOLD", "/GOLD/REPORTING"), 10),
        Pattern(841, "DBX_BRONZE", "DATABRICKS", 3, 1, ("/BRONZE",), 8),
        Pattern(845, "COMMON_AUDIT", "SNOWFLAKE", None, 1, ("/AUDIT",), 4),
    )
}
SLOWING_PATTERN = 821
"""The pattern whose builds have become slower during the last months of the history."""

PROJECTS = (
    (377, "SANDBOX_2023", True, False),
    (395, "LEGACY_MIGRATION", False, True),
    (402, "DEMO_PROJECT", False, False),
    (405, "SALES_DWH", False, False),
    (411, "FINANCE_MART", False, False),
    (418, "LOGISTICS_LAKE", False, False),
)
SIZES = {
    402: {808: 60, 812: 40, 815: 24, 845: 8},
    405: {821: 48, 815: 20},
    411: {826: 32, 830: 26, 821: 15},
    418: {834: 46, 839: 24, 841: 18},
    395: {799: 12},
}
"""Instances per project and pattern at the end of the history, unless more are asked for."""
MIN_INSTANCES = sum(size for sizes in SIZES.values() for size in sizes.values())
PLACES = {(402, 808): 1, (405, 821): 2, (411, 826): 2, (418, 834): 3}
"""Project and pattern of the planted instances, with the release group of the pattern."""
ACTIVE_PROJECTS = (402, 405, 411, 418)
"""Projects that have builds."""
