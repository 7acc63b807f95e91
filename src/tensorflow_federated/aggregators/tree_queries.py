"""Private sums whose noise is correlated between rounds: that of running totals stays small.

The noise of the total of t rounds is that of a binary tree over the rounds: a node for every set
bit of t. A round releases its sum with the difference of two such noises, so that an optimizer that
adds the rounds up, like SGD, sees noise of about log2(t) nodes. One client counts once in every
node above its round; the privacy is that of the whole run, and no sampling of clients is assumed.

Sources: P. Kairouz et al., "Practical and private (deep) learning without sampling or shuffling"
(ICML 2021, arXiv:2103.00039), DP-FTRL. J. Honaker, "Efficient use of differentially private binary
trees" (2015): a node is estimated from all nodes below it, so that one of level l has the variance
``s**2 / (2 - 2**-l)``, not ``s**2``.

A round draws one array of noise: what a new node of level l takes from its own noise and from the
noise of the nodes that it is made of, of which none was released, is one normal number of the
variance ``s**2 (1 + 1/4 + ... + 4**-l)``.
"""

from __future__ import annotations

import collections
from typing import Any, NamedTuple

import numpy as np

from tensorflow_federated.aggregators import gaussian_noise, norms, parameters, queries
from tensorflow_federated.core import errors, portable, trees

LEVELS = 20
"""The levels of a tree; one run, or one part of it between restarts, has 2**20 - 2 rounds."""

_KEY_STEP = np.array([1, 1], np.int64)


class TreeState(NamedTuple):
    """The nodes that the noise of the next total is made of.

    Attributes:
      level_buffer: for each level a node, or zeros; the shape of the record behind the levels.
      level_buffer_idx: for each level its number if it has a node, else -1; int32.
      value_generator_state: the key of the next noise, int64[2], and its standard deviation.
    """

    level_buffer: Any
    level_buffer_idx: Any
    value_generator_state: Any


class NoiseState(NamedTuple):
    """The key of the next noise, and its standard deviation."""

    seeds: Any
    stddev: Any


class TreeSumState(NamedTuple):
    """The state of `TreeResidualSumQuery`."""

    tree_state: Any
    clip_value: Any
    previous_tree_noise: Any


class TreeResidualSumQuery(queries.PrivateSumQuery):
    """Clips records to an L2 norm, and adds the difference of two noises of a tree to their sum."""

    def __init__(
        self,
        clip_norm: float,
        noise_multiplier: float,
        template: Any,
        noise_seed: int | None = None,
        use_efficient: bool = True,
    ) -> None:
        """Chooses the mechanism.

        Args:
          clip_norm: the largest L2 norm of a record, above zero.
          noise_multiplier: the standard deviation of the noise of a node, in clipping norms.
          template: the form of a record: a structure of things with a `shape` and a `dtype`.
          noise_seed: where the keys start; by default at a random key of the server.
          use_efficient: whether a node is estimated from all nodes below it.

        Raises:
          AggregatorError: if a number is out of range.
        """
        self._clip = parameters.check_positive(float(clip_norm), "clip_norm")
        multiplier = parameters.check_non_negative(float(noise_multiplier), "noise_multiplier")
        self._stddev = self._clip * multiplier
        self._template = trees.map_structure(_zeros_of, template)
        self._seed = noise_seed
        self._is_efficient = parameters.check_flag(use_efficient, "use_efficient")

    @property
    def starts_with_key(self) -> bool:
        """Whether no seed was given, or noise is in the first state."""
        return True

    @property
    def draws_noise(self) -> bool:
        """The noise of a round comes from the key in the state."""
        return False

    def initial_state(self, key: Any) -> TreeSumState:
        """A tree of one leaf, for the first round."""
        xp = portable.namespace_of(key)
        if self._seed is not None:
            key = key * 0 + np.array([self._seed, self._seed], np.int64)
        noise = NoiseState(key, xp.asarray(np.float32(self._stddev)))
        zeros = trees.map_structure(xp.asarray, self._template)
        return TreeSumState(
            self._first_tree(noise, zeros), xp.asarray(np.float32(self._clip)), zeros
        )

    def sample_parameters(self, state: TreeSumState) -> Any:
        """The clipping norm."""
        return state.clip_value

    def preprocess(self, told: Any, record: Any) -> Any:
        """Clips the record."""
        return self.preprocess_and_norm(told, record)[0]

    def preprocess_and_norm(self, told: Any, record: Any) -> tuple[Any, Any]:
        """Clips the record, and gives the norm it had."""
        norm = norms.global_norm(record, 2.0)
        return norms.scaled_to(record, norm, told), norm

    def noised_result(
        self, total: Any, state: TreeSumState, noise: gaussian_noise.NoiseSource
    ) -> tuple[Any, TreeSumState]:
        """The sum with the noise by which that of the running total changes."""
        del noise
        _check_form(total, state.previous_tree_noise)
        noise_now = self._noise_of_total(state.tree_state)

        def noised(x: Any, now: Any, before: Any) -> Any:
            return x + (now - before)

        result = trees.map_structure(noised, total, noise_now, state.previous_tree_noise)
        return result, TreeSumState(self._next_tree(state.tree_state), state.clip_value, noise_now)

    def restarted(self, state: TreeSumState, clip: Any, stddev: Any) -> TreeSumState:
        """The state at the start of a new tree, with another norm and another noise."""
        noise = NoiseState(state.tree_state.value_generator_state.seeds, stddev)
        xp = portable.namespace_of(state)
        zeros = trees.map_structure(xp.zeros_like, state.previous_tree_noise)
        return TreeSumState(self._first_tree(noise, zeros), clip, zeros)

    def metrics(self, state: TreeSumState) -> collections.OrderedDict[str, Any]:
        """The clipping norm."""
        return collections.OrderedDict(tree_agg_dpftrl_clip=state.clip_value)

    def event(self) -> queries.PrivacyEvent:
        """None that `dp_accounting` knows for one round; the whole tree is accounted for."""
        return queries.PrivacyEvent("UnsupportedDpEvent")

    def _first_tree(self, noise: NoiseState, zeros: Any) -> TreeState:
        xp = portable.namespace_of(noise, zeros)
        leaf, after = _drawn(noise, zeros)
        at_first = _levels() == 0

        def buffer_of(x: Any) -> Any:
            return _at_levels(xp, at_first, x)

        buffer = trees.map_structure(buffer_of, leaf)
        index = np.where(at_first, 0, -1).astype(np.int32)
        return TreeState(buffer, xp.asarray(index), after)

    def _next_tree(self, tree: TreeState) -> TreeState:
        """The tree with one more leaf: levels full from below become one node above them."""
        xp = portable.namespace_of(tree)
        count = _leaf_count(tree)
        # The bit that is set next: 2**l for l full levels below.
        bit = ((count ^ (count + 1)) + 1) // 2
        powers = 2 ** _levels()
        is_merged, is_new = powers < bit, bit == powers

        def without_levels(x: Any) -> Any:
            return xp.sum(x, axis=0)

        template = trees.map_structure(without_levels, tree.level_buffer)
        fresh, after = _drawn(tree.value_generator_state, template)
        below = xp.cast(powers, np.float64) / xp.cast(bit, np.float64)
        weight = xp.where(is_merged, below, xp.zeros_like(below))
        spread = xp.asarray(1.0, np.float64)
        if self._is_efficient:
            spread = xp.sqrt((4.0 - xp.pow(xp.cast(bit, np.float64), -2.0)) / 3.0)

        def of_leaf(buffer: Any, new: Any) -> Any:
            node = new * xp.cast(spread, xp.dtype_of(new))
            if self._is_efficient:
                node = node + xp.sum(buffer * _column(xp, weight, buffer), axis=0)
            kept = buffer * _column(xp, xp.cast(xp.logical_not(is_merged), np.float64), buffer)
            return kept + _at_levels(xp, is_new, node)

        index = xp.where(is_merged, xp.asarray(np.int32(-1)), tree.level_buffer_idx)
        index = xp.where(is_new, xp.asarray(_levels().astype(np.int32)), index)
        return TreeState(trees.map_structure(of_leaf, tree.level_buffer, fresh), index, after)

    def _noise_of_total(self, tree: TreeState) -> Any:
        xp = portable.namespace_of(tree)
        ones = np.ones([LEVELS], np.float64)
        weight = 1.0 / (2.0 - 0.5 ** _levels().astype(np.float64)) if self._is_efficient else ones
        # A full tree has no place for the next node: better no result than one without noise.
        is_full = _leaf_count(tree) >= 2**LEVELS - 1

        def of_leaf(buffer: Any) -> Any:
            noise = xp.sum(buffer * _column(xp, xp.asarray(weight), buffer), axis=0)
            return xp.where(is_full, xp.full((), np.nan, xp.dtype_of(noise)), noise)

        return trees.map_structure(of_leaf, tree.level_buffer)


