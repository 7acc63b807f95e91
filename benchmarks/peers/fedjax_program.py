"""FedJAX 0.0.17, with its compiled back end."""

from __future__ import annotations

from typing import Any

import contestant
import workload


def build(program: workload.Program, population: workload.Population) -> contestant.RunRound:
    import jax
    import jax.numpy as jnp

    # FedJAX calls it by this name, which JAX has dropped since.
    jax.tree_map = jax.tree_util.tree_map  # pyright: ignore[reportAttributeAccessIssue]
    import fedjax  # pyright: ignore[reportMissingImports]

    from peers import jax_models

    forward = jax_models.FORWARD[program.model]

    def loss(weights: Any, batch: Any, rng: Any) -> Any:
        del rng
        return jnp.mean(jax_models.losses(forward(weights, batch["x"]), batch["y"]))

    fedjax.set_for_each_client_backend("jit")
    algorithm = fedjax.algorithms.fed_avg.federated_averaging(
        jax.grad(loss),
        fedjax.optimizers.sgd(workload.LEARNING_RATE),
        fedjax.optimizers.sgd(1.0),
        fedjax.ShuffleRepeatBatchHParams(
            batch_size=workload.BATCH_SIZE, num_epochs=1, drop_remainder=False, seed=0
        ),
    )
    datasets = [
        fedjax.ClientDataset({"x": population.images[rows], "y": population.labels[rows]})
        for rows in map(population.rows, range(workload.NUM_CLIENTS))
    ]
    weights = jax_models.initial_weights(program.model)
    state = algorithm.init(jax.tree_util.tree_map(jnp.asarray, weights))
    key = jax.random.PRNGKey(0)

    def run_round(round_number: int) -> None:
        nonlocal state
        clients = workload.cohort(program, round_number).tolist()
        state, _ = algorithm.apply(state, [(client, datasets[client], key) for client in clients])
        jax.block_until_ready(state.params)

    return run_round


if __name__ == "__main__":
    contestant.serve(build)
