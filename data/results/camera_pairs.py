"""What k-means puts together at the start of adaptation, by camera, as CSV:
python data/results/camera_pairs.py runs/{photos,confirm}/seed0/source > data/results/camera_pairs.csv"""
import csv
import sys
from pathlib import Path

import numpy as np

from lf2.clustering import centre_cameras, kmeans
from lf2.datasets import open_dataset
from lf2.features import extract
from lf2.images import Images
from lf2.label_quality import cross_camera
from lf2.records import camera_array, identity_array
from lf2.run_folder import read_json
from lf2.saved_models import load_model


def shares(features: np.ndarray, identities: np.ndarray, cameras: np.ndarray) -> dict[str, float]:
    "Of the pairs of images that share a cluster, and of the true pairs."
    labels = kmeans(features, 250, seed=0).labels
    together = labels[:, None] == labels
    true = identities[:, None] == identities
    within = cameras[:, None] == cameras
    np.fill_diagonal(together, False)
    np.fill_diagonal(true, False)
    found = {"cross_camera": cross_camera(features, cameras)}
    found["same_camera_share"] = (together & within).sum() / together.sum()
    for name, of_kind in (("same", within), ("cross", ~within)):
        right = (together & true & of_kind).sum()
        found[f"precision_{name}_camera"] = right / (together & of_kind).sum()
        found[f"recall_{name}_camera"] = right / (true & of_kind).sum()
    return {key: round(float(value), 3) for key, value in found.items()}


rows = []
for source in sys.argv[1:]:
    model, height, width = load_model(source, "source_best")
    config = read_json(Path(source, "config.json"))
    records = open_dataset(config["target"]).train
    features = extract(model.describe, Images(records, height, width))
    identities, cameras = identity_array(records), camera_array(records)
    for name, values in (("as is", features), ("centred", centre_cameras(features, cameras))):
        row = {"direction": "-".join(Path(config[role]).name for role in ("source", "target"))}
        row["features"] = name
        rows.append(row | shares(values, identities, cameras))
writer = csv.DictWriter(sys.stdout, rows[0], lineterminator="\n")
writer.writeheader()
writer.writerows(rows)
