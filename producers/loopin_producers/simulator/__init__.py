"""A community platform whose truth is known, specified in docs/simulator.md.

from loopin_producers.simulator import FileOutput, Parameters, Simulation, TruthFiles, opened

with opened(path) as file, TruthFiles(folder, parameters) as truth:
    Simulation(parameters, FileOutput(file), end_ms=end_ms, truth=truth).run()
"""

from loopin_producers.simulator.errors import SimulationError
from loopin_producers.simulator.outputs import STDOUT, FileOutput, KafkaOutput, Output, opened
from loopin_producers.simulator.pace import Pace
from loopin_producers.simulator.parameters import DAY_MS, Parameters
from loopin_producers.simulator.scribe import Written
from loopin_producers.simulator.simulation import Progress, Simulation, Summary, load_progress, resumed
from loopin_producers.simulator.truth import NoTruth, Truth, TruthFiles

__all__ = [
    "DAY_MS",
    "STDOUT",
    "FileOutput",
    "KafkaOutput",
    "NoTruth",
    "Output",
    "Pace",
    "Parameters",
    "Progress",
    "Simulation",
    "SimulationError",
    "Summary",
    "Truth",
    "TruthFiles",
    "Written",
    "load_progress",
    "opened",
    "resumed",
]
