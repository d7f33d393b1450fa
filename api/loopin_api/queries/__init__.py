"""The SQL of the endpoints, one file a subject; values are always bound, never written into the text."""
