"""Trains a federated model on the workers of Dask.

python examples/dask_cluster.py                        starts a cluster on this machine
python examples/dask_cluster.py --scheduler tcp://...  takes one that runs
"""

from __future__ import annotations

import argparse

import distributed
from processes import client_batches, train

import tensorflow_federated as tff


def main() -> None:
    """Trains on the workers of Dask, and then here."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scheduler", help="the address of a cluster that runs")
    parser.add_argument("--workers", type=int, default=2, help="how many to start, if none runs")
    parser.add_argument("--clients", type=int, default=100, help="the number of clients")
    parser.add_argument("--rounds", type=int, default=3, help="the number of rounds")
    options = parser.parse_args()
    clients = client_batches(options.clients)

    # A worker runs one task at a time, in one thread; more workers use more processors.
    cluster = options.scheduler or distributed.LocalCluster(
        n_workers=options.workers, threads_per_worker=1, dashboard_address=":0"
    )
    with distributed.Client(cluster) as client:
        print("on the workers of Dask")
        with tff.backends.native.create_executor_context(client.get_executor()):
            there = train(clients, options.rounds)
    if not options.scheduler:
        cluster.close()
    print("in this process")
    here = train(clients, options.rounds)
    print("the weights are", "the same" if here == there else "different")


# Dask starts its workers by importing this file again.
if __name__ == "__main__":
    main()
