"""What half precision and principal components cost, on a development subset of photographs, as CSV (3 minutes):

    python data/results/compress.py > data/results/compress.csv

MobileNetV2 with ImageNet weights, not trained on people: only its batch-norm statistics are adapted, to 512 training
images. So the scores are low; the table is for their differences. The test split of market1501:data/reid/market is
scored under the Market-1501 protocol. The axes are those of the gallery, as in lf2 index --pca. One thread, seed 0."""
import csv
import os
import sys
import warnings

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch

from lf2.apps.nearest import principal_axes, project
from lf2.backbones import backbone_state
from lf2.datasets import open_dataset
from lf2.features import extract
from lf2.images import Images
from lf2.manifest import describe_device, git_revision, source_folder
from lf2.metrics import score
from lf2.networks import LF2
from lf2.scoring import TestSplit, adapt_statistics
from lf2.seeds import seeded
from lf2.weights import read_weights

torch.set_num_threads(1)
warnings.simplefilter("ignore")  # the dataset is a subset, and says so
dataset = open_dataset("market1501:data/reid/market")
with seeded(0, "model"):
    network = LF2("mobilenet_v2", classes=2).eval()
network.load_backbone(backbone_state(read_weights("data/weights/mobilenet_v2_imagenet.pth")))
adapt_statistics(network.teacher, Images(dataset.train[::4][:512], 128, 64))
split = TestSplit(dataset, 128, 64, max_bytes=0)
query, gallery = split.halves(extract(network.describe, split.images))
rows: list[dict[str, object]] = []
before = score(query, gallery, *split.labels)
revision = git_revision(source_folder())


def add(stored: str, bytes_per_number: int, query: np.ndarray, gallery: np.ndarray) -> None:
    "Score descriptors, and add a row to the table."
    scores, numbers = score(query, gallery, *split.labels), gallery.shape[1]
    size = numbers * bytes_per_number
    rows.append({
        "stored": stored, "numbers": numbers, "bytes": size, "GB_per_million": f"{size / 1000:.2f}",
        "mAP": f"{scores.mAP:.4f}", "rank1": f"{scores.rank1:.4f}",
        "mAP_change": f"{scores.mAP - before.mAP:+.4f}", "rank1_change": f"{scores.rank1 - before.rank1:+.4f}",
        "queries": len(query), "gallery": len(gallery), "device": describe_device("cpu"),
        "revision": revision,
    })


half = gallery.astype(np.float16)
add("float32", 4, query, gallery)
add("float16", 2, query, half.astype(np.float32))
for count in (1024, 512, 256, 128):
    axes = principal_axes(gallery, count)
    add(f"PCA {count}", 4, project(query, axes), project(gallery, axes))
axes = principal_axes(half, 512)
add("PCA 512 of float16", 4, project(query, axes), project(half.astype(np.float32), axes))
writer = csv.DictWriter(sys.stdout, rows[0], lineterminator="\n")
writer.writeheader()
writer.writerows(rows)
