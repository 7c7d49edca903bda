#!/usr/bin/env bash
# The runs behind real.csv: both directions between the subsets of Market-1501 and CUHK03 that
# data/reid links to, MobileNetV2 at 128x64 from ImageNet weights, on two CPU cores.
# Resumable: a run that is finished is not run again. From the repository's root:
#   bash data/results/real.sh && python data/results/collect.py runs/real > data/results/real.csv
set -euo pipefail
lf2=${LF2:-.venv/bin/lf2}

direction() {  # name, source, target
  "$lf2" pretrain --preset laptop --source "market1501:data/reid/$2" --target "market1501:data/reid/$3" \
    --weights data/weights/mobilenet_v2_imagenet.pth --seed 0 --resume --output "runs/real/$1/source"
  for row in "baseline --cluster-on global" "lf2 --cluster-on fused --fusion frozen"; do
    set -- "$1" "$2" "$3" $row
    "$lf2" adapt --preset laptop --target "market1501:data/reid/$3" --init "runs/real/$1/source" \
      --clusters 250 --epochs "${EPOCHS:-6}" --seed 0 --resume --output "runs/real/$1/$4" "${@:5}"
  done
}

for name in ${@:-cuhk03-market market-cuhk03}; do
  direction "$name" "${name%-*}" "${name#*-}"
done
