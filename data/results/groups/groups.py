"""Measure groups and thresholds on the development subsets; writes groups.csv and thresholds.csv.

    bash data/results/groups/groups.sh

Descriptors are those of `lf2 extract` for a split; labels only judge.
"""
import csv
import itertools
import re
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

from lf2.apps.calibration import calibrate_pairs, pair_groups
from lf2.apps.extraction import open_extraction
from lf2.apps.group_folder import count_interval
from lf2.apps.grouping import group, repeat_clusters
from lf2.apps.groups import OUTLIER, Settings, cluster
from lf2.apps.thresholds import PAIRING
from lf2.clustering import centre_cameras
from lf2.label_quality import cross_camera_pairs, label_quality, pair_quality
from lf2.pairs import Details, Pairs, imply_pairs
from lf2.records import camera_array, identity_array

HERE = Path(__file__).parent
RATES = (0.01, 0.001)
SEEDS = 8  # of the labelled pairs


def read(folder: Path):
    "Read descriptors, identities, cameras and paths, without junk and distractors."
    extraction = open_extraction(folder)
    features, records = extraction.features, extraction.records
    people, cameras = identity_array(tuple(records)), camera_array(tuple(records))
    use = people > 0
    paths = np.array([record.path for record in records])
    return np.array(features[use]), people[use], cameras[use], paths[use]


def measure_groups(name, features, people, cameras):
    "Group with several settings; and let half of the crops join groups of the other half."
    for k1, eps in ((20, 0.4), (20, 0.5), (10, 0.4)):
        settings = Settings(eps, 4, k1)
        grouping = group(features, cameras.astype(str), settings)
        trials = repeat_clusters(grouping.features, grouping.numbers, settings)
        sure = np.where(trials.confidence >= 0.8, grouping.numbers, OUTLIER)
        yield row(f"{name}: all at once", k1, eps, grouping.numbers, people, cameras, trials)
        yield row(f"{name}: confidence ≥ 0.8", k1, eps, sure, people, cameras)
    settings, half = Settings(), np.random.default_rng(0).permutation(len(people))
    first, second = np.array_split(half, 2)
    grouping = group(features[first], cameras[first].astype(str), settings)
    yield row(f"{name}: half of the crops", 20, 0.4, grouping.numbers, people[first],
              cameras[first])
    for batch in np.array_split(second, 20):
        grouping.assign(features[batch], cameras[batch].astype(str), least=4)
    yield row(f"{name}: the other half joins, 20 batches", 20, 0.4, grouping.numbers, people[half],
              cameras[half])


def row(name, k1, eps, numbers, people, cameras, trials=None):
    "Judge groups."
    precision, recall = pair_quality(numbers, people)
    quality, count = label_quality(numbers, people), len(np.unique(people))
    interval = "" if trials is None else "–".join(
        map(str, count_interval(quality["clusters"], trials)))
    return {
        "what": name, "k1": k1, "eps": eps, "crops": len(people), "people": count,
        "groups": quality["clusters"], "interval": interval,
        "error": quality["clusters"] - count, "grouped": f"{quality['used']:.3f}",
        "ari": f"{quality['ari']:.3f}", "ami": f"{quality['ami']:.3f}",
        "precision": f"{precision:.3f}", "recall": f"{recall:.3f}",
        "cross_camera": f"{cross_camera_pairs(numbers, cameras):.3f}",
        "stability": "" if trials is None else f"{trials.stability:.3f}",
    }


def observed_pairs(paths, people, cameras):
    """Make the pairs that a tracker would know, from names such as 0002_c1s1_000451_03.jpg.

    Tracks are simulated: one person in one sequence of one camera. Market's boxes of one frame are
    often of one person, so without tracks they would not be pairs of different people.
    """
    frames = [re.search(r"c\d+(s\d+)_(\d+)_", path).groups() for path in paths]
    place = np.array([f"{c}{s}" for c, (s, _) in zip(cameras, frames, strict=True)], object)
    times = np.array([int(frame) / 25 for _, frame in frames])
    tracks = np.array([f"{who} {at}" for who, at in zip(people, place, strict=True)], object)
    return imply_pairs(Details(place, times, tracks))


def measure_thresholds(name, features, people, cameras, paths):
    "Compare promised with measured false-match rates."
    features = centre_cameras(features, cameras)
    ends = np.triu_indices(len(people), 1)
    cosines = (features @ features.T)[ends]
    same = people[ends[0]] == people[ends[1]]
    apart, joined = np.sort(cosines[~same]), np.sort(cosines[same])
    sources = defaultdict(list)
    sources["grouped (no labels)"].append(("grouped", pair_groups(cluster(features, PAIRING))))
    observed = observed_pairs(paths, people, cameras)  # CUHK03 names no times
    if ", cuhk03" not in name and min(observed.same.sum(), (~observed.same).sum()) >= 10:
        sources["observed (tracks simulated from labels)"].append(("observed", observed))
    for seed, count in itertools.product(range(SEEDS), (100, 400)):
        chance = np.random.default_rng(seed)
        chosen = np.concatenate([chance.choice(np.flatnonzero(same == kind), count // 2, False)
                                 for kind in (True, False)])
        labelled = Pairs(ends[0][chosen], ends[1][chosen], same[chosen], np.arange(count))
        sources[f"{count} labelled pairs"].append(("labelled", labelled))
    for (source, known), rate in itertools.product(sources.items(), RATES):
        rates, inside, missed, told = [], [], [], []
        for method, pairs in known:
            found = calibrate_pairs(features, pairs, rate, method, resamples=40)
            real, least, most = (
                1 - np.searchsorted(apart, value) / len(apart)
                for value in (found.threshold, found.high, found.low))
            rates.append(real)
            inside.append(least <= rate <= most)
            missed.append(np.searchsorted(joined, found.threshold) / len(joined))
            told.append(found.missed)
        low, middle, high = np.quantile(rates, [0.05, 0.5, 0.95])
        yield {
            "what": name, "pairs": source, "tries": len(rates), "promised": rate,
            "measured": f"{middle:.5f}", "from": f"{low:.5f}", "to": f"{high:.5f}",
            "promise_in_interval": f"{np.mean(inside):.2f}",
            "missed": f"{np.median(missed):.2f}", "missed_promised": f"{np.median(told):.2f}",
        }


def write(name, rows):
    "Write rows as CSV, and print them."
    with open(HERE / name, "w", newline="", encoding="utf-8") as file:
        writer = None
        for line in rows:
            writer = writer or csv.DictWriter(file, list(line), lineterminator="\n")
            if file.tell() == 0:
                writer.writeheader()
            writer.writerow(line)
            print(*line.values(), flush=True)


if __name__ == "__main__":
    cases = {name: read(Path(folder)) for name, folder in
             (word.split("=") for word in sys.argv[1:])}
    write("groups.csv", (line for name, case in cases.items()
                         for line in measure_groups(name, *case[:3])))
    write("thresholds.csv", (line for name, case in cases.items()
                             for line in measure_thresholds(name, *case)))
