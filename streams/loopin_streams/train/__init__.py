"""The trainer: learns from outcomes, publishes models."""
