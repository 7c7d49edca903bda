#!/usr/bin/env bash
# Every method of others once on the two synthetic domains, beside LF² and the recipe, at equal images seen:
# a method with n batches or views a step takes 1/n of the steps. Resumable: finished runs are kept.
# From the repository's root:
#   SEED=0 bash data/results/methods/synthetic.sh
set -euo pipefail
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1  # another number adds in another order
lf2=${LF2:-.venv/bin/lf2} seed=${SEED:-0}
runs=runs/methods/seed_$seed
"$lf2" pretrain --source synthetic:courtyard --target synthetic:arcade --preset synthetic \
  --seed "$seed" --output "$runs/source" --resume
adapt() {  # method, iterations, further flags
  "$lf2" adapt --target synthetic:arcade --init "$runs/source" --preset synthetic --seed "$seed" \
    --method "$1" --iterations "$2" --output "$runs/$1" --resume "${@:3}" || echo "$1 failed"
}
for method in lf2 ssg glt meb-net; do adapt "$method" 30; done
for method in mmt p2lr ecn idm; do adapt "$method" 45; done
for method in recipe cluster-contrast spcl cap mmcl pplr dual-refinement unrn; do adapt "$method" 90; done
