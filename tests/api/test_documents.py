"""Every field that the documents name of a resource is in its answer, as golden tests see it."""

from __future__ import annotations

from typing import Final

import pytest
from pydantic import BaseModel

from loopin_api.routers import (
    behavior_answers,
    communities,
    content,
    daily,
    geo,
    records,
    user,
    user_analytics,
)

DOCUMENTED: Final[dict[type[BaseModel], str]] = {
    daily.DailyAnalytics: """
        date total_users active_users new_registrations community_views community_joins
        average_online_members peak_community_activity geo_access_attempts geo_blocked_attempts
        geo_allowed_access traveler_access_count content_views content_interactions api_requests error_count
        new_users new_posts new_comments total_likes total_shares total_interactions avg_session_duration
        bounce_rate avg_response_time created_at
    """,
    user_analytics.UserDay: """
        user date page_views actions_performed communities_viewed communities_joined community_online_time
        community_interactions geo_restricted_attempts locations_accessed_from travel_detected total_posts
        total_comments total_likes_given total_likes_received followers_gained followers_lost total_sessions
        total_time_spent avg_session_duration recommendations_shown recommendations_clicked last_calculated
    """,
    records.SystemMetric: """
        metric_type value additional_data recorded_at
        component operation response_time_ms status_code memory_usage_mb
    """,
    records.ErrorLog: """
        user level message stack_trace url method ip_address user_agent extra_data created_at resolved_at
        is_resolved
    """,
    communities.Realtime: "community_id online_members activity_score peak_members_today current_activity",
    communities.CommunityReport: "community_id date_range metrics",
    communities.CommunityMetrics: """
        total_views unique_visitors peak_online_members average_session_duration member_retention
        activity_patterns
    """,
    geo.Effectiveness: "community_id restriction_effectiveness top_blocked_locations",
    geo.RestrictionEffectiveness: (
        "total_attempts blocked_attempts allowed_attempts effectiveness_percentage"
    ),
    geo.BlockedLocation: "country city attempts",
    geo.EffectivenessReport: "community_id restriction_effectiveness location_breakdown trends",
    geo.Categories: """
        country_blocked country_allowed city_blocked city_allowed region_blocked region_allowed
        traveler_access restriction_bypass
    """,
    content.ContentRow: """
        content_type object_id view_count unique_views time_on_page bounce_rate social_shares comments_count
        search_appearances click_through_rate engagement_rate quality_score traffic_sources
    """,
    content.ContentPoint: "date week_start month_start view_count unique_views traffic_sources",
    user.UserEngagement: """
        date week_start month_start session_count session_duration_total page_views unique_page_views
        content_interactions search_count content_created last_activity retention_days engagement_score
        activity_level
    """,
    behavior_answers.UserBehavior: """
        user_id engagement_score activity_patterns preferences risk_factors persona_suggestions predictions
    """,
    behavior_answers.UserPatterns: "peak_hours peak_days session_length events_per_session",
    behavior_answers.UserPreferences: "event_types actions",
    behavior_answers.UserPredictions: "churn_risk conversion_probability engagement_trend",
    behavior_answers.BehaviorProfile: """
        engagement_score churn_risk_score conversion_probability primary_persona preferred_event_types
        last_analysis_at
    """,
}
"""By what is answered, the names of the documents' models and examples."""


@pytest.mark.parametrize("answered", DOCUMENTED, ids=lambda of: of.__name__)
def test_every_field_of_the_documents_is_answered(answered: type[BaseModel]) -> None:
    told = {field.alias or name for name, field in answered.model_fields.items()}
    assert set(DOCUMENTED[answered].split()) - told == set()
