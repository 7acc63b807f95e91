"""Finds out how a JAX model computes on the first rows of a batch, and tries it.

A batch that has fewer examples than the others can then run at their size, with rows that do not
count, so that nothing has to be compiled for it. Which form is right depends on the model's loss
and metrics: a loss may take weights or know nothing of them, and be a mean or a sum. So each form
is compared, in its loss, gradients and metrics, with a pass over a batch that really has fewer
rows, for random weights and examples; rows that must not count hold NaN. A model whose examples
depend on each other, as with batch normalization, has no such form.

Importing this module imports JAX.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tensorflow_federated.core import contexts, dtypes, trees
from tensorflow_federated.core.types import StructType, TensorType, Type, preorder
from tensorflow_federated.jax import application, precision, structures
from tensorflow_federated.learning.models import jax_passes, jaxpr_evaluation
from tensorflow_federated.learning.models.functional import FunctionalModel
from tensorflow_federated.learning.models.jax_passes import Masking, Pass, Values

_SIZE, _COUNT = 5, 2
"""The rows of the batch that a form is tried on, and how many of them count."""

_OTHER_SIZE = 8
"""The size of a dimension that is not known and is not that of the rows."""

_DRAWS = 2
"""On how many random weights and batches a form is tried."""

# Compiling takes far longer than what is computed: these options halve it.
_QUICKLY: dict[str, Any] = {
    "xla_backend_optimization_level": 0,
    "xla_llvm_disable_expensive_passes": True,
    "xla_cpu_use_fusion_emitters": False,
}

_found: weakref.WeakKeyDictionary[FunctionalModel, dict[bool, Masking | None]] = (
    weakref.WeakKeyDictionary()
)


def find(
    model_pass: Pass, weights_type: Type, metrics_type: Type, batch_type: Type
) -> Masking | None:
    """Finds how a model computes on the first rows of a batch.

    Args:
      model_pass: the passes of the model.
      weights_type: the type of the pair of its weights.
      metrics_type: the type of the state of its metrics.
      batch_type: the type of a batch.

    Returns:
      The form that agrees with batches that have fewer rows; None if there is none.
    """
    by_training = _found.setdefault(model_pass.model, {})
    if model_pass.training not in by_training:
        trial = _Trial(model_pass, weights_type, metrics_type, batch_type)
        by_training[model_pass.training] = trial.masking()
    return by_training[model_pass.training]


class _Trial:
    """The trial of the forms on one model."""

    def __init__(
        self, model_pass: Pass, weights_type: Type, metrics_type: Type, batch_type: Type
    ) -> None:
        self._pass = model_pass
        self._type = StructType([weights_type, metrics_type, batch_type])

    def masking(self) -> Masking | None:
        if not _is_of_rows(self._type[2]):
            return None
        # Whatever fails here runs on batches of their own size, where its error is told if it has
        # any: a form that cannot be tried is one that is not there.
        with contextlib.suppress(Exception), _on_the_processor():
            has_rows = self._has_rows()
            for loss in jax_passes.LOSS_FORMS:
                masking = Masking(loss, (), has_rows)
                for forms in (jax_passes.METRIC_FORMS[:1], jax_passes.METRIC_FORMS):
                    agreement = self._agreement(masking, forms)
                    if agreement is None:
                        break
                    if all(agreement):
                        metrics = tuple(forms[min(each)] for each in agreement)
                        return Masking(loss, metrics, has_rows)
        return None

    def _has_rows(self) -> tuple[bool, ...]:
        """Which arrays of the predictions have a row for each example."""
        small, large = (
            self._traced(
                lambda drawn: jax.tree.leaves(self._pass.predictions(*self._in_containers(drawn))),
                size=size,
            ).out_info
            for size in (_COUNT, _SIZE)
        )
        return tuple(
            bool(a.shape) and a.shape[0] == _COUNT and b.shape[0] == _SIZE
            for a, b in zip(small, large, strict=True)
        )

    def _agreement(
        self, masking: Masking, forms: Sequence[jax_passes.MetricForm]
    ) -> list[set[int]] | None:
        """For each leaf of the metrics the forms that are right; None if that of the loss is not.

        Args:
          masking: the form of the loss.
          forms: the forms of the metrics to try.
        """

        def both(drawn: Any, count: Any) -> Any:
            values, batch = self._in_containers(drawn)
            whole = self._pass.over_batch(values, trees.map_structure(_first_rows, batch))
            loss, gradients, given = self._pass.loss_of_first_rows(values, batch, count, masking)
            in_forms: list[Any] = [None] * len(forms)
            for index, form in enumerate(forms):
                # A form that the functions of the metrics do not take is none for them.
                with contextlib.suppress(Exception):
                    in_forms[index] = self._pass.metrics_of_first_rows(given, form)
            compared = [(whole.loss, whole.gradients), (loss, gradients)]
            return (
                [(each, trees.leaves(of_leaves)) for each, of_leaves in compared],
                self._pass.metric_leaves(whole.metrics),
                in_forms,
            )

        count = np.int32(_COUNT)
        run = _Evaluation(self._traced(both, count))
        agreement: list[set[int]] | None = None
        for seed in range(_DRAWS):
            (whole, part), metrics, in_forms = run(self._drawn(seed, _SIZE), count)
            if not _agree(whole, part):
                return None
            right = [
                {
                    index
                    for index, leaves in enumerate(in_forms)
                    if leaves is not None and _agree(expected, leaves[leaf])
                }
                for leaf, expected in enumerate(metrics)
            ]
            agreement = (
                right
                if agreement is None
                else [a & b for a, b in zip(agreement, right, strict=True)]
            )
        return agreement

    def _traced(self, fn: Callable[..., Any], *arguments: Any, size: int = _SIZE) -> Any:
        with precision.with_64_bits(True), contexts.install(application.InliningContext()):
            return jax.jit(fn).trace(self._drawn(0, size), *arguments)

    def _drawn(self, seed: int, size: int) -> Any:
        """Canonical: weights near the initial ones, metrics in the midst of a client, a batch."""
        generator = np.random.default_rng(seed)
        weights_type, metrics_type, batch_type = self._type
        initial = iter(trees.leaves(self._pass.model.initial_weights))
        return (
            _canonical(weights_type, lambda leaf: _near(generator, next(initial), leaf)),
            _canonical(metrics_type, lambda leaf: _counted(generator, leaf)),
            _canonical(batch_type, lambda leaf: _examples(generator, leaf, size)),
        )

    def _in_containers(self, drawn: Any) -> tuple[Values, Any]:
        (trainable, non_trainable), metrics, batch = structures.to_containers(drawn, self._type)
        key = jax_passes.to_key(np.zeros(2, np.uint32)) if self._pass.model.takes_key else None
        return Values(trainable, non_trainable, metrics, key), batch


def _is_of_rows(batch_type: Type) -> bool:
    """Whether the first dimension of every array of a batch is that of the examples."""
    leaves = [part for part in preorder(batch_type) if isinstance(part, TensorType)]
    return all(leaf.shape and leaf.shape[0] is None for leaf in leaves)


class _Evaluation:
    """Evaluates a traced function: with NumPy if that can, for compiling takes far longer."""

    def __init__(self, traced: Any) -> None:
        self._traced = traced
        self._compiled: Callable[..., Any] | None = None

    def __call__(self, *arguments: Any) -> Any:
        if self._compiled is None:
            try:
                results = jaxpr_evaluation.evaluate(self._traced.jaxpr, jax.tree.leaves(arguments))
                return jax.tree.unflatten(jax.tree.structure(self._traced.out_info), results)
            except Exception:  # whatever NumPy cannot do, XLA can
                self._compiled = self._compile()
        return jax.device_get(self._compiled(*arguments))

    def _compile(self) -> Callable[..., Any]:
        with precision.with_64_bits(True):
            lowered = self._traced.lower()
        try:
            return lowered.compile(_QUICKLY)
        except Exception:  # the options are those of one release of XLA, on the processor
            return lowered.compile()


@contextlib.contextmanager
def _on_the_processor() -> Iterator[None]:
    """Computes on the processor, where JAX has it."""
    try:
        device = jax.local_devices(backend="cpu")[0]
    except RuntimeError:
        yield
        return
    with jax.default_device(device):
        yield


def _canonical(type_signature: Type, make: Callable[[TensorType], Any]) -> Any:
    if isinstance(type_signature, StructType):
        return tuple(_canonical(each, make) for each in type_signature.children())
    assert isinstance(type_signature, TensorType)
    return make(type_signature)


def _near(generator: np.random.Generator, value: Any, leaf: TensorType) -> np.ndarray:
    array = np.asarray(value, leaf.dtype)
    if not dtypes.is_floating(leaf.dtype):
        return array
    return array + (0.1 * generator.standard_normal(array.shape)).astype(leaf.dtype)


def _counted(generator: np.random.Generator, leaf: TensorType) -> np.ndarray:
    """What a metric may have counted: small and positive."""
    shape = [size for size in leaf.shape or () if size is not None]
    return generator.integers(1, 8, shape).astype(leaf.dtype)


def _examples(generator: np.random.Generator, leaf: TensorType, size: int) -> np.ndarray:
    """Rows of a batch: numbers around 0; 0 and 1, which any label and any index can be."""
    known = [_OTHER_SIZE if each is None else each for each in (leaf.shape or ())[1:]]
    shape = (size, *known)
    if not dtypes.is_floating(leaf.dtype):
        return generator.integers(0, 2, shape).astype(leaf.dtype)
    array = generator.standard_normal(shape).astype(leaf.dtype)
    array[_COUNT:] = np.nan
    return array


def _first_rows(leaf: Any) -> Any:
    return leaf[:_COUNT]


def _agree(expected: Any, got: Any) -> bool:
    """Whether numbers are the same but for rounding, measured by the largest of an array."""
    return all(map(_array_agrees, jax.tree.leaves(expected), jax.tree.leaves(got)))


def _array_agrees(expected: Any, got: Any) -> bool:
    expected, got = np.asarray(expected), np.asarray(got)
    if expected.shape != got.shape or expected.dtype != got.dtype:
        return False
    if not dtypes.is_floating(expected.dtype):
        return bool(np.all(expected == got))
    exact, other = expected.astype(np.float64), got.astype(np.float64)
    if not np.all(np.isfinite(exact)):
        return False
    tolerance = max(1e-4, 16 * float(jnp.finfo(expected.dtype).eps))
    scale = np.max(np.abs(exact), initial=0.0)
    return bool(np.all(np.abs(exact - other) <= tolerance * scale + 1e-12))
