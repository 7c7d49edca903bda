#!/usr/bin/env bash
# The runs behind photos/: rows of the ablation from CUHK03 to Market-1501 (the subsets that
# data/reid links to), MobileNetV2 at 128x64 from ImageNet weights, two seeds, CPU. 5 to 14 minutes
# a row and seed on one core. Rows with one seed in the table have only that; the recipe's cell of
# seed 0 is from the search, as tried.csv has it: the same values, given as flags of lf2 adapt at
# revision 6f2c94d. Resumable: a cell that is finished is not run again. From the root:
#   bash data/results/photos.sh && cp runs/photos/{table.csv,table.md,gains.csv,epochs.csv} data/results/photos/
set -euo pipefail
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1  # another number adds in another order
"${LF2:-.venv/bin/lf2}" ablate --preset laptop \
  --source market1501:data/reid/cuhk03 --target market1501:data/reid/market \
  --weights data/weights/mobilenet_v2_imagenet.pth --clusters 250 --seeds ${SEEDS:-0 1} --epochs 6 \
  --rows ${ROWS:-direct_transfer adabn supervised baseline local lf2 trained rescaled averaged recipe lf2_blind recipe_blind} \
  --output runs/photos "$@"
