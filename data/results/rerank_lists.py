"""What re-ranking each list among its own first images gains, beside re-ranking everything, as CSV (1 minute):

    python data/results/rerank_lists.py runs/photos/seed0/averaged-m250 > data/results/rerank_lists.csv

The run is one of photos.sh; its descriptors of the test split of market1501:data/reid/market are scored under
the Market-1501 protocol. Images behind a list's candidates keep their order by likeness. One thread."""
import csv
import os
import sys
import time
import warnings

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch

from lf2.apps.extractor import load
from lf2.apps.nearest import fill_index, nearest_in, rerank_neighbours
from lf2.datasets import open_dataset
from lf2.manifest import describe_device, git_revision, source_folder
from lf2.metrics import score_distances
from lf2.reranking import rerank
from lf2.scoring import TestSplit

torch.set_num_threads(1)
warnings.simplefilter("ignore")  # the dataset is a subset, and says so
model = load(sys.argv[1], device="cpu")
split = TestSplit(open_dataset("market1501:data/reid/market"), model.height, model.width, max_bytes=0)
query, gallery = split.halves(model.describe(split.images))
index = fill_index("exact", gallery)
plain = 1 - query @ gallery.T
rows = []


def add(how: str, candidates: int, distances: np.ndarray, seconds: float) -> None:
    "A row of the table."
    scores = score_distances(distances, *split.labels)
    rows.append({
        "order": how, "candidates": candidates, "mAP": f"{scores.mAP:.4f}", "rank1": f"{scores.rank1:.4f}",
        "ms_per_query": f"{1000 * seconds / len(query):.1f}", "queries": len(query), "gallery": len(gallery),
        "device": describe_device("cpu"), "revision": git_revision(source_folder()),
    })


started = time.process_time()
nearest_in(index, query, 100)
add("likeness", 0, plain, time.process_time() - started)
for candidates in (50, 100, 200):
    started = time.process_time()
    found = rerank_neighbours(index, query, nearest_in(index, query, candidates), candidates)
    seconds = time.process_time() - started
    distances = plain.copy()
    places = np.arange(candidates, dtype=np.float32) - candidates - 1  # before all others
    np.put_along_axis(distances, found.positions, np.broadcast_to(places, found.positions.shape), 1)
    add("each list re-ranked", candidates, distances, seconds)
started = time.process_time()
distances = rerank(query, gallery)
add("all re-ranked", len(gallery), distances, time.process_time() - started)
writer = csv.DictWriter(sys.stdout, rows[0], lineterminator="\n")
writer.writeheader()
writer.writerows(rows)
