#!/usr/bin/env python3
"""Compares what Convoy reads from odd images with what Pillow reads, and from odd folders with timm's folder reader.

    cmake --build --preset release --target decode_images convoy-cli
    python tools/compare_readers.py [build/release] [--all]

Prints the tables of docs/formats.md. --all names every image that does not agree. The exit status is 1 when less agrees
than is recorded below. Needs Pillow, NumPy and timm; without them it says so and ends with status 0.
"""
import argparse
import json
import subprocess
import sys
import tempfile
import warnings
from collections import Counter, defaultdict
from pathlib import Path

try:
    import numpy as np
    import PIL
    import timm
    from PIL import Image, ImageOps, features
    from timm.data import create_dataset

    from folder_corpus import folders
    from image_corpus import corpus
except ImportError as error:
    print(f"compare_readers.py: skipped, because {error}; it needs Pillow, NumPy and timm", file=sys.stderr)
    sys.exit(0)

COLUMNS = ("same pixels", "within 2", "further off", "both refuse", "only Convoy reads", "only Pillow reads")
# Images of each format that agree: the same pixels or refused by both.
RECORDED = {"JPEG": 255, "PNG": 165, "BMP": 85, "GIF": 51, "WebP": 36, "TIFF": 111, "AVIF": 31, "PNM": 43}
FOLDERS_RECORDED = 70


def pillow_pixels(path):
    """None where Pillow refuses."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB")).astype(int)
    except Exception:  # whatever a damaged file makes it raise
        return None


def ppm_pixels(path):
    return np.asarray(Image.open(path)).astype(int)


def verdict(word, ours, pillows):
    if word in ("refused", "unsupported"):
        return "both refuse" if pillows is None else "only Pillow reads"
    if pillows is None:
        return "only Convoy reads"
    if ours.shape != pillows.shape:
        return "further off"
    difference = np.abs(ours - pillows).max()
    return "same pixels" if difference == 0 else "within 2" if difference <= 2 else "further off"


def compare_images(decoder, folder, show_all):
    items = []
    for kind, name, data in corpus():
        path = folder / kind / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        items.append((kind, path))
    lines = "".join(f"{path}\t{path}.out.ppm\n" for _, path in items)
    run = subprocess.run([decoder], input=lines, capture_output=True, text=True, check=True)
    assert run.stderr == "", run.stderr
    table = defaultdict(Counter)
    for (kind, path), line in zip(items, run.stdout.splitlines(), strict=True):
        word, _, reason = line.partition("\t")
        ours = ppm_pixels(f"{path}.out.ppm") if word in ("read", "damaged") else None
        result = verdict(word, ours, pillow_pixels(path))
        table[kind][result] += 1
        if show_all and result not in ("same pixels", "both refuse"):
            print(f"{kind} {path.name}: {result} {reason.replace(str(path), '')}", file=sys.stderr)
    return table


def print_images(table):
    print(f"| format | images | {' | '.join(COLUMNS)} |")
    print("|---" * (len(COLUMNS) + 2) + "|")
    for kind, counts in table.items():
        print(f"| {kind} | {sum(counts.values())} | {' | '.join(str(counts[column] or '') for column in COLUMNS)} |")
    total = sum(table.values(), Counter())
    print(f"| all | {sum(total.values())} | {' | '.join(str(total[column] or '') for column in COLUMNS)} |")


def timm_counts(root):
    """{class: [training images, validation images]}; None where timm refuses."""
    counts = defaultdict(lambda: [0, 0])
    roots = []
    for part, name in enumerate(("train", "validation")):
        try:
            dataset = create_dataset("", root=str(root), split=name)
        except Exception:  # whatever an odd folder makes it raise
            return None
        if dataset.reader.root in roots:
            break
        roots.append(dataset.reader.root)
        names = {index: name for name, index in dataset.reader.class_to_idx.items()}
        for _, target in dataset.reader.samples:
            counts[names[target]][part] += 1
    return dict(counts)


def convoy_counts(program, root):
    run = subprocess.run([program, "data", "check", str(root), "--json"], capture_output=True, text=True)
    if run.stdout == "":
        return None, run.stderr.strip()
    found = json.loads(run.stdout)
    return {entry["class"]: [entry["train"], entry["val"]] for entry in found["classes"]}, "; ".join(
        sorted({problem["kind"] for problem in found["problems"]}))


def compare_folders(program, parent, show_all):
    table = Counter()
    for name, files, expected in folders():
        root = parent / "folders" / name
        for path, data in files.items():
            place = root / path
            if path.endswith("/"):
                place.mkdir(parents=True, exist_ok=True)
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(data)
        (ours, notes), timms = convoy_counts(program, root), timm_counts(root)
        table[ours == expected, timms == expected] += 1
        if show_all and not ours == timms == expected:
            print(f"{name}: expected {expected}, Convoy {ours} ({notes}), timm {timms}", file=sys.stderr)
    return table


def print_folders(table):
    print("| folders | timm as expected | timm otherwise |")
    print("|---|---|---|")
    for ours, text in ((True, "Convoy as expected"), (False, "Convoy otherwise")):
        print(f"| {text} | {table[ours, True] or ''} | {table[ours, False] or ''} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", nargs="?", type=Path, default=Path(__file__).resolve().parent.parent / "build" / "release")
    parser.add_argument("--all", action="store_true", help="name what does not agree")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        images = compare_images(options.build / "bench" / "decode_images", Path(temporary), options.all)
        found = compare_folders(options.build / "convoy", Path(temporary), options.all)
    libraries = ", ".join(f"{name} {features.version(name)}" for name in ("libjpeg_turbo", "zlib", "webp", "libtiff", "avif"))
    print(f"Pillow {PIL.__version__} ({libraries}), timm {timm.__version__}\n")
    print_images(images)
    print(f"\n{sum(found.values())} folders\n")
    print_folders(found)
    worse = [kind for kind, least in RECORDED.items() if images[kind]["same pixels"] + images[kind]["both refuse"] < least]
    if found[True, True] + found[True, False] < FOLDERS_RECORDED:
        worse.append("folders")
    if worse:
        sys.exit(f"compare_readers.py: agrees less than is recorded: {', '.join(worse)}")


if __name__ == "__main__":
    main()
