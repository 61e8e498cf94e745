"""Writes image_headers.json: small pictures of every format and mode that Pillow writes, each with what Pillow says of it: format, stored size, the size
after ImageOps.exif_transpose, mode.  Run with Pillow 12:  python test/golden/image_headers.py
"""

import base64, io, json, pathlib, struct, zlib
from PIL import ExifTags, Image, ImageOps

OUT = pathlib.Path(__file__).with_name('image_headers.json')
cases = []


def add(name, data):
    with Image.open(io.BytesIO(data)) as image:
        stored = image.size
        kind, mode = image.format, image.mode
        turned = ImageOps.exif_transpose(image).size
    if kind == 'TIFF':  # Pillow swaps the sides of a TIFF already when it opens one
        with Image.open(io.BytesIO(data)) as image:
            stored = (image.tag_v2[256], image.tag_v2[257])
    cases.append({'name': name, 'bytes': base64.b64encode(data).decode(), 'format': kind, 'mode': mode, 'size': stored, 'shown': turned})


def saved(mode, size, kind, **options):
    image = Image.new('RGBA', size, (10, 200, 90, 128)).convert('RGB' if mode != 'RGBA' else mode).convert('L' if mode in ('I', 'I;16', 'F') else mode)
    if mode in ('I', 'I;16', 'F'):
        image = image.convert(mode)
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def exif(orientation):
    tags = Image.Exif()
    tags[ExifTags.Base.Make] = 'scanner'
    tags[ExifTags.Base.Orientation] = orientation
    return tags.tobytes()


def xmp(orientation):
    return (f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="{orientation}"/></x:xmpmeta>').encode()


def chunk(kind, data):
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))


def with_chunk(png, kind, data, before):
    at = png.index(before) - 4
    return png[:at] + chunk(kind, data) + png[at:]


for mode in ('1', 'L', 'LA', 'P', 'RGB', 'RGBA', 'I;16'):
    add(f'png {mode}', saved(mode, (19, 7), 'PNG'))
for mode in ('L', 'RGB', 'CMYK'):
    add(f'jpeg {mode}', saved(mode, (33, 18), 'JPEG'))
add('jpeg progressive', saved('RGB', (40, 21), 'JPEG', progressive=True))
for mode in ('1', 'L', 'P', 'RGB', 'RGBA', 'CMYK', 'I;16', 'I', 'F'):
    add(f'tiff {mode}', saved(mode, (23, 11), 'TIFF'))
add('tiff big', saved('RGB', (23, 12), 'TIFF', big_tiff=True))
add('tiff lzw', saved('RGB', (23, 12), 'TIFF', compression='tiff_lzw'))
add('webp lossy', saved('RGB', (31, 9), 'WEBP', quality=50))
add('webp lossless', saved('RGB', (31, 9), 'WEBP', lossless=True))
add('webp lossy alpha', saved('RGBA', (31, 9), 'WEBP', quality=50))
add('webp lossless alpha', saved('RGBA', (31, 9), 'WEBP', lossless=True))
for mode in ('L', 'P', 'RGB'):
    add(f'gif {mode}', saved(mode, (12, 29), 'GIF'))
add('gif comment', saved('P', (12, 29), 'GIF', comment=b'c' * 700))
for mode in ('1', 'L', 'P', 'RGB', 'RGBA'):
    add(f'bmp {mode}', saved(mode, (14, 5), 'BMP'))
gif = bytearray(saved('P', (12, 29), 'GIF'))
gif[6:10] = struct.pack('<HH', 4, 3)  # the picture is larger than the screen
add('gif larger than its screen', bytes(gif))

for orientation in range(1, 9):
    for kind in ('JPEG', 'PNG', 'WEBP', 'TIFF'):
        add(f'{kind.lower()} exif {orientation}', saved('RGB', (20, 10), kind, exif=exif(orientation)))
for orientation in (0, 3, 6, 9):
    add(f'jpeg xmp {orientation}', saved('RGB', (20, 10), 'JPEG', xmp=xmp(orientation)))
    add(f'webp xmp {orientation}', saved('RGB', (20, 10), 'WEBP', xmp=xmp(orientation)))
add('jpeg exif 0', saved('RGB', (20, 10), 'JPEG', exif=exif(0)))
add('jpeg exif 9', saved('RGB', (20, 10), 'JPEG', exif=exif(9)))
add('jpeg exif 1 beats xmp 6', saved('RGB', (20, 10), 'JPEG', exif=exif(1), xmp=xmp(6)))
big_endian = b'Exif\0\0MM\0*' + struct.pack('>IHHHIHHI', 8, 1, 274, 3, 1, 8, 0, 0)
add('jpeg exif 8, big-endian', saved('RGB', (20, 10), 'JPEG', exif=big_endian))
add('jpeg exif cut off', saved('RGB', (20, 10), 'JPEG', exif=big_endian[:10]))
jpeg = saved('RGB', (20, 10), 'JPEG')
add('jpeg with fill bytes', jpeg[:2] + b'\xff\xff\xff' + jpeg[2:])

png = saved('RGB', (20, 10), 'PNG')
plain = exif(6)[6:]
add('png exif behind the pixels', with_chunk(png, b'eXIf', plain, b'IEND'))
raw = ('\nexif\n%8d\n' % len(exif(6)) + exif(6).hex() + '\n').encode()
add('png raw profile', with_chunk(png, b'tEXt', b'Raw profile type exif\0' + raw, b'IDAT'))
add('png raw profile, packed', with_chunk(png, b'zTXt', b'Raw profile type exif\0\0' + zlib.compress(raw), b'IDAT'))
add('png xmp', with_chunk(png, b'iTXt', b'XML:com.adobe.xmp\0\0\0\0\0' + xmp(8), b'IDAT'))
add('png xmp, packed', with_chunk(png, b'iTXt', b'XML:com.adobe.xmp\0\1\0\0\0' + zlib.compress(xmp(8)), b'IDAT'))

OUT.write_text('[\n' + ',\n'.join(json.dumps(case) for case in cases) + '\n]\n')
print(len(cases), 'pictures,', OUT.stat().st_size, 'bytes')
