"""JAX models in this package, without TensorFlow."""

from __future__ import annotations

from typing import Any

import contestant
import numpy as np
import workload


def build(program: workload.Program, population: workload.Population) -> contestant.RunRound:
    import tensorflow_federated as tff

    clients = tff.simulation.datasets.ClientArrays(
        (population.images, population.labels), offsets=population.offsets
    ).preprocess(tff.simulation.datasets.Preprocessing(batch_size=workload.BATCH_SIZE))
    process = build_process(program.model)
    state = process.initialize()

    def run_round(round_number: int) -> None:
        nonlocal state
        chosen = map(str, workload.cohort(program, round_number).tolist())
        state = process.next(state, clients.cohort(chosen)).state

    return run_round


def build_process(model: str) -> Any:
    """Federated averaging of one of the models."""
    import jax
    import jax.numpy as jnp

    import tensorflow_federated as tff
    from peers import jax_models

    forward = jax_models.FORWARD[model]

    @jax.jit
    def predict(model_weights: Any, x: Any, training: bool) -> Any:
        del training
        trainable, _ = model_weights
        return forward(trainable, x)

    def loss(output: Any, label: Any, sample_weight: Any = None) -> Any:
        losses = jax_models.losses(output, label)
        if sample_weight is None:
            return jnp.mean(losses)
        return jnp.sum(losses * sample_weight) / jnp.sum(sample_weight)

    return tff.learning.algorithms.build_weighted_fed_avg(
        tff.learning.models.FunctionalModel(
            initial_weights=(jax_models.initial_weights(model), ()),
            predict_on_batch_fn=predict,
            loss_fn=loss,
            input_spec=(
                tff.TensorType(np.float32, [None, *workload.IMAGE]),
                tff.TensorType(np.int32, [None]),
            ),
        ),
        client_optimizer_fn=tff.learning.optimizers.build_sgdm(workload.LEARNING_RATE),
        server_optimizer_fn=tff.learning.optimizers.build_sgdm(1.0),
    )


if __name__ == "__main__":
    contestant.serve(build)
