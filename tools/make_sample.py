#!/usr/bin/env python3
"""Makes data/cifar10-sample.tar.gz, the class-balanced part of CIFAR-10 that `make demo` trains on.

    python3 tools/make_sample.py cifar10-images.tar.xz data/cifar10-sample.tar.gz

The input unpacks to {train,test}/CLASS/NNNN.jpg. Of every class every tenth image is taken, in order of the names: 500
for training and 100 for testing. The output depends on the input alone. Needs nothing but Python.
"""
import gzip
import io
import sys
import tarfile
from collections import defaultdict
from pathlib import Path

EVERY = 10


def main():
    source, target = map(Path, sys.argv[1:])
    images = {}
    with tarfile.open(source) as archive:
        for member in archive:
            if member.isfile():
                images[member.name] = archive.extractfile(member).read()
    by_class = defaultdict(list)
    for name in sorted(images):
        by_class[name.rsplit("/", 1)[0]].append(name)
    chosen = [name for names in by_class.values() for name in names[::EVERY]]
    with open(target, "wb") as file, gzip.GzipFile("", "wb", compresslevel=9, fileobj=file, mtime=0) as stream:
        with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for name in chosen:
                header = tarfile.TarInfo(name)
                header.size = len(images[name])
                header.mode = 0o644
                archive.addfile(header, io.BytesIO(images[name]))
    print(f"{target}: {len(chosen)} images, {target.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
