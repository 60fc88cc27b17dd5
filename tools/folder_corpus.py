"""Odd folders of images, as people have them, and the classes that are in them: for compare_readers.py."""
import itertools
import unicodedata

import numpy as np

from image_corpus import encoded, png_raw
from PIL import Image

numbers = itertools.count()


def image():
    """A PNG that differs from every other."""
    pixels = np.random.default_rng(next(numbers)).integers(0, 256, (34, 34, 3), np.uint8)
    return png_raw(34, 34, 8, 2, [row.tobytes() for row in pixels])


def classes(root, names=("ant", "bee", "cat"), count=3):
    return {f"{root}{name}/{i}.png": image() for name in names for i in range(count)}


def plain(count=3, val=0, names=("ant", "bee", "cat")):
    """What stands in such a folder: {class: [training images, validation images]}."""
    return {name: [count, val] for name in names}


def wrapped():
    for depth in range(4):
        root = "a wrapper/" * depth
        yield f"wrapper_{depth}", classes(root), plain()
        if depth > 0:
            yield f"wrapper_{depth}_readme", {**classes(root), "README.md": b"# photos", "LICENSE": b"text"}, plain()
            yield f"wrapper_{depth}_split", {**classes(root + "train/"), **classes(root + "val/", count=1)}, plain(3, 1)


def split():
    for train, val in (("train", "val"), ("Train", "Val"), ("TRAIN", "VALID"), ("training", "validation"), ("Training", "valid"),
                       ("train", "eval"), ("train", "dev"), ("train", "Validation")):
        yield f"split_{train}_{val}", {**classes(train + "/"), **classes(val + "/", count=1)}, plain(3, 1)
    yield "split_test_only", {**classes("train/"), **classes("test/", count=1)}, plain(3, 1)
    yield "split_val_and_test", {**classes("train/"), **classes("val/", count=1), **classes("test/", count=2)}, plain(3, 1)
    yield "split_beside_others", {**classes("train/"), **classes("val/", count=1), "docs/page.txt": b"text"}, plain(3, 1)
    yield "split_train_alone", classes("train/"), plain()
    yield "split_val_loose", {**classes("train/"), **classes("val/", count=1), "val/loose.png": image()}, plain(3, 1)
    yield "split_val_lacks_one", {**classes("train/"), **classes("val/", ("ant", "bee"), 1)}, {**plain(3, 1), "cat": [3, 0]}
    yield "class_named_train", {**classes("", ("car", "plane")), **classes("train/", ("steam", "electric"))}, {
        "car": [3, 0], "plane": [3, 0], "train": [6, 0]}


JUNK = ("__MACOSX", "@eaDir", "lost+found", "$RECYCLE.BIN", "System Volume Information", ".ipynb_checkpoints", ".git", ".Trash-1000")


def junk():
    for name in JUNK:
        yield f"junk_{name.strip('.$@')}", {**classes(""), f"{name}/": b""}, plain()
        yield f"junk_{name.strip('.$@')}_within", {**classes(""), f"ant/{name}/copy.png": image()}, plain()
    for name in (".DS_Store", "Thumbs.db", "desktop.ini", "._0.png"):
        yield f"junk_{name.strip('.')}", {**classes(""), f"ant/{name}": b"\0\5\x16\7junk", name: b"junk"}, plain()


def files():
    pixels = Image.fromarray(np.random.default_rng(5).integers(0, 256, (40, 40, 3), np.uint8))
    for extension, kind in ((".JPG", "JPEG"), (".jfif", "JPEG"), (".jpe", "JPEG"), (".bmp", "BMP"), (".gif", "GIF"), (".tif", "TIFF"),
                            (".TIFF", "TIFF"), (".webp", "WEBP"), (".avif", "AVIF"), (".ppm", "PPM")):
        yield f"extension_{extension[1:]}", {**classes(""), f"bee/other{extension}": encoded(pixels, kind)}, {**plain(), "bee": [4, 0]}
    for name, content in (("notes.txt", b"text"), ("labels.csv", b"a,b"), ("data.json", b"{}"), ("noextension", b"text")):
        yield f"beside_{name}", {**classes(""), f"ant/{name}": content, name: content}, plain()
    yield "stray_image", {**classes(""), "cover.png": image()}, plain()
    yield "nested", {**classes(""), "ant/more/deep/x.png": image()}, {**plain(), "ant": [4, 0]}
    yield "one_class", classes("", ("ant",)), plain(names=("ant",))
    yield "numbers", classes("", ("1", "2", "10")), plain(names=("1", "2", "10"))
    yield "spaces", classes("", ("a b", " c", "d ")), plain(names=("a b", " c", "d "))
    accents = unicodedata.normalize("NFC", "café"), unicodedata.normalize("NFD", "café")
    yield "unicode", classes("", (accents[0], "猫")), plain(names=(accents[0], "猫"))
    yield "unicode_two_forms", {f"{form}/{i}.png": image() for i, form in enumerate(accents * 2)} | classes("", ("猫",)), {
        accents[0]: [4, 0], "猫": [3, 0]}
    # `convoy data check` goes on and lists the empty folder as an error; training refuses it.
    yield "empty_class", {**classes(""), "dog/": b""}, plain()
    yield "empty_class_with_text", {**classes(""), "dog/notes.txt": b"text"}, plain()
    yield "no_image", {"ant/notes.txt": b"text"}, None
    yield "loose_images", {f"{i}.png": image() for i in range(3)}, None


def folders():
    """(name, {path: bytes}, expected classes or None where there is nothing to train on); a path that ends in / is a folder."""
    for group in (wrapped, split, junk, files):
        yield from group()
