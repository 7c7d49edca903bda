#!/usr/bin/env bash
# Groups and thresholds on the development subsets that data/reid links to. About 40 minutes on one
# core. From the repository's root:
#   bash data/results/groups/groups.sh
set -euo pipefail
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1  # another number adds in another order
lf2="${LF2:-lf2}"
runs=runs/groups
mkdir -p $runs
[ -e $runs/cuhk03/results.json ] || "$lf2" pretrain --preset laptop --source market1501:data/reid/cuhk03 \
  --weights data/weights/mobilenet_v2_imagenet.pth --workers 1 --output $runs/cuhk03
[ -e $runs/market/results.json ] || "$lf2" adapt --preset laptop-recipe --target market1501:data/reid/market \
  --init $runs/cuhk03 --epochs 4 --workers 1 --output $runs/market
cases=()
for case in market:market:test market:market:train cuhk03:cuhk03:test market:cuhk03:test; do
  IFS=: read -r run data split <<<"$case"
  list=$runs/$data-$split.csv
  python - "$data" "$split" "$list" <<'PY'
import csv, sys
from pathlib import Path
from lf2.datasets import open_dataset
data, split, path = sys.argv[1:]
dataset = open_dataset(f"market1501:data/reid/{data}")
records = dataset.train if split == "train" else dataset.query + dataset.gallery
with open(path, "w", newline="") as file:
    rows = csv.writer(file)
    rows.writerow(["path", "split", "identity", "camera"])
    rows.writerows([Path(r.path).resolve(), "train", r.identity, r.camera]
                   for r in records if r.identity > 0)
PY
  [ -e "$runs/$run-$data-$split/features.npy" ] || "$lf2" extract --data "csv:$list" --model $runs/$run --output "$runs/$run-$data-$split" --workers 1
  cases+=("$run model, $data $split=$runs/$run-$data-$split")
done
python data/results/groups/groups.py "${cases[@]}"
