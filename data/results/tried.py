"""Last scores of trial runs, each with the choices in which it differs from LF², as CSV:
python data/results/tried.py runs/tried/{synthetic,photos,weaker} > data/results/tried.csv

The arcade was replaced after these trials. "first arcade" is the one of revision 6f2c94d, whose
cameras differ more; "arcade of like cameras" is made by data/results/weaker_cameras.py of revision
96a25be; "arcade with weather", of revision ca694e0, has rows of lf2 ablate. We named the pairs so
afterwards.

A trial is lf2 adapt with the choices as flags (--labelling shared, --labeller dbscan, …), from the
source runs of synthetic.sh and photos.sh, at the revision in its row. Names are today's: those
revisions say --labels joint, drawn:arcade and --preset drawn, for example.
lf2 adapt --preset synthetic --target synthetic:arcade --init runs/synthetic/seed0/source --clusters 80 \\
    --epochs 8 --iterations 90 --seed 0 --output runs/tried/synthetic/NAME CHOICES
and on photographs --preset laptop --target market1501:data/reid/market --clusters 250 --epochs 6
--iterations 135 --init runs/photos/seed0/source. One CPU thread (OMP_NUM_THREADS=1)."""
import csv
import json
import sys
from collections import defaultdict
from pathlib import Path

RELEASED = {
    "labelling": "per-part", "labeller": "kmeans", "eps": 0.5, "cluster_on": "fused",
    "fusion": "frozen", "centre_cameras": False, "reject": 0.0, "soft": 0.0,
    "teacher": "forwarded", "optimizer": "renewed", "schedule": "constant",
    "balance_cameras": False, "camera_positives": True, "ema_horizon": 0.0,
}
RATES = {"synthetic": 3e-5, "weaker": 3e-5, "photos": 3.5e-4}  # of the presets


def read(run: Path, name: str) -> dict:
    return json.loads((run / f"{name}.json").read_text())


def choices(config: dict, pair: str) -> str:
    "What a trial changed."
    changed = {k: config[k] for k, usual in RELEASED.items() if config.get(k, usual) != usual}
    if config["fusion"] == "off":
        changed.pop("fusion")  # follows from what is clustered
    if config["learning_rate"] != RATES[pair]:
        changed["learning_rate"] = config["learning_rate"]
    return ", ".join(f"{k} {v}" for k, v in changed.items()) or "as released"


found = defaultdict(dict)
for folder in map(Path, sys.argv[1:]):
    for run in sorted(path.parent for path in folder.glob("*/results.json")):
        config, manifest = read(run, "config"), read(run, "manifest")
        row = found[folder.name, choices(config, folder.name), config["epochs"]]
        row["iterations"] = config["iterations"]
        row |= {key: manifest[key] for key in ("device", "git_revision")}
        row[f"seed_{config['seed']}"] = round(read(run, "results")["last"]["mAP"], 4)
columns = ("pair", "choices", "seed_0", "seed_1", "epochs", "iterations", "device", "git_revision")
writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
writer.writeheader()
writer.writerows(
    {"pair": pair, "choices": told, "epochs": epochs, **row}
    for (pair, told, epochs), row in found.items()
)
