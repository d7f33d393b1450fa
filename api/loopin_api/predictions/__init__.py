"""What ``GET /api/analytics/predictions`` answers, a file for each kind."""
