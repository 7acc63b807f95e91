"""Every exception of the package, and the one place where their messages are built.

A message has four parts, in this order: what went wrong (all problems at once), the signature that
was broken, the user's own line, and what to write instead::

    PlacementError: `federated_mean` cannot be applied to this argument.
      argument[1]: expected {U}@CLIENTS, got float32@SERVER
      signature:   (<{T}@CLIENTS,{U}@CLIENTS> -> T@SERVER)
      where:       train.py:12 in `next_fn`
      fix:         place the weights at CLIENTS, one per client.

There is one class per broken law. Each is also a subclass of the built-in exception that TFF raised
there, so that `except TypeError` in an existing program keeps working.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import FrameType, TracebackType
from typing import ParamSpec, TypeVar

from tensorflow_federated.core import callsites

_P = ParamSpec("_P")
_R = TypeVar("_R")

# Columns between the start of a label (`where:`) and its text, as wide as `argument[1]: `.
_LABEL_WIDTH = 13
_LONGEST_SIGNATURE = 400
_LONGEST_OBJECT = 80
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


class FederatedError(Exception):
    """The root of all errors that this package raises on purpose.

    A class with `known_as` shows that name as its `__name__`: programs written for TFF look at
    `type(error).__name__`, where TFF raised a built-in class. Its `__qualname__`, which a traceback
    prints, is the name of the law.

    Attributes:
      summary: One sentence: what cannot be done.
      problems: Each thing that is wrong, as `label: text`.
      signature: The signature that was broken, in type notation; None where there is none. The
        message shortens a long one.
      where: The user's line, `file.py:line in `function``; None if no user code is on the stack.
      fix: What to write instead; None where nothing general can be said.
    """

    def __init_subclass__(cls, *, known_as: str | None = None, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        if known_as is not None:
            cls.__name__ = known_as

    def __init__(
        self,
        summary: str,
        *,
        problems: Sequence[str] = (),
        signature: object | None = None,
        where: str | None = None,
        fix: str | None = None,
    ) -> None:
        """Builds the error.

        Args:
          summary: One sentence: what cannot be done.
          problems: Each thing that is wrong, as `label: text`.
          signature: A string or a type, printed with `str`.
          where: The user's line; found on the call stack if None.
          fix: What to write instead.
        """
        super().__init__(summary)
        self.summary: str = summary
        self.problems: tuple[str, ...] = tuple(problems)
        self.signature: str | None = None if signature is None else str(signature)
        self.where: str | None = callsites.find_user_line() if where is None else where
        self.fix: str | None = fix

    def __str__(self) -> str:
        lines = [self.summary]
        lines.extend(_indented(problem, 4) for problem in self.problems)
        for label, text in (
            ("signature:", self.signature),
            ("where:", self.where),
            ("fix:", self.fix),
        ):
            if text:
                shown = _shortened(text) if label == "signature:" else text
                lines.append(_indented(f"{label:<{_LABEL_WIDTH}}{shown}", 2 + _LABEL_WIDTH))
        return "\n".join(lines)


def _shortened(signature: str) -> str:
    """A signature without its middle, if it is that of a whole learning process."""
    if len(signature) <= _LONGEST_SIGNATURE:
        return signature
    half = _LONGEST_SIGNATURE // 2
    return f"{signature[:half]} ... {signature[-half:]}"


def _indented(text: str, continuation: int) -> str:
    """Indents the first line by two columns and the others by `continuation`."""
    return "  " + text.replace("\n", "\n" + " " * continuation)


class TypeMismatchError(FederatedError, TypeError, known_as="TypeError"):
    """A value or a type is not of the type that is expected there.

    Examples:
      Fails, for 2.5 is no int32:

      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.jax.computation(np.int32)
      ... def double(x):
      ...     return 2 * x
      >>> double(2.5)
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.TypeMismatchError: the value is not of the type that is
        expected.
        argument: expected int32, got the float 2.5
        signature:   int32
        where:       <doctest ...
        fix:         cast it, if that is meant: `np.asarray(value, np.int32)`.

      Mended:

      >>> double(2)
      np.int32(4)
    """


class TypeNotAssignableError(TypeMismatchError):
    """A value of one type is used where another type, not assignable from it, is expected.

    Examples:
      Fails, for three numbers are needed, and there may be more:

      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> three = tff.TensorType(np.float32, [3])
      >>> any_size = tff.TensorType(np.float32, [None])
      >>> three.check_assignable_from(any_size)
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.TypeNotAssignableError: A value of this type cannot be
        used here.
        expected float32[3], got float32[?]
        where:       <doctest ...

      Mended:

      >>> any_size.check_assignable_from(three)
    """


class TypesNotEquivalentError(TypeMismatchError):
    """Two types are not equivalent: values of one are not exactly the values of the other.

    Examples:
      Fails, for the dtypes differ:

      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> tff.to_type(np.int32).check_equivalent_to(tff.to_type(np.int64))
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.TypesNotEquivalentError: The types are not equivalent.
        expected int32, got int64
        where:       <doctest ...

      Mended:

      >>> tff.to_type([np.int32]).check_equivalent_to(tff.to_type((np.int32,)))
    """


class TypesNotIdenticalError(TypeMismatchError):
    """Two types are not identical: they differ, be it in a Python container only.

    Examples:
      Fails, for one is a list and one a tuple:

      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> tff.to_type([np.int32]).check_identical_to(tff.to_type((np.int32,)))
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.TypesNotIdenticalError: The types are not identical.
        expected the container list, got the container tuple
        where:       <doctest ...

      Mended:

      >>> tff.to_type([np.int32]).check_identical_to(tff.to_type([np.int32]))
    """


class UnexpectedTypeError(TypeMismatchError):
    """A type of one kind was given where another kind (function, struct, ...) is needed.

    Fails: `tff.sequence_sum(tff.to_type(np.int32))` traced over a tensor.
    Mended: give a value of type `int32*`.
    """


class ToTypeError(FederatedError, TypeError, known_as="TypeError"):
    """An object cannot be read as a type.

    Examples:
      Fails, for 3 is a value:

      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> tff.to_type(3)
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.ToTypeError: An object of type int is not a type spec.
        got: 3
        where:       <doctest ...
        fix:         give a dtype (`np.int32`), a pair (`(np.int32, [3])`), or a container of
          these.

      Mended:

      >>> tff.to_type(np.int32)
      TensorType(np.int32)
    """


class DTypeError(ToTypeError, NotImplementedError, known_as="NotImplementedError"):
    """No tensor can have this dtype.

    Examples:
      Fails, for a dtype is given by itself, not by its name:

      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> tff.TensorType("int32")
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.DTypeError: 'int32' is not a dtype that a tensor can
        have.
        where:       <doctest ...
        fix:         use one of bool, int4, int8, ...

      Mended:

      >>> tff.TensorType(np.int32)
      TensorType(np.int32)
    """


class PlacementError(FederatedError, TypeError, known_as="TypeError"):
    """A value has the wrong placement, or none, for what is done with it.

    Examples:
      Fails, for a value at the server is one already:

      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> def total(x):
      ...     return tff.federated_sum(x)
      >>> tff.federated_computation(total, tff.FederatedType(np.int32, tff.SERVER))
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.PlacementError: `federated_sum` cannot be applied to this
        argument.
        value: expected a value at CLIENTS, got int32@SERVER
        signature:   ({T}@CLIENTS -> T@SERVER)
        where:       <doctest ...
        fix:         a value at the server is one already: only values at the clients are
          aggregated.

      Mended:

      >>> tff.federated_computation(total, tff.FederatedType(np.int32, tff.CLIENTS))
      <computation total: ({int32}@CLIENTS -> int32@SERVER)>
    """


class ArgumentError(FederatedError, TypeError, known_as="TypeError"):
    """A computation or an operator got the wrong number or the wrong names of arguments.

    Examples:
      Fails, for there are two parameters:

      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.jax.computation(np.int32, np.int32)
      ... def add(x, y):
      ...     return x + y
      >>> add(1)
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.ArgumentError: `add` cannot be called with these
        arguments.
        missing: y
        signature:   (<x=int32,y=int32> -> int32)
        where:       <doctest ...
        fix:         give `x`, `y`.

      Mended:

      >>> add(1, y=2)
      np.int32(3)
    """


class StructureError(FederatedError, ValueError, known_as="ValueError"):
    """A structure is malformed, or has not the names or the length that an operation needs.

    Examples:
      Fails, for `a` is there twice:

      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> tff.StructType([("a", np.int32), ("a", np.int32)])
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.StructureError: The name `a` is there twice.
        names: a, a
        where:       <doctest ...
        fix:         give each element its own name, or none.

      Mended:

      >>> str(tff.StructType([("a", np.int32), ("b", np.int32)]))
      '<a=int32,b=int32>'
    """


class ElementNameError(FederatedError, KeyError, AttributeError, known_as="AttributeError"):
    """A structure or its type has no element of that name.

    Examples:
      Fails, for the name is misspelt:

      >>> import tensorflow_federated as tff
      >>> weights = tff.structure.Struct([("kernel", 1), ("bias", 2)])
      >>> weights.kernal
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.ElementNameError: There is no element `kernal` in a
        struct of length 2.
        names: kernel, bias
        where:       <doctest ...
        fix:         did you mean `kernel`?

      Mended:

      >>> weights.kernel
      1
    """


class ElementKeyError(ElementNameError, known_as="KeyError"):
    """An element that does not exist was to be replaced.

    Examples:
      Fails, for there is no element of that name:

      >>> import tensorflow_federated as tff
      >>> tff.structure.update_struct({"kernel": 1, "bias": 2}, weight=3)
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.ElementKeyError: The structure has no element of that
        name.
        unknown: weight
        names: kernel, bias
        where:       <doctest ...

      Mended:

      >>> tff.structure.update_struct({"kernel": 1, "bias": 2}, bias=3)
      {'kernel': 1, 'bias': 3}
    """


class ElementIndexError(FederatedError, IndexError, known_as="IndexError"):
    """A structure or its type has no element at that position.

    Examples:
      Fails, for there are two elements:

      >>> import tensorflow_federated as tff
      >>> weights = tff.structure.Struct([("kernel", 1), ("bias", 2)])
      >>> weights[2]
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.ElementIndexError: There is no element 2 in a struct of
        length 2.
        where:       <doctest ...

      Mended:

      >>> weights[1]
      2
    """


class SumIncompatibleError(FederatedError, TypeError):
    """Values of this type cannot be added up.

    Examples:
      Fails, for strings are no numbers:

      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> def total(x):
      ...     return tff.federated_sum(x)
      >>> tff.federated_computation(total, tff.FederatedType(np.str_, tff.CLIENTS))
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.SumIncompatibleError: `federated_sum` cannot be applied
        to this argument.
        value: expected numeric tensors, got {str}@CLIENTS
        signature:   ({T}@CLIENTS -> T@SERVER)
        where:       <doctest ...
        fix:         sums need values at the clients, of numeric tensors.

      Mended:

      >>> tff.federated_computation(total, tff.FederatedType(np.int32, tff.CLIENTS))
      <computation total: ({int32}@CLIENTS -> int32@SERVER)>
    """


class MeanIncompatibleError(FederatedError, TypeError, known_as="TypeError"):
    """Values of this type cannot be averaged.

    Examples:
      Fails, for the mean of integers is no integer:

      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> def average(x):
      ...     return tff.federated_mean(x)
      >>> tff.federated_computation(average, tff.FederatedType(np.int32, tff.CLIENTS))
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.MeanIncompatibleError: `federated_mean` cannot be applied
        to this argument.
        value: expected float or complex tensors, got {int32}@CLIENTS
        signature:   ({T}@CLIENTS -> T@SERVER)
        where:       <doctest ...
        fix:         cast the values to a float or complex dtype at the clients first.

      Mended:

      >>> tff.federated_computation(average, tff.FederatedType(np.float32, tff.CLIENTS))
      <computation average: ({float32}@CLIENTS -> float32@SERVER)>
    """


class OrderIncompatibleError(FederatedError, ValueError, known_as="ValueError"):
    """Values of this type have no smallest and no largest one.

    Examples:
      Fails, for there is no order among strings here:

      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> def largest(x):
      ...     return tff.federated_max(x)
      >>> tff.federated_computation(largest, tff.FederatedType(np.str_, tff.CLIENTS))
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.OrderIncompatibleError: `federated_max` cannot be applied
        to this argument.
        value: expected integer or float tensors of known shapes, got {str}@CLIENTS
        signature:   ({T}@CLIENTS -> T@SERVER)
        where:       <doctest ...
        fix:         only integers and floats have a largest one.

      Mended:

      >>> tff.federated_computation(largest, tff.FederatedType(np.int32, tff.CLIENTS))
      <computation largest: ({int32}@CLIENTS -> int32@SERVER)>
    """


class InvalidNonAllEqualValueError(FederatedError, TypeError):
    """A value at the clients is not given as its type says: one value, or one of each client.

    Examples:
      Fails, for each client has a value of its own:

      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.federated_computation(tff.FederatedType(np.int32, tff.CLIENTS))
      ... def total(values):
      ...     return tff.federated_sum(values)
      >>> total(3)
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.InvalidNonAllEqualValueError: a value at the clients is
        given as a list, with one value for each client.
        argument: expected a list, got 3 of the Python type `int`
        signature:   {int32}@CLIENTS
        where:       <doctest ...
        fix:         write `[value]` for one client.

      Mended:

      >>> total([3, 4])
      np.int32(7)
    """


class CardinalityError(FederatedError, ValueError, known_as="ValueError"):
    """The arguments of one call disagree about the number of clients.

    Examples:
      Fails, for the third client has no weight:

      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> numbers = tff.FederatedType(np.float32, tff.CLIENTS)
      >>> @tff.federated_computation(numbers, numbers)
      ... def mean(values, weights):
      ...     return tff.federated_mean(values, weights)
      >>> mean([1.0, 2.0, 3.0], [1.0, 1.0])
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.CardinalityError: the arguments disagree about the number
        of clients.
        argument.values: values of 3 clients
        argument.weights: values of 2 clients
        signature:   <values={float32}@CLIENTS,weights={float32}@CLIENTS>
        where:       <doctest ...
        fix:         give every client one value in each argument.

      Mended:

      >>> mean([1.0, 2.0, 3.0], [1.0, 1.0, 2.0])
      np.float32(2.25)
    """


class CommunicationError(FederatedError, ValueError, known_as="ValueError"):
    """The server and the clients of a computation exchange more, or in another order, than they may.

    Examples:
      Fails, for the clients would have to be asked twice in one round:

      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> numbers = tff.FederatedType(np.int32, tff.CLIENTS)
      >>> @tff.federated_computation(tff.FederatedType(np.int32, tff.SERVER), numbers)
      ... def tell_the_total(state, values):
      ...     total = tff.federated_broadcast(tff.federated_sum(values))
      ...     return state, tff.federated_sum(total)
      >>> tff.backends.mapreduce.get_map_reduce_form_for_computation(tell_the_total)
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.CommunicationError: this computation is more than one
        round, from the server to the clients and back.
        federated_broadcast: sends what comes from `federated_sum`
        ...

      Mended: the total comes back to the server, and the next round can send it.

      >>> @tff.federated_computation(tff.FederatedType(np.int32, tff.SERVER), numbers)
      ... def keep_the_total(state, values):
      ...     return tff.federated_sum(values), state
      >>> form = tff.backends.mapreduce.get_map_reduce_form_for_computation(keep_the_total)
      >>> print(form.prepare.type_signature)
      (int32 -> <>)
    """


class TracingError(FederatedError, ValueError, known_as="ValueError"):
    """The Python function of a computation cannot be traced.

    Examples:
      Fails, for the value belongs to another computation:

      >>> import tensorflow_federated as tff
      >>> @tff.federated_computation
      ... def outer():
      ...     value = tff.federated_value(0, tff.SERVER)
      ...     return tff.federated_computation(lambda: value)
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.TracingError: `<lambda>` uses a value of another
        computation, `outer`.
        value: got `v0`, of the type int32@SERVER
        signature:   ( -> ?)
        where:       <doctest ...
        fix:         give `<lambda>` a parameter, and pass the value as its argument.

      Mended:

      >>> @tff.federated_computation
      ... def outer():
      ...     return tff.federated_value(0, tff.SERVER)
    """


class ComputationReturnedNoneError(TracingError):
    """The Python function of a computation returns nothing.

    Examples:
      Fails, for a computation has to return a value:

      >>> import tensorflow_federated as tff
      >>> def zero():
      ...     tff.federated_value(0, tff.SERVER)
      >>> tff.federated_computation(zero)
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.ComputationReturnedNoneError: `zero` returns nothing,
        and a computation has to return a value.
        result: expected a value, got None
        signature:   ( -> ?)
        where:       <doctest ...
        fix:         end `zero` with `return` and the value.

      Mended:

      >>> tff.federated_computation(lambda: tff.federated_value(0, tff.SERVER))
      <computation <lambda>: ( -> int32@SERVER)>
    """


class UntypedObjectError(TypeMismatchError):
    """A Python object has no type in the language.

    Examples:
      Fails, for a set has no order:

      >>> import tensorflow_federated as tff
      >>> @tff.federated_computation
      ... def sizes():
      ...     return tff.to_value({1, 2})
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.UntypedObjectError: a value of this Python type has no
        type in this language.
        value: got {1, 2} of the Python type `set`
        signature:   ( -> ?)
        where:       <doctest ...
        fix:         give a number, a string, an array, a dataset, a computation, or a structure
          of these.

      Mended:

      >>> @tff.federated_computation
      ... def sizes():
      ...     return tff.to_value([1, 2])
    """


class UntypedResultError(UntypedObjectError, NotImplementedError, known_as="NotImplementedError"):
    """A federated computation returns a Python object that has no type in the language.

    Examples:
      Fails, for a set has no order:

      >>> import tensorflow_federated as tff
      >>> tff.federated_computation(lambda: {1, 2})
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.UntypedResultError: `<lambda>` returns what has no type
        in this language.
        result: got {1, 2} of the Python type `set`
        signature:   ( -> ?)
        where:       <doctest ...
        fix:         give a number, a string, an array, a dataset, a computation, or a structure
          of these.

      Mended:

      >>> tff.federated_computation(lambda: [1, 2])
      <computation <lambda>: ( -> <int32,int32>)>
    """


class UnsupportedGraphResultError(TypeMismatchError):
    """A TensorFlow computation returns what is no tensor.

    Examples:
      Fails, for a set is neither a tensor nor a structure:

      >>> import tensorflow_federated as tff
      >>> def sizes():
      ...     return {1, 2}
      >>> tff.tensorflow.computation(sizes)
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.UnsupportedGraphResultError: `sizes` returns what is no
        tensor.
        result: expected a tensor, got ...
        signature:   ( -> ?)
        where:       <doctest ...
        fix:         return tensors, numbers, strings, datasets, or structures of these.

      Mended:

      >>> tff.tensorflow.computation(lambda: [1, 2])
      <computation <lambda>: ( -> <int32,int32>)>
    """


class TracedValueError(FederatedError, TypeError, known_as="TypeError"):
    """A computation depends on the elements of an array, which are not known while it is traced.

    Examples:
      Fails, for a condition of Python asks for the number:

      >>> import jax.numpy as jnp, numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.jax.computation(np.int32)
      ... def absolute(x):
      ...     return x if x > 0 else -x
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.TracedValueError: `absolute` depends on the elements of an
        array, which are not known while it is traced.
        value: a Python condition asks whether an array is true
        signature:   (int32 -> ?)
        where:       <doctest ...
        fix:         write `jnp.where(condition, x, y)` or `jax.lax.cond` for `if`,
          `jax.lax.while_loop` for `while`, and `&`, `|`, `~` for `and`, `or`, `not`.

      Mended:

      >>> @tff.jax.computation(np.int32)
      ... def absolute(x):
      ...     return jnp.where(x > 0, x, -x)
      >>> absolute(-3)
      np.int32(3)
    """


class NestingError(FederatedError, RecursionError, known_as="RecursionError"):
    """Computations or structures are nested deeper than Python's calls may be.

    Some 150 computations, each called inside the next one, and structures 100 deep, always fit.

    Examples:
      Fails, for the function calls the computation that is made of it:

      >>> import tensorflow_federated as tff
      >>> @tff.federated_computation
      ... def count(number):
      ...     return count(number)
      >>> count(1)
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.NestingError: this is nested too deep.
        Python: takes at most 1000 calls inside one another
        where:       <doctest ...NestingError[1]>:3 in `count`
        fix:         call computations one after the other, and none from inside itself; a
                     program that has to be this deep needs a higher
                     `sys.setrecursionlimit(...)`.

      Mended:

      >>> @tff.federated_computation
      ... def count(number):
      ...     return number
      >>> count(1)
      np.int32(1)
    """


class ModelError(FederatedError, TypeError, known_as="TypeError"):
    """A model function, a model, a loss or a metric is not of the kind that is needed.

    Fails: `tff.learning.algorithms.build_weighted_fed_avg(keras_model, ...)`.
    Mended: give a function without arguments that builds and returns a new `tff.learning` model.
    """


class ModelValueError(FederatedError, ValueError, known_as="ValueError"):
    """A model is of the right kind, but cannot be used as it is.

    Fails: `from_keras_model(keras_model, loss, input_spec=spec)` where `spec` has one element.
    Mended: give the spec of a batch: the features and the labels.
    """


class KerasFunctionalModelError(ModelValueError):
    """A Keras model cannot be a function of its trainable weights alone.

    Fails: `functional_model_from_keras(keras_model, ...)` of a model with batch normalization.
    Mended: use `keras.layers.GroupNormalization`, or `tff.learning.models.from_keras_model`.
    """


class CallableNotTensorFlowFunctionError(ModelError):
    """A function that has to be a `tf.function` is a plain one.

    Fails: `tff.learning.models.FunctionalModel(predict_on_batch_fn=predict, ...)`.
    Mended: decorate `predict` with `@tf.function`.
    """


class ValueMustNotBeTFError(ModelError):
    """A weight is a tensor or a variable of TensorFlow, where an array is needed.

    Fails: `tff.learning.models.FunctionalModel(initial_weights=([tf.zeros([3])], []), ...)`.
    Mended: `initial_weights=([np.zeros([3], np.float32)], [])`.
    """


class OptimizerError(FederatedError, ValueError, known_as="ValueError"):
    """An optimizer was given a hyperparameter, weights or gradients that it cannot use.

    Fails: `tff.learning.optimizers.build_sgdm(learning_rate=-1.0)`.
    Mended: `tff.learning.optimizers.build_sgdm(learning_rate=0.1)`.
    """


class DatasetError(FederatedError, ValueError, known_as="ValueError"):
    """Data of clients cannot be used: no such client, a wrong element, a damaged file.

    Fails: `client_data.create_tf_dataset_for_client('nobody')`.
    Mended: use one of `client_data.client_ids`.
    """


class DownloadError(FederatedError, OSError):
    """A file could not be fetched, or what came is not what was asked for; nothing is left behind.

    Fails: `tff.simulation.datasets.emnist.load_data()` without a network.
    Mended: put the file where the message says.
    """


class ContextError(FederatedError, RuntimeError, known_as="RuntimeError"):
    """A computation is called where no context runs it.

    Examples:
      Fails, for the context refuses every call:

      >>> import tensorflow_federated as tff
      >>> one = tff.jax.computation(lambda: 1)
      >>> stack = tff.framework.get_context_stack()
      >>> with stack.install(tff.test.create_runtime_error_context()):
      ...     one()
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.ContextError: no context is there to run this computation.
        called: <computation <lambda>: ( -> int32)>
        where:       <doctest ...
        fix:         set one, for example with
          `tff.backends.native.set_sync_local_cpp_execution_context()`.

      Mended:

      >>> with stack.install(tff.backends.native.create_sync_local_cpp_execution_context()):
      ...     one()
      np.int32(1)
    """


class LiteralError(FederatedError, ValueError, known_as="ValueError"):
    """A value is not a constant of the type that it is given with.

    Examples:
      Fails, for 1.5 is no integer:

      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> tff.framework.Literal(1.5, tff.TensorType(np.int32))
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.LiteralError: this value is no constant of the type.
        value: expected int32, got the float 1.5
        signature:   int32
        where:       <doctest ...

      Mended:

      >>> print(tff.framework.Literal(1.5, tff.TensorType(np.float32)))
      1.5
    """


class UnexpectedBlockError(FederatedError, TypeError):
    """A node of a program is not of the kind that is needed.

    Examples:
      Fails, for the computation is made of more than one local computation:

      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> twice = tff.federated_computation(lambda x: (x, x), np.int32)
      >>> twice.to_compiled_building_block()
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.UnexpectedBlockError: this computation is no local one.
        program: expected `Local`, got `Lambda`: (arg0 -> <arg0,arg0>)
        where:       <doctest ...

      Mended:

      >>> tff.jax.computation(lambda x: (x, x), np.int32).to_compiled_building_block().name
      '<lambda>'
    """


class PrivacyError(FederatedError, ValueError, known_as="ValueError"):
    """A program asks for a privacy that the context cannot give.

    Examples:
      Fails, for this process holds no secure protocol, and the context may not do without:

      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> from tensorflow_federated.execution import contexts
      >>> @tff.federated_computation(tff.FederatedType(np.int32, tff.CLIENTS))
      ... def total(values):
      ...     return tff.federated_secure_sum(values, 10)
      >>> contexts.create_local_context(simulate_secure=False).invoke(total, [1, 2])
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.PrivacyError: this context has no secure protocol, and does
        not simulate one.
        federated_secure_sum: needs a secure protocol
        signature:   ({int32}@CLIENTS -> int32@SERVER)
        where:       <doctest ...
        fix:         ...

      Mended: a simulation, in which the server could see the values of the clients.

      >>> contexts.create_local_context(simulate_secure=True).invoke(total, [1, 2])
      np.int32(3)
    """


class SecureSumError(FederatedError, ValueError, known_as="ValueError"):
    """A secure sum is given what it was told it would not be given, or is told what cannot be.

    Examples:
      Fails, for one client has more than the largest value that was announced:

      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.federated_computation(tff.FederatedType(np.int32, tff.CLIENTS))
      ... def total(values):
      ...     return tff.federated_secure_sum(values, max_input=10)
      >>> total([1, 11, 3])
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.SecureSumError: the values of some clients are not what
        `federated_secure_sum` was told.
        value: 1 client has more than `max_input`
        signature:   (<{V}@CLIENTS,M> -> V@SERVER)
        where:       <doctest ...
        fix:         raise `max_input`, or clip the values at the clients first.

      Mended:

      >>> total([1, 10, 3])
      np.int32(14)
    """


class SelectionKeyError(FederatedError, ValueError, known_as="ValueError"):
    """A client asks for a slice that the server does not offer.

    Examples:
      Fails, for key 2 is not less than `max_key`:

      >>> import jax.numpy as jnp
      >>> import numpy as np
      >>> import tensorflow_federated as tff
      >>> @tff.jax.computation((np.float32, [2]), np.int32)
      ... def row(table, key):
      ...     return table[key]
      >>> @tff.federated_computation(
      ...     tff.FederatedType((np.int32, [1]), tff.CLIENTS),
      ...     tff.FederatedType((np.float32, [2]), tff.SERVER),
      ... )
      ... def rows(keys, table):
      ...     return tff.federated_select(keys, tff.federated_value(2, tff.SERVER), table, row)
      >>> rows([[0], [2]], [1.0, 10.0])
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.ClientError: the work of client 1 failed.
        client:      1
        stage:       client step 1
        ...

      Mended:

      >>> rows([[0], [1]], [1.0, 10.0])
      [[np.float32(1.0)], [np.float32(10.0)]]
    """


class ComputationError(FederatedError, RuntimeError):
    """A local computation failed while it ran; in the work of a client it is a `ClientError`.

    Examples:
      Fails, for there is no element 5:

      >>> import numpy as np
      >>> import tensorflow as tf
      >>> import tensorflow_federated as tff
      >>> element = tff.tensorflow.computation(lambda i: tf.gather([10, 20], i), np.int32)
      >>> element(5)
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.ComputationError: `<lambda>` failed while it ran.
        InvalidArgumentError: indices = 5 is not in [0, 2)
        where:       <doctest ...
        fix:         look at the values that it was called with.

      Mended:

      >>> element(1)
      np.int32(20)
    """


class ClientError(FederatedError, RuntimeError):
    """The work of one client failed while a computation ran.

    Fails: a client's dataset that holds a string where the model reads a number.
    Mended: the message names the client; look at its data, or leave it out of the cohort.

    Attributes:
      client_index: The position of the client in the cohort, from 0.
      client_id: The client's name, where it has one.
      stage: What was being done, for example `local step`.
      round_number: The number of the round, where there are rounds.
    """

    def __init__(
        self,
        summary: str,
        *,
        client_index: int | None = None,
        client_id: str | None = None,
        stage: str | None = None,
        round_number: int | None = None,
        problems: Sequence[str] = (),
        signature: object | None = None,
        where: str | None = None,
        fix: str | None = None,
    ) -> None:
        """Builds the error; see `FederatedError` for the arguments that are not listed here.

        Args:
          summary: One sentence: what cannot be done.
          client_index: The position of the client in the cohort, from 0.
          client_id: The client's name, where it has one.
          stage: What was being done, for example `local step`.
          round_number: The number of the round, where there are rounds.
          problems: As in `FederatedError`.
          signature: As in `FederatedError`.
          where: As in `FederatedError`.
          fix: As in `FederatedError`.
        """
        place: list[str] = []
        if client_index is not None:
            named = "" if client_id is None else f" ({client_id!r})"
            place.append(f"{'client:':<{_LABEL_WIDTH}}{client_index}{named}")
        elif client_id is not None:
            place.append(f"{'client:':<{_LABEL_WIDTH}}{client_id!r}")
        if stage is not None:
            place.append(f"{'stage:':<{_LABEL_WIDTH}}{stage}")
        if round_number is not None:
            place.append(f"{'round:':<{_LABEL_WIDTH}}{round_number}")
        super().__init__(
            summary, problems=(*place, *problems), signature=signature, where=where, fix=fix
        )
        self.client_index: int | None = client_index
        self.client_id: str | None = client_id
        self.stage: str | None = stage
        self.round_number: int | None = round_number


class WireError(FederatedError, ValueError):
    """Bytes cannot be read as what they should carry, or something cannot be written to bytes.

    Fails: `tff.framework.deserialize_computation(data[:-1])`, for the last byte is missing.
    Mended: hand on all the bytes that `tff.framework.serialize_computation` returned.
    """


class BackendError(FederatedError, LookupError):
    """A local computation belongs to a back end that nothing has registered.

    Fails: a program with a computation of the back end `torch`, which no module makes known.
    Mended: import the module that registers the back end before the program runs.
    """


class MissingExtraError(FederatedError, ImportError):
    """Something needs an optional dependency that is not installed.

    Fails: `tff.tensorflow.computation(...)` on a machine without TensorFlow.
    Mended: `pip install "tff-ng[tensorflow]"`.
    """


class RemovedNameError(FederatedError, AttributeError):
    """A name does not exist, was removed, or is misspelt.

    Examples:
      Fails, for there is no such name:

      >>> import tensorflow_federated as tff
      >>> tff.federated_averge
      Traceback (most recent call last):
        ...
      tensorflow_federated.core.errors.RemovedNameError: `tff` has no attribute
        `federated_averge`.
        where:       <doctest ...
        fix:         did you mean `tff.federated_value`?

      Mended:

      >>> tff.federated_mean.__name__
      'federated_mean'
    """


def missing_extra(extra: str, what: str) -> MissingExtraError:
    """Returns the error to raise where an optional dependency is missing.

    Args:
      extra: The name of the extra, for example `tensorflow`.
      what: What needs it, for example `` `tff.tensorflow.computation` ``.

    Returns:
      The error, not raised yet.

    Examples:
      >>> print(missing_extra("tensorflow", "`tff.tensorflow.computation`").fix)
      pip install "tff-ng[tensorflow]"
    """
    return MissingExtraError(
        f"{what} needs the extra `{extra}`, which is not installed.",
        fix=f'pip install "tff-ng[{extra}]"',
    )


def describe_object(value: object) -> str:
    """Returns how messages show a Python object: shortened, and without its address.

    Examples:
      >>> describe_object({1, 2})
      '{1, 2} of the Python type `set`'
      >>> describe_object(object())
      '<object object> of the Python type `object`'
    """
    shown = _ADDRESS.sub("", f"{value!r}")[:_LONGEST_OBJECT]
    return f"{shown} of the Python type `{type(value).__name__}`"


def signature_without_result(parameter: object | None) -> str:
    """Returns the signature of a function whose result is not known, in type notation.

    Args:
      parameter: The type of its parameter; None if it takes none.

    Examples:
      >>> signature_without_result("int32")
      '(int32 -> ?)'
    """
    return "( -> ?)" if parameter is None else f"({parameter} -> ?)"


def returned_nothing(
    name: str, parameter: object | None, where: str | None
) -> ComputationReturnedNoneError:
    """Returns the error to raise where the function of a computation has no `return`.

    Args:
      name: The name of the function.
      parameter: The type of its parameter; None if it takes none.
      where: The line of its definition.

    Returns:
      The error, not raised yet.

    Examples:
      >>> print(returned_nothing("next_fn", "int32", "train.py:12 in `next_fn`"))
      `next_fn` returns nothing, and a computation has to return a value.
        result: expected a value, got None
        signature:   (int32 -> ?)
        where:       train.py:12 in `next_fn`
        fix:         end `next_fn` with `return` and the value.
    """
    return ComputationReturnedNoneError(
        f"`{name}` returns nothing, and a computation has to return a value.",
        problems=["result: expected a value, got None"],
        signature=signature_without_result(parameter),
        where=where,
        fix=f"end `{name}` with `return` and the value.",
    )


def suggest_name(name: str, candidates: Iterable[str]) -> str | None:
    """Returns the candidate that `name` was probably meant to be, or None.

    Args:
      name: A name that does not exist.
      candidates: The names that do.

    Returns:
      The nearest candidate, or None if none is near.

    Examples:
      >>> suggest_name("federated_averge", ["federated_sum", "federated_average"])
      'federated_average'
      >>> suggest_name("zebra", ["federated_sum"]) is None
      True
    """
    matches = difflib.get_close_matches(name, sorted(candidates), n=1)
    return matches[0] if matches else None


def unknown_name(owner: str, name: str, candidates: Iterable[str]) -> RemovedNameError:
    """Returns the error to raise where a name does not exist.

    Args:
      owner: What has no such name, for example `tff.learning`.
      name: The name that was asked for.
      candidates: The names that exist.

    Returns:
      The error, not raised yet; it proposes the nearest name if there is one.

    Examples:
      >>> print(unknown_name("tff", "to_tipe", ["to_type", "CLIENTS"]).fix)
      did you mean `tff.to_type`?
    """
    nearest = suggest_name(name, candidates)
    return RemovedNameError(
        f"`{owner}` has no attribute `{name}`.",
        fix=None if nearest is None else f"did you mean `{owner}.{nearest}`?",
    )


def boundary(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Decorates a public entry point: its errors show the user's frames, not ours.

    A `FederatedError` that passes through keeps the frames of user code; all frames inside this
    package and inside the tensor frameworks are dropped from its traceback, and so are the errors
    of a framework that it tells anew, which stay at its `__context__`. Arguments that do not fit
    the parameters of the function are an `ArgumentError`. What the user's own code raises passes as
    it is, without these frames either; anything else with all of them. With the environment
    variable `TFF_FULL_TRACEBACKS=1` nothing is dropped.

    Args:
      function: The entry point.

    Returns:
      A function with the same signature and name.
    """

    @functools.wraps(function)
    def entry_point(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            try:
                return function(*args, **kwargs)
            except TypeError as error:
                if _was_entered(error):
                    raise
                raise _call_error(function, kwargs, error) from None
            except RecursionError as error:
                if isinstance(error, NestingError):
                    raise
                raise _nesting_error(error) from None
        except Exception as error:
            # A framework that called this reads the traceback; the outermost boundary cuts it.
            if not callsites.is_framework_frame(sys._getframe(1)):  # pyright: ignore[reportPrivateUsage]
                hide_internal_frames(error)
            raise

    return entry_point


def _was_entered(error: TypeError) -> bool:
    """Whether a function that was called, and failed, had begun: its frame is on the traceback."""
    own_frame = error.__traceback__
    return own_frame is None or own_frame.tb_next is not None


def _nesting_error(error: RecursionError) -> NestingError:
    """The error for what is nested deeper than Python's calls may be, at the user's last line."""
    return NestingError(
        "this is nested too deep.",
        problems=[f"Python: takes at most {sys.getrecursionlimit()} calls inside one another"],
        where=callsites.innermost_user_line(error.__traceback__),
        fix="call computations one after the other, and none from inside itself; a program that "
        "has to be this deep needs a higher `sys.setrecursionlimit(...)`.",
    )


def _call_error(
    function: Callable[..., object], keywords: Iterable[str], error: TypeError
) -> ArgumentError:
    """The error for a call whose arguments Python could not bind to the parameters."""
    name = function.__name__
    signature = inspect.signature(function)
    if name in ("__init__", "__call__"):
        # Users call the class or the object.
        name = function.__qualname__.split(".")[-2]
        signature = signature.replace(parameters=list(signature.parameters.values())[1:])
    names = list(signature.parameters)
    fixes: list[str] = []
    for keyword in keywords:
        nearest = None if keyword in names else suggest_name(keyword, names)
        if nearest is not None:
            fixes.append(f"write `{nearest}` for `{keyword}`")
    empty = inspect.Parameter.empty
    parameters = [each.replace(annotation=empty) for each in signature.parameters.values()]
    shown = signature.replace(parameters=parameters, return_annotation=empty)
    return ArgumentError(
        f"`{name}` cannot be called with these arguments.",
        problems=[f"arguments: {str(error).partition('() ')[2] or error}"],
        signature=f"{name}{shown}",
        fix=f"{'; '.join(fixes)}." if fixes else "give the arguments that the signature names.",
    )


def hide_internal_frames(error: BaseException) -> None:
    """Drops from a traceback, and from what it is followed by, the frames users did not write.

    Args:
      error: An exception that leaves this package. One that is neither of this package nor raised
        by the user's code is left alone: its frames tell where the mistake in this package is.
    """
    if os.environ.get("TFF_FULL_TRACEBACKS") == "1":
        return
    steps = list(_steps(error.__traceback__))
    if isinstance(error, FederatedError):
        error.__traceback__ = _joined(
            [step for step in steps if callsites.is_user_frame(step.tb_frame)]
        )
        _hide_told_error(error)
    elif _is_of_user(steps, callsites.is_package_frame):
        error.__traceback__ = _joined([step for step in steps if not _is_inside(step.tb_frame)])


def _hide_told_error(error: FederatedError) -> None:
    """Lets a traceback not show the error that this one tells anew, unless users raised it."""
    told = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    steps = [] if told is None else list(_steps(told.__traceback__))
    if not steps or not callsites.is_framework_frame(steps[0].tb_frame):
        # None; or an exception that the caller was handling.
        return
    if _is_of_user(steps, callsites.is_framework_frame):
        assert told is not None
        hide_internal_frames(told)
    else:
        error.__cause__, error.__context__ = None, told


def _is_of_user(steps: Iterable[TracebackType], is_inside: Callable[[FrameType], bool]) -> bool:
    """Whether users wrote what is called last, after the last frame of a kind."""
    found = False
    for step in steps:
        if is_inside(step.tb_frame):
            found = False
        elif callsites.is_user_frame(step.tb_frame) or callsites.is_rewritten_frame(step.tb_frame):
            found = True
    return found


def _is_inside(frame: FrameType) -> bool:
    """Whether this package or a framework is at work, be it to call what the user wrote."""
    return callsites.is_framework_frame(frame) or callsites.is_rewritten_frame(frame)


def _steps(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def _joined(steps: Sequence[TracebackType]) -> TracebackType | None:
    result: TracebackType | None = None
    for step in reversed(steps):
        result = TracebackType(result, step.tb_frame, step.tb_lasti, step.tb_lineno)
    return result
