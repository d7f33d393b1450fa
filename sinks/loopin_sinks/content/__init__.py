"""Pieces of content: what people view, like, comment and share."""
