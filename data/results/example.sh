#!/usr/bin/env bash
# The run behind the pictures in nbs/figures/, small enough to be committed: about two minutes on one
# core. It is the recipe with the fusion module trained and clustered on, because pictures of gates
# need gates that learn. From the repository's root:
#   bash data/results/example.sh && python data/results/example.py runs/example data/example
set -euo pipefail
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1  # another number adds in another order
lf2="${LF2:-.venv/bin/lf2}"
"$lf2" pretrain --preset synthetic --source synthetic:courtyard --target synthetic:arcade --backbone tiny48 \
  --output runs/example/source --resume
"$lf2" adapt --preset synthetic-recipe --target synthetic:arcade --init runs/example/source \
  --cluster-on fused --fusion trained --teacher forwarded --epochs 8 --snapshots 0 1 2 4 8 \
  --output runs/example/target --resume
