"""Keras optimizers, by their configuration, as optimizers of this package.

Both generations are read, Keras 3 and `tf_keras`; neither is imported. A Keras optimizer comes
over exactly, or not at all: an option without a counterpart is an error.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

import numpy as np

from tensorflow_federated.core import callsites, errors
from tensorflow_federated.learning.optimizers import keras_schedules
from tensorflow_federated.learning.optimizers.adafactor import build_adafactor
from tensorflow_federated.learning.optimizers.adagrad import build_adagrad
from tensorflow_federated.learning.optimizers.adam import build_adam, build_adamw
from tensorflow_federated.learning.optimizers.optimizer import Optimizer
from tensorflow_federated.learning.optimizers.rmsprop import build_rmsprop
from tensorflow_federated.learning.optimizers.scheduling import schedule_learning_rate
from tensorflow_federated.learning.optimizers.sgdm import build_sgdm

_NAMES = "tff.learning.optimizers."
_PACKAGES = ("keras", "tf_keras")
_OPTIMIZER_CLASSES = ("BaseOptimizer", "Optimizer", "_BaseOptimizer", "OptimizerV2")

# They change no number, or only together with an option that is refused.
_WITHOUT_EFFECT = {
    "name",
    "jit_compile",
    "is_legacy_optimizer",
    "ema_momentum",
    "ema_overwrite_frequency",
}

_WITHOUT_COUNTERPART = {
    "amsgrad": "keep no largest second moment",
    "adaptive_epsilon": "keep epsilon as it is",
    "weight_decay": "decay the weights with Adam or AdamW only",
    "decay": "give the learning rates to tff.learning.optimizers.schedule_learning_rate",
    "clipnorm": "clip in the loss or in the aggregator",
    "clipvalue": "clip in the loss or in the aggregator",
    "global_clipnorm": "clip in the loss or in the aggregator",
    "use_ema": "keep no average of the weights",
    "loss_scale_factor": "scale no loss",
    "gradient_accumulation_steps": "take larger batches",
}


class KerasOptimizerError(errors.FederatedError, TypeError, known_as="TypeError"):
    """A Keras optimizer, or an option of one, has no counterpart among the optimizers here.

    Fails: `client_optimizer_fn=lambda: keras.optimizers.Adam(0.01, amsgrad=True)`.
    Mended: `client_optimizer_fn=tff.learning.optimizers.build_adam(0.01)`.
    """


def is_keras_optimizer(candidate: Any) -> bool:
    """Whether it is an optimizer of Keras 3 or of `tf_keras`.

    Examples:
      >>> is_keras_optimizer(3)
      False
    """
    return any(
        each.__module__.partition(".")[0] in _PACKAGES and each.__name__ in _OPTIMIZER_CLASSES
        for each in type(candidate).__mro__
    )


def translate(keras_optimizer: Any, argument: str, user: str) -> Optimizer[Any, Any, Any]:
    """Builds the optimizer that takes the same steps, and warns with the call that does so.

    Args:
      keras_optimizer: an optimizer of Keras.
      argument: the name of the argument that it was given as.
      user: the function that takes it, for messages.

    Returns:
      The optimizer.

    Raises:
      KerasOptimizerError: if no optimizer takes the same steps.
    """
    translation = _translation(keras_optimizer, argument, user)
    warnings.warn(
        f"`{user}` was given a Keras optimizer as `{argument}`, which is replaced by the optimizer "
        f"of the same steps; write `{argument}={translation.call}`.",
        FutureWarning,
        stacklevel=callsites.user_stacklevel(),
    )
    return translation.optimizer


class _Translation(NamedTuple):
    """An optimizer, and the call that builds it."""

    optimizer: Optimizer[Any, Any, Any]
    call: str


def _shortest(value: float) -> float:
    """The number as it was written, if it was rounded to float32 since."""
    rounded = np.float32(value)
    return float(str(rounded)) if float(rounded) == value else value


class _Options:
    """The configuration of a Keras optimizer; what was not read in the end is a mistake."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._left = {name: value for name, value in config.items() if name not in _WITHOUT_EFFECT}

    def number(self, name: str) -> float:
        """A number."""
        return _shortest(float(self._left.pop(name)))

    def flag(self, name: str) -> bool:
        return bool(self._left.pop(name, False))

    def optional(self, name: str) -> float | None:
        """A number, or None if it is not given or 0."""
        value = self._left.pop(name, None)
        return float(value) if value else None

    def pop(self, name: str) -> Any:
        return self._left.pop(name)

    def without_counterpart(self) -> dict[str, Any]:
        """What is set and was not read."""
        return {name: value for name, value in self._left.items() if value not in (None, False, 0)}


