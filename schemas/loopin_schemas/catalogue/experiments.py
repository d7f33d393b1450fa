"""Events of feature flags and experiments."""

from __future__ import annotations

from loopin_schemas.catalogue.event_type import Alias, EventType, Property

EXPERIMENTS: tuple[EventType, ...] = (
    EventType(
        "$feature_flag_called",
        "A client evaluated a feature flag",
        (
            Property("$feature_flag", "text", "Key of the flag", required=True),
            Property("$feature_flag_response", "any", "Variant's name, or whether the flag is on"),
        ),
    ),
    EventType(
        "experiment_exposed",
        "A user met a variant of an experiment",
        (
            Property("experiment", "text", "Name of the experiment", required=True),
            Property("variant", "text", "Variant that the user met", required=True),
        ),
        (
            Alias(
                "Experiment Viewed",
                "segment",
                (("experiment_name", "experiment"), ("variation_name", "variant")),
            ),
        ),
    ),
)
