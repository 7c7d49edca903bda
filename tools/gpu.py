"""Check and time lf2 on a GPU, piece by piece, so that a machine lent for minutes is enough.

    python tools/gpu.py env golden step --output runs/gpu.jsonl
    python tools/gpu.py env golden step --tiny    # the same code in seconds, on a CPU as well

Each piece runs in a process of its own, under a time limit, and appends each measurement to the
output as a line of JSON. What we measured is in data/results/gpu.
"""
import argparse
import contextlib
import cProfile
import itertools
import json
import os
import pstats
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from lf2.clustering import kmeans
from lf2.configuration import LF2Config, preset_config
from lf2.dbscan import dbscan
from lf2.engine import RecordedStep
from lf2.experiments.benchmarks import (
    Network,
    ReadyStep,
    made_up_people,
    made_up_test,
    ready_to_step,
)
from lf2.features import autocast_in, extract
from lf2.history import read_history
from lf2.images import TARGET_AUGMENTATION, Images, augment_batch
from lf2.label_quality import cross_camera, label_quality, silhouette
from lf2.loop import adapt, train_step
from lf2.metrics import score
from lf2.networks import LF2
from lf2.released import load_released
from lf2.reranking import k_reciprocal_vectors, rerank
from lf2.seeds import torch_generator
from lf2.target import Batch

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = "data/example/source"  # a pre-training run
CPU = torch.device("cpu")
GPU = torch.device("cuda" if torch.cuda.is_available() else "cpu")
OPTIONS = argparse.Namespace()
PIECES: dict[str, tuple[Callable[[], None], float]] = {}  # function and seconds, by name
WORKSPACE = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}  # without it cuBLAS does not repeat to the bit


def piece(limit: float) -> Callable:  # seconds
    "Register a function as a piece, under its name up to the underscore."
    return lambda function: PIECES.setdefault(
        function.__name__.partition("_")[0], (function, limit))[0]


def row(**values: Any) -> None:
    "Append one measurement to the output, and print it."
    short = {k: float(f"{v:.5g}") if isinstance(v, float) else v for k, v in values.items()}
    line = json.dumps({"piece": OPTIONS.inside, **short})
    with open(OPTIONS.output, "a", encoding="utf-8") as file:
        print(line, file=file)
    print(line, flush=True)


def timed(function: Callable[[], Any]) -> tuple[Any, float]:  # its result, seconds
    "Time one call, with the GPU's work."
    wait = torch.cuda.synchronize if GPU.type == "cuda" else bool
    wait()
    start = time.perf_counter()
    result = function()
    wait()
    return result, time.perf_counter() - start


def seconds_of(function: Callable[[], Any], runs: int = 7) -> float:  # median
    "Time several calls, after three to warm up."
    return statistics.median([timed(function)[1] for _ in range(3 + runs)][3:])


def set_arithmetic(tf32: bool = True, deterministic: bool = False) -> None:
    "Choose how the GPU computes from now on; TF32 convolutions are torch's default."
    torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.deterministic = deterministic
    torch.use_deterministic_algorithms(deterministic, warn_only=True)


def arithmetic(device: torch.device) -> str:
    "Name the precision of lf2 that `set_arithmetic` chose: lf2 sets convolutions by its name."
    is_tf32 = device.type == "cuda" and torch.backends.cudnn.allow_tf32
    return "tf32" if is_tf32 else "float32"


def make_step(
    network: Network,
    preset: str,  # paper or recipe
    device: torch.device = GPU,
    groups: int = 32,  # images that share batch-norm statistics
    precision: str | None = None,  # None: that of `set_arithmetic`
    channels_last: bool = False,
) -> ReadyStep:
    "Make a method with random weights, and a batch of random images for each of its streams."
    return ready_to_step(
        network, network.batch // 4, preset, device, precision or arithmetic(device), groups,
        channels_last=channels_last,
    )


def prepared(ready: ReadyStep, recorded: bool) -> Callable[[], dict[str, torch.Tensor]]:
    "Return a step as `lf2 adapt` takes it: recorded as a CUDA graph, or launched by Python."
    step = partial(
        train_step, ready.method, optimizer=ready.optimizer, engine=ready.engine)
    step = ready.engine.prepare(step, ready.optimizer, record=recorded)
    return lambda: step(ready.batches)


def networks(batch: int) -> list[Network]:
    "The paper's network and a small one in two sizes; or a tiny one."
    if OPTIONS.tiny:
        return [Network("tiny", 64, 32, min(batch, 8))]
    return [Network("resnet50", 256, 128, batch), Network("mobilenet_v2", 256, 128, batch),
            Network("mobilenet_v2", 128, 64, batch)]


