#!/usr/bin/env bash
# Every method of others once on the two synthetic domains, beside LF², the recipe and its second version, at
# equal images seen (lf2 ablate sees to that). Resumable: finished runs are kept.
# From the repository's root:
#   SEEDS=0 bash data/results/methods/synthetic.sh && python data/results/methods/table.py
set -euo pipefail
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1  # another number adds in another order
"${LF2:-.venv/bin/lf2}" ablate --preset synthetic --source synthetic:courtyard --target synthetic:arcade \
  --seeds ${SEEDS:-0} --output runs/methods \
  --rows lf2 recipe recipe2 cluster-contrast spcl cap mmcl ecn ssg pplr dual-refinement glt unrn adtc \
  mmt meb-net p2lr idm rdsbn jvtc "$@"
