"""The endpoints, one file a subject; ``ROUTERS`` in ``loopin_api.app`` lists them."""
