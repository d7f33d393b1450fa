"""Models that learn on the stream: features, targets, candidates, and how good they are."""
