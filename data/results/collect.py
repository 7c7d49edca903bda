"Scores of finished runs as CSV: python data/results/collect.py runs/real > data/results/real.csv"
import csv
import json
import sys
from pathlib import Path

SCORES = ("mAP", "rank1", "rank5", "rank10", "mINP")


def rows(folder: Path):
    "One row per pick of each adaptation run below `folder`, and its direct transfer."
    for results_file in sorted(folder.glob("*/*/results.json")):
        run = results_file.parent
        results = json.loads(results_file.read_text())
        if "last" not in results:
            continue  # a pre-training run
        config = json.loads((run / "config.json").read_text())
        manifest = json.loads((run / "manifest.json").read_text())
        with open(run / "history.csv", newline="") as file:
            seconds = [float(row["seconds"]) for row in csv.DictReader(file)]
        for pick in ("direct_transfer", "last", "oracle_best", "label_free"):
            found = results[pick]
            yield {
                "direction": run.parent.name,
                "row": run.name,
                "pick": pick,
                "epoch": found.get("epoch", 0),
                **{name: round(found[name], 4) for name in SCORES},
                "epochs": config["epochs"],
                "iterations": config["iterations"],
                "clusters": config["clusters"][0],
                "seed": config["seed"],
                "minutes": round(sum(seconds) / 60, 1),
                "device": manifest["device"],
                "git_revision": manifest["git_revision"],
            }


if __name__ == "__main__":
    found = list(rows(Path(sys.argv[1])))
    writer = csv.DictWriter(sys.stdout, found[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(found)
