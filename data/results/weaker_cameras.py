"""The arcade with cameras that differ less, as a folder to adapt to:
python data/results/weaker_cameras.py runs/weaker

A trial for drawings that stand in for photographs better; tried.csv has its scores as pair "weaker",
made with lf2 adapt --target folder:runs/weaker --init runs/drawn/seed0/source --epochs 8 --seed 0
and --preset drawn or drawn-recipe, one CPU thread."""
import sys
from dataclasses import replace

from lf2.drawn import DOMAINS, write_domain

arcade = DOMAINS["arcade"]
optics = replace(
    arcade.optics, cast=0.02, exposure=(1.0, 1.05), gamma=(0.95, 1.0), saturation=(0.9, 0.97),
    shade=(0.88, 0.92), tilt=(0.18, 0.22), detail=(0.68, 0.72),
)
write_domain(replace(arcade, name="weak", optics=optics), sys.argv[1])
