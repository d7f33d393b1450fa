"""The HTTP interface: tracking, queries and exports over what the store holds."""
