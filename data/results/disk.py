"""An IVF index in memory and the same one left on the disk: memory and time of a search.

OMP_NUM_THREADS=1 python data/results/disk.py     (writes data/results/disk.csv)
"""
import csv
import tempfile
import time
from pathlib import Path

import faiss
import numpy as np

from lf2.apps.nearest import fill_index
from lf2.manifest import describe_device, git_revision, source_folder
from lf2.seeds import numpy_generator

COUNT, CHANNELS, QUERIES, TOP = 200_000, 256, 200, 20


def people(count: int, channels: int) -> np.ndarray:  # [count, channels] float32, unit rows
    "Vectors around one centre for every twenty of them."
    random = numpy_generator(0, "people")
    centres = random.standard_normal((count // 20, channels), np.float32)
    rows = centres[random.integers(len(centres), size=count)]
    rows += random.standard_normal(rows.shape, np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def anonymous() -> float:
    "Megabytes that the system could not take back."
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) / 1e3 for line in file if line.startswith("RssAnon"))


def look(path: Path, flags: int, queries: np.ndarray) -> tuple[dict[str, float], np.ndarray]:
    "What it takes to open the index and to ask it one query after another, and what is found."
    before = anonymous()
    index = faiss.read_index(str(path), flags)
    index.nprobe = max(8, index.nlist // 8)
    index.search(queries[:1], TOP)
    started = time.process_time()
    found = np.concatenate([index.search(query[None], TOP)[1] for query in queries])
    milliseconds = 1e3 * (time.process_time() - started) / len(queries)
    return {"megabytes": round(anonymous() - before), "milliseconds": round(milliseconds, 2)}, found


if __name__ == "__main__":
    vectors = people(COUNT, CHANNELS)
    queries = vectors[:: COUNT // QUERIES][:QUERIES].copy()
    rows, lists = [], []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "gallery.faiss")
        faiss.write_index(fill_index("ivf", vectors), str(path))
        del vectors
        # the disk first: what memory frees, the other could take without growing
        for where, flags in (("disk", faiss.IO_FLAG_MMAP), ("memory", 0)):
            row, found = look(path, flags, queries)
            lists.append(found)
            rows.append({"lists": where, **row, "file_megabytes": round(path.stat().st_size / 1e6)})
    assert np.array_equal(*lists)
    about = {"images": COUNT, "channels": CHANNELS, "device": describe_device("cpu")}
    about["revision"] = git_revision(source_folder())
    with open(Path(__file__).with_suffix(".csv"), "w", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0], *about])
        writer.writeheader()
        writer.writerows(row | about for row in rows)
    print(*rows, sep="\n")
