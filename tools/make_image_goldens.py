#!/usr/bin/env python3
"""Makes the small images under tests/data and the pixels that Pillow reads from them or resizes them to.

    python tools/make_image_goldens.py [tests/data]

tests/data/images/NAME.{jpg,png,webp} come with NAME.ppm (what Pillow decodes, upright, as RGB) or, where the file must
be refused, without. tests/data/resize/*.ppm are Image.resize of images/source.png,
tests/data/resize_order/*.ppm those of shapes that change the order of its passes, tests/data/rotate/*.ppm
Image.rotate of it, tests/data/prepare/*.ppm torchvision's Resize + CenterCrop of it (and of its transpose),
tests/data/color/*.ppm ImageEnhance of it, tests/data/ops/OP,ARGUMENT[,INTERPOLATION].ppm torchvision's and timm's
image ops on it, tests/data/enlarge/*.ppm Image.resize of resize/bilinear_64x50.ppm. tests/data/policies/POLICY.txt
lists how often a draw of timm's or torchvision's policy holds an op with an argument, for an image of 40 x 30 pixels.
tests/data/draws/*.txt count what their random transforms did, most as lines of "top left height width count".
Needs Pillow, NumPy, torchvision and timm.
"""
import ctypes
import ctypes.util
import io
import math
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageOps
from timm.data import auto_augment as timm_augment
from timm.data.mixup import Mixup, rand_bbox
from timm.data.random_erasing import RandomErasing
from torchvision import transforms
from torchvision.transforms import autoaugment as tv_augment
from torchvision.transforms import functional as tv

from image_corpus import adam7, corpus, encoded, picture, png_raw

WIDTH, HEIGHT = 37, 29


def pattern(width, height):
    """A picture that a test can make itself."""
    y, x = np.mgrid[0:height, 0:width]
    return Image.fromarray(np.stack([(x * 7 + y * y) % 256, (x * y) % 251, (x * x + 3 * y) % 256], -1).astype(np.uint8))


def with_orientation(value):
    exif = Image.Exif()
    exif[0x0112] = value
    return exif.tobytes()


def readable():
    rgb = picture()
    gray = rgb.convert("L")
    alpha = rgb.copy()
    alpha.putalpha(gray)
    yield "source.png", encoded(rgb, "PNG", optimize=True)
    yield "rgb_420.jpg", encoded(rgb, "JPEG", quality=90, subsampling="4:2:0")
    yield "rgb_444.jpg", encoded(rgb, "JPEG", quality=90, subsampling="4:4:4")
    yield "rgb_422_restarts.jpg", encoded(rgb, "JPEG", quality=80, subsampling="4:2:2", restart_marker_blocks=2)
    yield "rgb_progressive.jpg", encoded(rgb, "JPEG", quality=85, progressive=True)
    yield "gray.jpg", encoded(gray, "JPEG", quality=90)
    cmyk = encoded(rgb.convert("CMYK"), "JPEG", quality=90)
    yield "cmyk.jpg", cmyk
    transform = cmyk.index(b"Adobe") + 11
    yield "ycck.jpg", cmyk[:transform] + b"\x02" + cmyk[transform + 1:]
    for orientation in range(1, 9):
        exif = with_orientation(orientation)
        yield f"exif_{orientation}.jpg", encoded(picture(21, 13), "JPEG", quality=85, exif=exif)
    yield "exif_6.png", encoded(picture(21, 13), "PNG", exif=with_orientation(6))
    yield "exif_8.webp", encoded(picture(21, 13), "WEBP", quality=85, exif=with_orientation(8))
    yield "gray.png", encoded(gray, "PNG")
    yield "gray_alpha.png", encoded(alpha.convert("LA"), "PNG")
    yield "rgba.png", encoded(alpha, "PNG")
    yield "palette.png", encoded(rgb.quantize(16), "PNG")
    yield "palette_transparent.png", encoded(rgb.quantize(200), "PNG", transparency=bytes(range(0, 200, 2)))
    yield "bilevel.png", encoded(rgb.convert("1"), "PNG")
    levels = np.asarray(gray)
    yield "gray_2bit.png", png_raw(32, HEIGHT, 2, 0, [bytes((row[0:32:4] & 0xC0) | (row[1:32:4] >> 6 << 4) | (row[2:32:4] >> 6 << 2)
                                                        | (row[3:32:4] >> 6)) for row in levels])
    deep = np.asarray(rgb).astype(np.uint16) * 256 + np.random.default_rng(3).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint16)
    yield "rgb_16bit.png", png_raw(WIDTH, HEIGHT, 16, 2, [row.astype(">u2").tobytes() for row in deep])
    yield "gray_16bit.png", png_raw(WIDTH, HEIGHT, 16, 0, [row.astype(">u2").tobytes() for row in deep[:, :, 0]])
    yield "interlaced.png", png_raw(WIDTH, HEIGHT, 8, 2, adam7(np.asarray(rgb)), interlaced=True)
    yield "lossy.webp", encoded(rgb, "WEBP", quality=80)
    yield "lossless.webp", encoded(rgb, "WEBP", lossless=True)
    yield "lossy_alpha.webp", encoded(alpha, "WEBP", quality=80)
    yield "lossless_alpha.webp", encoded(alpha, "WEBP", lossless=True, exact=True)


