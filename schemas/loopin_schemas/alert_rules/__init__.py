"""The rules that every project has, as data; a new one is a line here or in a file beside."""

from __future__ import annotations

from typing import Final

from loopin_schemas.alert_rules.models import MODELS
from loopin_schemas.alert_rules.pipeline import PIPELINE
from loopin_schemas.alert_rules.risks import RISKS
from loopin_schemas.alert_rules.rule import BuiltIn, Case
from loopin_schemas.alert_rules.security import SECURITY
from loopin_schemas.alert_rules.traffic import TRAFFIC

__all__ = ["BUILT_IN", "BuiltIn", "Case"]

BUILT_IN: Final[tuple[BuiltIn, ...]] = (*RISKS, *TRAFFIC, *PIPELINE, *MODELS, *SECURITY)
