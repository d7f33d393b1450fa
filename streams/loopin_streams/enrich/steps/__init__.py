"""The steps of the enrichment, one a file: each takes a draft and says ok (None), drop or dlq."""
