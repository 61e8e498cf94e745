"""Writes small images of every kind a data set may hold, and what PIL's convert('RGB') makes of them, turned upright before.

Run: python test/golden/pil_images.py     (pillow 12, numpy; writes images/* and images/rgb_sha256.json beside itself)
"""
import hashlib
import json
import pathlib
import struct
import zlib

import numpy as np
from PIL import Image, ImageCms, ImageOps

folder = pathlib.Path(__file__).with_name("images")
folder.mkdir(exist_ok=True)
HEIGHT, WIDTH = 17, 23
rng = np.random.RandomState(0)
y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
rgb = np.stack([(x * 11) % 256, (y * 15) % 256, ((x + y) * 6) % 256], -1).astype(np.uint8)
image = Image.fromarray(rgb)


def png(depth, colour_type, rows):
    """PNG kinds that PIL itself does not write."""
    chunk = lambda kind, body: struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, depth, colour_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def random_rows(channels):
    values = rng.randint(0, 65536, (HEIGHT, WIDTH, channels))
    return b"".join(b"\0" + values[i].astype(">u2").tobytes() for i in range(HEIGHT))


image.save(folder / "rgb.png")
image.convert("L").save(folder / "grey.png")
image.convert("1").save(folder / "bilevel.png")
image.convert("P", palette=Image.ADAPTIVE).save(folder / "palette_transparent.png", transparency=3)
alpha = ((x * y) % 256).astype(np.uint8)
Image.fromarray(np.dstack([rgb, alpha])).save(folder / "rgba.png")
Image.fromarray(np.dstack([rgb[..., 0], alpha]), "LA").save(folder / "grey_alpha.png")
Image.fromarray(((x + 3 * y) * 5).astype(np.uint16)).save(folder / "grey16.png")
Image.fromarray((x * y * 137).astype(np.uint16)).save(folder / "grey16.tif")
(folder / "rgb16.png").write_bytes(png(16, 2, random_rows(3)))
(folder / "rgba16.png").write_bytes(png(16, 6, random_rows(4)))
(folder / "grey_alpha16.png").write_bytes(png(16, 4, random_rows(2)))
(folder / "grey2.png").write_bytes(png(2, 0, b"".join(b"\0" + rng.bytes(6) for _ in range(HEIGHT))))
image.save(folder / "rgb.jpg", quality=90)
image.convert("L").save(folder / "grey.jpg", quality=80)
image.convert("CMYK").save(folder / "cmyk.jpg", quality=95)
exif = Image.Exif()
exif[0x0112] = 6
image.save(folder / "rotated_by_exif.jpg", exif=exif.tobytes(), quality=92)
image.save(folder / "progressive.jpg", quality=60, progressive=True)
image.save(folder / "icc.png", icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes())
image.save(folder / "rgb.gif")
image.save(folder / "lossless.webp", lossless=True)

digests = {}
for path in sorted(folder.iterdir()):
    if path.suffix != ".json":
        pixels = np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))
        digests[path.name] = {"width": pixels.shape[1], "height": pixels.shape[0], "sha256": hashlib.sha256(pixels.tobytes()).hexdigest()}
(folder / "rgb_sha256.json").write_text(json.dumps(digests, indent=1) + "\n")