def random_images(count: int, height: int, width: int) -> Images:
    "Make decoded images that come from no file."
    images, generator = Images([], height, width), torch_generator(0, "pixels")
    images.paths, images.positions = [f"image {i}" for i in range(count)], torch.arange(count)
    shape = (count, 3, height, width)
    images.pixels = torch.randint(256, shape, dtype=torch.uint8, generator=generator)
    return images


@piece(60)
def env() -> None:
    "Write down the versions, and what the card reaches at best."
    row(python=sys.version.split()[0], torch=torch.__version__, cuda=torch.version.cuda,
        cudnn=torch.backends.cudnn.version(), numpy=np.__version__, cores=os.cpu_count())
    if GPU.type == "cuda":
        row(card=torch.cuda.get_device_name(), memory_gib=torch.cuda.mem_get_info()[1] / 2**30)
        matrix = torch.randn(8192, 8192, device=GPU, dtype=torch.bfloat16)
        row(bf16_tflops=2 * 8192**3 / seconds_of(lambda: matrix @ matrix) / 1e12)
        here, there = torch.empty(2, 2**30, device=GPU, dtype=torch.uint8)
        row(copy_tb_s=2 * 2**30 / seconds_of(lambda: there.copy_(here)) / 1e12)


def golden_error(device: torch.device) -> float:  # largest difference of a weight or buffer
    "Take the three training steps whose end the authors' code left in data/golden."
    data = np.load(ROOT / "data/golden/training_steps.npz")
    values = {name: torch.from_numpy(data[name]) for name in data.files if "/" in name}

    def released(prefix: str, step: int) -> LF2:
        state = {k.removeprefix(prefix): v for k, v in values.items() if k.startswith(prefix)}
        conv = nn.Conv2d(3, 8, 3, 2, 1, bias=False)
        backbone = nn.Sequential(conv, nn.BatchNorm2d(8), nn.ReLU())
        return load_released(state, backbone=backbone, step=step).to(device)

    ready = make_step(Network("tiny", 64, 32, 8), "paper", device, groups=0)
    ready.method.model = released("before/", 0).train()
    optimizer = ready.method.optimizer()
    for step in range(3):
        names = [f"{stream}/{step}" for stream in ("global", "upper", "lower")]
        pairs = [[values[f"{n}/{of}"].to(device) for of in ("images", "labels")] for n in names]
        batches = [Batch(*pair, torch.arange(len(pair[1]))) for pair in pairs]
        train_step(ready.method, batches, optimizer, ready.engine)
    ours, theirs = ready.method.model.state_dict(), released("after/", 3).state_dict()
    return max((ours[name] - value).abs().max().item() for name, value in theirs.items())


@piece(60)
def golden() -> None:
    "Compare with the authors' training steps. The tests demand 1e-5 of a CPU."
    row(device="cpu", largest_difference=golden_error(CPU))
    for tf32 in (False, True):
        set_arithmetic(tf32)
        row(device=GPU.type, tf32=tf32, largest_difference=golden_error(GPU))


@piece(60)
def agree() -> None:
    "Compare the losses of two training steps on the CPU and on the GPU, from the same start."
    for backbone in ("tiny", "mobilenet_v2"):
        for way, device in (("CPU", CPU), ("float32", GPU), ("TF32", GPU)):
            set_arithmetic(tf32=way == "TF32")
            ready = make_step(Network(backbone, 64, 32, 16), "paper", device, groups=4)
            losses = [ready.adapt()["loss"].item() for _ in range(2)]
            row(backbone=backbone, way=way, losses=losses)


@piece(90)
def repeat() -> None:
    "Take the same eight steps twice, and count the weights and statistics with the same bits."
    os.environ |= WORKSPACE  # for all, so that only the flags differ
    small, others = Network("tiny", 64, 32, 16), () if OPTIONS.tiny else networks(16)[1:]
    for network, preset in itertools.product((small, *others), ("paper", "recipe")):
        for deterministic in (False, True):
            set_arithmetic(deterministic=deterministic)
            ends = {}
            for way in ("once", "again", "recorded"):
                ready = make_step(network, preset, groups=8)
                step = prepared(ready, recorded=way == "recorded")
                losses = [step()["loss"].item() for _ in range(8)]
                ends[way] = ready.method.state_dict()
                for name in ("again", "recorded") if way != "once" else ():
                    if name == way:
                        same = sum(torch.equal(ends["once"][k], v) for k, v in ends[way].items())
                        row(backbone=network.backbone, preset=preset, deterministic=deterministic,
                            way=way, tensors_equal=same, tensors=len(ends[way]), losses=losses)


