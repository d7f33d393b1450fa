"""Kinds of users: found in what they do and when, named, and kept from one time to the next."""
