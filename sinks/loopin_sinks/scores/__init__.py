"""Predictions of users, as the store knows them."""
