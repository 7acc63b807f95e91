"""Dividing labelled examples among clients."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from tensorflow_federated.core import errors


def dirichlet_partition(
    labels: npt.ArrayLike,
    num_clients: int,
    alpha: float,
    *,
    min_examples: int = 0,
    seed: int = 0,
) -> list[npt.NDArray[np.int64]]:
    """Divides examples among clients so that each client sees labels in proportions of its own.

    For every label, the shares of the clients are drawn from a symmetric Dirichlet(`alpha`)
    distribution over the clients. A great `alpha` gives every client about the same mixture of
    labels and the same number of examples; a small one gives most of a label to few clients. Every
    example goes to exactly one client.

    A client that is left with fewer than `min_examples` gets examples from the client that has the
    most, one by one.

    Args:
      labels: One integer per example.
      num_clients: Among how many clients; at least 1.
      alpha: The concentration, in `(0, 1e6]`.
      min_examples: How many examples each client has at least.
      seed: The same seed gives the same partition: NumPy's PCG64 generator is named, not left to a
        default.

    Returns:
      For each client the positions of its examples in `labels`, in random order.

    Raises:
      DatasetError: If an argument is outside its range, or there are too few examples.

    Examples:
      >>> parts = dirichlet_partition([0, 0, 0, 0, 1, 1, 1, 1], num_clients=2, alpha=1.0)
      >>> sorted(int(position) for part in parts for position in part)
      [0, 1, 2, 3, 4, 5, 6, 7]

    Source: T.-M. H. Hsu, H. Qi, M. Brown, "Measuring the Effects of Non-Identical Data Distribution
    for Federated Visual Classification", 2019 (arXiv:1909.06335). Differs from the paper: the
    shares are drawn per label, not per client, so that all examples are used.
    """
    all_labels = np.asarray(labels)
    _check_arguments(all_labels, num_clients, alpha, min_examples, seed)
    generator = np.random.Generator(np.random.PCG64(seed))
    parts: list[list[int]] = [[] for _ in range(num_clients)]
    for label in np.unique(all_labels):
        positions = generator.permutation(np.flatnonzero(all_labels == label))
        shares = generator.dirichlet(np.full(num_clients, float(alpha)))
        ends = np.floor(np.cumsum(shares)[:-1] * len(positions) + 0.5).astype(np.int64)
        for part, chosen in zip(parts, np.split(positions, ends), strict=True):
            part.extend(chosen.tolist())
    _give_to_the_poor(parts, min_examples)
    return [generator.permutation(np.asarray(part, dtype=np.int64)) for part in parts]


def _check_arguments(
    labels: np.ndarray, num_clients: int, alpha: float, min_examples: int, seed: int
) -> None:
    problems: list[str] = []
    if labels.ndim != 1 or (labels.size and labels.dtype.kind not in "iub"):
        problems.append(
            f"labels: expected one integer per example, got {labels.dtype}{labels.shape}"
        )
    if num_clients < 1:
        problems.append(f"num_clients: expected at least 1, got {num_clients}")
    if not (math.isfinite(alpha) and 0 < alpha <= 1e6):
        problems.append(f"alpha: expected more than 0 and at most 1e6, got {alpha}")
    if min_examples < 0:
        problems.append(f"min_examples: expected at least 0, got {min_examples}")
    if seed < 0:
        problems.append(f"seed: expected at least 0, got {seed}")
    if not problems and num_clients * min_examples > len(labels):
        problems.append(
            f"{num_clients} clients with at least {min_examples} examples each need "
            f"{num_clients * min_examples}, and there are {len(labels)}"
        )
    if problems:
        raise errors.DatasetError(
            "The examples cannot be divided so.",
            problems=problems,
            fix="change the arguments that are named.",
        )


def _give_to_the_poor(parts: list[list[int]], min_examples: int) -> None:
    """Moves examples, in place, from the richest client to those with fewer than `min_examples`."""
    for part in parts:
        while len(part) < min_examples:
            part.append(max(parts, key=len).pop())