@piece(30)
def waits() -> None:
    "Count how often a step waits for the GPU, and time how long Python takes to launch it."
    for preset, recorded in itertools.product(("paper", "recipe"), (False, True)):
        step = prepared(make_step(networks(64)[-1], preset, groups=32), recorded)
        for _ in range(5):
            step()
        if GPU.type == "cuda":
            torch.cuda.set_sync_debug_mode("warn")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            step()
        torch.cuda.set_sync_debug_mode("default") if GPU.type == "cuda" else None
        where = sorted({f"{Path(w.filename).name}:{w.lineno}" for w in caught})
        row(preset=preset, recorded=recorded, waits=len(caught), where=where)


class Way(NamedTuple):
    "How a step is computed."
    precision: str
    channels_last: bool = False
    groups: int = 32  # images that share batch-norm statistics; 0: all of a batch
    recorded: bool = True  # as a CUDA graph


WAYS = [
    Way("float32"), Way("tf32", recorded=False), Way("tf32"), Way("tf32", True),
    Way("tf32", True, 0), Way("bfloat16"), Way("bfloat16", True), Way("bfloat16", True, 0),
]


def bare_step(network: Network, preset: str, way: Way) -> Callable[[], Any]:
    "Return the bare passes of the backbones of one step: student's, backward, and teacher's."
    method = make_step(network, preset, GPU, way.groups, way.precision, way.channels_last).method
    streams, model = method.config.streams, method.model
    layout = torch.channels_last if way.channels_last else torch.contiguous_format
    shape = (network.batch, 3, *network[1:3])
    images = [torch.randn(shape, device=GPU).to(memory_format=layout) for _ in range(streams)]

    def step(batches: list[torch.Tensor]) -> dict[str, torch.Tensor]:
        for parameter in model.student.parameters():
            parameter.grad = None
        for batch in batches:
            with autocast_in(way.precision, GPU):
                loss = model.student.backbone(batch).float().mean()
                if not method.is_averaged:
                    with torch.no_grad():
                        model.teacher.backbone(batch)
                loss.backward()
        return {"loss": loss.detach()}

    take = RecordedStep(step) if way.recorded and GPU.type == "cuda" else step
    return lambda: take(images)


@piece(240)
def step() -> None:
    "Time training steps beside the bare passes of their backbones, with the images on the card."
    for network, preset in itertools.product(networks(64), ("paper", "recipe")):
        for way in WAYS[:2] if OPTIONS.tiny else WAYS:
            way = way._replace(precision="float32") if GPU.type == "cpu" else way
            set_arithmetic(way.precision == "tf32")
            for bare in (False, True):
                if bare:
                    take = bare_step(network, preset, way)
                else:
                    ready = make_step(
                        network, preset, GPU, way.groups, way.precision, way.channels_last)
                    take = prepared(ready, way.recorded)
                seconds = seconds_of(take, 1 if OPTIONS.tiny else 9)
                peak = torch.cuda.max_memory_allocated() / 2**30 if GPU.type == "cuda" else None
                streams = 1 if preset == "recipe" else 3
                row(**network._asdict(), preset=preset, **way._asdict(), bare=bare,
                    ms=1e3 * seconds, images_s=network.batch * streams / seconds, peak_gib=peak)
                del take
                ready = None
                torch.cuda.empty_cache() if GPU.type == "cuda" else None
                torch.cuda.reset_peak_memory_stats() if GPU.type == "cuda" else None


@piece(90)
def extract_features() -> None:
    "Time the extraction of descriptors beside the bare backbone. Each image is forwarded twice."
    for network in networks(64):
        images = random_images(64 if OPTIONS.tiny else 4096, network.height, network.width)
        images.move_to(GPU)
        model, exact = make_step(network, "recipe").method.model.eval(), None
        batch = images[:256].float()
        for precision, last in (("float32", False), ("tf32", False), ("tf32", True),
                                ("bfloat16", True)):
            if precision == "tf32" and GPU.type == "cpu":
                continue
            model = model.to(memory_format=torch.channels_last if last else torch.contiguous_format)
            call = partial(extract, model.describe, images, device=GPU, precision=precision)
            call()
            found, seconds = timed(call)
            exact = found if exact is None else exact
            with torch.inference_mode(), autocast_in(precision, GPU):
                bare = seconds_of(partial(model.teacher.backbone, batch))
            row(**network._asdict() | {"batch": 256}, precision=precision, channels_last=last,
                images_s=len(images) / seconds, bare_images_s=len(batch) / bare / 2,
                largest_1_minus_cosine=float(1 - (found.astype(float) * exact).sum(1).min()))


