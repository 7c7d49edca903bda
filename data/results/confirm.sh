#!/usr/bin/env bash
# The run behind confirm/: the other way, from Market-1501 to CUHK03, one seed, CPU. Run once, when
# the recipe had been chosen; nothing was chosen by it. Otherwise as photos.sh. From the root:
#   bash data/results/confirm.sh && cp runs/confirm/{table.csv,table.md,gains.csv,epochs.csv} data/results/confirm/
set -euo pipefail
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1  # another number adds in another order
"${LF2:-.venv/bin/lf2}" ablate --preset laptop \
  --source market1501:data/reid/market --target market1501:data/reid/cuhk03 \
  --weights data/weights/mobilenet_v2_imagenet.pth --clusters 250 --seeds 0 --epochs 6 \
  --rows ${ROWS:-direct_transfer adabn lf2 recipe} --output runs/confirm "$@"
