"""Pure functions on text that several stages share."""
