"""From a request's body, whoever's SDK sent it, to events that the broker has acknowledged."""
