"""The Plan: what the compiler makes of a federated program, and what every engine runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Literal

from tensorflow_federated.core import ir
from tensorflow_federated.core.placements import PlacementLiteral
from tensorflow_federated.core.types import Type

AggregateKind = Literal["sum", "fold", "collection", "non_finite"]


@dataclasses.dataclass(frozen=True)
class Slot:
    """A named value that a step takes or gives, with its unplaced type."""

    name: str
    type: Type


@dataclasses.dataclass(frozen=True)
class ServerStep:
    """Local work on server values.

    Attributes:
      inputs: the server values that the step reads.
      body: `(<inputs> -> <outputs>)`, first-order: see `execution.local_programs`.
      outputs: the server values that the step gives.
    """

    inputs: tuple[Slot, ...]
    body: ir.Lambda
    outputs: tuple[Slot, ...]


@dataclasses.dataclass(frozen=True)
class Aggregate:
    """How one result of the clients' work becomes one value at the server.

    Attributes:
      output: the server value that the aggregate gives.
      kind: "sum" adds the clients' values leaf by leaf; "fold" runs the functions below;
        "collection" makes a sequence of the values, in the order of the cohort; "non_finite"
        tells the engine, and nobody else, which clients reported that their results were not
        finite: see `compiler.non_finite_reports`.
      value_type: the type of one client's value.
      zero: the server value that a fold starts from (its name), None unless it is a fold.
      accumulate: `(<A,T> -> A)`, None for a sum or a collection.
      merge: `(<A,A> -> A)`, None unless it is a fold.
      report: `(A -> R)`, None unless it is a fold.
      protocol: the secure aggregation that the values were asked to go through, by the uri of its
        intrinsic; None for an aggregation that promises nothing. Engines in one process show the
        values to the server in any case.
    """

    output: Slot
    kind: AggregateKind
    value_type: Type
    zero: str | None = None
    accumulate: ir.Lambda | None = None
    merge: ir.Lambda | None = None
    report: ir.Lambda | None = None
    protocol: str | None = None

    @property
    def accumulator_type(self) -> Type:
        """The type of what the values of some clients are accumulated in."""
        if self.accumulate is None:
            return self.value_type
        return self.accumulate.type_signature.result


@dataclasses.dataclass(frozen=True)
class ClientStep:
    """Local work that every client does.

    Attributes:
      broadcast: the server values that every client is sent.
      inputs: the values that each client has of its own.
      body: `(<broadcast..., inputs...> -> <kept..., to aggregate...>)`, first-order.
      kept: the values that stay at the clients, for later steps or as results.
      aggregates: what happens to the results after the kept ones, in their order.
    """

    broadcast: tuple[Slot, ...]
    inputs: tuple[Slot, ...]
    body: ir.Lambda
    kept: tuple[Slot, ...]
    aggregates: tuple[Aggregate, ...]

    @property
    def programs(self) -> tuple[ir.Lambda, ...]:
        """What is run where the clients' work is done: the body, and how folds accumulate."""
        return (self.body, *(a.accumulate for a in self.aggregates if a.accumulate is not None))


@dataclasses.dataclass(frozen=True)
class Output:
    """One leaf of a program's result: a named value and where it is.

    Attributes:
      slot: the value.
      placement: SERVER or CLIENTS; None for a value without placement.
      all_equal: whether the value at the clients is one value that all have.
    """

    slot: Slot
    placement: PlacementLiteral | None
    all_equal: bool


@dataclasses.dataclass(frozen=True)
class Parameter:
    """One leaf of a program's argument: the path to it, and the value that it becomes.

    Attributes:
      path: the positions that lead to it in the argument's structure.
      slot: the value.
      placement: SERVER or CLIENTS; None for a value without placement, which the server holds.
      all_equal: whether the value at the clients is one value that all have.
    """

    path: tuple[int, ...]
    slot: Slot
    placement: PlacementLiteral | None
    all_equal: bool


@dataclasses.dataclass(frozen=True)
class ServerKey:
    """A random key that the server draws.

    Attributes:
      slot: the name that steps know it by.
      number: which draw of the server it is, from 0.
    """

    slot: Slot
    number: int


@dataclasses.dataclass(frozen=True)
class Plan:
    """A federated program as an alternation of server steps and client steps.

    Attributes:
      parameters: how the argument is taken apart.
      steps: the work, in order.
      result: a structure (nested tuples) of outputs, or one output.
      parameter_type: the type of the argument, None where there is none.
      result_type: the type of the result.
      random_keys: how many random keys every client draws.
      server_keys: the random keys that the server draws.
    """

    parameters: tuple[Parameter, ...]
    steps: tuple[ServerStep | ClientStep, ...]
    result: Result
    parameter_type: Type | None
    result_type: Type
    random_keys: int = 0
    server_keys: tuple[ServerKey, ...] = ()


Result = Output | tuple["Result", ...]


def outputs(result: Result) -> Iterator[Output]:
    """The outputs that make up a result, in order."""
    if isinstance(result, Output):
        yield result
    else:
        for each in result:
            yield from outputs(each)