def _translation(keras_optimizer: Any, argument: str, user: str) -> _Translation:
    cls = cast("type[Any]", type(keras_optimizer))
    name = cls.__name__
    read = _READERS.get(name) if cls.__module__.partition(".")[0] in _PACKAGES else None
    is_legacy = ".legacy." in cls.__module__

    def fail(problems: list[str], fix: str) -> KerasOptimizerError:
        return KerasOptimizerError(
            f"`{user}` cannot use this Keras optimizer.", problems=problems, fix=fix
        )

    if read is None or (is_legacy and name == "Adagrad"):
        raise fail(
            [f"{argument}: no optimizer takes the steps of `{cls.__module__}.{name}`"],
            f"use {', '.join(_READERS)} of Keras, or an optimizer of "
            "`tff.learning.optimizers`, for example build_adam; with a JAX model also one of "
            "optax, with `tff.learning.optimizers.from_optax`.",
        )
    if int(keras_optimizer.iterations) > 0:
        raise fail(
            [f"{argument}: it has taken {int(keras_optimizer.iterations)} steps already"],
            "give a function that builds a new one, or an optimizer of `tff.learning.optimizers`.",
        )
    try:
        config = dict(keras_optimizer.get_config())
    except Exception as error:
        # A learning rate schedule of the user's own may have no configuration.
        raise fail(
            [f"{argument}: it has no configuration, {type(error).__name__}: {error!s:.100}"],
            "give the schedule to tff.learning.optimizers.schedule_learning_rate, as a function of "
            "the step.",
        ) from error
    config["adaptive_epsilon"] = getattr(keras_optimizer, "adaptive_epsilon", False)
    options = _Options(config)
    schedule, given = None, options.pop("learning_rate")
    if isinstance(given, Mapping):
        serialized = cast("Mapping[str, Any]", given)
        class_name = str(serialized.get("class_name"))
        schedule = keras_schedules.find_schedule(class_name, serialized.get("config") or {})
        if schedule is None or not str(serialized.get("module", "keras")).startswith("keras"):
            raise fail(
                [f"{argument}: its learning rate is a schedule that is not known, {class_name}"],
                f"use {', '.join(keras_schedules.KNOWN)}; or give your function of the step to "
                "tff.learning.optimizers.schedule_learning_rate.",
            )
        learning_rate = _shortest(float(schedule(np.float32(0))))
        schedule_text = _call(f"keras.optimizers.schedules.{class_name}", serialized["config"])
    else:
        learning_rate = _shortest(float(given))
        schedule_text = ""
    build, arguments = read(options, is_legacy)
    problems = [
        f"{argument}.{option}: expected none, got {value!r:.60}; "
        + _WITHOUT_COUNTERPART.get(option, "leave it out")
        for option, value in options.without_counterpart().items()
    ]
    if schedule is not None and build is build_sgdm and "momentum" in arguments:
        problems.append(
            f"{argument}.learning_rate: expected a number with momentum, got a schedule; Keras "
            "keeps the learning rates of the past in the velocity"
        )
    if problems:
        raise fail(
            problems,
            f"leave {'it' if len(problems) == 1 else 'them'} out, or use an optimizer of "
            "`tff.learning.optimizers`.",
        )
    arguments = {"learning_rate": learning_rate, **arguments}
    optimizer, call = build(**arguments), _call(_NAMES + build.__name__, arguments)
    if schedule is not None:
        optimizer = schedule_learning_rate(optimizer, schedule)
        call = f"{_NAMES}schedule_learning_rate({call}, {schedule_text})"
    return _Translation(optimizer, call)


def _call(function: str, arguments: Mapping[str, Any]) -> str:
    given = ", ".join(f"{name}={value!r}" for name, value in arguments.items() if name != "name")
    return f"{function}({given})"


_Reader = Callable[[_Options, bool], tuple[Callable[..., Any], dict[str, Any]]]


def _read_sgd(options: _Options, is_legacy: bool) -> tuple[Callable[..., Any], dict[str, Any]]:
    del is_legacy
    momentum, nesterov = options.optional("momentum"), options.flag("nesterov")
    if momentum is None:
        return build_sgdm, {}
    return build_sgdm, {"momentum": momentum, **({"nesterov": True} if nesterov else {})}


def _read_adam(options: _Options, is_legacy: bool) -> tuple[Callable[..., Any], dict[str, Any]]:
    del is_legacy
    arguments: dict[str, Any] = {
        name: options.number(name) for name in ("beta_1", "beta_2", "epsilon")
    }
    weight_decay = options.optional("weight_decay")
    if weight_decay is None:
        return build_adam, arguments
    return build_adamw, {**arguments, "weight_decay": weight_decay}


def _read_adagrad(options: _Options, is_legacy: bool) -> tuple[Callable[..., Any], dict[str, Any]]:
    del is_legacy
    return build_adagrad, {
        "initial_preconditioner_value": options.number("initial_accumulator_value"),
        "epsilon": options.number("epsilon"),
    }


def _read_rmsprop(options: _Options, is_legacy: bool) -> tuple[Callable[..., Any], dict[str, Any]]:
    arguments: dict[str, Any] = {
        "decay": options.number("rho"),
        "epsilon": options.number("epsilon"),
    }
    momentum = options.optional("momentum")
    if momentum is not None:
        arguments["momentum"] = momentum
    if options.flag("centered"):
        arguments["centered"] = True
    if not is_legacy or momentum is not None:
        arguments["epsilon_in_sqrt"] = True
    return build_rmsprop, arguments


def _read_adafactor(
    options: _Options, is_legacy: bool
) -> tuple[Callable[..., Any], dict[str, Any]]:
    del is_legacy
    # Keras bounds the learning rate by 1 / sqrt(t) without `relative_step` too.
    options.flag("relative_step")
    names = ("beta_2_decay", "epsilon_1", "epsilon_2", "clip_threshold")
    return build_adafactor, {name: options.number(name) for name in names}


_READERS: Mapping[str, _Reader] = {
    "SGD": _read_sgd,
    "Adam": _read_adam,
    "AdamW": _read_adam,
    "Adagrad": _read_adagrad,
    "RMSprop": _read_rmsprop,
    "Adafactor": _read_adafactor,
}
