"""What each kind of index loses, and how long it takes, beside exact search, as CSV (about 3 minutes):

    python data/results/search.py > data/results/search.csv

100,000 vectors of 512 numbers around 5,000 random centres, and 256 queries of the same kind, on one thread.
`serial_map` and `at_once` are the CPU time for a query when they come singly or all together, `to_make` that of
making the index, in units of one exact search for one query (`exact_ms`), all in the same run."""
import csv
import os
import sys
import time

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch

from lf2.apps.nearest import INDEX_KINDS, fill_index, measure_recall, nearest_in
from lf2.manifest import describe_device, git_revision, source_folder

torch.set_num_threads(1)
COUNT, CHANNELS, PEOPLE, QUERIES, TOP = 100_000, 512, 5_000, 256, 20

chance = np.random.default_rng(0)
centres = chance.standard_normal((PEOPLE, CHANNELS), dtype=np.float32)
vectors = chance.standard_normal((COUNT + QUERIES, CHANNELS), dtype=np.float32)
vectors += centres[chance.integers(PEOPLE, size=len(vectors))]
vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
vectors, queries = vectors[:COUNT], vectors[COUNT:]


def seconds(function, *arguments) -> float:
    "How long a call computes; who else uses the machine is left out."
    started = time.process_time()
    function(*arguments)
    return time.process_time() - started


def one_by_one(index) -> None:
    "Every query alone."
    for query in queries:
        nearest_in(index, query[None], TOP)


indexes, made, singly, together = {}, {}, {}, {}
for kind in INDEX_KINDS:
    made[kind] = seconds(lambda: indexes.update({kind: fill_index(kind, vectors)}))
    print(f"{kind}: made in {made[kind]:.1f} s", file=sys.stderr, flush=True)
for _ in range(5):  # in turn, so that a slow minute of the machine is everybody's
    for kind, index in indexes.items():
        singly.setdefault(kind, []).append(seconds(one_by_one, index) / QUERIES)
        together.setdefault(kind, []).append(seconds(nearest_in, index, queries, TOP) / QUERIES)

unit = min(singly["exact"])
rows = [
    {
        "kind": kind,
        "recall_at_20": f"{measure_recall(index)['share']:.3f}",
        "one_by_one": f"{min(singly[kind]) / unit:.3f}",
        "at_once": f"{min(together[kind]) / unit:.3f}",
        "to_make": f"{made[kind] / unit:.0f}",
        "exact_ms": f"{1000 * unit:.1f}",
        "images": COUNT,
        "channels": CHANNELS,
        "device": describe_device("cpu"),
        "revision": git_revision(source_folder()),
    }
    for kind, index in indexes.items()
]
writer = csv.DictWriter(sys.stdout, rows[0], lineterminator="\n")
writer.writeheader()
writer.writerows(rows)
