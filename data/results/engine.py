"""Another engine beside `lf2 extract`: Ray Data reads what that wrote, and extracts the same by two workers.

python data/results/engine.py runs/engine     (pip install "ray[data]"; writes data/results/engine.csv)
"""
import csv
import os
import sys
from pathlib import Path

import numpy as np
import ray

import lf2
from lf2.cli import main
from lf2.manifest import describe_device, git_revision, source_folder

PIECE = 64  # images a block of Ray's, and a batch of ours: then a batch holds the same images


class Describe:
    "An actor: it loads the model once, and describes block after block."

    def __init__(self, folder: str):
        self.model = lf2.load(folder, device="cpu")

    def __call__(self, block: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        features = self.model.describe_files(block["path"].tolist(), batch_size=PIECE, workers=0)
        worker = np.full(len(features), os.getpid())
        return {"path": block["path"], "descriptor": features, "worker": worker}


def run(folder: Path) -> dict[str, object]:
    "Our extraction, Ray's reading of it, and Ray's own extraction."
    few = "--epochs 1 --iterations 10 --workers 0"
    commands = (
        f"synthesize --output {folder}/synthetic",
        f"pretrain --source folder:{folder}/synthetic/courtyard --preset synthetic {few} --output {folder}/model",
        f"extract --data folder:{folder}/synthetic/arcade --model {folder}/model --output {folder}/ours",
    )
    for command in commands:
        if main(command.split()):
            sys.exit(f"lf2 {command} failed")

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    ours = ray.data.read_parquet(str((folder / "ours/descriptors.parquet").resolve())).to_pandas()
    stored = np.load(folder / "ours/features.npy")
    read = np.stack(ours.descriptor)
    blocks = [{"path": path} for path in ours.path]
    theirs = ray.data.from_items(blocks, override_num_blocks=-(-len(blocks) // PIECE)).map_batches(
        Describe, fn_constructor_args=(str((folder / "model").resolve()),), batch_size=PIECE, concurrency=2
    )
    theirs.write_parquet(str((folder / "theirs").resolve()))
    table = ray.data.read_parquet(str((folder / "theirs").resolve())).to_pandas()
    found = dict(zip(table.path, table.descriptor))
    again = np.stack([found[path] for path in ours.path])
    return {
        "images": len(ours), "channels": read.shape[1],
        "read_back": "same bytes" if np.array_equal(read, stored) else "differs",
        "workers": table.worker.nunique(), "largest_difference": f"{np.abs(again - stored).max():.1e}",
        "ray": ray.__version__, "device": describe_device("cpu"), "revision": git_revision(source_folder()),
    }


if __name__ == "__main__":
    row = run(Path(sys.argv[1]))
    print(row)
    with open(Path(__file__).with_suffix(".csv"), "w", newline="") as file:
        writer = csv.DictWriter(file, row)
        writer.writeheader()
        writer.writerow(row)
