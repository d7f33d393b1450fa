"""Adds up the raw partitions' shares of each window, and looks at them for alerts."""