@piece(60)
def loader() -> None:
    "Time the augmentation of a batch of 64 on one CPU thread and on the GPU."
    for height, width in ((256, 128), (128, 64)):
        count = 128 if OPTIONS.tiny else 2048
        here, there = (random_images(count, height, width) for _ in range(2))
        there.move_to(GPU)
        chosen, how = torch.arange(64), TARGET_AUGMENTATION
        cpu, gpu = (
            partial(augment_batch, images, chosen, how, torch_generator(0))
            for images in (here, there))
        difference = (cpu() - gpu().cpu()).abs().max().item()  # both start from the same seed
        row(size=f"{height}x{width}", cpu_images_s=64 / seconds_of(cpu),
            gpu_images_s=64 / seconds_of(gpu), largest_difference=difference)


@piece(120)
def clustering() -> None:
    "Time labelling at Market-1501's size on the GPU and on the CPU, and compare the labels."
    count, channels, clusters = (400, 64, 30) if OPTIONS.tiny else (12936, 2048, 700)
    features, people = made_up_people(count, clusters, channels, 3.0)
    cameras = np.random.default_rng(0).integers(0, 6, count)
    kmeans(features[:200], 20, 0, device=GPU)  # warm up
    found: dict[str, Any] = {}
    for device in (GPU, CPU):
        for name, call in (("kmeans", partial(kmeans, features, clusters, 0, device=device)),
                           ("dbscan", partial(dbscan, features, eps=0.9, device=device))):
            labels, seconds = timed(call)
            before = found.setdefault(name, labels)
            same = float((before.labels == labels.labels).mean())
            row(device=device.type, way=name, seconds=seconds, same_labels=same,
                **label_quality(labels.labels, people))
        labels = found["kmeans"]
        for name, call in (
            ("silhouette", partial(silhouette, features, *labels, device=device)),
            ("cross_camera", partial(cross_camera, features, cameras, device=device)),
        ):
            value, seconds = timed(call)
            row(device=device.type, way=name, seconds=seconds, value=value)
    seconds = timed(partial(label_quality, found["kmeans"].labels, people))[1]
    row(way="ARI and AMI", seconds=seconds)


@piece(100)
def scoring() -> None:
    "Score, re-rank and encode neighbourhoods at Market-1501's size, distances on CPU or GPU."
    sizes = (100, 400, 400, 64) if OPTIONS.tiny else (3368, 15913, 12936, 2048)
    queries, gallery, train, channels = sizes
    arrays = made_up_test(queries, gallery, 30 if OPTIONS.tiny else 750, channels)
    features, ends = np.concatenate(arrays[:2]), []
    for device in (GPU, CPU):
        score(*(half[:64] for half in arrays), device=device)  # warm up
        scores, score_s = timed(partial(score, *arrays, device=device))
        ranks, rerank_s = timed(partial(rerank, *arrays[:2], device=device))
        near, near_s = timed(partial(k_reciprocal_vectors, features[:train], device=device))
        ends.append((scores.mAP, ranks, near[0].toarray()))
        row(device=device.type, score_s=score_s, rerank_s=rerank_s, neighbours_s=near_s)
    names = ("mAP_difference", "rerank_difference", "neighbours_difference")
    pairs = zip(names, *ends, strict=True)
    row(**{name: float(np.max(abs(one - other))) for name, one, other in pairs})


STRICT = """
import torch
torch.use_deterministic_algorithms(True, warn_only=True)
torch.backends.cudnn.deterministic = True
from lf2.cli import main
raise SystemExit(main())
"""


def start(words: str, output: Path, strict: bool = False) -> subprocess.Popen:
    "Start a command of lf2 with its words in a log beside its output; `strict`: the same bits."
    program = ["-c", STRICT] if strict else ["-m", "lf2"]
    call = [sys.executable, *program, *words.split(), "--output", str(output)]
    with open(f"{output}.log", "a", encoding="utf-8") as log:
        return subprocess.Popen(call, stdout=log, stderr=log, cwd=ROOT, env=os.environ | WORKSPACE)


