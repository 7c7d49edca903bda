"""Write synthetic.csv, a line for each run of synthetic.sh, and curves.csv, a line for each epoch.

From the repository's root: python data/results/methods/table.py
It reads the finished runs in runs/methods; name other folders if yours are elsewhere. A line of another seed or
method that is in a file already stays there. TABLES=FOLDER writes the two files into another folder.
"""
import csv
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

from lf2.configuration import AdaptConfig
from lf2.loop import METHODS

HERE = Path(os.environ.get("TABLES", "data/results/methods"))


def read(path: Path) -> list[dict[str, Any]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def images_per_epoch(config: dict[str, Any]) -> int:
    kind: type[AdaptConfig] = METHODS.find(config["method"]).Config
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in config.items()}
    batches = kind(**values).batches_per_step * config["iterations"]
    return batches * config["identities"] * config["instances"]


def write(name: str, new: list[dict[str, Any]]) -> None:
    "Replace the lines of the runs that are here, and keep the others."
    runs = {(line["method"], str(line["seed"])) for line in new}
    old = read(HERE / name) if (HERE / name).exists() else []
    kept = [line for line in old if (line["method"], line["seed"]) not in runs]
    lines = sorted([*kept, *new], key=lambda line: (line["method"], int(line["seed"])))
    with open(HERE / name, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, (new or old)[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)


table, curves = [], []
for folder in sys.argv[1:] or ["runs/methods"]:
    for results in sorted(Path(folder).glob("seed*/*/results.json")):
        run = results.parent
        scores = json.loads(results.read_text(encoding="utf-8"))
        if "last" not in scores:  # the source
            continue
        config = json.loads((run / "config.json").read_text(encoding="utf-8"))
        manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
        epochs = read(run / "history.csv")
        named = {"method": re.sub(r"-m\d+$", "", run.name), "seed": config["seed"]}
        table.append(named | {
            "steps_per_epoch": config["iterations"], "epochs": config["epochs"],
            "direct": f"{scores['direct_transfer']['mAP']:.4f}",
            "start": f"{scores['start']['mAP']:.4f}",
            "mAP": f"{scores['last']['mAP']:.4f}", "R1": f"{scores['last']['rank1']:.4f}",
            "label_free": f"{scores['label_free']['mAP']:.4f}",
            "oracle": f"{scores['oracle_best']['mAP']:.4f}",
            **{f"last_{name}": epochs[-1][name][:6]
               for name in ("ari_0", "cross_camera", "silhouette")},
            "device": manifest["device"], "revision": manifest["git_revision"][:7],
        })
        images = images_per_epoch(config)
        points = [(0, scores["start"]["mAP"]), *((int(e["epoch"]), e["mAP"]) for e in epochs)]
        curves += [
            named | {"images": epoch * images, "mAP": f"{float(mAP):.4f}"} for epoch, mAP in points
        ]
write("synthetic.csv", table)
write("curves.csv", curves)
