"""Trials of lf2 adapt beside the recipe, as CSV, with the flags in which each differs from it:
python data/results/recipe/tried.py runs/tried/{synthetic,photos} > data/results/recipe/tried.csv

A trial is
lf2 adapt --method recipe2 --preset synthetic --target synthetic:arcade --clusters 80 --epochs 8 \\
    --iterations 90 --init runs/synthetic/seed0/source --seed 0 --output runs/tried/synthetic/NAME
and the choices as flags; on photographs --preset laptop --target market1501:data/reid/market
--epochs 6 --iterations 135 --init runs/photos/seed0/source. The source runs are those of
data/results/synthetic.sh and photos.sh. One CPU thread (OMP_NUM_THREADS=1)."""
import csv
import json
import sys
from pathlib import Path

from lf2.configuration import preset_config
from lf2.recipe2 import Recipe2Config

OWN = {"target", "init", "output", "seed", "method", "preset", "clusters", "epochs", "iterations",
       "resume", "snapshots", "device", "workers", "memory", "checkpoint_minutes", "parts",
       "fusion", "part_loss", "tensorboard", "overwrite", "evaluate_every"}


def read(run: Path, name: str) -> dict:
    return json.loads((run / f"{name}.json").read_text())


def flags(config: dict) -> str:
    "What a trial changed."
    usual = preset_config(
        Recipe2Config, config["preset"], target="", init="", output="", global_loss="global",
        final_rate=1.0,
    )
    changed = [
        f"{name} {' '.join(map(str, value)) if isinstance(value, list) else value}"
        for name, value in config.items()
        if name not in OWN and hasattr(usual, name) and value != getattr(usual, name)
        and not (isinstance(value, list) and tuple(value) == getattr(usual, name))
    ]
    if config["part_loss"] not in (None, "part"):
        changed.append(f"part_loss {config['part_loss']}")
    return ", ".join(changed) or "the recipe"


writer = csv.writer(sys.stdout, lineterminator="\n")
writer.writerow(["pair", "name", "seed", "choices", "epochs", "iterations", "images_seen", "mAP",
                 "rank1", "label_free_mAP", "oracle_best_mAP", "ari", "clusters", "seconds"])
for folder in map(Path, sys.argv[1:]):
    runs = sorted(path.parent for path in folder.glob("*/results.json"))
    for run in runs:
        config, results = read(run, "config"), read(run, "results")
        with open(run / "history.csv", newline="") as file:
            history = list(csv.DictReader(file))
        seen = config["epochs"] * config["iterations"] * config["identities"] * config["instances"]
        scores = [round(results[pick]["mAP"], 4) for pick in ("last", "label_free", "oracle_best")]
        writer.writerow([
            folder.name, run.name.rpartition("-s")[0], config["seed"], flags(config),
            config["epochs"], config["iterations"], seen, scores[0],
            round(results["last"]["rank1"], 4), *scores[1:],
            round(float(history[-1]["ari_0"]), 3), int(float(history[-1]["clusters_0"])),
            round(sum(float(row["seconds"]) for row in history)),
        ])
