"""Running the system: the ``loopin`` command line, its processes, a local Kafka, the demo."""

import os

# Read when numpy is loaded, so before that. Matrices are small here: threads would spin, waiting for each
# other, on cores that the other processes need.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
