"""How time and memory grow with the number of images, up to a million, as CSV (about half an hour):

    python data/results/growth.py runs/growth.csv 20

One CPU thread. A size that would take longer than 20 seconds, or whose result would not fit into memory,
is extrapolated from the two sizes before it. A tenth of the images are queries, and each person has 20."""
import csv
import math
import os
import sys
from functools import partial
from timeit import timeit

import torch

from lf2.clustering import kmeans, minibatch_kmeans
from lf2.experiments.benchmarks import extra_memory, made_up_people, made_up_test, on_threads, plain_rerank, plain_scores
from lf2.features import extract
from lf2.manifest import git_revision, source_folder
from lf2.metrics import score
from lf2.reranking import rerank
from lf2.seeds import seeded
from lf2.source_network import SourceNet

SIZES = [round(10 ** (3 + step / 2)) for step in range(7)]  # 10³ to 10⁶
MEMORY = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")  # bytes


def sampled_kmeans(features, clusters, seed):
    "K-means on a sample of two images for each cluster, but at least 20,000."
    return kmeans(features, clusters, seed, sample=max(20_000, 2 * clusters))


PARTS = {  # functions, and the bytes of matrices that they return or keep, for each pair of two images
    "scoring": (score, 0), "re-ranking": (rerank, 4 * 0.1 * 0.9), "clustering": (kmeans, 0),
    "clustering, from a sample": (sampled_kmeans, 0), "extraction": (extract, 0),
    "scoring, whole matrix": (plain_scores, 4 * 0.1 * 0.9), "re-ranking, dense": (plain_rerank, 8),
    "clustering, released call": (minibatch_kmeans, 0),
}


def call_of(part: str, images: int):
    "The call to measure, with its inputs."
    function, people = PARTS[part][0], max(2, images // 20)
    if part == "extraction":
        with seeded(0, "network"):
            network = SourceNet("tiny", 10).eval()
        return partial(function, network.describe, torch.zeros(1, 3, 64, 32, dtype=torch.uint8).expand(images, 3, 64, 32))
    if part.startswith("clustering"):
        return partial(function, made_up_people(images, people, 256, 3.0)[0], people, 0)
    data = made_up_test(images // 10, images - images // 10, people, 256)
    return partial(function, *(data if part.startswith("scoring") else data[:2]))


def measure(call) -> tuple[float, float | None]:
    "Seconds, and megabytes beyond the input."
    times: list[float] = []
    peak = extra_memory(lambda: times.append(timeit(call, number=1)))
    if times[0] < 1:  # the first call of a process is slower
        times.append(timeit(call, number=1))
    return min(times), None if peak is None else peak / 1e6


def grow(part: str, budget: float, sizes=SIZES):
    "Images, seconds, megabytes, and whether they were measured."
    rows: list[tuple] = []
    for images in sizes:
        guess = 0.0
        if len(rows) > 1:
            (n0, s0, *_), (n1, s1, *_) = rows[-2:]
            guess = s1 * (images / n1) ** max(math.log(s1 / s0) / math.log(n1 / n0), 1.0)
        fits = PARTS[part][1] * images**2 <= MEMORY / 4
        measured = guess <= budget and fits and all(row[3] for row in rows[-1:])
        rows.append((images, *(measure(call_of(part, images)) if measured else (guess, None)), measured))
        yield rows[-1]


if __name__ == "__main__":
    budget, revision = float(sys.argv[2]), git_revision(source_folder())
    with open(sys.argv[1], "w", newline="") as file, on_threads(1):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow("part,images,seconds,megabytes,measured,threads,budget,revision".split(","))
        for part in PARTS:
            for images, seconds, peak, measured in grow(part, budget):
                size = "" if peak is None else f"{peak:.4g}"
                writer.writerow([part, images, f"{seconds:.4g}", size, measured, 1, budget, revision])
                file.flush()