def heic(image):
    """An HEIC file of nearly the image's pixels; Pillow writes none, so libheif does."""
    heif = ctypes.CDLL(ctypes.util.find_library("heif"))

    class Error(ctypes.Structure):
        _fields_ = [("code", ctypes.c_int), ("subcode", ctypes.c_int), ("message", ctypes.c_char_p)]

    def call(name, *arguments):
        function = getattr(heif, name)
        function.restype = Error
        error = function(*arguments)
        assert error.code == 0, (name, error.message)
    heif.heif_context_alloc.restype = heif.heif_image_get_plane.restype = ctypes.c_void_p
    context, encoder, pixels = ctypes.c_void_p(heif.heif_context_alloc()), ctypes.c_void_p(), ctypes.c_void_p()
    hevc, rgb, interleaved_rgb, interleaved = 1, 1, 10, 10
    call("heif_context_get_encoder_for_format", context, hevc, ctypes.byref(encoder))
    call("heif_encoder_set_lossy_quality", encoder, 98)
    call("heif_image_create", *image.size, rgb, interleaved_rgb, ctypes.byref(pixels))
    call("heif_image_add_plane", pixels, interleaved, *image.size, 8)
    stride = ctypes.c_int()
    plane = heif.heif_image_get_plane(pixels, interleaved, ctypes.byref(stride))
    for y, row in enumerate(np.asarray(image)):
        ctypes.memmove(plane + y * stride.value, row.tobytes(), row.size)
    call("heif_context_encode_image", context, pixels, encoder, None, None)
    with tempfile.NamedTemporaryFile() as file:
        call("heif_context_write_to_file", context, file.name.encode())
        return Path(file.name).read_bytes()


