#!/usr/bin/env bash
# Rows of PLAN.md, one direction and seed: the source first, then rows side by side, then the table.
# Resumable: a row that is finished is not run again. From the root of the repository:
#   SOURCE=cuhk03-np TARGET=market1501 SEED=0 bash data/results/official/run.sh
# JOBS rows run at a time: 1 on two CPU cores; all of them on a GPU, with FLAGS="--precision tf32".
set -euo pipefail
SOURCE=${SOURCE:-cuhk03-np} TARGET=${TARGET:-market1501} SEED=${SEED:-0} JOBS=${JOBS:-1}
ROWS=${ROWS:-recipe lf2 local baseline trained recipe_blind supervised}
OUT=${OUT_FOLDER:-runs/official/$SOURCE-$TARGET}
mkdir -p "$OUT"
{ echo path,split,identity,camera  # the source without its test split
  ls "data/reid/$SOURCE/bounding_box_train/"*.jpg \
    | sed -E "s|^(.*/0*([0-9]+)_c([0-9]+).*)$|$PWD/\1,train,\2,\3|"; } > "$OUT/source.csv"
ablate() {
  ${LF2:-.venv/bin/lf2} ablate --preset paper --source "csv:$OUT/source.csv" \
    --target "market1501:data/reid/$TARGET" --backbone mobilenet_v2 --height 128 --width 64 \
    --weights data/weights/mobilenet_v2_imagenet.pth --clusters 700 --seeds "$SEED" \
    --source-epochs 40 --source-iterations 100 --epochs 20 --iterations 100 --evaluate-every 5 \
    --output "$OUT" ${FLAGS:-} "$@"
}
ablate --rows direct_transfer adabn
for row in $ROWS; do
  ablate --rows "$row" > "$OUT/$row.log" 2>&1 &
  while [ "$(jobs -rp | wc -l)" -ge "$JOBS" ]; do wait -n || true; done
done
wait
ablate --collect --rows direct_transfer adabn $ROWS
