"""Odd images of every format that Convoy reads, for compare_readers.py and make_image_goldens.py: (name, bytes) pairs."""
import io
import struct
import zlib

import numpy as np
from PIL import Image, TiffImagePlugin


def picture(width=37, height=29):
    """Gradients, hard edges and a little noise, different in every channel."""
    y, x = np.mgrid[0:height, 0:width]
    random = np.random.default_rng(7)
    channels = [x * 255 / width, y * 255 / height, ((x // 5 + y // 3) % 2) * 200 + 20]
    pixels = np.stack(channels, -1) + random.normal(0, 12, (height, width, 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def encoded(image, kind, **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def exif(orientation, kind=3, order="<", prefix=b"Exif\0\0"):
    """An EXIF block with one tag; kind 3 is a short, 4 a long."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    value = struct.pack(order + ("HH" if kind == 3 else "I"), *((orientation, 0) if kind == 3 else (orientation,)))
    return prefix + mark + struct.pack(order + "IH", 8, 1) + struct.pack(order + "HHI", 0x0112, kind, 1) + value + b"\0" * 4


def xmp(orientation, attribute=True):
    tag = f'<rdf:Description tiff:Orientation="{orientation}"/>' if attribute else (
        f"<rdf:Description><tiff:Orientation>{orientation}</tiff:Orientation></rdf:Description>")
    return ('<x:xmpmeta xmlns:x="adobe:ns:meta/" xmlns:tiff="http://ns.adobe.com/tiff/1.0/">' + tag + "</x:xmpmeta>").encode()


# ---- JPEG

def jpeg_segment(marker, content):
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def with_segments(data, *segments):
    """Behind the start marker."""
    return data[:2] + b"".join(segments) + data[2:]


def scan_start(data):
    at = data.index(b"\xff\xda")
    return at + 2 + struct.unpack(">H", data[at + 2:at + 4])[0]


def jpegs(rng):
    rgb, gray = picture(), picture().convert("L")
    kinds = {"444": dict(subsampling="4:4:4"), "422": dict(subsampling="4:2:2"), "420": dict(subsampling="4:2:0"),
             "progressive": dict(progressive=True), "restarts": dict(restart_marker_blocks=2), "optimized": dict(optimize=True)}
    for name, options in kinds.items():
        for quality in (20, 75, 95):
            yield f"{name}_{quality}.jpg", encoded(rgb, "JPEG", quality=quality, **options)
    for size in ((1, 1), (7, 9), (16, 16), (17, 33), (200, 3)):
        yield f"size_{size[0]}x{size[1]}.jpg", encoded(picture(*size), "JPEG")
    yield "gray.jpg", encoded(gray, "JPEG")
    yield "gray_progressive.jpg", encoded(gray, "JPEG", progressive=True)
    cmyk = encoded(rgb.convert("CMYK"), "JPEG", quality=90)
    transform = cmyk.index(b"Adobe") + 11
    yield "cmyk.jpg", cmyk
    yield "ycck.jpg", cmyk[:transform] + b"\x02" + cmyk[transform + 1:]
    plain = encoded(picture(21, 13), "JPEG", quality=85)
    for orientation in range(0, 10):
        yield f"exif_{orientation}.jpg", with_segments(plain, jpeg_segment(0xE1, exif(orientation)))
        yield f"xmp_{orientation}.jpg", with_segments(
            plain, jpeg_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp(orientation, orientation % 2 == 0)))
    both = jpeg_segment(0xE1, exif(3)), jpeg_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp(6))
    yield "exif_and_xmp.jpg", with_segments(plain, *both)
    yield "xmp_and_exif.jpg", with_segments(plain, *both[::-1])
    yield "exif_zero_and_xmp.jpg", with_segments(plain, jpeg_segment(0xE1, exif(0)), both[1])
    yield "exif_double_prefix.jpg", with_segments(plain, jpeg_segment(0xE1, b"Exif\0\0" + exif(6)))
    yield "exif_big_endian.jpg", with_segments(plain, jpeg_segment(0xE1, exif(8, order=">")))
    yield "exif_long.jpg", with_segments(plain, jpeg_segment(0xE1, exif(6, kind=4)))
    whole = exif(6)
    yield "exif_in_parts.jpg", with_segments(plain, jpeg_segment(0xE1, whole[:20]), jpeg_segment(0xE1, b"Exif\0\0" + whole[20:]))
    sof = plain.index(b"\xff\xc0")
    yield "twelve_bits.jpg", plain[:sof + 4] + b"\x0c" + plain[sof + 5:]
    yield "lossless.jpg", plain[:sof + 1] + b"\xc3" + plain[sof + 2:]
    yield "no_end.jpg", plain[:-2]
    yield "junk_behind.jpg", plain + b"junk behind the end" * 3
    for name, data in (("baseline", encoded(rgb, "JPEG", quality=90)), ("restarts", encoded(rgb, "JPEG", restart_marker_blocks=2)),
                       ("progressive", encoded(rgb, "JPEG", progressive=True)), ("gray", encoded(gray, "JPEG"))):
        begin = scan_start(data)
        yield f"early_end_{name}.jpg", data[:begin + (len(data) - begin) // 2] + b"\xff\xd9"
        for number in range(12):
            at = int(rng.integers(begin, len(data) - 2))
            zeros, flipped = bytearray(data), bytearray(data)
            zeros[at:at + 8] = b"\0" * len(zeros[at:at + 8])
            flipped[at] ^= 1 << int(rng.integers(8))
            yield f"zeros_{name}_{number}.jpg", bytes(zeros)
            yield f"flipped_{name}_{number}.jpg", bytes(flipped)
            yield f"inserted_{name}_{number}.jpg", data[:at] + rng.bytes(5) + data[at:]
            yield f"cut_{name}_{number}.jpg", data[:at]
    restarts = bytearray(encoded(rgb, "JPEG", restart_marker_blocks=2))
    marker = restarts.index(b"\xff\xd1", scan_start(bytes(restarts)))
    yield "restart_wrong.jpg", bytes(restarts[:marker + 1]) + b"\xd5" + bytes(restarts[marker + 2:])
    yield "restart_missing.jpg", bytes(restarts[:marker] + restarts[marker + 2:])


# ---- PNG

def png_chunk(kind, data, crc=None):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data) if crc is None else crc)


def png_chunks(data):
    at = 8
    while at < len(data):
        size = struct.unpack(">I", data[at:at + 4])[0]
        yield data[at + 4:at + 8], data[at + 8:at + 8 + size]
        at += 12 + size


def png_file(chunks):
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


def png_raw(width, height, depth, color, rows, interlaced=False, before=()):
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, int(interlaced))
    return png_file([(b"IHDR", header), *before, (b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows), 9)), (b"IEND", b"")])


def adam7(pixels):
    for left, top, dx, dy in ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)):
        for row in pixels[top::dy]:
            if row[left::dx].size:
                yield row[left::dx].tobytes()


def raw_profile(block):
    digits = block.hex()
    lines = "\n".join(digits[i:i + 72] for i in range(0, len(digits), 72))
    return f"\nexif\n{len(block):8}\n{lines}\n".encode()


def pngs(rng):
    rgb, gray = picture(), picture().convert("L")
    alpha = rgb.copy()
    alpha.putalpha(gray)
    kinds = {"rgb": rgb, "gray": gray, "rgba": alpha, "gray_alpha": alpha.convert("LA"), "bilevel": rgb.convert("1"),
             "palette_2": rgb.quantize(2), "palette_4": rgb.quantize(4), "palette_16": rgb.quantize(16), "palette_200": rgb.quantize(200)}
    for name, image in kinds.items():
        yield f"{name}.png", encoded(image, "PNG")
        yield f"{name}_optimized.png", encoded(image, "PNG", optimize=True)
    yield "palette_transparent.png", encoded(rgb.quantize(200), "PNG", transparency=bytes(range(0, 200, 2)))
    yield "rgb_transparent.png", encoded(rgb, "PNG", transparency=(20, 20, 20))
    yield "gray_transparent.png", encoded(gray, "PNG", transparency=20)
    deep = np.asarray(rgb).astype(np.uint16) * 256 + rng.integers(0, 256, (29, 37, 3), np.uint16)
    yield "rgb_16bit.png", png_raw(37, 29, 16, 2, [row.astype(">u2").tobytes() for row in deep])
    yield "gray_alpha_16bit.png", png_raw(37, 29, 16, 4, [row.astype(">u2").tobytes() for row in deep[:, :, :2]])
    yield "gray_16bit.png", png_raw(37, 29, 16, 0, [row.astype(">u2").tobytes() for row in deep[:, :, 0]])
    for depth in (2, 4):
        rows = [rng.bytes((37 * depth + 7) // 8) for _ in range(29)]
        yield f"gray_{depth}bit.png", png_raw(37, 29, depth, 0, rows)
    for width in (1, 2, 3, 5, 8, 37):
        for height in (1, 2, 4, 5, 29):
            pixels = np.asarray(picture(width, height))
            yield f"interlaced_{width}x{height}.png", png_raw(width, height, 8, 2, adam7(pixels), interlaced=True)
    plain = encoded(picture(21, 13), "PNG")
    for orientation in (0, 1, 3, 6, 8, 9):
        chunks = list(png_chunks(plain))
        yield f"exif_{orientation}.png", png_file([chunks[0], (b"eXIf", exif(orientation, prefix=b"")), *chunks[1:]])
        yield f"exif_behind_{orientation}.png", png_file([*chunks[:-1], (b"eXIf", exif(orientation, prefix=b"")), chunks[-1]])
        profile = b"Raw profile type exif\0"
        yield f"raw_profile_{orientation}.png", png_file([chunks[0], (b"tEXt", profile + raw_profile(exif(orientation))), *chunks[1:]])
        yield f"raw_profile_zip_{orientation}.png", png_file(
            [chunks[0], (b"zTXt", profile + b"\0" + zlib.compress(raw_profile(exif(orientation)))), *chunks[1:]])
        yield f"xmp_{orientation}.png", png_file(
            [chunks[0], (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp(orientation, orientation % 2 == 0)), *chunks[1:]])
    chunks = list(png_chunks(encoded(rgb, "PNG")))
    content = b"".join(data for kind, data in chunks if kind == b"IDAT")
    start, end = chunks[0], (b"IEND", b"")
    yield "no_iend.png", png_file([start, (b"IDAT", content)])
    yield "part_of_iend.png", png_file([start, (b"IDAT", content)]) + b"\0\0\0\0IE"
    yield "iend_checksum.png", png_file([start, (b"IDAT", content), (b"IEND", b"", 7)])
    yield "iend_with_content.png", png_file([start, (b"IDAT", content), (b"IEND", b"abc")])
    yield "idat_checksum.png", png_file([start, (b"IDAT", content, 7), end])
    yield "idat_many.png", png_file([start, *((b"IDAT", content[i:i + 100]) for i in range(0, len(content), 100)), end])
    yield "idat_many_checksums.png", png_file([start, *((b"IDAT", content[i:i + 100], 7) for i in range(0, len(content), 100)), end])
    yield "idat_apart.png", png_file([start, (b"IDAT", content[:100]), (b"tEXt", b"a\0b"), (b"IDAT", content[100:]), end])
    yield "idat_empty_first.png", png_file([start, (b"IDAT", b""), (b"IDAT", content), end])
    yield "idat_extra.png", png_file([start, (b"IDAT", content + b"extra"), end])
    yield "idat_short_4.png", png_file([start, (b"IDAT", content[:-4]), end])
    yield "idat_short_5.png", png_file([start, (b"IDAT", content[:-5]), end])
    yield "idat_short_100.png", png_file([start, (b"IDAT", content[:-100]), end])
    yield "idat_adler.png", png_file([start, (b"IDAT", content[:-4] + b"\1\2\3\4"), end])
    yield "header_checksum.png", png_file([(*start, 7), (b"IDAT", content), end])
    palette = list(png_chunks(encoded(rgb.quantize(16), "PNG")))
    yield "palette_checksum.png", png_file([palette[0], (*palette[1], 7), *palette[2:]])
    yield "text_checksum.png", png_file([start, (b"tEXt", b"a\0b", 7), (b"IDAT", content), end])
    yield "text_behind.png", png_file([start, (b"IDAT", content), (b"tEXt", b"a\0b"), end])
    yield "text_behind_checksum.png", png_file([start, (b"IDAT", content), (b"tEXt", b"a\0b", 7), end])
    yield "text_behind_cut.png", png_file([start, (b"IDAT", content), (b"tEXt", b"a\0b" * 20)])[:-30]
    yield "junk_behind.png", png_file([start, (b"IDAT", content), end]) + b"junk behind the end"
    whole = png_file([start, (b"IDAT", content), end])
    for number in range(20):
        at = int(rng.integers(60, len(whole)))
        flipped = bytearray(whole)
        flipped[at] ^= 1 << int(rng.integers(8))
        yield f"flipped_{number}.png", bytes(flipped)
        yield f"cut_{number}.png", whole[:at]
    for cut in range(1, 22):
        yield f"cut_end_{cut}.png", whole[:-cut]


# ---- BMP

def bmp(width, height, bits, rows, header=40, compression=0, colors=b"", count=0, masks=b"", top_down=False, gap=b""):
    """BMP bytes of rows as they stand in the file (padded), or of a run-length code as the only row."""
    data = b"".join(rows)
    if header == 12:
        info = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        info = struct.pack("<IiiHHIIiiII", header, width, -height if top_down else height, 1, bits, compression, len(data), 2835, 2835,
                           count, 0)
        info += masks if header > 40 else b""
        info = info.ljust(header, b"\0")
        if header == 40:
            info += masks
    offset = 14 + len(info) + len(colors) + len(gap)
    return b"BM" + struct.pack("<IHHI", offset + len(data), 0, 0, offset) + info + colors + gap + data


def padded(rows):
    return [row + b"\0" * (-len(row) % 4) for row in rows]


def bmps(rng):
    rgb, gray = picture(), picture().convert("L")
    for name, image in {"rgb": rgb, "gray": gray, "bilevel": rgb.convert("1"), "palette_200": rgb.quantize(200),
                        "palette_16": rgb.quantize(16), "rgba": rgb.convert("RGBA")}.items():
        yield f"{name}.bmp", encoded(image, "BMP")
    for width in (1, 2, 3, 5, 8, 31, 33):
        yield f"width_{width}.bmp", encoded(picture(width, 5), "BMP")
    indices = {bits: rng.integers(0, 1 << bits, (9, 21), np.uint8) for bits in (1, 4, 8)}
    palettes = {bits: rng.integers(0, 256, (1 << bits, 4), np.uint8) for bits in (1, 4, 8)}
    for bits, values in indices.items():
        per = 8 // bits
        full = np.pad(values, ((0, 0), (0, -21 % per)))
        packed = [bytes(sum(int(v) << (8 - bits - bits * i) for i, v in enumerate(row[x:x + per])) for x in range(0, len(row), per))
                  for row in full]
        rows, colors = padded(packed), palettes[bits].tobytes()
        yield f"bits_{bits}.bmp", bmp(21, 9, bits, rows, colors=colors)
        yield f"bits_{bits}_top_down.bmp", bmp(21, 9, bits, rows, colors=colors, top_down=True)
        yield f"bits_{bits}_os2.bmp", bmp(21, 9, bits, rows, header=12, colors=palettes[bits][:, :3].tobytes())
        yield f"bits_{bits}_gap.bmp", bmp(21, 9, bits, rows, colors=colors, gap=b"gap!")
        yield f"bits_{bits}_few_colors.bmp", bmp(21, 9, bits, rows, colors=colors[:4 * (1 << bits) // 2], count=(1 << bits) // 2)
        for header in (52, 56, 64, 108, 124):
            yield f"bits_{bits}_header_{header}.bmp", bmp(21, 9, bits, rows, header=header, colors=colors)
    words = [rng.integers(0, 1 << 16, 21, np.uint16).tobytes() for _ in range(9)]
    yield "bits_16.bmp", bmp(21, 9, 16, padded(words))
    longs = [rng.integers(0, 1 << 32, 21, np.uint32).tobytes() for _ in range(9)]
    yield "bits_32.bmp", bmp(21, 9, 32, longs)
    yield "bits_24_os2.bmp", bmp(21, 9, 24, padded([rng.bytes(63) for _ in range(9)]), header=12)
    for name, bits, masks in (("565", 16, (0xF800, 0x7E0, 0x1F)), ("555", 16, (0x7C00, 0x3E0, 0x1F)), ("444", 16, (0xF00, 0xF0, 0xF)),
                              ("bgrx", 32, (0xFF0000, 0xFF00, 0xFF)), ("xbgr", 32, (0xFF000000, 0xFF0000, 0xFF00)),
                              ("bgxr", 32, (0xFF000000, 0xFF00, 0xFF)), ("none", 32, (0, 0, 0)), ("deep", 32, (0x3FF00000, 0xFFC00, 0x3FF))):
        rows = padded(words) if bits == 16 else longs
        yield f"masks_{name}.bmp", bmp(21, 9, bits, rows, compression=3, masks=struct.pack("<III", *masks))
        yield f"masks_{name}_header_56.bmp", bmp(21, 9, bits, rows, header=56, compression=3, masks=struct.pack("<IIII", *masks, 0))
    for name, masks in (("rgba", (0xFF, 0xFF00, 0xFF0000, 0xFF000000)), ("bgra", (0xFF0000, 0xFF00, 0xFF, 0xFF000000)),
                        ("abgr", (0xFF000000, 0xFF0000, 0xFF00, 0xFF))):
        yield f"masks_{name}.bmp", bmp(21, 9, 32, longs, header=108, compression=3, masks=struct.pack("<IIII", *masks))
    runs = bytes((5, 7, 0, 4, 1, 2, 3, 4, 12, 9, 0, 0, 21, 3, 0, 0, 0, 3, 8, 7, 6, 0, 18, 5, 0, 0)) + bytes((21, 1, 0, 0)) * 6
    moves = bytes((21, 2, 0, 0, 0, 2, 3, 2, 18, 6, 0, 0)) + bytes((21, 1, 0, 0)) * 5
    for name, code in (("runs", runs + b"\0\1"), ("no_end", runs), ("moves", moves + b"\0\1"), ("short", runs[:30] + b"\0\1"),
                       ("too_long", bytes((200, 1)) * 9 + b"\0\1"), ("cut", runs[:27])):
        yield f"rle8_{name}.bmp", bmp(21, 9, 8, [code], compression=1, colors=palettes[8].tobytes())
        yield f"rle4_{name}.bmp", bmp(21, 9, 4, [code], compression=2, colors=palettes[4].tobytes())
    whole = encoded(rgb, "BMP")
    for cut in (1, 3, 4, 100, 2000, len(whole) - 40):
        yield f"cut_{cut}.bmp", whole[:-cut]
    yield "bits_2.bmp", bmp(21, 9, 2, padded([rng.bytes(6) for _ in range(9)]), colors=rng.bytes(16))
    yield "png_inside.bmp", bmp(21, 9, 24, padded([rng.bytes(63) for _ in range(9)]), compression=5)


# ---- GIF and WebP

def gifs(rng):
    rgb = picture()
    frames = [rgb.quantize(64), rgb.rotate(90).quantize(32), rgb.rotate(180).quantize(16)]
    for colors in (2, 4, 16, 128, 256):
        yield f"colors_{colors}.gif", encoded(rgb.quantize(colors), "GIF")
        yield f"colors_{colors}_plain.gif", encoded(rgb.quantize(colors), "GIF", interlace=0)
    yield "gray.gif", encoded(rgb.convert("L"), "GIF")
    yield "bilevel.gif", encoded(rgb.convert("1"), "GIF")
    yield "transparent.gif", encoded(rgb.quantize(64), "GIF", transparency=5)
    yield "animated.gif", encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=50, loop=0)
    yield "animated_disposed.gif", encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], disposal=2, transparency=3)
    plain = encoded(rgb.quantize(64), "GIF", interlace=0)
    frame = plain.index(b",", 13 + 3 * 64)
    placed = bytearray(plain)
    placed[frame + 1:frame + 5] = struct.pack("<HH", 4, 6)
    yield "placed_outside.gif", bytes(placed)
    placed[6:10] = struct.pack("<HH", 50, 45)
    yield "placed_inside.gif", bytes(placed)
    control = b"!\xf9\x04\x01\0\0\x09\0"
    yield "placed_transparent.gif", bytes(placed[:frame]) + control + bytes(placed[frame:])
    yield "no_trailer.gif", plain[:-1]
    yield "no_terminator.gif", plain[:-2]
    yield "no_palette.gif", plain[:10] + bytes([plain[10] & 0x7F]) + plain[11:13] + plain[13 + 3 * 64:]
    for number in range(15):
        at = int(rng.integers(frame + 11, len(plain)))
        flipped = bytearray(plain)
        flipped[at] ^= 1 << int(rng.integers(8))
        yield f"flipped_{number}.gif", bytes(flipped)
        yield f"cut_{number}.gif", plain[:at]


def webps(rng):
    rgb = picture()
    alpha = rgb.copy()
    alpha.putalpha(rgb.convert("L"))
    yield "lossy.webp", encoded(rgb, "WEBP", quality=80)
    yield "lossless.webp", encoded(rgb, "WEBP", lossless=True)
    yield "lossy_alpha.webp", encoded(alpha, "WEBP", quality=80)
    yield "lossless_alpha.webp", encoded(alpha, "WEBP", lossless=True, exact=True)
    yield "gray.webp", encoded(rgb.convert("L"), "WEBP")
    for quality in (1, 40, 100):
        yield f"quality_{quality}.webp", encoded(rgb, "WEBP", quality=quality)
    frames = [rgb.rotate(90), rgb.rotate(180)]
    yield "animated.webp", encoded(rgb, "WEBP", save_all=True, append_images=frames, duration=50)
    yield "animated_lossless.webp", encoded(rgb, "WEBP", save_all=True, append_images=frames, lossless=True)
    yield "animated_alpha.webp", encoded(alpha, "WEBP", save_all=True, append_images=[alpha.rotate(180)], lossless=True)
    for orientation in (0, 1, 3, 6, 8):
        yield f"exif_{orientation}.webp", encoded(picture(21, 13), "WEBP", exif=exif(orientation))
        yield f"exif_bare_{orientation}.webp", encoded(picture(21, 13), "WEBP", exif=exif(orientation, prefix=b""))
        yield f"xmp_{orientation}.webp", encoded(picture(21, 13), "WEBP", xmp=xmp(orientation))
    whole = encoded(rgb, "WEBP", quality=80)
    for number in range(10):
        at = int(rng.integers(30, len(whole)))
        yield f"cut_{number}.webp", whole[:at]


# ---- TIFF

def tiff(width, height, tags, data, tile=None):
    """A TIFF with the given (tag, type, values) and strips of the whole height, or square tiles."""
    sizes = {3: "H", 4: "I"}
    blocks = [data] if isinstance(data, bytes) else data
    starts = [8 + sum(map(len, blocks[:i])) for i in range(len(blocks))]
    entries = [(256, 4, (width,)), (257, 4, (height,)), *tags]
    lengths = tuple(map(len, blocks))
    if tile:
        entries += [(322, 4, (tile,)), (323, 4, (tile,)), (324, 4, tuple(starts)), (325, 4, lengths)]
    else:
        entries += [(273, 4, tuple(starts)), (278, 4, (height,)), (279, 4, lengths)]
    offset = 8 + sum(lengths)
    directory, extra = b"", b""
    end = offset + 2 + 12 * len(entries) + 4
    for tag, kind, values in sorted(entries):
        content = struct.pack("<" + sizes[kind] * len(values), *values)
        if len(content) > 4:
            content, extra = struct.pack("<I", end + len(extra)), extra + content
        directory += struct.pack("<HHI", tag, kind, len(values)) + content.ljust(4, b"\0")
    return b"II*\0" + struct.pack("<I", offset) + b"".join(blocks) + struct.pack("<H", len(entries)) + directory + b"\0" * 4 + extra


def tiffs(rng):
    rgb, gray = picture(), picture().convert("L")
    alpha = rgb.copy()
    alpha.putalpha(gray)
    kinds = {"rgb": rgb, "gray": gray, "rgba": alpha, "gray_alpha": alpha.convert("LA"), "bilevel": rgb.convert("1"),
             "palette": rgb.quantize(200), "cmyk": rgb.convert("CMYK"), "float": gray.convert("F"), "int": gray.convert("I"),
             "gray_16bit": Image.fromarray(np.asarray(gray).astype(np.uint16) * 257)}
    for name, image in kinds.items():
        for compression in (None, "tiff_lzw", "tiff_adobe_deflate", "packbits"):
            yield f"{name}_{compression or 'raw'}.tif", encoded(image, "TIFF", compression=compression)
    for compression in ("group3", "group4", "tiff_ccitt"):
        yield f"bilevel_{compression}.tif", encoded(rgb.convert("1"), "TIFF", compression=compression)
    for name in ("rgb", "gray", "cmyk"):
        yield f"{name}_jpeg.tif", encoded(kinds[name], "TIFF", compression="jpeg", quality=85)
    yield "ycbcr_jpeg.tif", encoded(rgb.convert("YCbCr"), "TIFF", compression="jpeg")
    yield "ycbcr_raw.tif", encoded(rgb.convert("YCbCr"), "TIFF")
    for orientation in (1, 2, 3, 4, 5, 6, 7, 8):
        info = TiffImagePlugin.ImageFileDirectory_v2()
        info[0x0112] = orientation
        for compression in (None, "tiff_lzw"):
            yield f"orientation_{orientation}_{compression or 'raw'}.tif", encoded(picture(21, 13), "TIFF", tiffinfo=info,
                                                                                    compression=compression)
    strips = TiffImagePlugin.ImageFileDirectory_v2()
    strips[278] = 4
    for compression in (None, "tiff_lzw"):
        yield f"strips_{compression or 'raw'}.tif", encoded(rgb, "TIFF", tiffinfo=strips, compression=compression)
    pages = encoded(rgb, "TIFF", save_all=True, append_images=[gray])
    yield "pages.tif", pages
    pixels = rng.integers(0, 256, (9, 21, 6), np.uint8)
    deep = rng.integers(0, 65536, (9, 21, 4), np.uint16)
    for samples, photometric, extras in ((3, 2, ()), (4, 2, (0,)), (4, 2, (1,)), (4, 2, (2,)), (5, 2, (1, 0)), (4, 5, ()), (5, 5, (0,)),
                                         (2, 1, (2,)), (1, 0, ()), (1, 1, ())):
        tags = [(262, 3, (photometric,)), (277, 3, (samples,)), *([(338, 3, extras)] if extras else [])]
        name = f"samples_{samples}_{photometric}_{'_'.join(map(str, extras))}"
        yield f"{name}.tif", tiff(21, 9, [*tags, (258, 3, (8,) * samples)], pixels[:, :, :samples].tobytes())
        if samples in (3, 4) or samples == 1:
            yield f"{name}_16bit.tif", tiff(21, 9, [*tags, (258, 3, (16,) * samples)], deep[:, :, :samples].tobytes())
    for samples, extras in ((3, ()), (4, (1,)), (4, (2,))):
        tags = [(258, 3, (8,) * samples), (262, 3, (2,)), (277, 3, (samples,)), (284, 3, (2,)), *([(338, 3, extras)] if extras else [])]
        planes = np.moveaxis(pixels[:, :, :samples], 2, 0)
        name = f"samples_{samples}_2_{'_'.join(map(str, extras))}_planar"
        yield f"{name}.tif", tiff(21, 9, tags, [plane.tobytes() for plane in planes])
        tiles = [np.pad(plane, ((0, 7), (0, 11)))[:, x:x + 16].tobytes() for plane in planes for x in (0, 16)]
        yield f"{name}_tiles.tif", tiff(21, 9, tags, tiles, tile=16)
    for bits in (1, 2, 4):
        for photometric in (0, 1):
            rows = b"".join(rng.bytes((21 * bits + 7) // 8) for _ in range(9))
            yield f"bits_{bits}_{photometric}.tif", tiff(21, 9, [(258, 3, (bits,)), (262, 3, (photometric,)), (277, 3, (1,))], rows)
        colors = tuple(int(v) for v in rng.integers(0, 65536, 3 << bits))
        yield f"bits_{bits}_palette.tif", tiff(21, 9, [(258, 3, (bits,)), (262, 3, (3,)), (277, 3, (1,)), (320, 3, colors)], rows)
    for kind, code in ((np.int16, 2), (np.int32, 2), (np.uint32, 1), (np.float32, 3)):
        values = (rng.normal(100, 120, (9, 21))).astype(kind) if code != 1 else rng.integers(0, 400, (9, 21)).astype(kind)
        tags = [(258, 3, (values.itemsize * 8,)), (262, 3, (1,)), (277, 3, (1,)), (339, 3, (code,))]
        yield f"format_{np.dtype(kind).name}.tif", tiff(21, 9, tags, values.tobytes())
    yield "lab.tif", tiff(21, 9, [(258, 3, (8, 8, 8)), (262, 3, (8,)), (277, 3, (3,))], pixels[:, :, :3].tobytes())
    yield "bits_64.tif", tiff(21, 9, [(258, 3, (64,)), (262, 3, (1,)), (277, 3, (1,)), (339, 3, (3,))], rng.bytes(21 * 9 * 8))
    for compression in (None, "tiff_lzw"):
        whole = encoded(rgb, "TIFF", compression=compression)
        for number in range(8):
            yield f"cut_{compression or 'raw'}_{number}.tif", whole[:int(rng.integers(20, len(whole)))]


# ---- AVIF and PNM

def avifs(rng):
    rgb = picture(64, 48)
    alpha = rgb.copy()
    alpha.putalpha(rgb.convert("L"))
    for subsampling in ("4:4:4", "4:2:2", "4:2:0"):
        for quality in (30, 75, 95):
            yield f"rgb_{subsampling.replace(':', '')}_{quality}.avif", encoded(rgb, "AVIF", quality=quality, subsampling=subsampling)
    yield "lossless.avif", encoded(rgb, "AVIF", quality=100, subsampling="4:4:4")
    yield "full_range.avif", encoded(rgb, "AVIF", range="full")
    yield "limited_range.avif", encoded(rgb, "AVIF", range="limited")
    yield "gray.avif", encoded(rgb.convert("L"), "AVIF")
    yield "alpha.avif", encoded(alpha, "AVIF")
    yield "alpha_premultiplied.avif", encoded(alpha, "AVIF", alpha_premultiplied=True)
    yield "animated.avif", encoded(rgb, "AVIF", save_all=True, append_images=[rgb.rotate(180)])
    for orientation in range(1, 9):
        yield f"exif_{orientation}.avif", encoded(rgb, "AVIF", exif=exif(orientation))
    yield "xmp_6.avif", encoded(rgb, "AVIF", xmp=xmp(6))
    whole = encoded(rgb, "AVIF")
    for number in range(6):
        yield f"cut_{number}.avif", whole[:int(rng.integers(20, len(whole)))]


def pnms(rng):
    rgb, gray = picture(), picture().convert("L")
    for name, image in (("rgb", rgb), ("gray", gray), ("bilevel", rgb.convert("1"))):
        yield f"{name}.{'ppm' if name == 'rgb' else 'pgm' if name == 'gray' else 'pbm'}", encoded(image, "PPM")
    yield "comments.ppm", b"P6 # a comment\n# another\r37 # width\n29\n255\n" + rgb.tobytes()
    for most in (1, 15, 100, 254, 255, 256, 1000, 65535):
        values = rng.integers(0, most + 1, (9, 21, 3))
        kind = ">u2" if most > 255 else "u1"
        yield f"binary_{most}.ppm", b"P6 21 9 %d\n" % most + values.astype(kind).tobytes()
        yield f"plain_{most}.ppm", b"P3 21 9 %d\n" % most + b" ".join(b"%d" % v for v in values.flat)
        yield f"binary_{most}.pgm", b"P5 21 9 %d\n" % most + values[:, :, 0].astype(kind).tobytes()
        yield f"plain_{most}.pgm", b"P2\n21\n9\n%d\n" % most + b"\n".join(b"%d" % v for v in values[:, :, 0].flat) + b"\n"
    bits = rng.integers(0, 2, (9, 21))
    yield "plain.pbm", b"P1 21 9\n" + b"".join(b"%d" % v for v in bits.flat)
    yield "plain_spaced.pbm", b"P1\n# comment\n21 9\n" + b"\n".join(b" ".join(b"%d" % v for v in row) for row in bits)
    yield "plain_bad.pbm", b"P1 21 9\n" + b"2" * 189
    yield "value_too_large.ppm", b"P3 2 1 100\n1 2 3 4 5 101"
    yield "value_negative.ppm", b"P3 2 1 100\n1 2 3 4 5 -1"
    yield "value_too_large_binary.ppm", b"P6 2 1 100\n" + bytes((1, 2, 3, 4, 5, 200))
    yield "most_zero.ppm", b"P6 2 1 0\n" + b"\0" * 6
    yield "most_65536.ppm", b"P6 2 1 65536\n" + b"\0" * 12
    whole = encoded(rgb, "PPM")
    for cut in (1, 100, len(whole) - 14, len(whole) - 9, len(whole) - 4):
        yield f"cut_{cut}.ppm", whole[:-cut]


FORMATS = {"JPEG": jpegs, "PNG": pngs, "BMP": bmps, "GIF": gifs, "WebP": webps, "TIFF": tiffs, "AVIF": avifs, "PNM": pnms}


def corpus():
    """(format, file name, bytes) of every image; always the same ones."""
    for number, (name, images) in enumerate(FORMATS.items()):
        for file, data in images(np.random.default_rng(number)):
            yield name, file, data
