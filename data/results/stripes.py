"""Whether gated maps lie on their gates' stripes, frozen and trained, over all test images, as CSV:
python data/results/stripes.py runs/{synthetic,photos}/seed?/{lf2,trained}-m{80,250} > data/results/stripes.csv"""
import csv
import sys
from pathlib import Path

from lf2.datasets import open_dataset
from lf2.figures.heat_maps import stripe_shares
from lf2.run_folder import read_json
from lf2.saved_models import load_model
from lf2.scoring import TestSplit

rows = []
for folder in map(Path, sys.argv[1:]):
    if not folder.exists():  # the pattern above names cells that nobody asked for
        continue
    config = read_json(folder / "config.json")
    model, height, width = load_model(folder)
    split = TestSplit(open_dataset(config["target"]), height, width)
    for share in stripe_shares(model, split.images):
        numbers = {k: round(v, 5) for k, v in share._asdict().items() if k != "part"}
        cell = {"target": Path(config["target"]).name, "fusion": config["fusion"]}
        rows.append({**cell, "seed": config["seed"], "part": share.part, **numbers})
writer = csv.DictWriter(sys.stdout, rows[0], lineterminator="\n")
writer.writeheader()
writer.writerows(rows)
