"""The comparisons: what is run by whom, and how much faster this package is to be."""

from __future__ import annotations

import dataclasses
import os
import sys
from typing import Literal

from workload import TUTORIAL_CLIENTS, Program


@dataclasses.dataclass(frozen=True)
class Runner:
    """Somebody who can run programs.

    Attributes:
      name: as tables have it.
      module: the module in `peers/`.
      option: the option of `engine.py`, and in capitals the variable, that names its interpreter;
        None if it is the one that runs the benchmark.
      environment: variables that its process needs.
    """

    name: str
    module: str
    option: str | None = None
    environment: tuple[tuple[str, str], ...] = ()


CORES = os.cpu_count() or 1

KERAS = Runner("this package, Keras", "keras_program")
JAX = Runner("this package, JAX", "jax_program")
LANGUAGE = Runner("this package, by hand", "language_program")
TFF = Runner("TFF 0.87", "keras_program", "tff-python")
TFF_LANGUAGE = dataclasses.replace(TFF, module="language_program")
FEDJAX = Runner("FedJAX", "fedjax_program", "fedjax-python")
PFL = Runner("pfl-research", "pfl_program", "pfl-python")
HAND_JAX = Runner(
    "by hand, JAX",
    "hand_jax",
    environment=(("XLA_FLAGS", f"--xla_force_host_platform_device_count={CORES}"),),
)
HAND_KERAS = Runner("by hand, Keras", "hand_keras")

OPTIONS = {each.option: each for each in (TFF, FEDJAX, PFL) if each.option is not None}


@dataclasses.dataclass(frozen=True)
class Comparison:
    """One workload, which several run by turns.

    Attributes:
      title: what is run, in words.
      own: this package.
      program: what it runs.
      goals: whom it is compared with, and how many times as fast it is to be; None for no goal.
      others: whoever does not run the same program as `own`, with what that runs instead.
      repeats: how many rounds of each are measured.
      kind: "round", the time of a round; or "start", the time from the start of a process to the
        end of its first round, without importing TensorFlow and drawing the data.
    """

    title: str
    own: Runner
    program: Program
    goals: tuple[tuple[Runner, float | None], ...]
    others: tuple[tuple[Runner, Program], ...] = ()
    repeats: int = 9
    kind: Literal["round", "start"] = "round"

    def program_of(self, runner: Runner) -> Program:
        """What somebody runs in it."""
        return dict(self.others).get(runner, self.program)


SOFTMAX = Program("softmax", 100)
TUTORIAL = Program("softmax", TUTORIAL_CLIENTS, "same", "tutorial")
CNN_10 = Program("cnn", 10)
CNN_100 = Program("cnn", 100)
PROCESSES = dataclasses.replace(CNN_10, clients=20, processes=2)
ONE_PROCESS = Runner("1 process", "keras_program")

COMPARISONS = (
    Comparison(
        "softmax, 100 clients, JAX model",
        JAX,
        SOFTMAX,
        ((TFF, 45), (FEDJAX, 3.5), (PFL, 7), (HAND_JAX, 0.8)),
        repeats=15,
    ),
    Comparison(
        "softmax, 100 clients, Keras model, the same clients each round",
        KERAS,
        dataclasses.replace(SOFTMAX, data="same"),
        ((TFF, 40), (HAND_KERAS, None)),
        repeats=15,
    ),
    Comparison(
        "softmax, 100 clients, Keras model, new pipelines each round",
        KERAS,
        dataclasses.replace(SOFTMAX, data="fresh"),
        ((TFF, 6),),
        repeats=11,
    ),
    Comparison("the tutorial: 10 clients, 5 epochs, Keras model", KERAS, TUTORIAL, ((TFF, 10),)),
    Comparison(
        "softmax, 100 clients, a round written in the federated language",
        LANGUAGE,
        dataclasses.replace(SOFTMAX, data="same"),
        ((TFF_LANGUAGE, None),),
        repeats=5,
    ),
    Comparison(
        "CNN, 10 clients, Keras model",
        KERAS,
        CNN_10,
        ((TFF, 4), (PFL, 1.3), (HAND_KERAS, None)),
    ),
    Comparison("CNN, 100 clients, Keras model", KERAS, CNN_100, ((TFF, 4), (PFL, 1.3)), repeats=3),
    Comparison("CNN, 10 clients, JAX model", JAX, CNN_10, ((HAND_JAX, 0.8),)),
    Comparison("CNN, 100 clients, JAX model", JAX, CNN_100, ((HAND_JAX, 0.8),), repeats=3),
    Comparison(
        "from the start of the process to the end of round 1, softmax, JAX model",
        JAX,
        SOFTMAX,
        ((TFF, 2),),
        repeats=3,
        kind="start",
    ),
    Comparison(
        "CNN, 20 clients, Keras model, 2 processes",
        KERAS,
        PROCESSES,
        ((ONE_PROCESS, 1.6),),
        others=((ONE_PROCESS, dataclasses.replace(PROCESSES, processes=1)),),
        repeats=5,
    ),
)


@dataclasses.dataclass(frozen=True)
class Scaling:
    """How the cost of a client and the memory change with the number of clients of a round.

    Attributes:
      own: this package.
      sizes: the numbers of clients; the first is the measure of the others.
      most_cost: how many times as much a client may cost in a larger cohort as in a smaller.
      most_memory_mib: how much more memory there may be.
    """

    own: Runner = JAX
    sizes: tuple[int, ...] = (10, 100, 1000, 5000)
    most_cost: float = 1.25
    most_memory_mib: float = 200.0
    repeats: int = 7


SCALING = Scaling()

QUICK_PROGRAM_CLIENTS = 5


def quick(comparison: Comparison) -> Comparison:
    """The same with so little to do that it takes seconds; its figures say nothing."""

    def less(program: Program) -> Program:
        return dataclasses.replace(program, clients=min(program.clients, QUICK_PROGRAM_CLIENTS))

    return dataclasses.replace(
        comparison,
        program=less(comparison.program),
        others=tuple((runner, less(program)) for runner, program in comparison.others),
        repeats=1,
    )


def interpreter_of(runner: Runner, given: dict[str, str | None]) -> str | None:
    """The interpreter that runs somebody's programs; None if none is known.

    Args:
      runner: who it is.
      given: the interpreters that the command line names, by option.
    """
    if runner.option is None:
        return sys.executable
    return given.get(runner.option) or os.environ.get(runner.option.upper().replace("-", "_"))
