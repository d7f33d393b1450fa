"""Running the system: the ``loopin`` command line, its processes, a local Kafka, the demo."""