def _zeros_of(spec: Any) -> np.ndarray[Any, Any]:
    dtype: Any = getattr(spec.dtype, "as_numpy_dtype", spec.dtype)
    return np.zeros([int(size) for size in spec.shape], dtype)


def _check_form(total: Any, expected: Any) -> None:
    xp = portable.namespace_of(total)
    shapes = [[xp.shape_of(leaf) for leaf in trees.leaves(each)] for each in (expected, total)]
    if shapes[0] != shapes[1]:
        raise errors.AggregatorError(
            "`record_specs` are not those of the values.",
            problems=[f"shapes: `record_specs` has {shapes[0]}, the values have {shapes[1]}"],
            fix="give the shape and the dtype of each tensor of a value.",
        )


def _levels() -> np.ndarray[Any, Any]:
    return np.arange(LEVELS, dtype=np.int64)


def _leaf_count(tree: TreeState) -> Any:
    xp = portable.namespace_of(tree)
    powers = xp.asarray(2 ** _levels())
    return xp.sum(xp.where(tree.level_buffer_idx >= 0, powers, xp.zeros_like(powers)))


def _drawn(noise: NoiseState, template: Any) -> tuple[Any, NoiseState]:
    source = gaussian_noise.NoiseSource(noise.seeds)

    def noise_like(x: Any) -> Any:
        return source.like(x, noise.stddev)

    return trees.map_structure(noise_like, template), NoiseState(
        noise.seeds + _KEY_STEP, noise.stddev
    )


def _column(xp: portable.ArrayNamespace, weight: Any, buffer: Any) -> Any:
    """Weights of the levels, in a shape that broadcasts against a buffer."""
    rank = len(xp.shape_of(buffer))
    return xp.cast(xp.reshape(weight, [LEVELS] + [1] * (rank - 1)), xp.dtype_of(buffer))


def _at_levels(xp: portable.ArrayNamespace, is_there: Any, x: Any) -> Any:
    """A buffer with an array at some levels, and zeros at the others."""
    shape = [int(size or 0) for size in xp.shape_of(x)]
    row = xp.reshape(x, [1, *shape])
    mask = xp.reshape(xp.cast(is_there, xp.dtype_of(x)), [LEVELS] + [1] * len(shape))
    return row * mask
