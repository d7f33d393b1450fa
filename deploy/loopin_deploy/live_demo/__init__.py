"""The demo's live part: a simulated community and a ticket sale, in which payments begin to fail."""