def history(run: Path) -> list[dict[str, float | None]]:
    "Read the rows of a run so far."
    return read_history(run / "history.csv") if (run / "history.csv").exists() else []


@piece(300)
def resume() -> None:
    "Adapt to synthetic people: twice without a stop, and once stopped by SIGTERM and resumed."
    folder, iterations = Path(tempfile.mkdtemp()), 10 if OPTIONS.tiny else 60
    words = (f"adapt --preset synthetic --target synthetic:arcade --init {EXAMPLE} --epochs 2 "
             f"--iterations {iterations}")
    for strict in (False, True):
        runs = [folder / f"{name}_{strict}" for name in ("whole", "again", "resumed")]
        *others, process = [start(words, run, strict) for run in runs]
        while process.poll() is None and not history(runs[2]):  # until epoch 2 begins
            time.sleep(0.05)
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        code = process.wait()
        for other in (*others, start(f"{words} --resume", runs[2], strict)):
            other.wait()
        whole, again, resumed = [(run / "model.safetensors").read_bytes() for run in runs]
        row(deterministic=strict, stopped_with=code, again_equal=again == whole,
            resumed_equal=resumed == whole, mAP=[history(run)[-1]["mAP"] for run in runs])


PHASES = (  # checked: the steps of a GPU
    "checked", "train_step", "relabel", "extract", "kmeans", "dbscan", "silhouette",
    "cross_camera", "mean_pairwise_ari", "label_quality", "score", "save", "save_pick",
    "keep_snapshot",
)


@piece(150)
def epoch() -> None:
    "Show where the epochs of an adaptation to --target go, from --init: seconds by function."
    epochs, iterations = (2, 3) if OPTIONS.tiny else (3, 100)
    for preset, batches in (("paper", 3), ("recipe", 1)):
        folder, profile = tempfile.mkdtemp(), cProfile.Profile()
        config = preset_config(
            LF2Config, preset, target=OPTIONS.target, init=OPTIONS.init, output=f"{folder}/run",
            epochs=epochs, iterations=iterations * 3 // batches, workers=8,
            precision="tf32" if GPU.type == "cuda" else "float32",
            **{"clusters": (20,), "bn_group_size": 16} if OPTIONS.tiny else {},
        )
        profile.runcall(adapt, config)
        seconds = [line["seconds"] for line in history(Path(f"{folder}/run"))]
        row(preset=preset, iterations=config.iterations, epochs=epochs, epoch_s=seconds)
        phases: dict[str, float] = {}
        for (file, _, name), values in pstats.Stats(profile).stats.items():  # type: ignore
            if name in PHASES and "lf2" in file:
                phases[name] = max(phases.get(name, 0.0), values[3])  # with what it calls
        row(preset=preset, **phases)


def run_piece(name: str) -> bool:  # whether it went well
    "Run a piece in a process of its own; whatever it started ends with it."
    OPTIONS.inside = name
    limit = PIECES[name][1] * (3 if OPTIONS.tiny else 1)  # a CPU may be busy
    rest = [word for word in sys.argv[1:] if word not in OPTIONS.pieces]
    process = subprocess.Popen(
        [sys.executable, __file__, "--inside", name, *rest], start_new_session=True
    )
    end = {"failed": f"stopped after {limit} s"}
    with contextlib.suppress(subprocess.TimeoutExpired):
        code = process.wait(limit)
        end = {"failed": f"exit code {code}"} if code else {"done": True}
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    row(**end)
    return "done" in end


def main() -> int:  # exit code
    "Parse the command line, and run its pieces one after the other."
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pieces", nargs="*", metavar="PIECE", help=", ".join(PIECES))
    parser.add_argument("--output", default="runs/gpu.jsonl", help="file for JSON lines, appended")
    parser.add_argument("--tiny", action="store_true", help="sizes for a rehearsal on a CPU")
    parser.add_argument("--init", default=EXAMPLE, help="epoch: pre-training run to start from")
    parser.add_argument("--target", default="synthetic:arcade", help="epoch: dataset to adapt to")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    parser.parse_args(namespace=OPTIONS)
    if OPTIONS.inside:
        PIECES[OPTIONS.inside][0]()
        return 0
    if not OPTIONS.pieces or not PIECES.keys() >= set(OPTIONS.pieces):
        parser.error(f"name one or more pieces: {', '.join(PIECES)}")
    went_well = [run_piece(name) for name in OPTIONS.pieces]  # all run, whatever fails
    return 0 if all(went_well) else 1


if __name__ == "__main__":
    sys.exit(main())
