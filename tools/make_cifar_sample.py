#!/usr/bin/env python3
"""Makes tests/data/cifar: CIFAR's Python archives with two images a file, as published and as written anew.

cifar-10-python.tar.gz has the pickles of Python 2 that the authors publish, written here opcode by opcode; in
cifar-100-python.tar.gz they were loaded and saved by Python 3, by a protocol each. Needs numpy.
"""

from __future__ import annotations

import argparse
import gzip
import io
import pickle
import struct
import tarfile
from pathlib import Path

import numpy as np

CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def pixels(number: int) -> np.ndarray:
    """The planes of an image: red, green, blue."""
    plane, y, x = np.mgrid[0:3, 0:32, 0:32]
    return ((37 * number + 85 * plane + 7 * y + 3 * x) % 256).astype(np.uint8)


def text(value: str) -> bytes:
    return b"U" + bytes([len(value)]) + value.encode()


def integer(value: int) -> bytes:
    return b"K" + bytes([value]) if value < 256 else b"M" + struct.pack("<H", value)


def python2_array(rows: np.ndarray) -> bytes:
    element = b"cnumpy\ndtype\n" + text("u1") + b"K\x00K\x01\x87R(K\x03" + text("|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    shape = integer(rows.shape[0]) + integer(rows.shape[1]) + b"\x86"
    data = b"T" + struct.pack("<I", rows.size) + rows.tobytes()
    shell = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text("b") + b"\x87R"
    return shell + b"(K\x01" + shape + element + b"\x89" + data + b"tb"


def python2_list(items: list[bytes]) -> bytes:
    return b"](" + b"".join(items) + b"e"


def python2_dict(items: dict[str, bytes]) -> bytes:
    return b"\x80\x02}(" + b"".join(text(key) + value for key, value in items.items()) + b"u."


def batch10(first: int) -> bytes:
    numbers = [first, first + 1]
    return python2_dict(
        {
            "batch_label": text("a batch of two"),
            "labels": python2_list([integer(number % 10) for number in numbers]),
            "data": python2_array(np.stack([pixels(number).reshape(-1) for number in numbers])),
            "filenames": python2_list([text(f"image_{number}.png") for number in numbers]),
        }
    )


def write_archive(archive: Path, folder: str, files: dict[str, bytes]) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    archive.write_bytes(gzip.compress(stream.getvalue(), mtime=0))


def make_cifar10(archive: Path) -> None:
    files = {f"data_batch_{batch + 1}": batch10(2 * batch) for batch in range(5)}
    files["test_batch"] = batch10(10)
    meta = {"num_cases_per_batch": integer(2), "label_names": python2_list([text(name) for name in CLASSES]), "num_vis": integer(3072)}
    files["batches.meta"] = python2_dict(meta)
    loaded = pickle.loads(files["data_batch_2"], encoding="latin1")
    assert loaded["labels"] == [2, 3] and (loaded["data"][1] == pixels(3).reshape(-1)).all()
    write_archive(archive, "cifar-10-batches-py", files)


def make_cifar100(archive: Path) -> None:
    def split(first: int) -> dict[bytes, object]:
        numbers = [first, first + 1]
        return {
            b"filenames": [f"image_{number}.png".encode() for number in numbers],
            b"batch_label": b"two images",
            b"fine_labels": [50 + number for number in numbers],
            b"coarse_labels": [number for number in numbers],
            b"data": np.stack([pixels(number).reshape(-1) for number in numbers]),
        }

    meta = {"fine_label_names": [f"fine {i}" for i in range(100)], "coarse_label_names": [f"coarse {i}" for i in range(20)]}
    files = {"train": pickle.dumps(split(0), 2), "test": pickle.dumps(split(2), 5), "meta": pickle.dumps(meta, 0)}
    write_archive(archive, "cifar-100-python", files)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("tests/data/cifar"))
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    make_cifar10(out / "cifar-10-python.tar.gz")
    make_cifar100(out / "cifar-100-python.tar.gz")


if __name__ == "__main__":
    main()
