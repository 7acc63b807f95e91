"""`MapReduceForm`: one round as local computations."""

from __future__ import annotations

from collections.abc import Callable

from tensorflow_federated.backends.mapreduce import errors, part_checks
from tensorflow_federated.core import computations, ir, type_predicates
from tensorflow_federated.core import errors as core_errors
from tensorflow_federated.core.computations import ConcreteComputation
from tensorflow_federated.core.types import (
    FederatedType,
    FunctionType,
    StructType,
    TensorType,
    Type,
)

_FORM = "MapReduceForm"
_PATTERNS = {
    "type_signature": "(<S@SERVER,{D}@CLIENTS> -> <S@SERVER,X@SERVER>)",
    "prepare": "(S -> C)",
    "work": "(<D,C> -> <U,B,M,N>)",
    "zero": "( -> A)",
    "accumulate": "(<A,U> -> A)",
    "merge": "(<A,A> -> A)",
    "report": "(A -> R)",
    "update": "(<S,<R,B,M,N>> -> <S,X>)",
}


class MapReduceForm(computations.TypedObject):
    """One round of a computation as local computations, for systems that map and reduce.

    ::

        state --> prepare --> context
          |                      |
          |      client data --> work --> updates --------+--> three secure sums --+
          |                                               |                        |
          |                  zero --> accumulate, merge --+                        |
          |                                |                                       |
          |                              report --> total                          |
          |                                           |                            |
          +----------------------------------------> update <----------------------+
                                                       |
                                                       +--> state of the next round, output

    With ``S`` the state, ``D`` the data of one client and ``X`` the output, the computation is
    ``(<S@SERVER,{D}@CLIENTS> -> <S@SERVER,X@SERVER>)``, and the parts are

    ============================  =====================================================
    `prepare`                     ``(S -> C)``: what the clients are sent
    `work`                        ``(<D,C> -> <U,B,M,N>)``: what a client does; what it
                                  sends to the accumulators and to three secure sums
    `zero`                        ``( -> A)``: an accumulator without clients
    `accumulate`                  ``(<A,U> -> A)``: takes in a client
    `merge`                       ``(<A,A> -> A)``: makes one of two
    `report`                      ``(A -> R)``: the total, from the last accumulator
    `secure_sum_bitwidth`         ``( -> b)``: how many bits each number of ``B`` has
    `secure_sum_max_input`        ``( -> m)``: the largest value of each number of ``M``
    `secure_modular_sum_modulus`  ``( -> n)``: the modulus of each number of ``N``
    `update`                      ``(<S,<R,B,M,N>> -> <S,X>)``
    ============================  =====================================================

    What does not occur is the empty structure, ``<>``. The parts have no placement, and can be
    called as they are.

    Examples:
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.jax.computation(np.int32, np.int32)
      ... def add(x, y):
      ...     return x + y
      >>> @tff.federated_computation(
      ...     tff.FederatedType(np.int32, tff.SERVER), tff.FederatedType(np.int32, tff.CLIENTS)
      ... )
      ... def next_total(total, values):
      ...     sum_of_values = tff.federated_sum(values)
      ...     return tff.federated_map(add, (total, sum_of_values)), sum_of_values
      >>> form = tff.backends.mapreduce.get_map_reduce_form_for_computation(next_total)
      >>> form.summary()
      prepare                   : (int32 -> <>)
      work                      : (<int32,<>> -> <<int32>,<>,<>,<>>)
      zero                      : ( -> <int32>)
      accumulate                : (<<int32>,<int32>> -> <int32>)
      merge                     : (<<int32>,<int32>> -> <int32>)
      report                    : (<int32> -> <int32>)
      secure_sum_bitwidth       : ( -> <>)
      secure_sum_max_input      : ( -> <>)
      secure_modular_sum_modulus: ( -> <>)
      update                    : (<int32,<<int32>,<>,<>,<>>> -> <int32,int32>)

      A round by hand, from the state 10:

      >>> context = form.prepare(10)
      >>> accumulators = []
      >>> for cohort in [[1, 2], [3]]:
      ...     accumulator = form.zero()
      ...     for value in cohort:
      ...         accumulator = form.accumulate(accumulator, form.work(value, context)[0])
      ...     accumulators.append(accumulator)
      >>> total = form.report(form.merge(*accumulators))
      >>> form.update(10, (total, (), (), ()))
      (np.int32(16), np.int32(6))

    Differs from TFF: the parts can be of JAX, of TensorFlow, or of both; and they need not be one
    graph each. A `work` that draws random keys can only be mapped over clients.
    """

    @core_errors.boundary
    def __init__(
        self,
        type_signature: FunctionType,
        prepare: ConcreteComputation,
        work: ConcreteComputation,
        zero: ConcreteComputation,
        accumulate: ConcreteComputation,
        merge: ConcreteComputation,
        report: ConcreteComputation,
        secure_sum_bitwidth: ConcreteComputation,
        secure_sum_max_input: ConcreteComputation,
        secure_modular_sum_modulus: ConcreteComputation,
        update: ConcreteComputation,
    ) -> None:
        """Puts a form together; the types of the parts are those in the class.

        Args:
          type_signature: the type of the computation that the parts make up.
          prepare: what the clients are sent.
          work: what a client does.
          zero: an accumulator without clients.
          accumulate: takes a client into an accumulator.
          merge: makes one accumulator of two.
          report: the total, from the last accumulator.
          secure_sum_bitwidth: the widths of the numbers that are summed securely by width.
          secure_sum_max_input: the largest values of those that are summed securely by bound.
          secure_modular_sum_modulus: the moduli of those that are summed securely modulo a number.
          update: the state of the next round and the output.

        Raises:
          FormPartError: if a part is no local computation, or does not fit the others.
          FormStructureError: if `accumulate` or `merge` does not take two arguments.
        """
        parts = {
            "prepare": prepare,
            "work": work,
            "zero": zero,
            "accumulate": accumulate,
            "merge": merge,
            "report": report,
            "secure_sum_bitwidth": secure_sum_bitwidth,
            "secure_sum_max_input": secure_sum_max_input,
            "secure_modular_sum_modulus": secure_modular_sum_modulus,
            "update": update,
        }
        part_checks.check_computations(_FORM, parts)
        part_checks.check_local(
            f"the parts of a `{_FORM}` have no placement.",
            {name: part.node for name, part in parts.items()},
        )
        _check_types(type_signature, {name: part.type_signature for name, part in parts.items()})
        self._type_signature = type_signature
        self._parts = parts

    @property
    def type_signature(self) -> FunctionType:
        """The type of the computation that the parts make up."""
        return self._type_signature

    @property
    def prepare(self) -> ConcreteComputation:
        """What the clients are sent: `(S -> C)`."""
        return self._parts["prepare"]

    @property
    def work(self) -> ConcreteComputation:
        """What a client does: `(<D,C> -> <U,B,M,N>)`."""
        return self._parts["work"]

    @property
    def zero(self) -> ConcreteComputation:
        """An accumulator without clients: `( -> A)`."""
        return self._parts["zero"]

    @property
    def accumulate(self) -> ConcreteComputation:
        """Takes a client into an accumulator: `(<A,U> -> A)`."""
        return self._parts["accumulate"]

    @property
    def merge(self) -> ConcreteComputation:
        """Makes one accumulator of two: `(<A,A> -> A)`."""
        return self._parts["merge"]

    @property
    def report(self) -> ConcreteComputation:
        """The total, from the last accumulator: `(A -> R)`."""
        return self._parts["report"]

    @property
    def secure_sum_bitwidth(self) -> ConcreteComputation:
        """The widths, in bits, of the numbers that are summed securely by width."""
        return self._parts["secure_sum_bitwidth"]

    @property
    def secure_sum_max_input(self) -> ConcreteComputation:
        """The largest values of the numbers that are summed securely by bound."""
        return self._parts["secure_sum_max_input"]

    @property
    def secure_modular_sum_modulus(self) -> ConcreteComputation:
        """The moduli of the numbers that are summed securely modulo a number."""
        return self._parts["secure_modular_sum_modulus"]

    @property
    def update(self) -> ConcreteComputation:
        """The state of the next round and the output: `(<S,<R,B,M,N>> -> <S,X>)`."""
        return self._parts["update"]

    @property
    def server_state_label(self) -> str | None:
        """The name of the state in the computation; None where it has none."""
        return _parameter_names(self._type_signature)[0]

    @property
    def client_data_label(self) -> str | None:
        """The name of the clients' data in the computation; None where it has none."""
        return _parameter_names(self._type_signature)[1]

    @property
    def securely_aggregates_tensors(self) -> bool:
        """Whether a tensor goes through one of the three secure sums."""
        updates = self.work.type_signature.result
        assert isinstance(updates, StructType)
        return any(
            type_predicates.contains(updates[index], lambda each: isinstance(each, TensorType))
            for index in (1, 2, 3)
        )

    def summary(self, print_fn: Callable[..., None] = print) -> None:
        """Prints the types of the parts.

        Args:
          print_fn: called with each line.
        """
        for line in part_checks.summary_lines(self._parts, len("secure_modular_sum_modulus")):
            print_fn(line)


