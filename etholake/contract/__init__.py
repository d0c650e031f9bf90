"""The data contract: names of zones, tables, columns, types, units, rules, actions and body parts.

This is the one truth. The DDL, the Glue jobs, the Arrow schemas, the dashboards and the tests are made from it or
compared with it. No I/O here, and nothing but the standard library (`arrow_schema` imports pyarrow).
"""

from etholake.contract.part_names import guess_part, guess_parts
from etholake.contract.raw_layout import (
    MAX_MICE,
    MOUSE_ATTRIBUTES,
    MOUSE_COLUMNS,
    NEEDED_METADATA_COLUMNS,
    RAW_ANNOTATION_COLUMNS,
    RAW_METADATA_COLUMNS,
    RAW_METADATA_NUMBERS,
    RAW_METADATA_OPTIONAL_COLUMNS,
    RAW_TRACKING_COLUMNS,
    RAW_TRACKING_OPTIONAL_COLUMNS,
    REVIEWED,
    SELF,
    SPLITS,
    SUBMISSION_COLUMNS,
    raw_key,
)
from etholake.contract.rules import KINDS, RULES, Rule, parse_limits
from etholake.contract.tables import TABLES, Column, Table
from etholake.contract.types import arrow_schema, arrow_type, glue_columns
from etholake.contract.values import action_name, number, whole_number
from etholake.contract.vocabulary import (
    ACTIONS,
    BODY_PARTS,
    HEADPIECE_PARTS,
    JUMP_CM,
    JUMP_SPEED,
    PAIR_ACTIONS,
    SELF_ACTIONS,
    UNIFIED_PART_SOURCES,
    UNIFIED_PARTS,
    unified_part_sources,
)
from etholake.contract.zones import (
    CODE_ZONE,
    CURATED_ZONE,
    MODEL_ZONE,
    QUALITY_POINTER,
    RAW_ZONE,
    RESULTS_ZONE,
    STATE_ZONE,
)

__all__ = [
    "ACTIONS",
    "BODY_PARTS",
    "CODE_ZONE",
    "CURATED_ZONE",
    "HEADPIECE_PARTS",
    "JUMP_CM",
    "JUMP_SPEED",
    "KINDS",
    "MAX_MICE",
    "MODEL_ZONE",
    "MOUSE_ATTRIBUTES",
    "MOUSE_COLUMNS",
    "NEEDED_METADATA_COLUMNS",
    "PAIR_ACTIONS",
    "QUALITY_POINTER",
    "RAW_ANNOTATION_COLUMNS",
    "RAW_METADATA_COLUMNS",
    "RAW_METADATA_NUMBERS",
    "RAW_METADATA_OPTIONAL_COLUMNS",
    "RAW_TRACKING_COLUMNS",
    "RAW_TRACKING_OPTIONAL_COLUMNS",
    "RAW_ZONE",
    "RESULTS_ZONE",
    "REVIEWED",
    "RULES",
    "SELF",
    "SELF_ACTIONS",
    "SPLITS",
    "STATE_ZONE",
    "SUBMISSION_COLUMNS",
    "TABLES",
    "UNIFIED_PARTS",
    "UNIFIED_PART_SOURCES",
    "Column",
    "Rule",
    "Table",
    "action_name",
    "arrow_schema",
    "arrow_type",
    "glue_columns",
    "guess_part",
    "guess_parts",
    "number",
    "parse_limits",
    "raw_key",
    "unified_part_sources",
    "whole_number",
]
