"""Trains a federated model on the workers of Ray.

python examples/ray_cluster.py                 starts Ray on this machine
python examples/ray_cluster.py --address auto  takes a cluster that runs
"""

from __future__ import annotations

import argparse

import ray
from processes import client_batches, train

import tensorflow_federated as tff


def main() -> None:
    """Trains on the workers of Ray, and then here."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", help="the address of a cluster that runs")
    parser.add_argument("--workers", type=int, default=2, help="how many to start, if none runs")
    parser.add_argument("--clients", type=int, default=100, help="the number of clients")
    parser.add_argument("--rounds", type=int, default=3, help="the number of rounds")
    options = parser.parse_args()
    clients = client_batches(options.clients)

    if options.address:
        ray.init(address=options.address)
    else:
        ray.init(num_cpus=options.workers, include_dashboard=False)
    executor = tff.backends.native.RayExecutor()
    print(f"on {executor.worker_count} workers of Ray")
    with tff.backends.native.create_executor_context(executor):
        there = train(clients, options.rounds)
    ray.shutdown()
    print("in this process")
    here = train(clients, options.rounds)
    print("the weights are", "the same" if here == there else "different")


if __name__ == "__main__":
    main()
