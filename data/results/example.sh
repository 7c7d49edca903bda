#!/usr/bin/env bash
# The run behind the pictures in nbs/figures/, small enough to be committed: about five minutes on one
# core. It is the second recipe with the fusion module trained and clustered on, because pictures of
# gates need gates that learn, at 128×64, because a map has an eighth of the image's rows: 16.
# From the repository's root:
#   bash data/results/example.sh && python data/results/example.py runs/example data/example
set -euo pipefail
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1  # another number adds in another order
lf2="${LF2:-.venv/bin/lf2}"
"$lf2" pretrain --preset synthetic --source synthetic:courtyard --target synthetic:arcade --backbone tiny48 \
  --height 128 --width 64 --output runs/example/source --resume
"$lf2" adapt --preset synthetic-recipe2 --target synthetic:arcade --init runs/example/source \
  --cluster-on fused --fusion trained --teacher forwarded --part-loss fused-part --epochs 8 \
  --snapshots 0 1 2 4 8 --output runs/example/target --resume
