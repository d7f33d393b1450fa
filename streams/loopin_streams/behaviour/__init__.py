"""How users behave, counted event by event."""
