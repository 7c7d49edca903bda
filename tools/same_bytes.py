"""Show that two revisions of lf2 leave the same bytes: record small runs, and compare them.

The flags are those of the revision that this script comes with. Record an older checkout with its
own copy of the script.
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
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

# The command line is all that this script knows of lf2: it works on any revision, however that is
# built inside. What a revision calls its commands and flags is said here, and nowhere else. Record
# both revisions on one machine with one environment: another processor rounds otherwise.
SYNTHESIZE = "synthesize"  # command that writes the synthetic domains, a folder each
FOLDER = "folder:"  # prefix of a dataset in Market-1501's layout
FLAG = {
    "bn_group_size": "--bn-group-size",
    "ema_decay": "--ema-decay",
    "labelling": "--labelling",
    "micro_batches": "--micro-batches",
}
SHARED_LABELLING, RECIPE = "shared", "recipe"  # values of --labelling and of --preset

# A batch of 4 x 4 images on a tiny network is enough: what is compared is arithmetic, not accuracy.
PEOPLE = {"bounding_box_train": 20, "query": 6, "bounding_box_test": 6}  # identities kept of each
OTHERS = {"-1": 6, "0000": 6}  # images kept of nobody in particular, by the identity in their name
TIMES = {"seconds"}  # columns of history.csv that no two runs share
WEIGHTS = ("model", "label_free", "oracle_best", "source_best")
ITERATIONS = 4  # an epoch; a signal has to hit one in its midst
TRIES = 5  # of hitting it

Flags = dict[str, str]  # value by flag
Digests = dict[str, dict[str, str]]  # SHA-256 by run and file
SHARED: Flags = {
    "--iterations": str(ITERATIONS), "--workers": "0", "--device": "cpu", "--seed": "3",
    FLAG["bn_group_size"]: "0",
}
SOURCE: Flags = SHARED | {
    "--backbone": "tiny", "--weights": "none", "--height": "64", "--width": "32", "--epochs": "3",
    "--evaluate-every": "2", "--identities": "4",
}
TARGET: Flags = SHARED | {
    "--clusters": "16", "--epochs": "3", "--identities": "4", FLAG["ema_decay"]: "0.9",
}
GROUPS: Flags = {FLAG["bn_group_size"]: "4", FLAG["micro_batches"]: "4"}
CONFIGURATIONS: dict[str, Flags] = {  # of adaptation: what differs from TARGET
    "released": {},
    "fusion-trained": {"--fusion": "trained", "--clusters": "16 12 12"},
    "global": {"--cluster-on": "global"},
    "local": {"--cluster-on": "local"},
    "shared-labels": {FLAG["labelling"]: SHARED_LABELLING, "--centre-cameras": ""},
    "recipe": {"--preset": RECIPE, "--identities": "2"},
    "minibatch": {"--labeller": "minibatch"},
    "groups": GROUPS,
    "every-second": {"--evaluate-every": "2"},
}
TWO_PROCESSES = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def words(flags: Flags) -> list[str]:
    "Flags as the command line takes them."
    return [word for flag, value in flags.items() for word in (flag, *value.split())]


def digest(content: bytes) -> str:
    "Return the SHA-256 of some bytes."
    return hashlib.sha256(content).hexdigest()


def digests_of(folder: Path) -> dict[str, str]:  # by name
    "Digest what a run leaves, times apart. Raises `FileNotFoundError` where results are missing."
    names = [*(f"{name}.safetensors" for name in WEIGHTS), "model.json"]
    found = {n: digest(folder.joinpath(n).read_bytes()) for n in names if (folder / n).exists()}
    with open(folder / "history.csv", newline="", encoding="utf-8") as file:
        rows = [{k: v for k, v in row.items() if k not in TIMES} for row in csv.DictReader(file)]
    found["history.csv"] = digest(json.dumps(rows).encode())
    found["results.json"] = digest((folder / "results.json").read_bytes())
    return found


class Recorder:
    "Runs commands of one checkout into one folder, and collects their digests."

    def __init__(self, folder: Path, checkout: Path, jobs: int):
        self.folder, self.checkout = folder.resolve(), checkout.resolve()
        self.pool = ThreadPoolExecutor(jobs)
        self.digests: Digests = {}
        self.environment = os.environ | {
            "PYTHONPATH": str(self.checkout), "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
            "LF2_CACHE": str(self.folder / "cache"), "PYTHONWARNINGS": "ignore",
        }

    def start(self, name: str, arguments: list[str], launcher: list[str]) -> subprocess.Popen:
        "Start a command whose words are kept in NAME.log."
        call = [sys.executable, *launcher, "-m", "lf2", *arguments]
        with open(self.folder / f"{name}.log", "a") as log:
            print(" ".join(call[1:]), file=log, flush=True)
            return subprocess.Popen(
                call, env=self.environment, stdout=log, stderr=log, cwd=self.folder,
                start_new_session=True,
            )

    def end(self, name: str, process: subprocess.Popen, code: int = 0) -> None:
        "Wait for a command. Raises `SystemExit` where it ends otherwise than expected."
        try:
            ended = process.wait(timeout=900)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise SystemExit(f"{name}: it takes over a quarter of an hour") from None
        if ended != code:
            log = self.folder / f"{name}.log"
            raise SystemExit(f"{name}: exit code {ended}, not {code}\n{log.read_text()[-3000:]}")

    def run(self, name: str, command: str, flags: Flags, launcher: list[str] | None = None) -> None:
        "Run one stage to its end."
        arguments = [command, *words(flags), "--output", name]
        self.end(name, self.start(name, arguments, launcher or []))
        self.digests[name] = digests_of(self.folder / name)

    def run_stopped(self, name: str, command: str, flags: Flags) -> None:
        "Stop a stage by SIGTERM in the midst of its second epoch, and resume it."
        often = flags | {"--checkpoint-minutes": "0"}  # a checkpoint after each iteration
        arguments = [command, *words(often), "--output", name]
        for _ in range(TRIES):
            shutil.rmtree(self.folder / name, ignore_errors=True)
            process = self.start(name, arguments, [])
            self.wait_for_iteration(name, process)
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            process.wait()
            said = self.folder.joinpath(f"{name}.log").read_text()
            after = re.findall(r"epoch (\d+), iteration (\d+)", said)
            if process.returncode == 143 and after and 0 < int(after[-1][1]) < ITERATIONS:
                break
        else:
            raise SystemExit(f"{name}: no signal hit an epoch in its midst; see {name}.log")
        print(f"  {name}: stopped after epoch {after[-1][0]}, iteration {after[-1][1]}", flush=True)
        self.end(name, self.start(name, [*arguments, "--resume"], []))
        self.digests[name] = digests_of(self.folder / name)

    def wait_for_iteration(self, name: str, process: subprocess.Popen) -> None:
        "Return once the first epoch is in the history, and an iteration more is in the checkpoint."
        history, epoch_end = self.folder / name / "history.csv", None
        checkpoint = self.folder / name / "checkpoint.pt"
        while process.poll() is None:
            with contextlib.suppress(FileNotFoundError):  # both files are replaced now and then
                written = checkpoint.stat().st_mtime_ns
                if epoch_end is None and len(history.read_text().splitlines()) > 1:
                    epoch_end = written
                elif epoch_end is not None and written > epoch_end:
                    return
            time.sleep(0.002)

    def synthesize(self) -> None:
        "Write the synthetic domains, digest them, and keep a few people of each."
        whole = self.folder / "whole"
        if not whole.exists():
            shutil.rmtree(self.folder / "writing", ignore_errors=True)
            process = self.start("synthesize", [SYNTHESIZE, "--output", "writing"], [])
            self.end("synthesize", process)
            os.rename(self.folder / "writing", whole)
        for domain in sorted(path for path in whole.iterdir() if path.is_dir()):
            files = sorted(path for path in domain.rglob("*") if path.is_file())
            listing = "".join(f"{p.relative_to(domain)} {digest(p.read_bytes())}\n" for p in files)
            self.digests[f"synthetic {domain.name}"] = {"files": digest(listing.encode())}
            for split, people in PEOPLE.items():
                self.keep_some(domain / split, self.folder / domain.name / split, people)

    def keep_some(self, split: Path, to: Path, people: int) -> None:
        "Copy the images of the first people of a split, and a few of nobody in particular."
        shutil.rmtree(to, ignore_errors=True)
        to.mkdir(parents=True)
        images: dict[str, list[Path]] = {}  # by identity
        for path in sorted(split.iterdir()):
            images.setdefault(path.name.partition("_")[0], []).append(path)
        known = [identity for identity in images if identity not in OTHERS][:people]
        chosen = [path for identity in known for path in images[identity]]
        chosen += [p for identity, n in OTHERS.items() for p in images.get(identity, [])[:n]]
        for path in chosen:
            shutil.copyfile(path, to / path.name)

    def record(self) -> Digests:
        "Run everything."
        self.folder.mkdir(parents=True, exist_ok=True)
        self.synthesize()
        source = SOURCE | {"--source": f"{FOLDER}courtyard"}
        both = source | {"--target": f"{FOLDER}arcade"}
        target = TARGET | {"--target": f"{FOLDER}arcade", "--init": "pretrain"}
        self.clear()
        self.run("pretrain", "pretrain", source)
        jobs: list[Future] = [
            self.pool.submit(self.run, f"adapt {name}", "adapt", target | flags)
            for name, flags in CONFIGURATIONS.items()
        ]
        jobs.append(self.pool.submit(self.run, "pretrain with target", "pretrain", both))
        jobs.append(self.pool.submit(self.run_stopped, "pretrain stopped", "pretrain", both))
        by_two = ("pretrain by two", "pretrain", both | GROUPS, TWO_PROCESSES)
        jobs.append(self.pool.submit(self.run, *by_two))
        for name in ("fusion-trained", "recipe"):
            flags = target | CONFIGURATIONS[name]
            jobs.append(self.pool.submit(self.run_stopped, f"adapt {name} stopped", "adapt", flags))
        for name, more in (("groups", {}), ("fusion-trained", GROUPS)):
            flags = target | CONFIGURATIONS[name] | more
            job = self.pool.submit(self.run, f"adapt {name} by two", "adapt", flags, TWO_PROCESSES)
            jobs.append(job)
        for job in jobs:
            job.result()
        return dict(sorted(self.digests.items()))

    def clear(self) -> None:
        "Remove what an earlier recording left here."
        for name in ("pretrain", "adapt"):
            for path in self.folder.glob(f"{name}*"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()


TWINS = {  # runs that have to leave the same bytes as another
    "pretrain stopped": "pretrain with target",
    "adapt fusion-trained stopped": "adapt fusion-trained",
    "adapt recipe stopped": "adapt recipe",
    "adapt groups by two": "adapt groups",
}


def differences(ours: Digests, theirs: Digests) -> list[str]:
    "Say in which runs and files two records differ."
    alone = sorted(ours.keys() ^ theirs.keys())
    lines = [f"{name}: only in one of the two records" for name in alone]
    for name in sorted(ours.keys() & theirs.keys()):
        files = ours[name].keys() | theirs[name].keys()
        other = sorted(f for f in files if ours[name].get(f) != theirs[name].get(f))
        lines += [f"{name}: {', '.join(other)}"] if other else []
    return lines


def read(folder: Path) -> Digests:
    "Read the digests that `record` left in a folder."
    record: Digests = json.loads((folder / "digests.json").read_text(encoding="utf-8"))
    return record


def main() -> int:  # exit code: 0 the same, 1 not
    "Command line."
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    record = commands.add_parser("record", help="run everything small into FOLDER")
    record.add_argument("folder", type=Path, help="takes the runs, and digests.json")
    record.add_argument(
        "--checkout", type=Path, default=Path(__file__).parents[1], help="repository whose lf2 runs"
    )
    record.add_argument("--jobs", type=int, default=2, help="commands at a time")
    compare = commands.add_parser("compare", help="say what differs between two records")
    compare.add_argument("folder", type=Path)
    compare.add_argument("other", type=Path)
    options = parser.parse_args()
    if options.command == "compare":
        ours, theirs = read(options.folder), read(options.other)
        lines = differences(ours, theirs)
        print("\n".join(lines) or f"all the same: {sum(map(len, ours.values()))} digests")
        return 1 if lines else 0
    began = time.monotonic()
    found = Recorder(options.folder, options.checkout, options.jobs).record()
    text = json.dumps(found, indent=1) + "\n"
    (options.folder / "digests.json").write_text(text, encoding="utf-8")
    print(f"{len(found)} entries in {time.monotonic() - began:.0f} s")
    lines = [
        f"{name} and {twin}: {', '.join(files)}"
        for name, twin in TWINS.items()
        if (files := [f for f in found[name] if found[name][f] != found[twin].get(f)])
    ]
    print("\n".join(lines) or "stopped runs, and those by two processes, are as the whole ones")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
