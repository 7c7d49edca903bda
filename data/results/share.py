"""Nearest centres and the silhouette of 200,000 vectors, on rank 0 alone and shared by all, as CSV:

    OMP_NUM_THREADS=1 torchrun --standalone --nproc_per_node 2 data/results/share.py

writes data/results/share.csv. Both ways in turn, five times; the ratio is the median of the five, and the
bytes must be equal. The others idle while rank 0 works alone, as they do in a run."""
import csv
import time
from pathlib import Path

import numpy as np

from lf2.clustering import nearest_centre, serial_map
from lf2.distributed import Processes
from lf2.label_quality import silhouette
from lf2.manifest import describe_device, git_revision, source_folder
from lf2.seeds import numpy_generator

COUNT, CHANNELS, CLUSTERS, TIMES = 200_000, 128, 10_000, 5

processes = Processes()


def race() -> list[dict]:
    "In rank 0, which asks the others where it shares."
    random = numpy_generator(0, "share")
    centres = random.standard_normal((CLUSTERS, CHANNELS), np.float32)
    vectors = centres[random.integers(CLUSTERS, size=COUNT)]
    vectors += random.standard_normal(vectors.shape, np.float32)
    labels = nearest_centre(vectors, centres)[0]
    parts = {
        "nearest centres": lambda each: nearest_centre(vectors, centres, each)[0],
        "silhouette": lambda each: silhouette(vectors, labels, centres, map_function=each),
    }
    rows = []
    for name, part in parts.items():
        seconds, found = {serial_map: [], processes.parallel_map: []}, []
        for each in [*seconds] * TIMES:
            started = time.perf_counter()
            found.append(part(each))
            seconds[each].append(time.perf_counter() - started)
        assert all(np.array_equal(one, found[0]) for one in found)
        alone, shared = map(np.array, seconds.values())
        rows.append({
            "part": name, "processes": processes.count, "alone_seconds": f"{np.median(alone):.1f}",
            "shared_over_alone": f"{np.median(shared / alone):.2f}",
            "least": f"{(shared / alone).min():.2f}", "most": f"{(shared / alone).max():.2f}",
            "images": COUNT, "channels": CHANNELS, "clusters": CLUSTERS, "device": describe_device("cpu"),
            "revision": git_revision(source_folder()),
        })
        print(rows[-1], flush=True)
    return rows


rows = processes.run_on_rank_zero(race)
if processes.is_rank_zero:
    with open(Path(__file__).with_suffix(".csv"), "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
processes.wait_for_everyone()
