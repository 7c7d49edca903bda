"""Show that two revisions of lf2 leave the same bytes: record small runs, and compare them.

Record each revision with its own copy of this script, on one machine with one environment: another
processor rounds otherwise. The command line is all that the script knows of lf2.
"""
import argparse
import contextlib
import csv
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# A batch of 4 x 4 images on a tiny network is enough: what is compared is arithmetic, not accuracy.
PEOPLE = {"bounding_box_train": 20, "query": 6, "bounding_box_test": 6}  # identities kept of each
OTHERS = {"-1": 6, "0000": 6}  # images kept of nobody in particular, by the identity in their name
ITERATIONS = 4  # an epoch; a signal has to hit one in its midst
TRIES = 5  # of hitting it
LIMIT = 900  # seconds for a command
TWO_PROCESSES = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]

SHARED = (f"--iterations {ITERATIONS} --workers 0 --device cpu --seed 3 --bn-group-size 0 "
          "--epochs 3 --identities 4")
SOURCE = (f"{SHARED} --backbone tiny --weights none --height 64 --width 32 --evaluate-every 2 "
          "--source folder:courtyard")
BOTH = f"{SOURCE} --target folder:arcade"
TARGET = f"{SHARED} --clusters 16 --ema-decay 0.9 --target folder:arcade --init pretrain"
GROUPS = "--bn-group-size 4 --micro-batches 4"
TRAINED, RECIPE = "--fusion trained --clusters 16 12 12", "--preset recipe --identities 2"
FIRST = "pretrain"  # the others start from it
RUNS = {  # flags, the last of equals wins; in a name, first the command, then how it is run
    "pretrain": SOURCE,
    "pretrain with target": BOTH,
    "pretrain stopped": BOTH,
    "pretrain by two": f"{BOTH} {GROUPS}",
    "adapt released": TARGET,
    "adapt fusion-trained": f"{TARGET} {TRAINED}",
    "adapt global": f"{TARGET} --cluster-on global",
    "adapt local": f"{TARGET} --cluster-on local",
    "adapt shared-labels": f"{TARGET} --labelling shared --centre-cameras",
    "adapt recipe": f"{TARGET} {RECIPE}",
    "adapt minibatch": f"{TARGET} --labeller minibatch",
    "adapt groups": f"{TARGET} {GROUPS}",
    "adapt every-second": f"{TARGET} --evaluate-every 2",
    "adapt fusion-trained stopped": f"{TARGET} {TRAINED}",
    "adapt recipe stopped": f"{TARGET} {RECIPE}",
    "adapt groups by two": f"{TARGET} {GROUPS}",
    "adapt fusion-trained by two": f"{TARGET} {TRAINED} {GROUPS}",
}
TWINS = {  # runs that have to leave the same bytes as another
    "pretrain stopped": "pretrain with target",
    "adapt fusion-trained stopped": "adapt fusion-trained",
    "adapt recipe stopped": "adapt recipe",
    "adapt groups by two": "adapt groups",
}
Digests = dict[str, dict[str, str]]  # SHA-256 by run and file


def digest(content: bytes) -> str:
    "Return the SHA-256 of some bytes."
    return hashlib.sha256(content).hexdigest()


def digests_of(folder: Path) -> dict[str, str]:  # by name
    "Digest what a run leaves, times apart. Raises `FileNotFoundError` where results are missing."
    paths = [*folder.glob("*.safetensors"), *folder.glob("model.json"), folder / "results.json"]
    found = {path.name: digest(path.read_bytes()) for path in paths}
    with open(folder / "history.csv", newline="", encoding="utf-8") as file:
        rows = [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]
    return found | {"history.csv": digest(json.dumps(rows).encode())}


def start(name: str, arguments: list[str]) -> subprocess.Popen:
    "Start a command of lf2 in the current folder, with its words in NAME.log."
    launcher = TWO_PROCESSES if name.endswith("by two") else []
    call = [sys.executable, *launcher, "-m", "lf2", *arguments]
    settings = {"PYTHONPATH": str(Path(__file__).resolve().parents[1]), "OMP_NUM_THREADS": "1",
                "MKL_NUM_THREADS": "1", "LF2_CACHE": "cache", "PYTHONWARNINGS": "ignore"}
    with open(f"{name}.log", "a") as log:
        return subprocess.Popen(call, env=os.environ | settings, stdout=log, stderr=log,
                                start_new_session=True)


