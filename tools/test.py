"Test every notebook and every check; the last line says `N passed, N failed`."
import argparse
import os
import signal
import sys
import tempfile
import time
from multiprocessing import connection, get_context
from pathlib import Path

import checks

CORES = os.cpu_count() or 1
# Imported once and shared by all notebooks: fresh processes would spend longer here than testing.
PRELOADED = ["nbdev.test", "nbconvert", "torch", "torchvision", "matplotlib.pyplot"]
# Exit codes that no accident gives: a notebook that ends its own process has not passed.
PASSED, SKIPPED, FAILED = 10, 11, 1


def run_notebook(
    notebook: Path,  # absolute
    flags: list[str],  # cells marked so are run, although settings.ini says to skip them
    log: Path,  # takes all that the notebook prints, and its traceback
) -> None:
    "nbdev's own test of one notebook, in a process of its own; the exit code says how it went."
    os.setpgid(0, 0)  # so that a time limit ends the programs a notebook started, too
    with open(log, "wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    from nbdev.test import test_nb

    skipped = checks.settings()["tst_flags"].split()
    passed, seconds = test_nb(
        notebook, skip_flags=skipped, force_flags=flags, basepath=checks.ROOT
    )
    if passed and seconds == 0:  # nbdev's sign for a notebook whose title cell says skip_exec
        sys.exit(SKIPPED)
    sys.exit(PASSED if passed else FAILED)


def run_notebooks(
    notebooks: list[Path],
    flags: list[str],
    workers: int,  # notebooks at a time
    limit: float,  # seconds for one notebook
    scratch: Path,  # folder for logs
):  # yields (notebook, exit code, seconds, log) as each one ends
    "Run notebooks side by side, and end those that take too long."
    context = get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    waiting, running = list(notebooks), {}
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                notebook = waiting.pop()  # the last chapters take longest, so they start first
                log = scratch / f"{notebook.parent.name}_{notebook.stem}.log"
                process = context.Process(target=run_notebook, args=(notebook, flags, log))
                process.start()
                running[process] = (notebook, time.monotonic(), log)
            connection.wait([process.sentinel for process in running], timeout=1)
            for process, (notebook, start, log) in list(running.items()):
                seconds = time.monotonic() - start
                if process.is_alive() and seconds < limit:
                    continue
                if process.is_alive():
                    end(process)
                    with open(log, "a") as file:
                        file.write(f"\n{notebook.name} was ended after {limit:.0f} s\n")
                process.join()
                del running[process]
                yield notebook, process.exitcode, seconds, log
    finally:
        for process in running:
            end(process)


def end(process) -> None:
    "Kill a notebook and whatever it started."
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:  # not far enough to have a group of its own
        process.kill()


def report(word: str, seconds: float, name: str) -> None:
    "One line for one test."
    print(f"{word:4} {seconds:6.1f} s  {name}", flush=True)


def main() -> int:  # exit code
    "Notebooks first, then the checks; with notebooks named, only those."
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebooks", nargs="*", type=Path, help="only these, and no checks")
    parser.add_argument("--flags", default="", help="also run cells marked so: 'slow cuda'")
    parser.add_argument("--limit", type=float, default=900, help="seconds for one notebook")
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
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, CORES // workers)))

    counts = {PASSED: 0, FAILED: 0, SKIPPED: 0}
    words = {PASSED: "ok", SKIPPED: "skip"}
    with tempfile.TemporaryDirectory() as scratch:
        # Synthetic people are drawn anew: a cache left by older code must not decide a test.
        os.environ["LF2_CACHE"] = str(Path(scratch, "cache"))
        tested = run_notebooks(
            notebooks, options.flags.split(), workers, options.limit, Path(scratch)
        )
        for notebook, code, seconds, log in tested:
            report(words.get(code, "FAIL"), seconds, notebook.relative_to(checks.ROOT).as_posix())
            if code not in words:
                print(log.read_text(errors="replace") or f"exit code {code}, no output")
            counts[code if code in words else FAILED] += 1
    for name, check in {} if options.notebooks else checks.CHECKS.items():
        start = time.monotonic()
        complaints = checks.complaints_of(check)
        report("FAIL" if complaints else "ok", time.monotonic() - start, f"check: {name}")
        for complaint in complaints:
            print(f"       {complaint}")
        counts[FAILED if complaints else PASSED] += 1
    if counts[SKIPPED]:
        print(f"{counts[SKIPPED]} skipped")
    print(f"{counts[PASSED]} passed, {counts[FAILED]} failed", flush=True)
    return 1 if counts[FAILED] or not counts[PASSED] else 0


if __name__ == "__main__":
    sys.exit(main())