def refused():
    rgb = picture()
    for name, kind, options in (("truncated.jpg", "JPEG", {}), ("truncated_progressive.jpg", "JPEG", {"progressive": True}),
                                ("truncated.png", "PNG", {}), ("truncated.webp", "WEBP", {})):
        data = encoded(rgb, kind, **options)
        yield name, data[:len(data) * 2 // 3]
    yield "text.jpg", b"This is no picture.\n"
    yield "empty.jpg", b""
    # A PNG of 60,000 x 60,000 pixels in a few bytes.
    yield "huge.png", png_raw(60000, 60000, 8, 0, [b"\0" * 100])


# Of the corpus of odd images: those that are read, read in spite of damage, refused, and not supported.
ODD = {
    "": {"JPEG": ("exif_double_prefix", "exif_in_parts", "exif_long", "exif_big_endian", "exif_9", "exif_and_xmp", "exif_zero_and_xmp",
                  "xmp_5", "xmp_6"),
         "PNG": ("raw_profile_6", "raw_profile_zip_8", "xmp_3", "xmp_6", "exif_behind_8", "interlaced_1x5", "interlaced_3x4", "idat_many"),
         "WebP": ("animated_alpha", "animated", "xmp_6", "exif_bare_3"),
         "BMP": ("rgb", "bits_1", "bits_4", "bits_8", "bits_4_top_down", "bits_8_os2", "bits_4_few_colors", "bits_8_header_124", "bits_16",
                 "bits_32", "bits_1_gap", "masks_565", "masks_bgxr", "masks_rgba", "masks_xbgr_header_56", "rle8_runs", "rle8_moves",
                 "rle4_runs", "rle4_moves"),
         "GIF": ("colors_16", "colors_128", "gray", "animated_disposed", "placed_outside", "placed_transparent", "no_palette", "no_trailer"),
         "TIFF": ("rgb_tiff_lzw", "bits_1_0", "bits_2_1", "bits_4_0", "bits_4_palette", "samples_4_2_0", "samples_4_2_1",
                  "samples_4_2_1_16bit", "samples_3_2__16bit", "samples_4_5_", "samples_2_1_2", "samples_3_2__planar",
                  "samples_4_2_2_planar", "format_int16", "format_float32", "ycbcr_jpeg", "bilevel_group4", "orientation_5_raw",
                  "orientation_8_tiff_lzw"),
         "AVIF": ("exif_6", "alpha"),
         "PNM": ("plain_100.ppm", "binary_1000.ppm", "binary_15.pgm", "plain_254.pgm", "plain.pbm", "plain_spaced.pbm", "bilevel.pbm",
                 "comments.ppm")},
    "damaged_": {"JPEG": ("early_end_baseline", "restart_wrong", "restart_missing", "zeros_gray_0", "inserted_progressive_3"),
                 "PNG": ("no_iend", "part_of_iend", "iend_checksum", "idat_checksum", "text_behind_checksum", "cut_end_15"),
                 "GIF": ("no_terminator",)},
    "refused_": {"PNG": ("idat_short_100", "idat_apart", "header_checksum", "palette_checksum"),
                 "BMP": ("cut_100", "rle8_short", "rle4_cut"), "GIF": ("cut_3", "cut_9"), "TIFF": ("cut_raw_1", "cut_tiff_lzw_2"),
                 "WebP": ("cut_2",), "AVIF": ("cut_1",),
                 "PNM": ("cut_100.ppm", "value_too_large.ppm", "value_negative.ppm", "plain_bad.pbm", "most_zero.ppm")},
    "unsupported_": {"JPEG": ("twelve_bits", "lossless"), "BMP": ("bits_2", "png_inside", "masks_444"), "TIFF": ("bits_64",)},
}


def odd():
    """(name, bytes, whether Pillow reads it)"""
    wanted = {(kind, name): prefix for prefix, kinds in ODD.items() for kind, names in kinds.items() for name in names}
    for kind, file, data in corpus():
        name = file if kind == "PNM" else file.rpartition(".")[0]
        prefix = wanted.pop((kind, name), None)
        if prefix is not None:
            yield f"{prefix}{kind.lower()}_{file}", data, prefix in ("", "damaged_")
    assert not wanted, wanted


# timm's names of ops, and torchvision's, as Convoy calls them.
OPS = {"Identity": "identity", "ShearX": "shear_x", "ShearY": "shear_y", "TranslateX": "translate_x", "TranslateY": "translate_y",
       "TranslateXRel": "translate_x", "TranslateYRel": "translate_y", "Rotate": "rotate", "Brightness": "brightness",
       "Color": "color", "Contrast": "contrast", "Sharpness": "sharpness", "Posterize": "posterize", "Solarize": "solarize",
       "SolarizeAdd": "solarize_add", "AutoContrast": "auto_contrast", "Equalize": "equalize", "Invert": "invert"}
FILL = (124, 116, 104)
AUGMIX_PARAMETERS = {"translate_pct": 0.3}  # as timm's transforms_factory sets them


def image_ops(source):
    """(name, picture) of every op. Convoy moves pictures to the left and upwards, torchvision the other way."""
    nearest = transforms.InterpolationMode.NEAREST
    for name, magnitude in (("ShearX", 0.3), ("ShearX", -0.99), ("ShearY", 0.21), ("ShearY", -0.07), ("TranslateX", 7.0),
                            ("TranslateX", -3.0), ("TranslateY", 32.0), ("TranslateY", -11.0), ("Rotate", 90.0), ("Rotate", 180.0),
                            ("Rotate", -22.5), ("Rotate", 135.0)):
        argument = -magnitude if name.startswith("Translate") else magnitude
        yield f"{OPS[name]},{argument:g}", tv_augment._apply_op(source, name, magnitude, nearest, None)
    filters = {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC}
    for word, resample in filters.items():
        for name, function, argument in (("shear_x", timm_augment.shear_x, 0.27), ("shear_y", timm_augment.shear_y, -0.3),
                                         ("translate_x", timm_augment.translate_x_abs, 5.55),
                                         ("translate_y", timm_augment.translate_y_abs, -9.25),
                                         ("rotate", timm_augment.rotate, 27.0), ("rotate", timm_augment.rotate, -3.5)):
            yield f"{name},{argument:g},{word}", function(source, argument, resample=resample, fillcolor=FILL)
    for shift in (-0.5, -0.13, 0.07, 0.4):
        yield f"hue,{shift:g}", tv.adjust_hue(source, shift)
    for factor in (0.1, 0.6, 1.9):
        yield f"sharpness,{factor:g}", tv.adjust_sharpness(source, factor)
    for bits in (1, 4, 7):
        yield f"posterize,{bits}", tv.posterize(source, bits)
    for threshold in (0.0, 100.5, 128.0, 256.0):
        yield f"solarize,{threshold:g}", tv.solarize(source, threshold)
    yield "solarize_add,99", timm_augment.solarize_add(source, 99)
    yield "auto_contrast,0", tv.autocontrast(source)
    yield "equalize,0", tv.equalize(source)
    yield "invert,0", tv.invert(source)
    # Channels of a few values, one value, and a narrow range.
    yield "faded", faded(source)
    yield "faded_auto_contrast", tv.autocontrast(faded(source))
    yield "faded_equalize", tv.equalize(faded(source))


def faded(source):
    pixels = np.asarray(source)
    return Image.fromarray(np.stack([pixels[..., 0] // 3 + 40, np.full_like(pixels[..., 1], 77), pixels[..., 2] & 0xC0], -1))


class FixedSign:
    """Makes timm negate, or not."""
    def __init__(self, value):
        self.value = value

    def __enter__(self):
        self.original, random.random = random.random, lambda: self.value

    def __exit__(self, *unused):
        random.random = self.original


def timm_draws(op, weight, size, counts):
    for value in (0.0, 1.0):
        with FixedSign(value):
            arguments = op.level_fn(op.magnitude, op.hparams) if op.level_fn else (0,)
        argument = float(arguments[0])
        if op.name.endswith("Rel"):
            argument *= size[0 if "X" in op.name else 1]
        name = OPS[op.name.replace("Increasing", "").replace("Original", "")]
        counts[name, round(argument, 6)] += weight / 2


def torchvision_draws(name, space, magnitude, weight, counts):
    magnitudes, signed = space[name]
    argument = float(magnitudes[magnitude]) if magnitudes.ndim > 0 else 0.0
    for sign in (-1, 1):
        value = argument * (sign if signed else 1)
        if name.startswith("Translate"):
            value = int(value)
        if name in ("Brightness", "Color", "Contrast", "Sharpness"):
            value += 1
        counts[OPS[name], round(float(value), 6)] += weight / 2


def policies():
    size = (40, 30)
    for text in ("rand-m9-inc1", "rand-m6-n3-p0.7"):
        transform = timm_augment.rand_augment_transform(text, {})
        counts = Counter()
        for op in transform.ops:
            timm_draws(op, op.prob * transform.num_layers / len(transform.ops), size, counts)
        yield text, counts
    for text in ("augmix-m3-mstd0", "augmix-m7-d2-mstd0"):
        transform = timm_augment.augment_and_mix_transform(text, dict(AUGMIX_PARAMETERS))
        depth = transform.depth if transform.depth > 0 else 2  # the mean of 1, 2 and 3
        counts = Counter()
        for op in transform.ops:
            timm_draws(op, depth / len(transform.ops), size, counts)
        yield text, counts
    for text in ("original", "originalr", "v0", "v0r"):
        policy = timm_augment.auto_augment_policy(text, {"translate_const": 1})
        counts = Counter()
        for sub_policy in policy:
            for op in sub_policy:
                timm_draws(op, op.prob / len(policy), size, counts)
        yield text, counts
    for text in ("imagenet", "cifar10"):
        transform = tv_augment.AutoAugment(tv_augment.AutoAugmentPolicy(text))
        space = transform._augmentation_space(10, (size[1], size[0]))
        counts = Counter()
        for sub_policy in transform.policies:
            for name, probability, magnitude in sub_policy:
                torchvision_draws(name, space, magnitude, probability / len(transform.policies), counts)
        yield text, counts
    space = tv_augment.TrivialAugmentWide()._augmentation_space(31)
    counts = Counter()
    for name in space:
        for magnitude in range(31):
            torchvision_draws(name, space, magnitude, 1 / 31 / len(space), counts)
    yield "trivial", counts


DRAWS = 200_000


class Rectangles(list):
    """Stands in for the image whose rectangles are erased."""
    def __setitem__(self, key, value):
        rows, columns = key[1:]
        self.append((rows.start, columns.start, rows.stop - rows.start, columns.stop - columns.start))


def erased():
    erasing = RandomErasing(probability=1, device="cpu")
    for _ in range(DRAWS):
        rectangles = Rectangles()
        erasing._erase(rectangles, 3, 7, 7, torch.float32)
        yield rectangles[0]


def erased_pixels(side, most):
    erasing = RandomErasing(probability=0.9, max_count=most, device="cpu")
    for _ in range(DRAWS):
        image = torch.ones(1, side, side)
        erasing(image)
        yield (int((image == 0).sum()),)


def resized_crops(width, height):
    image = Image.new("RGB", (width, height))
    for _ in range(DRAWS):
        yield transforms.RandomResizedCrop.get_params(image, [0.08, 1.0], [3 / 4, 4 / 3])


def cut_rectangles(side, alpha):
    for _ in range(DRAWS):
        top, bottom, left, right = rand_bbox((side, side), np.random.beta(alpha, alpha))
        empty = top == bottom or left == right
        yield (0, 0, 0, 0) if empty else (top, left, bottom - top, right - left)


def mixtures(side):
    """What became of a sample, and how many tenths of it stayed."""
    mixup = Mixup(mixup_alpha=0.4, cutmix_alpha=1.0, prob=0.8, switch_prob=0.3)
    for _ in range(DRAWS):
        images = torch.arange(2.0).reshape(2, 1, 1, 1).expand(2, 1, side, side).clone()
        share = mixup._mix_batch(images)
        cut = bool(((images == 0) | (images == 1)).all())
        yield "none" if share == 1 else "cut" if cut else "blend", math.floor(10 * share)


def augmix_differences(source):
    """Mean absolute difference of the pixels, rounded down."""
    hparams = {"interpolation": Image.BILINEAR, "img_mean": (128, 128, 128), **AUGMIX_PARAMETERS}
    transform = timm_augment.augment_and_mix_transform("augmix-m3-w3", hparams)
    pixels = np.asarray(source).astype(int)
    for _ in range(DRAWS // 10):
        yield (int(np.abs(np.asarray(transform(source)).astype(int) - pixels).mean()),)


def draws(source):
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    yield "erase", erased()
    yield "erase_3", erased_pixels(20, 3)
    yield "resized_crop_6x5", resized_crops(6, 5)
    yield "cutmix", cut_rectangles(6, 1.0)
    yield "mix", mixtures(6)
    yield "augmix", augmix_differences(source)


def write_ppm(path, image):
    path.write_bytes(b"P6 %d %d 255\n" % image.size + image.tobytes())


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent / "tests" / "data")
    images, resized, ordered, enlarged, rotated, prepared, colors, ops, drawn, counted = (
        root / name for name in ("images", "resize", "resize_order", "enlarge", "rotate", "prepare", "color", "ops", "policies", "draws"))
    for folder in (images, resized, ordered, enlarged, rotated, prepared, colors, ops, drawn, counted):
        folder.mkdir(parents=True, exist_ok=True)
    for name, data in readable():
        (images / name).write_bytes(data)
        if name == "gray_16bit.png":  # Pillow clips 16-bit gray to white; the high byte is what other programs show
            upright = Image.fromarray((np.asarray(Image.open(io.BytesIO(data))) >> 8).astype(np.uint8)).convert("RGB")
        else:
            upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
        write_ppm(images / f"{name}.ppm", upright)
    for name, data in refused():
        (images / name).write_bytes(data)
    for name, data, read in odd():
        (images / name).write_bytes(data)
        if read:
            write_ppm(images / f"{name}.ppm", ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
    y, x = np.mgrid[0:48, 0:64]
    smooth = Image.fromarray(np.stack([x * 4, y * 5, 255 - x * 2 - y], -1).astype(np.uint8))
    (images / "heif_picture.heic").write_bytes(heic(smooth))
    write_ppm(images / "heif_picture.heic.source.ppm", smooth)
    source = picture()
    modes = {"nearest": Image.NEAREST, "box": Image.BOX, "bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC}
    for mode, resample in modes.items():
        for size in ((16, 11), (64, 50), (37, 12), (9, 29), (5, 60)):
            write_ppm(resized / f"{mode}_{size[0]}x{size[1]}.ppm", source.resize(size, resample))
    # Shapes around those for which Pillow 13 begins with the vertical pass.
    for shape, image, sizes in (("wide", source, ((30, 15), (30, 14), (40, 20))),
                                ("tall", source.transpose(Image.TRANSPOSE), ((24, 27), (24, 26), (40, 20)))):
        for mode in ("bilinear", "bicubic"):
            for size in sizes:
                write_ppm(ordered / f"{mode}_{shape}_{size[0]}x{size[1]}.ppm", image.resize(size, modes[mode]))
    squashed = transforms.Resize((224, 224))(pattern(300, 400))
    write_ppm(ordered / "squashed_300x400.ppm", squashed.crop((100, 60, 130, 80)))
    write_ppm(ordered / "resized_crop_1_4_28_17.ppm", tv.resized_crop(source, 1, 4, 28, 17, [16, 16]))
    # Sizes for which the sum of Pillow's steps, rounded, and their product differ.
    write_ppm(enlarged / "nearest_96x3.ppm", source.resize((64, 50), Image.BILINEAR).resize((96, 3), Image.NEAREST))
    for degrees in (-170, -31.25, -1.5, 0.75, 10, 45, 123.5):
        write_ppm(rotated / f"{degrees}.ppm", source.rotate(degrees))
    enhancers = {"brightness": ImageEnhance.Brightness, "contrast": ImageEnhance.Contrast, "saturation": ImageEnhance.Color}
    for word, enhancer in enhancers.items():
        for factor in (0.25, 0.8, 1.3):
            write_ppm(colors / f"{word}_{factor}.ppm", enhancer(source).enhance(factor))
    for name, image in image_ops(source):
        write_ppm(ops / f"{name}.ppm", image)
    for text, counts in policies():
        lines = (f"{name} {argument:g} {count:.8f}\n" for (name, argument), count in sorted(counts.items()) if count > 0)
        (drawn / f"{text}.txt").write_text("".join(lines))
    for name, outcomes in draws(source):
        counts = sorted(Counter(outcomes).items())
        (counted / f"{name}.txt").write_text("".join(f"{' '.join(map(str, outcome))} {count}\n" for outcome, count in counts))
    for shape, image in (("wide", source), ("tall", source.transpose(Image.TRANSPOSE))):
        for size, resize in ((16, 16), (16, 18), (17, 24), (29, 29), (40, 45), (13, 32)):
            eval_transform = transforms.Compose([transforms.Resize(resize), transforms.CenterCrop(size)])
            write_ppm(prepared / f"{shape}_{size}_{resize}.ppm", eval_transform(image))


if __name__ == "__main__":
    main()
