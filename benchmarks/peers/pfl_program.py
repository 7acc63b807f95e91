"""pfl-research 0.6 with PyTorch, in one process."""

from __future__ import annotations

import asyncio
import os
import queue
import threading

import contestant
import numpy as np
import workload


def build(program: workload.Program, population: workload.Population) -> contestant.RunRound:
    import torch  # pyright: ignore[reportMissingImports]
    from pfl.aggregate.simulate import SimulatedBackend  # pyright: ignore[reportMissingImports]
    from pfl.aggregate.weighting import WeightByDatapoints  # pyright: ignore[reportMissingImports]
    from pfl.algorithm.base import NNAlgorithmParams  # pyright: ignore[reportMissingImports]
    from pfl.algorithm.federated_averaging import (  # pyright: ignore[reportMissingImports]
        FederatedAveraging,
    )
    from pfl.callback.base import (  # pyright: ignore[reportMissingImports]
        TrainingProcessCallback,
    )
    from pfl.data.dataset import Dataset  # pyright: ignore[reportMissingImports]
    from pfl.data.federated_dataset import (  # pyright: ignore[reportMissingImports]
        FederatedDataset,
    )
    from pfl.hyperparam import NNTrainHyperParams  # pyright: ignore[reportMissingImports]
    from pfl.metrics import Metrics  # pyright: ignore[reportMissingImports]
    from pfl.model.pytorch import PyTorchModel  # pyright: ignore[reportMissingImports]

    torch.set_num_threads(os.cpu_count() or 1)
    labels = population.labels.astype(np.int64)
    layers = torch.nn

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            if program.model == "softmax":
                output = layers.Linear(workload.NUM_PIXELS, workload.NUM_LABELS)
                layers.init.zeros_(output.weight)
                layers.init.zeros_(output.bias)
                self.layers = layers.Sequential(layers.Flatten(), output)
            else:
                self.layers = layers.Sequential(
                    layers.Unflatten(1, (1, workload.IMAGE[0])),
                    layers.Conv2d(1, 32, 5, padding=2),
                    layers.ReLU(),
                    layers.MaxPool2d(2),
                    layers.Conv2d(32, 64, 5, padding=2),
                    layers.ReLU(),
                    layers.MaxPool2d(2),
                    layers.Flatten(),
                    layers.Linear(7 * 7 * 64, 512),
                    layers.ReLU(),
                    layers.Linear(512, workload.NUM_LABELS),
                )

        def forward(self, x):
            return self.layers(x)

        def loss(self, x, y, eval=False):
            logits = self(torch.as_tensor(x))
            return torch.nn.functional.cross_entropy(logits, torch.as_tensor(y).long())

        def metrics(self, x, y, eval=False):
            return {}

    def dataset(client: int) -> Dataset:
        rows = population.rows(client)
        return Dataset([population.images[rows], labels[rows]], user_id=str(client))

    # pfl has the loop over the rounds: it runs in a thread, and waits after each of them.
    asked: queue.Queue[int] = queue.Queue()
    done: queue.Queue[BaseException | None] = queue.Queue()
    clients: list[int] = []

    def next_client() -> int:
        if not clients:
            clients.extend(workload.cohort(program, asked.get()).tolist())
        return clients.pop(0)

    class AfterRound(TrainingProcessCallback):
        def after_central_iteration(self, aggregate_metrics, model, *, central_iteration):
            done.put(None)
            return False, Metrics()

    def run() -> None:
        module = Model()
        model = PyTorchModel(
            model=module,
            local_optimizer_create=torch.optim.SGD,
            central_optimizer=torch.optim.SGD(module.parameters(), 1.0),
        )
        backend = SimulatedBackend(
            training_data=FederatedDataset(dataset, next_client),
            val_data=None,
            postprocessors=[WeightByDatapoints()],
        )
        never = 10**9
        FederatedAveraging().run(
            NNAlgorithmParams(
                central_num_iterations=never,
                evaluation_frequency=never,
                train_cohort_size=program.clients,
                val_cohort_size=0,
            ),
            backend,
            model,
            NNTrainHyperParams(
                local_num_epochs=1,
                local_learning_rate=workload.LEARNING_RATE,
                local_batch_size=workload.BATCH_SIZE,
            ),
            callbacks=[AfterRound()],
        )

    def run_and_tell() -> None:
        # pfl asks for the event loop of its thread.
        asyncio.set_event_loop(asyncio.new_event_loop())
        try:
            run()
        except BaseException as error:
            done.put(error)

    threading.Thread(target=run_and_tell, daemon=True).start()

    def run_round(round_number: int) -> None:
        asked.put(round_number)
        error = done.get()
        if error is not None:
            raise error

    return run_round


if __name__ == "__main__":
    contestant.serve(build)
