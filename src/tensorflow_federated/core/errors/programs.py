"""Errors about programs: what is found before anything runs."""

from __future__ import annotations

from tensorflow_federated.core.errors.root import FederatedError
from tensorflow_federated.core.errors.types import TypeMismatchError


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
      tensorflow_federated.core.errors.programs.PlacementError: `federated_sum` cannot be
        applied to this
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
      tensorflow_federated.core.errors.programs.ArgumentError: `add` cannot be called with these
        arguments.
        missing: y
        signature:   (<x=int32,y=int32> -> int32)
        where:       <doctest ...
        fix:         give `x`, `y`.

      Mended:

      >>> add(1, y=2)
      np.int32(3)
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
      tensorflow_federated.core.errors.programs.SumIncompatibleError: `federated_sum` cannot be
        applied
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
      tensorflow_federated.core.errors.programs.MeanIncompatibleError: `federated_mean` cannot
        be applied
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
      tensorflow_federated.core.errors.programs.OrderIncompatibleError: `federated_max` cannot
        be applied
        to this argument.
        value: expected integer or float tensors of known shapes, got {str}@CLIENTS
        signature:   ({T}@CLIENTS -> T@SERVER)
        where:       <doctest ...
        fix:         only integers and floats have a largest one.

      Mended:

      >>> tff.federated_computation(largest, tff.FederatedType(np.int32, tff.CLIENTS))
      <computation largest: ({int32}@CLIENTS -> int32@SERVER)>
    """


class CommunicationError(FederatedError, ValueError, known_as="ValueError"):
    """The server and the clients exchange more, or in another order, than they may.

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
      tensorflow_federated.core.errors.programs.CommunicationError: this computation is more
        than one
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
      tensorflow_federated.core.errors.programs.TracingError: `<lambda>` uses a value of another
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
      tensorflow_federated.core.errors.programs.ComputationReturnedNoneError: `zero` returns
        nothing,
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
      tensorflow_federated.core.errors.programs.UntypedObjectError: a value of this Python type
        has no
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
      tensorflow_federated.core.errors.programs.UntypedResultError: `<lambda>` returns what has
        no type
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
      tensorflow_federated.core.errors.programs.UnsupportedGraphResultError: `sizes` returns
        what is no
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
      tensorflow_federated.core.errors.programs.TracedValueError: `absolute` depends on the
        elements of an
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
      tensorflow_federated.core.errors.programs.NestingError: this is nested too deep.
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
      tensorflow_federated.core.errors.programs.UnexpectedBlockError: this computation is no
        local one.
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
      tensorflow_federated.core.errors.programs.PrivacyError: this context has no secure
        protocol, and does
        not simulate one.
        federated_secure_sum: needs a secure protocol
        signature:   ({int32}@CLIENTS -> int32@SERVER)
        where:       <doctest ...
        fix:         ...

      Mended: a simulation, in which the server could see the values of the clients.

      >>> contexts.create_local_context(simulate_secure=True).invoke(total, [1, 2])
      np.int32(3)
    """


class WireError(FederatedError, ValueError):
    """Bytes cannot be read as what they should carry, or something cannot be written to bytes.

    Fails: `tff.framework.deserialize_computation(data[:-1])`, for the last byte is missing.
    Mended: hand on all the bytes that `tff.framework.serialize_computation` returned.
    """
