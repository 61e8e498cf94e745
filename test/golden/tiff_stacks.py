"""Writes tiff_stacks.json.gz: TIFF stacks of every kind of number, order, compression, predictor and cutting that is read, as tifffile and libtiff
(in Pillow) write them, with the sizes they say, and the sha256 of their values as tifffile reads them back (float32, little endian, page by page).
Run with tifffile 2026.3.3, imagecodecs 2026.3.6, Pillow 12.3:  python test/golden/tiff_stacks.py
"""

import base64, gzip, hashlib, io, json, pathlib
import numpy as np, tifffile
from PIL import Image

OUT = pathlib.Path(__file__).with_name('tiff_stacks.json.gz')
SHAPE = (2, 18, 19)
cases = []


def values(dtype, shape=SHAPE):
    kind = np.dtype(dtype)
    at = np.arange(np.prod(shape), dtype=np.int64).reshape(shape)
    if kind.kind == 'f':
        return (at * 0.75 - 500).astype(kind)
    info = np.iinfo(kind)
    wide = at * (at // 7) % min(int(info.max) - 1, 10**6)
    return (wide - (0 if kind.kind == 'u' else min(500, int(info.max) // 2))).astype(kind)


def add(name, data, mm=(None, None, None), slope=1, inter=0, read=tifffile.imread, **more):
    found = np.asarray(read(io.BytesIO(data)))
    found = found.reshape((-1,) + found.shape[-2:]).astype(np.float64) * slope + inter
    digest = hashlib.sha256(np.ascontiguousarray(found.astype('<f4')).tobytes()).hexdigest()
    cases.append({'name': name, 'bytes': base64.b64encode(data).decode(), 'size': found.shape, 'mm': mm, 'min': found.min(), 'max': found.max(),
                  'sha256': digest, **more})


def written(array, **options):
    out = io.BytesIO()
    options = {'metadata': None, 'photometric': 'minisblack', **options}
    tifffile.imwrite(out, array, **options)
    return out.getvalue()


TYPES = ['u1', 'i1', 'u2', 'i2', 'u4', 'i4', 'u8', 'i8', 'f4', 'f8']
for dtype in TYPES:
    for order, word in (('<', 'little'), ('>', 'big')):
        add(f'{dtype} {word} endian', written(values(dtype), byteorder=order, rowsperstrip=5))
for dtype in ('u1', 'i2', 'u4', 'i8', 'f4', 'f8'):
    float_ = dtype[0] == 'f'
    for order, word in (('<', 'little'), ('>', 'big')):
        for method in ('lzw', 'zlib', 'packbits'):
            predictors = (1,) if method == 'packbits' else (1, 3) if float_ else (1, 2)
            for predictor in predictors:
                tile = (16, 16) if predictor > 1 else None
                more = {'tile': tile} if tile else {'rowsperstrip': 7}
                add(f'{dtype} {word} endian, {method}, predictor {predictor}, {"tiles" if tile else "strips"}',
                    written(values(dtype), byteorder=order, compression=method, predictor=predictor if predictor > 1 else None, **more))
add('u2 tiles', written(values('u2'), tile=(16, 32)))
add('u2 BigTIFF', written(values('u2'), bigtiff=True, compression='zlib'))
add('u2 BigTIFF big endian', written(values('u2'), bigtiff=True, byteorder='>', rowsperstrip=4))
# More codes than LZW has: the table is cleared in the midst.
add('u2 long LZW', written(np.random.default_rng(1).integers(0, 65535, (2, 60, 60), dtype='u2'), compression='lzw', rowsperstrip=60))
add('u1 even LZW', written(np.full((2, 300, 300), 7, 'u1'), compression='lzw', rowsperstrip=300))
add('white is zero', written(values('u1'), photometric='miniswhite'), notes=['from white to black'])
palette = np.zeros((3, 256), 'u2')
add('a table of colours', written(values('u1'), photometric='palette', colormap=palette), notes=['numbers of the colours'])
add('one page', written(values('i2', (1, 18, 19)), compression='zlib'), stack=False)
add('two pages', written(values('f4', (2, 18, 19))))

# What says sizes.  ImageJ, whose files are big endian.
for unit, mm in (('mm', 1), ('micron', 1e-3), ('um', 1e-3), ('\\u00B5m', 1e-3), ('cm', 10), ('inch', 25.4), ('nm', 1e-6)):
    data = written(values('u2'), imagej=True, byteorder='>', resolution=(1 / 0.5, 1 / 0.75), metadata={'spacing': 2.0, 'unit': unit, 'axes': 'ZYX'})
    add(f'ImageJ {unit}', data, (2 * mm, 0.75 * mm, 0.5 * mm))
pixel = {'spacing': 2.0, 'unit': 'pixel', 'axes': 'ZYX'}
add('ImageJ pixel', written(values('u2'), imagej=True, byteorder='>', resolution=(2, 2), metadata=pixel))
add('ImageJ without a unit, per cm', written(values('u2'), imagej=True, resolution=(20, 20), resolutionunit=3, metadata={'spacing': 0.3, 'axes': 'ZYX'}),
    (3, 0.5, 0.5))
add('ImageJ without a distance', written(values('u2'), imagej=True, resolution=(2, 4), metadata={'unit': 'mm', 'axes': 'ZYX'}), (None, 0.25, 0.5))
# As ImageJ 1.54 writes a CT that it has read from DICOM: unsigned, with the line that makes it signed.
text = 'ImageJ=1.54f\nimages=2\nslices=2\nunit=mm\nspacing=5.0\nloop=false\ncf=0\nc0=-32768.0\nc1=1.0\nvunit=Gray Value\nmin=31000.0\nmax=34000.0\n'
add('ImageJ signed', written((values('i2').astype('i4') + 32768).astype('u2'), byteorder='>', description=text, resolution=(2, 2), resolutionunit=1),
    (5, 0.5, 0.5), inter=-32768, notes=["ImageJ's calibration"])
# One page with the data of all: as ImageJ writes stacks of more than 4 GB.
array = values('u2').astype('>u2')
text = f'ImageJ=1.54f\nimages={len(array)}\nslices={len(array)}\nunit=mm\nspacing=-2.5\nloop=false\n'
first = written(array[0], byteorder='>', description=text, resolution=(4, 4), resolutionunit=1)
with tifffile.TiffFile(io.BytesIO(first)) as file:
    start = file.pages[0].dataoffsets[0]
assert start + array[0].nbytes == len(first)
add('ImageJ in one page', first + array[1:].tobytes(), (2.5, 0.25, 0.25), read=lambda _: array)
# OME.
def ome(array, **metadata):
    return written(array, ome=True, metadata={'axes': 'ZYX', **metadata})
add('OME', ome(values('u2'), PhysicalSizeX=500.0, PhysicalSizeY=750.0, PhysicalSizeZ=2000.0), (2, 0.75, 0.5))
add('OME mm', ome(values('f4'), PhysicalSizeX=0.5, PhysicalSizeXUnit='mm', PhysicalSizeY=0.75, PhysicalSizeYUnit='mm', PhysicalSizeZ=0.2,
                  PhysicalSizeZUnit='cm'), (2, 0.75, 0.5))
add('OME without sizes', ome(values('u1')))
# TIFF's own resolution.
add('per cm', written(values('i2'), resolution=(20, 10), resolutionunit=3), (None, 1, 0.5))
add('per inch', written(values('i2'), resolution=(254, 508), resolutionunit=2), (None, 0.05, 0.1), notes=['254 per inch'])
add('72 per inch', written(values('i2'), resolution=(72, 72), resolutionunit=2), notes=['72 per inch'])

# libtiff's own hand.
def pillow(array, **options):
    out = io.BytesIO()
    pages = [Image.fromarray(page) for page in array]
    pages[0].save(out, 'TIFF', save_all=True, append_images=pages[1:], **options)
    return out.getvalue()
for compression in ('tiff_lzw', 'tiff_adobe_deflate', 'packbits', 'raw'):
    add(f'Pillow {compression}', pillow(values('u2'), compression=compression))
add('Pillow tiff_lzw predicted', pillow(values('u1'), compression='tiff_lzw', tiffinfo={317: 2}))
add('Pillow float', pillow(values('f4'), compression='tiff_adobe_deflate', dpi=(254, 254)), (None, 0.1, 0.1))

# What is refused, with a word of the reason.
refused = []
def refuse(name, data, word, pages='stack'):
    refused.append({'name': name, 'bytes': base64.b64encode(data).decode(), 'word': word, 'pages': pages})
rgb = np.zeros((2, 18, 19, 3), 'u1')
refuse('colour', written(rgb, photometric='rgb'), 'RGB', 'colour')
refuse('grey with alpha', written(rgb[..., :2], planarconfig='contig', extrasamples=['unassalpha']), '2 values a pixel', 'colour')
refuse('1 bit', written(values('u1') > 9), 'of 1 bit')
refuse('complex', written(values('f4').astype('c8')), 'complex')
refuse('half floats', written(values('f4').astype('f2')), 'floating-point numbers of 16 bits')
refuse('hyperstack of ImageJ', written(values('u2', (2, 3, 18, 19)), imagej=True, metadata={'axes': 'ZCYX'}), '3 channels')
refuse('times of ImageJ', written(values('u2', (2, 3, 18, 19)), imagej=True, metadata={'axes': 'TZYX'}), '2 frames')
refuse('channels of OME', written(values('u2', (2, 3, 18, 19)), ome=True, metadata={'axes': 'CZYX'}), '2 channels')
refuse('four dimensions', written(values('u2', (2, 3, 18, 19)), metadata={'axes': 'TZYX'}), '2×3×18×19')
def pages(*arrays, options=({}, {})):
    out = io.BytesIO()
    with tifffile.TiffWriter(out) as file:
        for array, more in zip(arrays, options):
            file.write(array, metadata=None, photometric='minisblack', **more)
    return out.getvalue()
refuse('pages of two sizes', pages(values('u2', (18, 19)), values('u2', (9, 9))), 'page 2 has 9×9')
refuse('pages of two types', pages(values('u2', (18, 19)), values('i2', (18, 19))), 'page 2 has 19×18 pixels of 16 bits, signed')
refuse('pyramid', pages(values('u2', (18, 19)), values('u2', (9, 9)), options=({}, {'subfiletype': 1})), 'page 2 has 9×9', 'one')
refuse('Zstandard', written(values('u2'), compression='zstd'), 'Zstandard')
refuse('JPEG', written(values('u1', (3, 32, 32)), compression='jpeg'), 'JPEG')

OUT.write_bytes(gzip.compress(json.dumps({'cases': cases, 'refused': refused}).encode(), 9, mtime=0))
print(len(cases), len(refused), OUT.stat().st_size)
