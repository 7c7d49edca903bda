"""What the pictures need of a run, in half precision: python data/results/example.py FROM TO"""
import shutil
import sys
from pathlib import Path

import safetensors.torch

source, target = map(Path, sys.argv[1:])
WEIGHTS = {"source": "source_best.safetensors", "target": "model.safetensors"}
for part, weights in WEIGHTS.items():
    folder = target / part
    folder.mkdir(parents=True, exist_ok=True)
    names = ["config.json", "manifest.json", "history.csv", "results.json", "model.json"]
    for name in names + [path.name for path in (source / part).glob("snapshot_*.npz")]:
        shutil.copy(source / part / name, folder / name)
    state = safetensors.torch.load_file(source / part / weights)
    half = {k: v.half() if v.is_floating_point() else v for k, v in sorted(state.items())}
    (folder / weights).write_bytes(safetensors.torch.save(half))
size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
print(f"{size:,} bytes in {target}")
