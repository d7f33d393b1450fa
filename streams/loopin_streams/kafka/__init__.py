"""All that touches the broker: settings, topics, transactions, the exactly-once runner, the lane."""
