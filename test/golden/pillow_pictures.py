"""Writes small pictures of every format, mode and EXIF block that a data set may hold, and what Pillow makes of them as transformers' load_image
does: ImageOps.exif_transpose(Image.open(f)).convert("RGB").

Run: python test/golden/pillow_pictures.py [SEED ROUNDS OUT.zip]     (pillow 12.3, numpy; writes pillow_pictures.zip beside itself)
The archive holds the files and index.json: name -> {width, height, sha256 of the RGB bytes}, or {error} where Pillow refuses the file.
"""
import hashlib
import io
import json
import pathlib
import struct
import sys
import warnings
import zipfile
import zlib

import numpy as np
from PIL import Image, ImageOps

warnings.simplefilter("ignore")
SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 1
OUT = sys.argv[3] if len(sys.argv) > 3 else pathlib.Path(__file__).with_name("pillow_pictures.zip")
rng = np.random.RandomState(SEED)
files = {}
unwritten = []


def size():
    return int(rng.randint(1, 24)), int(rng.randint(1, 24))


def smooth(height, width, channels):
    """Not noise, so that lossy formats and compression have something to do; values of the whole range."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [128 + 127 * np.sin(x * rng.uniform(0, 1) + y * rng.uniform(-1, 1) + rng.uniform(0, 6)) for _ in range(channels)]
    return np.round(np.stack(planes, -1)).astype(np.uint8)


def picture(mode="RGB"):
    height, width = size()
    if mode in ("I;16", "I;16B"):
        values = rng.randint(0, 65536, (height, width)) * (rng.rand(height, width) > 0.5) + rng.randint(0, 300, (height, width))
        return Image.fromarray(np.clip(values, 0, 65535).astype("<u2" if mode == "I;16" else ">u2"))
    if mode == "I":
        return Image.fromarray((rng.standard_normal((height, width)) * 10.0 ** rng.randint(0, 9)).astype(np.int32))
    if mode == "F":
        return Image.fromarray((rng.standard_normal((height, width)) * 10.0 ** rng.randint(-1, 5)).astype(np.float32))
    if mode == "P":
        return Image.fromarray(smooth(height, width, 3)).quantize(int(rng.randint(2, 64)))
    channels = {"1": 1, "L": 1, "LA": 2, "RGB": 3, "YCbCr": 3, "LAB": 3, "RGBA": 4, "CMYK": 4}[mode]
    if mode == "1":
        return Image.fromarray(smooth(height, width, 1)[..., 0]).convert("1")
    values = smooth(height, width, channels)
    return Image.fromarray(values[..., 0] if channels == 1 else values, mode)


def save(name, image, kind, **options):
    """Leaves out what Pillow does not write (some modes with some compressions)."""
    out = io.BytesIO()
    try:
        image.save(out, kind, **options)
    except Exception as error:
        unwritten.append(f"{name}: {error}")
        return
    files[name] = out.getvalue()


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def png(depth, colour, interlaced=False, before=b"", after=b"", shape=None):
    """PNG kinds that Pillow does not write: every depth, Adam7, all filters."""
    height, width = shape or size()
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    limit = 2**depth
    values = rng.randint(0, limit, (height, width, channels))
    if depth == 16 and rng.rand() < 0.5:
        values = values % 400
    step = max(1, channels * depth // 8)

    def rows(part):
        out = b""
        previous = None
        for row in part.reshape(part.shape[0], -1):
            if depth == 16:
                raw = row.astype(">u2").tobytes()
            elif depth == 8:
                raw = row.astype(np.uint8).tobytes()
            else:
                bits = ((row[:, None] >> np.arange(depth - 1, -1, -1)) & 1).astype(np.uint8).reshape(-1)
                raw = np.packbits(bits).tobytes()
            previous = previous or bytes(len(raw))
            kind = int(rng.randint(0, 5))
            line = bytearray()
            for i, value in enumerate(raw):
                a = raw[i - step] if i >= step else 0
                b = previous[i]
                c = previous[i - step] if i >= step else 0
                p = a + b - c
                paeth = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
                line.append((value - [0, a, b, (a + b) // 2, paeth][kind]) & 255)
            out += bytes([kind]) + bytes(line)
            previous = raw
        return out

    if interlaced:
        parts = [values[y0::dy, x0::dx] for x0, y0, dx, dy in ADAM7]
        data = b"".join(rows(part) for part in parts if part.size)
    else:
        data = rows(values)
    palette = chunk(b"PLTE", rng.bytes(3 * min(256, limit))) if colour == 3 else b""
    packed = zlib.compress(data)
    cut = int(rng.randint(0, len(packed)))
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + before + palette + chunk(b"IDAT", packed[:cut]) + chunk(b"IDAT", packed[cut:])
            + after + chunk(b"IEND", b""))


def after_palette(data, extra):
    """With a chunk put before the first IDAT."""
    at = data.index(b"IDAT") - 4
    return data[:at] + extra + data[at:]


def ifd(entries, order="<", head=None, cut=None, count=None):
    """A TIFF block of (tag, type, count, four bytes)."""
    block = (head or (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)) + struct.pack(order + "H", count or len(entries))
    for tag, kind, number, data in entries:
        block += struct.pack(order + "HHI", tag, kind, number) + data
    return (block + bytes(4))[:cut]


def short(value, order="<"):
    return struct.pack(order + "HH", value, 0)


def exif_blocks():
    """name -> EXIF block without "Exif\\0\\0": good ones and those that are broken in the ways of real files."""
    make = (0x010F, 2, 4, b"abc\0")
    blocks = {f"o{o}": ifd([(274, 3, 1, short(o))]) for o in range(0, 11)}
    blocks.update({f"big{o}": ifd([make, (274, 3, 1, short(o, ">"))], ">") for o in (3, 6)})
    blocks.update(
        long6=ifd([(274, 4, 1, struct.pack("<I", 6))]),
        byte6=ifd([(274, 1, 1, b"\6\0\0\0")]),
        signed_byte6=ifd([(274, 6, 1, b"\6\0\0\0")]),
        signed_short8=ifd([(274, 8, 1, short(8))]),
        signed_long3=ifd([(274, 9, 1, struct.pack("<i", 3))]),
        negative=ifd([(274, 9, 1, struct.pack("<i", -6))]),
        text6=ifd([(274, 2, 2, b"6\0\0\0")]),
        undefined6=ifd([(274, 7, 1, b"\6\0\0\0")]),
        float6=ifd([(274, 11, 1, struct.pack("<f", 6))]),
        two_values=ifd([(274, 3, 2, struct.pack("<HH", 6, 6))]),
        three_bytes=ifd([(274, 1, 3, b"\6\6\6\0")]),
        no_values=ifd([(274, 3, 0, short(6))]),
        unknown_type=ifd([(274, 99, 1, short(6))]),
        twice=ifd([(274, 3, 1, short(3)), (274, 3, 1, short(6))]),
        twice_second_unusable=ifd([(274, 3, 1, short(3)), (274, 99, 1, short(6))]),
        unsorted=ifd([(0x0132, 2, 4, b"abc\0"), (274, 3, 1, short(6)), make]),
        cut_in_entry=ifd([(274, 3, 1, short(6))], cut=16),
        cut_after_entry=ifd([(274, 3, 1, short(6))], cut=22),
        cut_count=ifd([(274, 3, 1, short(6))], cut=9),
        cut_head=ifd([(274, 3, 1, short(6))], cut=5),
        only_head=ifd([(274, 3, 1, short(6))], cut=8),
        too_many=ifd([(274, 3, 1, short(6))], count=500),
        far_value=ifd([(0x010F, 2, 400, struct.pack("<I", 5000)), (274, 3, 1, short(6))]),
        far_value_after=ifd([(274, 3, 1, short(6)), (0x010F, 2, 400, struct.pack("<I", 5000))]),
        bad_magic=ifd([(274, 3, 1, short(6))], head=b"XX*\0\x08\0\0\0"),
        mixed_magic=ifd([(274, 3, 1, short(6, ">"))], ">", head=b"MM*\0" + struct.pack(">I", 8)),
        mixed_magic_little=ifd([(274, 3, 1, short(6))], head=b"II\0*" + struct.pack("<I", 8)),
        far_ifd=ifd([(274, 3, 1, short(6))], head=b"II*\0" + struct.pack("<I", 5000)),
        later_ifd=b"II*\0" + struct.pack("<I", 30) + bytes(22) + ifd([(274, 3, 1, short(6))])[8:],
        doubled_name=b"Exif\0\0" + ifd([(274, 3, 1, short(6))]),
        rational6=ifd([(274, 5, 1, struct.pack("<I", 26))]) + struct.pack("<II", 6, 1),
        rational12_2=ifd([(274, 5, 1, struct.pack("<I", 26))]) + struct.pack("<II", 12, 2),
        double6=ifd([(274, 12, 1, struct.pack("<I", 26))]) + struct.pack("<d", 6),
        empty=b"",
        noise=rng.bytes(60),
    )
    return blocks


XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="%d"/></x:xmpmeta>'
XMP_ELEMENT = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><tiff:Orientation>%d</tiff:Orientation></x:xmpmeta>'


def app1(body):
    return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body


def with_app1(jpeg, *bodies):
    return jpeg[:2] + b"".join(app1(body) for body in bodies) + jpeg[2:]


def riff(kind, body):
    return kind + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


def with_webp_chunk(webp, kind, body, flag):
    """A simple WebP file in its extended form, with one chunk more behind the picture."""
    width, height = Image.open(io.BytesIO(webp)).size
    extended = riff(b"VP8X", bytes([flag, 0, 0, 0]) + struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3])
    inner = b"WEBP" + extended + webp[12:] + riff(kind, body)
    return b"RIFF" + struct.pack("<I", len(inner)) + inner


def plain(kind, **options):
    out = io.BytesIO()
    picture().save(out, kind, **options)
    return out.getvalue()


def itxt(text):
    return chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + text)


def raw_profile(block):
    return chunk(b"tEXt", b"Raw profile type exif\0" + b"\nexif\n%8d\n" % len(block) + block.hex().encode() + b"\n")


def orientations(r):
    for name, block in exif_blocks().items():
        full = b"Exif\0\0" + block
        files[f"exif/{name}{r}.jpg"] = with_app1(plain("JPEG"), full)
        files[f"exif/{name}{r}.png"] = after_palette(plain("PNG"), chunk(b"eXIf", block))
        files[f"exif/{name}{r}.webp"] = with_webp_chunk(plain("WEBP", lossless=True), b"EXIF", block, 8)
    six, three = exif_blocks()["o6"], exif_blocks()["o3"]
    jpeg, flat = plain("JPEG"), plain("PNG")
    files[f"exif/two_blocks{r}.jpg"] = with_app1(jpeg, b"Exif\0\0" + six, b"Exif\0\0" + three)
    files[f"exif/split_block{r}.jpg"] = with_app1(jpeg, b"Exif\0\0" + six[:15], b"Exif\0\0" + six[15:])
    files[f"exif/xmp_first{r}.jpg"] = with_app1(jpeg, b"http://ns.adobe.com/xap/1.0/\0" + XMP % 8, b"Exif\0\0" + six)
    files[f"exif/xmp_alone{r}.jpg"] = with_app1(jpeg, b"http://ns.adobe.com/xap/1.0/\0" + XMP % 8)
    files[f"exif/xmp_element{r}.jpg"] = with_app1(jpeg, b"http://ns.adobe.com/xap/1.0/\0" + XMP_ELEMENT % 6)
    files[f"exif/xmp_nine{r}.jpg"] = with_app1(jpeg, b"http://ns.adobe.com/xap/1.0/\0" + XMP % 9)
    files[f"exif/xmp_and_one{r}.jpg"] = with_app1(jpeg, b"Exif\0\0" + exif_blocks()["o1"], b"http://ns.adobe.com/xap/1.0/\0" + XMP % 8)
    files[f"exif/xmp_and_none{r}.jpg"] = with_app1(jpeg, b"Exif\0\0" + ifd([(0x010F, 2, 4, b"abc\0")]), b"http://ns.adobe.com/xap/1.0/\0" + XMP % 8)
    files[f"exif/padded{r}.jpg"] = jpeg[:2] + b"\xff\xff\xff" + app1(b"Exif\0\0" + six) + jpeg[2:]
    files[f"exif/after_frame{r}.jpg"] = jpeg[: jpeg.index(b"\xff\xda")] + app1(b"Exif\0\0" + six) + jpeg[jpeg.index(b"\xff\xda") :]
    files[f"exif/after_data{r}.png"] = flat[:-12] + chunk(b"eXIf", six) + flat[-12:]
    files[f"exif/two_chunks{r}.png"] = after_palette(flat, chunk(b"eXIf", six) + chunk(b"eXIf", three))
    files[f"exif/xmp{r}.png"] = after_palette(flat, itxt(XMP % 6))
    files[f"exif/xmp_packed{r}.png"] = after_palette(flat, chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(XMP % 6)))
    files[f"exif/xmp_after_data{r}.png"] = flat[:-12] + itxt(XMP % 6) + flat[-12:]
    files[f"exif/raw_profile{r}.png"] = after_palette(flat, raw_profile(b"Exif\0\0" + six))
    files[f"exif/raw_profile_packed{r}.png"] = after_palette(
        flat, chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(b"\nexif\n%8d\n" % (len(six) + 6) + (b"Exif\0\0" + six).hex().encode() + b"\n")))
    files[f"exif/text{r}.png"] = after_palette(flat, chunk(b"tEXt", b"exif\0Exif\0\0" + six))
    files[f"exif/xmp{r}.webp"] = with_webp_chunk(plain("WEBP", lossless=True), b"XMP ", XMP % 6, 4)
    files[f"exif/named{r}.webp"] = with_webp_chunk(plain("WEBP", lossless=True), b"EXIF", b"Exif\0\0" + six, 8)
    files[f"exif/no_flag{r}.webp"] = with_webp_chunk(plain("WEBP", lossless=True), b"EXIF", six, 0)
    for o in range(0, 10):
        for compression in (None, "tiff_lzw"):
            save(f"exif/o{o}_{compression or 'raw'}{r}.tif", picture(), "TIFF", compression=compression, tiffinfo={274: o})
    save(f"exif/grey16_o6{r}.tif", picture("I;16"), "TIFF", tiffinfo={274: 6})
    save(f"exif/float_o5{r}.tif", picture("F"), "TIFF", tiffinfo={274: 5})
    save(f"exif/xmp{r}.tif", picture(), "TIFF", tiffinfo={700: XMP % 6})
    for o in (2, 5, 6, 7, 8):
        files[f"exif/grey16_o{o}{r}.png"] = png(16, 0, before=chunk(b"eXIf", exif_blocks()[f"o{o}"]))
        save(f"exif/grey_o{o}{r}.jpg", picture("L"), "JPEG", exif=b"Exif\0\0" + exif_blocks()[f"o{o}"])
        save(f"exif/cmyk_o{o}{r}.jpg", picture("CMYK"), "JPEG", exif=b"Exif\0\0" + exif_blocks()[f"o{o}"])


def pngs(r):
    for colour, depths in {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}.items():
        for depth in depths:
            for interlaced in (False, True):
                name = f"png/c{colour}d{depth}{'i' if interlaced else ''}"
                files[f"{name}{r}.png"] = png(depth, colour, interlaced)
                if colour in (0, 2):
                    key = struct.pack(">H", int(rng.randint(0, 2**depth))) * (1 if colour == 0 else 3)
                    files[f"{name}t{r}.png"] = png(depth, colour, interlaced, before=chunk(b"tRNS", key))
                if colour == 3:
                    files[f"{name}t{r}.png"] = after_palette(png(depth, colour, interlaced), chunk(b"tRNS", rng.bytes(min(5, 2**depth))))
    extras = dict(
        gama=chunk(b"gAMA", struct.pack(">I", 100000)), srgb=chunk(b"sRGB", b"\0"), bkgd=chunk(b"bKGD", bytes(6)),
        chrm=chunk(b"cHRM", struct.pack(">8I", *[30000] * 8)), sbit=chunk(b"sBIT", b"\5\6\5"), bad_iccp=chunk(b"iCCP", b"x\0\0" + rng.bytes(20)),
        phys=chunk(b"pHYs", struct.pack(">IIB", 2000, 1000, 1)), private=chunk(b"prVt", rng.bytes(9)), time=chunk(b"tIME", bytes(7)),
    )
    for name, extra in extras.items():
        files[f"png/{name}{r}.png"] = png(8, 2, before=extra)
    files[f"png/gama_grey16{r}.png"] = png(16, 0, before=extras["gama"])
    files[f"png/sbit_grey16{r}.png"] = png(16, 0, before=chunk(b"sBIT", b"\x0c"))
    files[f"png/behind{r}.png"] = png(8, 2) + rng.bytes(30)
    short_palette = png(8, 3)
    at = short_palette.index(b"PLTE") - 4
    files[f"png/short_palette{r}.png"] = short_palette[:at] + chunk(b"PLTE", rng.bytes(30)) + short_palette[at + 12 + 768 :]
    files[f"png/grey_palette{r}.png"] = png(8, 2, before=chunk(b"PLTE", rng.bytes(30)))
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16", "I"):
        save(f"png/{mode.replace(';', '_')}{r}.png", picture(mode), "PNG")
    one, other = Image.fromarray(smooth(9, 11, 3)), Image.fromarray(smooth(9, 11, 3))
    save(f"png/animated{r}.png", one, "PNG", save_all=True, append_images=[other])
    save(f"png/animated_default{r}.png", one, "PNG", save_all=True, default_image=True, append_images=[other])


def jpegs(r):
    for mode in ("L", "RGB", "CMYK"):
        for subsampling in (0, 1, 2):
            quality = int(rng.randint(5, 100))
            name = f"jpeg/{mode}{subsampling}"
            save(f"{name}{r}.jpg", picture(mode), "JPEG", quality=quality, subsampling=subsampling)
            save(f"{name}p{r}.jpg", picture(mode), "JPEG", quality=quality, subsampling=subsampling, progressive=True)
            save(f"{name}r{r}.jpg", picture(mode), "JPEG", quality=quality, subsampling=subsampling, restart_marker_blocks=1)
    save(f"jpeg/rgb_kept{r}.jpg", picture(), "JPEG", keep_rgb=True, quality=90)
    save(f"jpeg/optimized{r}.jpg", picture(), "JPEG", optimize=True)
    save(f"jpeg/icc{r}.jpg", picture(), "JPEG", icc_profile=b"not a profile" * 12)
    cmyk = plain_of("CMYK", "JPEG")
    at = cmyk.index(b"Adobe")
    files[f"jpeg/ycck{r}.jpg"] = cmyk[: at + 11] + b"\2" + cmyk[at + 12 :]
    files[f"jpeg/cmyk_plain{r}.jpg"] = without_segment(cmyk, 0xEE)
    files[f"jpeg/behind{r}.jpg"] = plain("JPEG") + rng.bytes(30)
    files[f"jpeg/comment{r}.jpg"] = (lambda j: j[:2] + b"\xff\xfe\0\6abcd" + j[2:])(plain("JPEG"))
    for name, (horizontal, vertical) in dict(s440=(1, 2), s411=(4, 1), s410=(4, 2)).items():
        files[f"jpeg/{name}{r}.jpg"] = resampled(horizontal, vertical)
    save(f"jpeg/mpo{r}.mpo", picture(), "MPO", save_all=True, append_images=[picture()])


def plain_of(mode, kind, **options):
    out = io.BytesIO()
    picture(mode).save(out, kind, **options)
    return out.getvalue()


def without_segment(jpeg, marker):
    at = jpeg.index(bytes([0xFF, marker]))
    return jpeg[:at] + jpeg[at + 2 + struct.unpack(">H", jpeg[at + 2 : at + 4])[0] :]


def resampled(horizontal, vertical):
    """A sampling that Pillow does not write: the factors of a grey-like file are put into the header, and its blocks are read in the new order."""
    side = 8 * horizontal * vertical
    out = io.BytesIO()
    # One MCU of 4:4:4 holds three blocks; horizontal × vertical + 2 of them make one MCU of the other sampling.
    blocks = (horizontal * vertical + 2) // np.gcd(3, horizontal * vertical + 2)
    Image.fromarray(smooth(8, 8 * int(blocks) * 3, 3)).save(out, "JPEG", subsampling=0, quality=90)
    jpeg = bytearray(out.getvalue())
    at = jpeg.index(b"\xff\xc0")
    total = int(blocks) * 3 * 3 // (horizontal * vertical + 2)
    jpeg[at + 5 : at + 9] = struct.pack(">HH", 8 * vertical, 8 * horizontal * total)
    jpeg[at + 11] = horizontal << 4 | vertical
    assert side > 0
    return bytes(jpeg)


def others(r):
    for mode in ("L", "RGB", "RGBA", "P", "LA"):
        image = picture(mode)
        save(f"webp/{mode}{r}.webp", image.convert("RGBA") if mode in ("LA", "P") else image, "WEBP", quality=int(rng.randint(1, 100)))
        save(f"webp/{mode}_lossless{r}.webp", image, "WEBP", lossless=True, exact=True)
    save(f"webp/animated{r}.webp", picture("RGB").resize((9, 7)), "WEBP", save_all=True, append_images=[picture("RGB").resize((9, 7))], lossless=True)
    save(f"webp/animated_alpha{r}.webp", picture("RGBA").resize((9, 7)), "WEBP", save_all=True, append_images=[picture("RGBA").resize((9, 7))], lossless=True)
    for mode in ("1", "L", "P", "RGB", "RGBA"):
        save(f"gif/{mode}{r}.gif", picture(mode), "GIF")
        save(f"gif/{mode}_interlaced{r}.gif", picture(mode), "GIF", interlace=True)
    save(f"gif/transparent{r}.gif", picture("P"), "GIF", transparency=1)
    save(f"gif/grey_transparent{r}.gif", picture("L"), "GIF", transparency=128)
    save(f"gif/animated{r}.gif", picture("P").resize((9, 7)), "GIF", save_all=True, append_images=[picture("P").resize((9, 7))])
    inner = plain_of("P", "GIF")
    width, height = struct.unpack("<HH", inner[6:10])
    at = inner.index(b",\0\0\0\0", 13)
    files[f"gif/offset{r}.gif"] = inner[:6] + struct.pack("<HH", width + 4, height + 3) + inner[10:at] + b"," + struct.pack("<HH", 2, 1) + inner[at + 5 :]
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I;16", "I;16B", "I", "F"):
        for compression in (None, "tiff_lzw", "tiff_adobe_deflate", "packbits"):
            save(f"tiff/{mode.replace(';', '_')}_{compression or 'raw'}{r}.tif", picture(mode), "TIFF", compression=compression)
        save(f"tiff/{mode.replace(';', '_')}_big{r}.tif", picture(mode), "TIFF", big_tiff=True)
    for compression in ("group3", "group4", "tiff_ccitt"):
        save(f"tiff/1_{compression}{r}.tif", picture("1"), "TIFF", compression=compression)
    for mode in ("L", "RGB", "CMYK", "YCbCr"):
        save(f"tiff/{mode}_jpeg{r}.tif", picture(mode), "TIFF", compression="jpeg")
    for compression in ("zstd", "lzma"):
        save(f"tiff/RGB_{compression}{r}.tif", picture(), "TIFF", compression=compression)
    save(f"tiff/pages{r}.tif", picture(), "TIFF", save_all=True, append_images=[picture()])
    for order in "<>":
        for photometric in (0, 1):
            for bits, kind, values in ((8, 1, "u1"), (16, 1, "u2"), (16, 2, "i2"), (32, 1, "u4"), (32, 2, "i4"), (32, 3, "f4"), (64, 3, "f8"), (8, 2, "i1"), (16, 3, "f2")):
                files[f"tiff/p{photometric}_{values}_{'little' if order == '<' else 'big'}{r}.tif"] = tiff(order, photometric, bits, kind, values, 1)
        for planar in (1, 2):
            for samples in (3, 4):
                for bits, values in ((8, "u1"), (16, "u2")):
                    files[f"tiff/s{samples}_{values}_planar{planar}_{'little' if order == '<' else 'big'}{r}.tif"] = tiff(order, 2, bits, 1, values, samples, planar)
        for extra in (0, 1, 2):
            files[f"tiff/extra{extra}_{'little' if order == '<' else 'big'}{r}.tif"] = tiff(order, 2, 8, 1, "u1", 4, 1, extra)
    for mode in ("1", "L", "P", "RGB", "RGBA"):
        save(f"bmp/{mode}{r}.bmp", picture(mode), "BMP")
    for mode in ("1", "L", "RGB", "I"):
        save(f"ppm/{mode}{r}.ppm", picture(mode), "PPM")
    save(f"refused/a{r}.avif", picture(), "AVIF", quality=90)
    save(f"refused/a{r}.jp2", picture(), "JPEG2000")
    save(f"refused/a{r}.tga", picture(), "TGA")
    save(f"refused/a{r}.ico", picture(), "ICO", sizes=[(16, 16)])
    save(f"refused/a{r}.pdf", picture(), "PDF")
    save(f"refused/a{r}.dds", picture(), "DDS")
    files[f"refused/a{r}.svg"] = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>'


def tiff(order, photometric, bits, kind, values, samples, planar=1, extra=None):
    """Uncompressed, one strip a plane."""
    height, width = size()
    if values[0] == "f":
        raster = rng.standard_normal((height, width, samples)) * 10.0 ** rng.randint(0, 4)
    else:
        info = np.iinfo(values)
        raster = rng.randint(info.min, info.max, (height, width, samples), dtype=np.int64)
        raster = np.where(rng.rand(height, width, samples) < 0.5, raster % 300, raster)
    data = (raster if planar == 1 else np.moveaxis(raster, -1, 0)).astype(order + values).tobytes()
    planes = samples if planar == 2 else 1
    pack = lambda *v: struct.pack(order + "H" * len(v), *v)
    longs = lambda *v: struct.pack(order + "I" * len(v), *v)
    entries = [(256, 3, pack(width)), (257, 3, pack(height)), (258, 3, pack(*[bits] * samples)), (259, 3, pack(1)), (262, 3, pack(photometric)),
               (273, 4, None), (277, 3, pack(samples)), (278, 3, pack(height)), (279, 4, longs(*[len(data) // planes] * planes)), (284, 3, pack(planar)),
               (339, 3, pack(*[kind] * samples))]
    if extra is not None:
        entries.append((338, 3, pack(extra)))
    entries.sort()
    start = 8 + 2 + 12 * len(entries) + 4
    tail = b""
    body = b""
    room = sum(len(v) for _, _, v in entries if v is not None and len(v) > 4) + 4 * planes
    room += room % 2
    first = start + room
    for tag, type_, value in entries:
        if value is None:
            value = longs(*[first + i * (len(data) // planes) for i in range(planes)])
        number = len(value) // (2 if type_ == 3 else 4)
        if len(value) > 4:
            body += struct.pack(order + "HHII", tag, type_, number, start + len(tail))
            tail += value
        else:
            body += struct.pack(order + "HHI", tag, type_, number) + value.ljust(4, b"\0")
    head = (b"II*\0" if order == "<" else b"MM\0*") + longs(8) + pack(len(entries)) + body + longs(0)
    return head + tail.ljust(room, b"\0") + data


for r in range(ROUNDS):
    suffix = "" if ROUNDS == 1 else f"_{r}"
    orientations(suffix)
    pngs(suffix)
    jpegs(suffix)
    others(suffix)

index = {}
for name, data in files.items():
    try:
        image = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
        index[name] = {"width": image.width, "height": image.height, "sha256": hashlib.sha256(image.tobytes()).hexdigest()}
    except Exception as error:
        index[name] = {"error": type(error).__name__}
with zipfile.ZipFile(OUT, "w", zipfile.ZIP_DEFLATED) as archive:
    for name, data in {**files, "index.json": json.dumps(index).encode()}.items():
        archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
print(len(files), "pictures,", sum("error" in entry for entry in index.values()), "that Pillow refuses;", len(unwritten), "not written")