def end(name: str, process: subprocess.Popen) -> None:
    "Wait for a command. Raises `SystemExit` where it fails or takes too long."
    try:
        code = process.wait(LIMIT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise SystemExit(f"{name}: it takes over {LIMIT} s") from None
    if code:
        raise SystemExit(f"{name}: exit code {code}\n{Path(f'{name}.log').read_text()[-3000:]}")


def run(name: str) -> dict[str, str]:  # its digests
    "Run a stage to its end, or stop it first, and resume it."
    arguments = [name.split()[0], *RUNS[name].split(), "--output", name]
    if name.endswith("stopped"):
        arguments += ["--checkpoint-minutes", "0"]  # a checkpoint after each iteration
        stop(name, arguments)
        arguments.append("--resume")
    end(name, start(name, arguments))
    return digests_of(Path(name))


def stop(name: str, arguments: list[str]) -> None:
    "Stop a stage by SIGTERM in the midst of its second epoch."
    for _ in range(TRIES):
        shutil.rmtree(name, ignore_errors=True)
        process = start(name, arguments)
        wait_for_iteration(Path(name), process)
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        code = process.wait()
        after = re.findall(r"epoch (\d+), iteration (\d+)", Path(f"{name}.log").read_text())
        if code == 143 and after and 0 < int(after[-1][1]) < ITERATIONS:
            print(f"  {name}: stopped after epoch {after[-1][0]}, iteration {after[-1][1]}")
            return
    raise SystemExit(f"{name}: no signal hit an epoch in its midst; see {name}.log")


def wait_for_iteration(folder: Path, process: subprocess.Popen) -> None:
    "Return once the first epoch is in the history, and an iteration more is in the checkpoint."
    epoch_end = None
    while process.poll() is None:
        with contextlib.suppress(FileNotFoundError):  # both files are replaced now and then
            written = (folder / "checkpoint.pt").stat().st_mtime_ns
            if epoch_end is None and len((folder / "history.csv").read_text().splitlines()) > 1:
                epoch_end = written
            elif epoch_end is not None and written > epoch_end:
                return
        time.sleep(0.002)


def synthesize() -> Digests:
    "Write the synthetic domains, digest them, and keep a few people of each."
    end("synthesize", start("synthesize", ["synthesize", "--output", "whole"]))
    digests = {}
    for domain in sorted(path for path in Path("whole").iterdir() if path.is_dir()):
        files = sorted(path for path in domain.rglob("*") if path.is_file())
        listing = "".join(f"{p.relative_to(domain)} {digest(p.read_bytes())}\n" for p in files)
        digests[f"synthetic {domain.name}"] = {"files": digest(listing.encode())}
        for split, people in PEOPLE.items():
            keep_some(domain / split, Path(domain.name, split), people)
    return digests


def keep_some(split: Path, to: Path, people: int) -> None:
    "Copy the images of the first people of a split, and a few of nobody in particular."
    to.mkdir(parents=True)
    images: dict[str, list[Path]] = {}  # by identity
    for path in sorted(split.iterdir()):
        images.setdefault(path.name.partition("_")[0], []).append(path)
    known = [identity for identity in images if identity not in OTHERS][:people]
    for identity in (*known, *OTHERS):
        for path in images.get(identity, [])[:OTHERS.get(identity)]:
            shutil.copyfile(path, to / path.name)


def record(jobs: int) -> Digests:
    "Run everything in the current folder, some commands at a time."
    digests = synthesize() | {FIRST: run(FIRST)}
    others = [name for name in RUNS if name != FIRST]
    with ThreadPoolExecutor(jobs) as pool:
        digests |= zip(others, pool.map(run, others), strict=True)
    return dict(sorted(digests.items()))


def differences(ours: Digests, theirs: Digests) -> list[str]:
    "Say in which runs and files two records differ."
    lines = []
    for name in sorted(ours.keys() | theirs.keys()):
        one, other = ours.get(name, {}), theirs.get(name, {})
        files = sorted(f for f in one.keys() | other.keys() if one.get(f) != other.get(f))
        lines += [f"{name}: {', '.join(files)}"] * bool(files)
    return lines


def main() -> int:  # exit code: 0 the same, 1 not
    "Command line."
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    recorder = commands.add_parser("record", help="run everything small into FOLDER")
    recorder.add_argument("folder", type=Path, help="new; takes the runs, and digests.json")
    recorder.add_argument("--jobs", type=int, default=2, help="commands at a time")
    comparer = commands.add_parser("compare", help="say what differs between two records")
    comparer.add_argument("folders", type=Path, nargs=2)
    options = parser.parse_args()
    if options.command == "compare":
        texts = [(folder / "digests.json").read_text() for folder in options.folders]
        ours, theirs = map(json.loads, texts)
        lines = differences(ours, theirs)
        print("\n".join(lines) or f"all the same: {sum(map(len, ours.values()))} digests")
        return 1 if lines else 0
    options.folder.mkdir(parents=True)
    os.chdir(options.folder)
    found = record(options.jobs)
    Path("digests.json").write_text(json.dumps(found, indent=1) + "\n")
    pairs = [({name: found[name]}, {name: found[twin]}) for name, twin in TWINS.items()]
    lines = [line for pair in pairs for line in differences(*pair)]
    print("\n".join(lines) or "stopped runs, and those by two processes, are as the whole ones")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
