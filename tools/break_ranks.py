#!/usr/bin/env python3
"""Breaks ranks of small runs again and again, and checks that no state is lost and no process is left.

    tools/break_ranks.py build/release/convoy photos --rounds 100

Each round starts `mpirun -np RANKS convoy train`, waits until a state is saved and a random while longer, and then kills a
random rank (SIGKILL), stops it (SIGSTOP) or fills the disk that the run is on. The run must end within 30 seconds, on all
ranks; nothing but the fault may be named; and --resume must go on from a state that was saved. Filling the disk needs root,
for a file system of its own in memory.
"""

import argparse
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time


def ranks_of(folder):
    """The processes that work in the folder as ranks, by rank."""
    found = {}
    for process in pathlib.Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            if os.readlink(process / "cwd") != str(folder):
                continue
            for variable in (process / "environ").read_bytes().split(b"\0"):
                if variable.startswith(b"OMPI_COMM_WORLD_RANK="):
                    found[int(variable.split(b"=")[1])] = int(process.name)
        except OSError:
            continue  # it has ended, or is another user's
    return found


def command_of(arguments, more):
    return ["mpirun", "-np", str(arguments.ranks), arguments.convoy, "train", arguments.data, "--model", "resnet9",
            "--img-size", "32", "--batch-size", "4", "--workers", "1", "--threads", "1", "--experiment", "run",
            "--output", "runs", *more]


def environment():
    return {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
            "OMPI_MCA_rmaps_base_oversubscribe": "1"}


def fill(folder):
    with open(folder / "filler", "wb") as file:
        try:
            while True:
                file.write(bytes(1 << 16))
                file.flush()
        except OSError:
            pass


def break_once(arguments, folder, fault, chance):
    state = folder / "runs" / "run" / "state-a.safetensors"
    run = subprocess.Popen(command_of(arguments, ["--epochs", "100000"]), cwd=folder, env=environment(), text=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    while not state.exists():
        if run.poll() is not None:
            return f"the run ended before its first state: {run.stderr.read()}"
        time.sleep(0.05)
    time.sleep(chance.uniform(0, 3))
    victim = chance.randrange(arguments.ranks)
    begin = time.monotonic()
    if fault == "disk":
        fill(folder)
    else:
        os.kill(ranks_of(folder)[victim], signal.SIGKILL if fault == "kill" else signal.SIGSTOP)
    try:
        complaint = run.communicate(timeout=60)[1]
    except subprocess.TimeoutExpired:
        for process in ranks_of(folder).values():
            os.kill(process, signal.SIGKILL)
        run.kill()
        return f"{fault} of rank {victim}: the run goes on"
    seconds = time.monotonic() - begin
    if seconds > arguments.limit:
        return f"{fault} of rank {victim}: the run ended after {seconds:.0f} s only"
    left = ranks_of(folder)
    if left:
        return f"{fault} of rank {victim}: processes are left: {left}"
    if run.returncode == 0:
        return f"{fault} of rank {victim}: the run ended as if nothing had been"
    if fault == "disk":
        (folder / "filler").unlink()
    resumed = subprocess.run(command_of(arguments, ["--epochs", "100000", "--resume", "--time", "0.01"]), cwd=folder,
                             env=environment(), text=True, capture_output=True)
    if resumed.returncode != 0 or "resuming" not in resumed.stdout or "damaged" in resumed.stderr + resumed.stdout:
        return f"{fault} of rank {victim}: it does not go on: {resumed.stdout[-300:]}{resumed.stderr[-600:]}"
    lines = [line for line in complaint.splitlines() if line.startswith("convoy train: ")]
    if fault != "kill" and len(lines) != 1:
        return f"{fault} of rank {victim}: expected one line, got {lines}: {complaint[-600:]}"
    print(f"{fault} of rank {victim}: ended after {seconds:.1f} s; {lines[0] if lines else 'mpirun names it'}", flush=True)
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("convoy", type=os.path.abspath)
    parser.add_argument("data", type=os.path.abspath, help="a folder of images, a sub-folder a class")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--ranks", type=int, default=3)
    parser.add_argument("--limit", type=float, default=30, help="seconds until all must have ended [%(default)s]")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    faults = ["stop", "disk", "kill"] if os.geteuid() == 0 else ["stop", "kill"]
    problems = 0
    for number in range(arguments.rounds):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="convoy_break_"))
        fault = faults[number % len(faults)]
        if fault == "disk":
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", folder], check=True)
        try:
            problem = break_once(arguments, folder, fault, chance)
        finally:
            if fault == "disk":
                subprocess.run(["umount", "-l", folder], check=True)
            shutil.rmtree(folder, ignore_errors=True)
        if problem:
            problems += 1
            print(f"round {number}: {problem}", flush=True)
    print(f"{arguments.rounds} rounds, {problems} with problems")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
