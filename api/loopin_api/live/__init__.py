"""The live feed: from the topics to the clients that listen, without a query."""
