#!/usr/bin/env python3
"""Predicts how fast a network trains on N ranks, from a step measured on two.

    mpirun -np 2 convoy bench resnet50 --train --batch-size 16 --layers --json > step.json
    tools/simulate_scaling.py step.json --latency 50e-6 --bandwidth 1.25e9 --ranks 1,2,4,8,64,1024

A step is the list of its nodes with the time of each, as --layers measures them. Where a node `all_reduce` stands, a bucket
is handed to the rank's communication thread, which sums one after another: each rank sends every other one its piece, adds
up the pieces that it gets, and sends every other one the sum. Where `all_reduce_wait` stands, the step waits for its bucket.

    time of a bucket of S bytes on N ranks = 2 (latency + (N - 1) message + S (N - 1) / N / bandwidth) + S / summing

latency and bandwidth are the link's, one way, of one rank: a host with several ranks on one link shares it. What a message and
a summed byte cost are assumptions, to be measured where the answer depends on them.
"""

import argparse
import json


def buckets_of(layers):
    """The nodes of a step as ("compute", seconds), ("begin", bytes) and ("wait", number of the bucket)."""
    events, waits = [], 0
    for layer in layers:
        kind = layer["op"].split()[0]
        if kind == "all_reduce":
            events.append(("begin", layer["bytes"] / 2))  # its tensors are counted as they go in and as they come out
        elif kind == "all_reduce_wait":
            events.append(("wait", layer["bytes"] / 2))
            waits += 1
        else:
            events.append(("compute", layer["seconds"]))
    if waits == 0:
        raise SystemExit("the step has no sums over ranks: measure it under mpirun, with --layers --json")
    return events


def step_seconds(events, ranks, latency, bandwidth, message, summing, dtype_share, slowdown):
    """Seconds of a step, and of these how many are spent waiting."""
    now = waited = free = 0.0  # free: when the communication thread is done with what it has
    ends = {}  # bytes of a bucket: when their sums are there, in the order of their beginnings
    for kind, value in events:
        if kind == "compute":
            now += value * slowdown
        elif kind == "begin":
            sent = value * dtype_share * (ranks - 1) / ranks
            seconds = 0.0
            if ranks > 1:
                seconds = 2 * (latency + (ranks - 1) * message + sent / bandwidth) + value / summing
            free = max(free, now) + seconds
            ends.setdefault(value, []).append(free)
        else:
            end = ends[value].pop(0)
            waited += max(0.0, end - now)
            now = max(now, end)
    return now, waited


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", help="what `convoy bench --train --layers --json` printed under mpirun")
    parser.add_argument("--ranks", default="1,2,4,8,16,64,256,1024", help="numbers of ranks, separated by commas")
    parser.add_argument("--latency", type=float, default=50e-6, help="seconds, one way [%(default)s]")
    parser.add_argument("--bandwidth", type=float, default=1.25e9, help="bytes a second of a rank's link [%(default)s]")
    parser.add_argument("--message", type=float, default=2e-6, help="processor time of a message [%(default)s]")
    parser.add_argument("--summing", type=float, default=2e9, help="bytes a second that are packed and added [%(default)s]")
    parser.add_argument("--bf16", action="store_true", help="gradients are sent in bf16")
    parser.add_argument("--slowdown", type=float, default=1.0, help="factor of compute, where ranks share processors")
    arguments = parser.parse_args()
    with open(arguments.step) as file:
        step = json.load(file)
    events = buckets_of(step["layers"])
    alone = step_seconds(events, 1, 0, 1, 0, 1, 1, arguments.slowdown)[0]
    print(f"{step['model']}, {step['batch_size']} images a rank: {alone:.4f} s a step alone")
    print("  ranks   images/s   a rank  efficiency  waiting")
    for ranks in map(int, arguments.ranks.split(",")):
        seconds, waited = step_seconds(
            events, ranks, arguments.latency, arguments.bandwidth, arguments.message, arguments.summing,
            0.5 if arguments.bf16 else 1.0, arguments.slowdown)
        speed = ranks * step["batch_size"] / seconds
        print(f"{ranks:7} {speed:10.1f} {speed / ranks:8.2f} {100 * alone / seconds:10.1f}% {100 * waited / seconds:7.1f}%")


if __name__ == "__main__":
    main()
