"Test every notebook and every check; the last line says `N passed, N failed`."
import argparse
import contextlib
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from multiprocessing import active_children, get_context, parent_process
from multiprocessing.process import BaseProcess
from pathlib import Path

import checks

CORES = os.cpu_count() or 1
PASSED = 10  # an exit code that no accident gives: ending its own process is not passing
FRESH = get_context("forkserver")  # a process for each notebook, forked from one that has these:
FRESH.set_forkserver_preload([
    "nbconvert", "nbdev.test", "torch", "torchvision", "matplotlib.pyplot", "sklearn.metrics",
    "sklearn.cluster", "scipy.sparse", "faiss",
])


def end_with_parent() -> None:
    "Wait until tools/test.py has ended, perhaps killed, and end this process and all it started."
    parent_process().join()
    os.killpg(0, signal.SIGKILL)


def test(
    notebook: Path,  # absolute
    flags: list[str],  # cells marked so are run, although settings.ini says to skip them
    log: Path,  # takes all that the notebook prints, and its traceback
) -> None:
    "Run nbdev's own test of one notebook; the exit code says how it went."
    os.setpgid(0, 0)  # so that a time limit ends the programs a notebook started, too
    threading.Thread(target=end_with_parent, daemon=True).start()
    with open(log, "wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    from nbdev.test import test_nb

    skipped = checks.settings()["tst_flags"].split()
    sys.exit(PASSED if test_nb(notebook, skipped, flags, basepath=checks.ROOT)[0] else 1)


def end(process: BaseProcess) -> None:
    "End the process of a notebook and all that it started."
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def run_notebook(
    notebook: Path,
    flags: list[str],
    limit: float,  # seconds
    log: Path,
) -> tuple[bool, float, str]:  # whether it passed, seconds, its output
    "Test a notebook in a process of its own, and end it when it takes too long."
    start = time.monotonic()
    process = FRESH.Process(target=test, args=(notebook, flags, log))
    process.start()
    process.join(limit)
    if process.is_alive():
        end(process)
        process.join()
    printed = log.read_text(errors="replace") if log.exists() else ""
    said = f"{printed}\nexit code {process.exitcode}"
    return process.exitcode == PASSED, time.monotonic() - start, said


def run_check(
    check: Callable[[], list[str]],
) -> tuple[bool, float, str]:  # whether it passed, seconds, its complaints
    "Carry out one of the checks."
    start = time.monotonic()
    complaints = checks.complaints_of(check)
    return not complaints, time.monotonic() - start, "\n".join(complaints)


def report(passed: bool, seconds: float, name: str, complaints: str) -> bool:
    "Print a line for one test, and what went wrong."
    print(f"{'ok' if passed else 'FAIL':4} {seconds:6.1f} s  {name}", flush=True)
    if not passed:
        print(complaints, flush=True)
    return passed


def main() -> int:  # exit code
    "Test the notebooks and run the checks; with notebooks named, test only those."
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebooks", nargs="*", type=Path, help="only these, and no checks")
    parser.add_argument("--flags", default="", help="also run cells marked so: 'slow cuda'")
    parser.add_argument("--limit", type=int, default=900, help="seconds for one notebook")
    parser.add_argument("--workers", type=int, default=CORES, help="notebooks at a time")
    options = parser.parse_args()
    notebooks = [path.resolve() for path in options.notebooks] or checks.notebooks()
    for path in notebooks:
        if not path.is_file():
            parser.error(f"no such notebook: {path}")
    os.chdir(checks.ROOT)
    workers = max(1, min(options.workers, len(notebooks)))
    # A process that a test kills cannot give its semaphores back, and the last line is the count.
    os.environ.setdefault("PYTHONWARNINGS", "ignore:resource_tracker:UserWarning")
    for library in ("OMP", "NUMBA"):  # more threads than cores wait for each other
        os.environ.setdefault(f"{library}_NUM_THREADS", str(max(1, CORES // workers)))
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C
    results = []
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(workers) as pool:
        # Synthetic people are rendered anew: a cache left by older code must not decide a test.
        os.environ["LF2_CACHE"] = str(Path(scratch, "cache"))
        jobs = {}
        for name, check in {} if options.notebooks else checks.CHECKS.items():
            jobs[pool.submit(run_check, check)] = f"check: {name}"
        for path in reversed(notebooks):  # the last chapters take longest, so they start first
            name = path.relative_to(checks.ROOT).as_posix()
            log = Path(scratch, name.replace("/", "_"))
            job = pool.submit(run_notebook, path, options.flags.split(), options.limit, log)
            jobs[job] = name
        try:
            for job in as_completed(jobs):
                passed, seconds, said = job.result()
                results.append(report(passed, seconds, jobs[job], said))
        except BaseException:  # else the pool would first do all that is left
            pool.shutdown(wait=False, cancel_futures=True)
            for process in active_children():
                end(process)
            raise
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed", flush=True)
    return 0 if results and all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
