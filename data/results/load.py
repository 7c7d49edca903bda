"""What 100,000 synthetic crops need, and whether memory stays flat over 50 epochs, as CSV (about 20 minutes):

    python data/results/load.py runs/load > data/results/load.csv

Each command runs in a process of its own, with 0.01 to 0.1 GiB for what can be mapped,
and is asked for its memory five times a second: `anonymous` is what it holds, `resident` counts mapped
files, too, whose pages the system takes back when others need them."""
import csv
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from lf2.history import read_history
from lf2.manifest import git_revision, source_folder
from lf2.synthetic.domains import DOMAINS, write_domain

os.environ["OMP_NUM_THREADS"] = "1"
root = Path(sys.argv[1])
rows: list[dict] = []


def megabytes(pid: int, name: str) -> float | None:
    "A field of /proc/PID/status."
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1000 for line in lines if line.startswith(name)), None)


def measured(what: str, images: int, words: str, log: Path | None = None) -> None:
    "Run a command, sample its memory, add rows."
    print(f"{what}: lf2 {words}", file=sys.stderr, flush=True)
    call = "import sys; from lf2.cli import main; sys.exit(main())"
    started = time.monotonic()
    process = subprocess.Popen([sys.executable, "-c", call, *words.split()], stdout=sys.stderr)
    peaks, by_epoch = {"RssAnon": 0.0, "VmRSS": 0.0}, {}
    while process.poll() is None:
        epoch = len(read_history(log)) if log and log.exists() else 0
        for name in peaks:
            found = megabytes(process.pid, name) or 0.0
            peaks[name] = max(peaks[name], found)
            if name == "RssAnon" and log and found:
                by_epoch[epoch] = max(by_epoch.get(epoch, 0), found)
        time.sleep(0.2)
    if process.returncode:
        raise SystemExit(f"{what} ended with exit code {process.returncode}")
    row = {"what": what, "images": images, "seconds": round(time.monotonic() - started)}
    rows.append(row | {"anonymous_MB": round(peaks["RssAnon"]), "resident_MB": round(peaks["VmRSS"])})
    for epoch in (5, 10, 20, 30, 40, 49):
        if epoch in by_epoch:
            held = {"anonymous_MB": round(by_epoch[epoch], 1), "resident_MB": ""}
            rows.append({"what": f"{what}, in epoch {epoch + 1}", "images": images, "seconds": ""} | held)


if not (root / "crowd").exists():
    root.mkdir(parents=True, exist_ok=True)
    crowd = replace(DOMAINS["arcade"], train_identities=9600, test_identities=2, distractors=2, junk=1)
    write_domain(crowd, root / "crowd")
crops = root / "crowd/bounding_box_train"
images = len(list(crops.iterdir()))
size = "--backbone tiny --weights none --height 128 --width 64 --bn-group-size 0 --epochs 1 --iterations 20"
if not (root / "source/results.json").exists():
    measured("pretrain", 0, f"pretrain --source synthetic:courtyard {size} --output {root}/source --overwrite")
    rows.clear()
measured("extract", images, f"extract --data crops:{crops} --model {root}/source --memory 0.01 "
         f"--output {root}/features.npz --overwrite")
measured("adapt, one epoch", images, f"adapt --target crops:{crops} --init {root}/source --epochs 1 "
         f"--iterations 20 --clusters 4800 --cluster-sample 20000 --bn-group-size 0 --memory 0.1 "
         f"--output {root}/target --overwrite")
measured("adapt, 50 epochs", 842, f"adapt --preset synthetic --target synthetic:arcade --init {root}/source --epochs 50 "
         f"--iterations 10 --output {root}/long --overwrite", root / "long/history.csv")
rows = [row | {"device": "cpu (1 thread)", "revision": git_revision(source_folder())} for row in rows]
writer = csv.DictWriter(sys.stdout, rows[0], lineterminator="\n")
writer.writeheader()
writer.writerows(rows)