def _parameter_names(type_signature: FunctionType) -> list[str | None]:
    assert isinstance(type_signature.parameter, StructType)
    return ir.element_names(type_signature.parameter)


def _check_types(whole: FunctionType, parts: dict[str, FunctionType]) -> None:
    """Raises an error if the types of the parts do not fit together, or not the whole."""
    part_checks.check_length(
        _FORM,
        _PATTERNS,
        [
            ("parameter of work", parts["work"].parameter, 2),
            ("result of work", parts["work"].result, 4),
            ("parameter of update", parts["update"].parameter, 2),
            ("result of update", parts["update"].result, 2),
            ("parameter of type_signature", whole.parameter, 2),
            ("result of type_signature", whole.result, 2),
        ],
    )
    part_checks.check_length(
        _FORM,
        _PATTERNS,
        [(f"parameter of {name}", parts[name].parameter, 2) for name in ("accumulate", "merge")],
        errors.FormStructureError,
    )
    state, data = part_checks.elements(whole.parameter)
    work_data, work_context = part_checks.elements(parts["work"].parameter)
    update, *secure_sums = part_checks.elements(parts["work"].result)
    accumulator, accumulated = part_checks.elements(parts["accumulate"].parameter)
    first, second = part_checks.elements(parts["merge"].parameter)
    next_state, _ = part_checks.elements(parts["update"].result)
    totals = StructType([parts["report"].result, *secure_sums])
    part_checks.check_fits(
        _FORM,
        _PATTERNS,
        [
            ("type_signature to prepare", parts["prepare"].parameter, _member(state)),
            ("type_signature to work[0]", work_data, _member(data)),
            ("prepare to work[1]", work_context, parts["prepare"].result),
            ("zero to accumulate[0]", accumulator, parts["zero"].result),
            ("accumulate to accumulate[0]", accumulator, parts["accumulate"].result),
            ("work to accumulate[1]", accumulated, update),
            ("accumulate to merge[0]", first, parts["accumulate"].result),
            ("accumulate to merge[1]", second, parts["accumulate"].result),
            ("merge to merge[0]", first, parts["merge"].result),
            ("merge to report", parts["report"].parameter, parts["merge"].result),
            (
                "report and work to update",
                parts["update"].parameter,
                StructType([_member(state), totals]),
            ),
            ("update to prepare", parts["prepare"].parameter, next_state),
        ],
    )


def _member(type_signature: Type) -> Type:
    return type_signature.member if isinstance(type_signature, FederatedType) else type_signature
