"""Write synthetic.csv from the runs that synthetic.sh left, a line for each.

From the repository's root: python data/results/methods/table.py
"""
import csv
import json
from pathlib import Path

lines = []
for results in sorted(Path("runs/methods").glob("seed_*/*/results.json")):
    run = results.parent
    scores = json.loads(results.read_text(encoding="utf-8"))
    if "last" not in scores:  # the source
        continue
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    with open(run / "history.csv", newline="") as file:
        epochs = list(csv.DictReader(file))
    lines.append({
        "method": config["method"], "seed": config["seed"],
        "steps_per_epoch": config["iterations"], "epochs": config["epochs"],
        "direct": f"{scores['direct_transfer']['mAP']:.4f}",
        "start": f"{scores['start']['mAP']:.4f}",
        "mAP": f"{scores['last']['mAP']:.4f}", "R1": f"{scores['last']['rank1']:.4f}",
        "label_free": f"{scores['label_free']['mAP']:.4f}",
        "oracle": f"{scores['oracle_best']['mAP']:.4f}",
        **{f"last_{name}": epochs[-1][name][:6] for name in ("ari_0", "cross_camera", "silhouette")},
        "device": manifest["device"], "revision": manifest["git_revision"][:7],
    })
with open("data/results/methods/synthetic.csv", "w", newline="") as file:
    writer = csv.DictWriter(file, lines[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
