"""Where the metrics of a model are in what a learning process measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from tensorflow_federated.core import arguments, errors
from tensorflow_federated.learning.programs.errors import EmptyPathError, MetricsPathError

MODEL_METRICS: Final = "model_metrics"


@errors.boundary
def extract_and_rewrap_metrics(
    metrics_structure: Mapping[str, Any], *, path: Sequence[str]
) -> Mapping[str, Any]:
    """Moves a part of metrics to the top, under the name `model_metrics`.

    So the metrics of the model are found under one name, whether a training measured them or an
    evaluation. All else stays where it is.

    Args:
      metrics_structure: nested mappings, which are left as they are.
      path: the names that lead to the part.

    Returns:
      A new mapping of the same class.

    Raises:
      EmptyPathError: if `path` is empty, a `ValueError`.
      MetricsPathError: if it leads nowhere, a `KeyError`.
      ArgumentError: if the metrics are no mapping.

    Examples:
      >>> metrics = {"client_work": {"train": {"loss": 0.5}}, "finalizer": {"norm": 2.0}}
      >>> extract_and_rewrap_metrics(metrics, path=("client_work", "train"))
      {'client_work': {}, 'finalizer': {'norm': 2.0}, 'model_metrics': {'loss': 0.5}}
    """
    arguments.check_instance(
        "metrics_structure", metrics_structure, Mapping, "metrics are a mapping from names."
    )
    if not path:
        raise EmptyPathError(
            "a path in metrics names at least one part.",
            problems=["path: got none"],
            fix='write `path=("client_work", "train")`, for example.',
        )
    part, rest = _split(metrics_structure, tuple(path), ())
    return _with_items(rest, {**rest, MODEL_METRICS: part})


def rewrap_evaluation(metrics: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Moves metrics of an evaluation to the top: of one model, or of several.

    Args:
      metrics: what the evaluation measured. Of several models, each has a part of its own under
        `client_work`.
      name: `current_round_metrics` or `total_rounds_metrics`.

    Returns:
      The metrics; those of several models are found under `model_metrics` by the models' names.

    Raises:
      MetricsPathError: if they are not there.

    Examples:
      >>> metrics = {"client_work": {"eval": {"total_rounds_metrics": {"loss": 0.5}}}}
      >>> rewrap_evaluation(metrics, "total_rounds_metrics")
      {'client_work': {'eval': {}}, 'model_metrics': {'loss': 0.5}}
      >>> metrics = {"client_work": {"a": metrics["client_work"]}}
      >>> rewrap_evaluation(metrics, "total_rounds_metrics")
      {'client_work': {'a': {'eval': {}}}, 'model_metrics': {'a': {'loss': 0.5}}}
    """
    of_clients: Any = metrics.get("client_work")
    models = [
        model
        for model, part in cast("Mapping[str, Any]", of_clients or {}).items()
        if isinstance(part, Mapping) and "eval" in part
    ]
    if not models:
        return extract_and_rewrap_metrics(metrics, path=("client_work", "eval", name))
    parts: dict[str, Any] = {}
    rest = metrics
    for model in models:
        parts[model], rest = _split(rest, ("client_work", model, "eval", name), ())
    return _with_items(rest, {**rest, MODEL_METRICS: parts})


def _split(
    metrics: Mapping[str, Any], path: tuple[str, ...], before: tuple[str, ...]
) -> tuple[Any, Mapping[str, Any]]:
    """The part that a path leads to, and the metrics without it."""
    name, *further = path
    inner = metrics.get(name)
    if inner is None or (further and not isinstance(inner, Mapping)):
        raise MetricsPathError(
            "the metrics have no such part.",
            problems=[
                f"{'/'.join((*before, *path))}: `{name}` is not there; "
                f"{'/'.join(before) or 'the top'} has {', '.join(map(repr, metrics)) or 'nothing'}"
            ],
            fix="name a part that is there.",
        )
    if not further:
        return inner, _with_items(metrics, {k: v for k, v in metrics.items() if k != name})
    part, rest = _split(inner, tuple(further), (*before, name))
    return part, _with_items(metrics, {**metrics, name: rest})


def _with_items(metrics: Mapping[str, Any], items: Mapping[str, Any]) -> Mapping[str, Any]:
    return cast("Any", type(metrics))(items)
