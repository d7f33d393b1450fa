"""Where derived topics end up: ClickHouse."""
