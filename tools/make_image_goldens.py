#!/usr/bin/env python3
"""Makes the small images under tests/data and the pixels that Pillow reads from them or resizes them to.

    python tools/make_image_goldens.py [tests/data]

tests/data/images/NAME.{jpg,png,webp} come with NAME.ppm (what Pillow decodes, upright, as RGB) or, where the file must
be refused, without. tests/data/resize/*.ppm are Image.resize of images/source.png, tests/data/rotate/*.ppm
Image.rotate of it, tests/data/prepare/*.ppm torchvision's Resize + CenterCrop of it (and of its transpose),
tests/data/color/*.ppm ImageEnhance of it.
Needs Pillow, NumPy and torchvision.
"""
import io
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps
from torchvision import transforms

WIDTH, HEIGHT = 37, 29


def picture(width=WIDTH, height=HEIGHT):
    """Gradients, hard edges and a little noise, different in every channel."""
    y, x = np.mgrid[0:height, 0:width]
    random = np.random.default_rng(7)
    channels = [x * 255 / width, y * 255 / height, ((x // 5 + y // 3) % 2) * 200 + 20]
    pixels = np.stack(channels, -1) + random.normal(0, 12, (height, width, 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def png(width, height, depth, color, rows, interlaced=False):
    """PNG bytes of raw rows (bytes each, or a list a pass), for the kinds that Pillow does not write."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, int(interlaced))
    data = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def adam7(pixels):
    for left, top, dx, dy in ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)):
        for row in pixels[top::dy]:
            if row[left::dx].size:
                yield row[left::dx].tobytes()


def encoded(image, kind, **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


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
    yield "gray_2bit.png", png(32, HEIGHT, 2, 0, [bytes((row[0:32:4] & 0xC0) | (row[1:32:4] >> 6 << 4) | (row[2:32:4] >> 6 << 2)
                                                        | (row[3:32:4] >> 6)) for row in levels])
    deep = np.asarray(rgb).astype(np.uint16) * 256 + np.random.default_rng(3).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint16)
    yield "rgb_16bit.png", png(WIDTH, HEIGHT, 16, 2, [row.astype(">u2").tobytes() for row in deep])
    yield "gray_16bit.png", png(WIDTH, HEIGHT, 16, 0, [row.astype(">u2").tobytes() for row in deep[:, :, 0]])
    yield "interlaced.png", png(WIDTH, HEIGHT, 8, 2, adam7(np.asarray(rgb)), interlaced=True)
    yield "lossy.webp", encoded(rgb, "WEBP", quality=80)
    yield "lossless.webp", encoded(rgb, "WEBP", lossless=True)
    yield "lossy_alpha.webp", encoded(alpha, "WEBP", quality=80)
    yield "lossless_alpha.webp", encoded(alpha, "WEBP", lossless=True, exact=True)


def refused():
    rgb = picture()
    for name, kind, options in (("truncated.jpg", "JPEG", {}), ("truncated_progressive.jpg", "JPEG", {"progressive": True}),
                                ("truncated.png", "PNG", {}), ("truncated.webp", "WEBP", {})):
        data = encoded(rgb, kind, **options)
        yield name, data[:len(data) * 2 // 3]
    yield "text.jpg", b"This is no picture.\n"
    yield "gif.png", encoded(rgb, "GIF")
    yield "empty.jpg", b""
    # A PNG of 60,000 x 60,000 pixels in a few bytes.
    yield "huge.png", png(60000, 60000, 8, 0, [b"\0" * 100])


def write_ppm(path, image):
    path.write_bytes(b"P6 %d %d 255\n" % image.size + image.tobytes())


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent / "tests" / "data")
    images, resized, rotated, prepared, colors = (
        root / name for name in ("images", "resize", "rotate", "prepare", "color"))
    for folder in (images, resized, rotated, prepared, colors):
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
    source = picture()
    modes = {"nearest": Image.NEAREST, "box": Image.BOX, "bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC}
    for mode, resample in modes.items():
        for size in ((16, 11), (64, 50), (37, 12), (9, 29), (5, 60)):
            write_ppm(resized / f"{mode}_{size[0]}x{size[1]}.ppm", source.resize(size, resample))
    for degrees in (-170, -31.25, -1.5, 0.75, 10, 45, 123.5):
        write_ppm(rotated / f"{degrees}.ppm", source.rotate(degrees))
    enhancers = {"brightness": ImageEnhance.Brightness, "contrast": ImageEnhance.Contrast, "saturation": ImageEnhance.Color}
    for word, enhancer in enhancers.items():
        for factor in (0.25, 0.8, 1.3):
            write_ppm(colors / f"{word}_{factor}.ppm", enhancer(source).enhance(factor))
    for shape, image in (("wide", source), ("tall", source.transpose(Image.TRANSPOSE))):
        for size, resize in ((16, 16), (16, 18), (17, 24), (29, 29), (40, 45), (13, 32)):
            eval_transform = transforms.Compose([transforms.Resize(resize), transforms.CenterCrop(size)])
            write_ppm(prepared / f"{shape}_{size}_{resize}.ppm", eval_transform(image))


if __name__ == "__main__":
    main()
