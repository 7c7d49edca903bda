"""Throw made-up files at everything that reads one; only an InputError may come back.

Coverage-guided, by atheris (pip install atheris; it is no requirement of anything else):

    python tools/fuzz.py --minutes 10 --output runs/fuzz

Each reader gets its share of the minutes, in a process of its own, starting from one good file.
A finding is written to the output folder and named at the end; exit code 1 where there was one.
"""
import argparse
import contextlib
import io
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image

NAME = "0002_c1s1_000451_03.jpg"


def good_files() -> dict[str, bytes]:  # of each reader
    "One file that each reader takes."
    picture = Image.fromarray(np.arange(600, dtype=np.uint8).reshape(10, 20, 3))
    kinds = {}
    for kind in ("JPEG", "PNG", "BMP", "WEBP"):
        held = io.BytesIO()
        picture.save(held, kind)
        kinds[f"image {kind}"] = held.getvalue()
    weights, snapshot, protocol = io.BytesIO(), io.BytesIO(), io.BytesIO()
    torch.save({"state_dict": {"a.weight": torch.ones(3)}, "epoch": 3}, weights)
    features = np.ones((2, 3), np.float16)
    np.savez(snapshot, epoch=1, features=features, identities=[1, 2], cameras=[1, 2])
    from safetensors.torch import save
    from scipy.io import savemat

    names = np.array(["1_001_1_01.png", "1_001_2_06.png"], dtype=object)
    indices = {f"{split}_idx": [1] for split in ("train", "query", "gallery")}
    savemat(protocol, {"filelist": names, "labels": [1, 1], **indices})
    return kinds | {
        "name": NAME.encode(),
        "dataset": b"crops:some",
        "csv": f"path,split,identity,camera\n{NAME},train,1,2\n".encode(),
        "msmt17": b"0000/0000_000_01_0303morning_0008_0.jpg 0\n",
        "cuhk03": protocol.getvalue(),
        "weights pth": weights.getvalue(),
        "weights safetensors": save({"a": torch.ones(3)}),
        "checkpoint": weights.getvalue(),
        "snapshot": snapshot.getvalue(),
        "history": b"epoch,loss,mAP\n1,0.5,\n2,0.25,0.5\n",
        "model": b'{"kind": "SourceNet", "architecture": {"backbone": "tiny", "classes": 4}, '
                 b'"height": 64, "width": 32}',
    }


def readers(folder: Path):  # reader by name, each takes bytes
    "What is called with made-up bytes."
    from lf2.checkpoints import read_checkpoint
    from lf2.datasets import (
        open_dataset,
        read_csv,
        read_cuhk03_protocol,
        read_msmt17_list,
        read_name,
    )
    from lf2.history import read_history
    from lf2.images import read_image
    from lf2.records import camera_array, identity_array
    from lf2.saved_models import load_model
    from lf2.snapshots import read_snapshots
    from lf2.weights import read_weights

    def written(name, read):
        def call(data):
            path = folder / name
            path.write_bytes(data)
            return read(path)
        return call

    def numbers(dataset):
        records = dataset.train + dataset.query + dataset.gallery
        return identity_array(records), camera_array(records)

    def text(data):
        return data.decode("utf-8", "surrogateescape")

    (folder / NAME).write_bytes(b"")
    (folder / "model.safetensors").write_bytes(b"")
    found = {f"image {kind}": written(f"a.{kind.lower()}", lambda path: read_image(path, 8, 4))
             for kind in ("JPEG", "PNG", "BMP", "WEBP")}
    return found | {
        "name": lambda data: np.array(read_name(text(data))),
        "dataset": lambda data: open_dataset("absent:" + text(data)),
        "csv": written("a.csv", lambda path: numbers(read_csv(str(path)))),
        "msmt17": written("list.txt", lambda path: read_msmt17_list(str(folder), "x", path.name)),
        "cuhk03": written("a.mat", lambda path: read_cuhk03_protocol(str(path))),
        "weights pth": written("a.pth", read_weights),
        "weights safetensors": written("a.safetensors", lambda path: read_weights(str(path))),
        "checkpoint": written("checkpoint.pt", read_checkpoint),
        "snapshot": written("snapshot_0001.npz", lambda path: read_snapshots(folder)),
        "history": written("history.csv", read_history),
        "model": written("model.json", lambda path: load_model(folder)),
    }


def fuzz_one(name: str, seconds: int, output: Path) -> None:
    "In a process of its own: atheris ends it."
    import atheris

    with atheris.instrument_imports(include=["lf2", "PIL", "scipy.io", "csv", "zipfile"]):
        import lf2.target  # noqa: F401  which brings all readers
    from lf2.records import InputError

    warnings.simplefilter("ignore")
    corpus = output / f"corpus {name}"
    corpus.mkdir(parents=True, exist_ok=True)
    (corpus / "good").write_bytes(good_files()[name])
    with tempfile.TemporaryDirectory() as folder:
        read = readers(Path(folder))[name]

        def once(data: bytes) -> None:
            with contextlib.suppress(InputError):
                read(data)

        once((corpus / "good").read_bytes())
        atheris.Setup([
            sys.argv[0], str(corpus), f"-max_total_time={seconds}", "-max_len=4096", "-timeout=20",
            "-rss_limit_mb=4096", f"-artifact_prefix={output}/{name.replace(' ', '_')}-",
            "-verbosity=0",
        ], once)
        atheris.Fuzz()


def main() -> int:
    "One reader after the other."
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--output", type=Path, default=Path("runs/fuzz"))
    parser.add_argument("--only", help="one reader")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        fuzz_one(options.child, round(options.minutes * 60), options.output)
        return 0
    options.output.mkdir(parents=True, exist_ok=True)
    names = [options.only] if options.only else list(good_files())
    findings = 0
    for name in names:
        minutes = options.minutes / len(names)
        call = [sys.executable, __file__, "--child", name, "--minutes", str(minutes)]
        call += ["--output", str(options.output)]
        log, environment = options.output / f"{name}.log", os.environ | {"OMP_NUM_THREADS": "1"}
        with open(log, "wb") as file:
            code = subprocess.run(call, stdout=file, stderr=file, env=environment).returncode
        lines = log.read_text(errors="replace").splitlines()
        runs = [line for line in lines if line.startswith(("Done", "#"))]
        verdict = "ok" if code == 0 else f"FINDING, see {log}"
        print(f"{name:20} {verdict}  {runs[-1] if runs else ''}", flush=True)
        findings += code != 0
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
