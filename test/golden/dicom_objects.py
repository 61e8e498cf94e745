"""
DICOM objects of every kind that is read, with what pydicom makes of them (pixel_array, apply_modality_lut, apply_voi_lut), the spacing and the
orientation that the standard gives them, and the volume that dcm2niix makes of series. Writes dicom_objects.zip beside itself: the files, and
index.json, name -> what is expected.

Run: python test/golden/dicom_objects.py     (pydicom 3.0.2, numpy, nibabel 5, imagecodecs 2026.3; dcm2niix on the path)

Of lossless compression the expected values are those that were compressed; of lossy compression what imagecodecs decodes. Nobody is
in them: names and numbers are made up, and a test looks for them in all that Vernier writes.
"""
import hashlib
import io
import json
import pathlib
import subprocess
import tempfile
import warnings
import zipfile

import imagecodecs
import nibabel as nib
import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi_lut
from pydicom.sequence import Sequence
from pydicom.uid import UID

warnings.simplefilter("ignore")
rng = np.random.RandomState(15)
IMPLICIT, EXPLICIT, DEFLATED, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"
JPEG, JPEG12, LOSSLESS, LOSSLESS1 = (f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 57, 70))
JLS, JLS_NEAR, J2K, J2K_LOSSY = (f"1.2.840.10008.1.2.4.{n}" for n in (80, 81, 90, 91))
HT, HT_RPCL, HT_LOSSY, RLE = "1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.202", "1.2.840.10008.1.2.4.203", "1.2.840.10008.1.2.5"
CLASSES = {"CT": "2", "MR": "4", "CR": "1", "DX": "1.1", "MG": "1.2", "US": "6.1", "USM": "3.1", "SC": "7", "NM": "20", "PT": "128", "EMR": "4.1", "ECT": "2.1", "XA": "12.1.1"}
files, index = {}, {}
uids = iter(range(1, 100000))


def uid():
    return f"1.2.826.0.1.3680043.8.498.15.{next(uids)}"


def smooth(shape, low, high, dtype):
    y, x = np.mgrid[0:shape[0], 0:shape[1]]
    values = 0.5 + 0.5 * np.sin(x * rng.uniform(0.1, 0.5) + y * rng.uniform(-0.5, 0.5) + rng.uniform(0, 6))
    return np.round(low + (high - low) * values).astype(dtype)


def dataset(kind, modality=None, syntax=EXPLICIT):
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = UID("1.2.840.10008.5.1.4.1.1." + CLASSES[kind])
    ds.SOPInstanceUID = uid()
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.file_meta.TransferSyntaxUID = UID(syntax)
    ds.Modality = modality or kind[:2]
    # To be looked for in whatever is written.
    ds.PatientName, ds.PatientID, ds.PatientBirthDate = "Zyxwvut^Hildegard", "PID-778899", "19010203"
    ds.InstitutionName, ds.ReferringPhysicianName, ds.AccessionNumber = "Spital Qwertz", "Doktor^Abcxyz", "ACC-556677"
    ds.StudyDescription, ds.SeriesDescription, ds.StudyID = "Study of Zyxwvut", "Series of Zyxwvut", "STUDY-1"
    ds.StudyDate, ds.StudyTime, ds.PatientSex = "20260102", "112233", "F"
    ds.add_new(0x00091001, "LO", "private Zyxwvut")
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = "1.2.3.77", "1.2.3.78", "1.2.3.79"
    ds.SeriesNumber, ds.InstanceNumber = 3, 1
    ds.Manufacturer, ds.ImageType = "Vernier", ["ORIGINAL", "PRIMARY"]
    return ds


def pixels(ds, values, stored=None, photometric="MONOCHROME2", data=None, planar=None, frames=None):
    """Values as they are stored: rows × columns [× 3], with frames before them where there are several."""
    shape = values.shape if frames is None else values.shape[1:]
    ds.Rows, ds.Columns = shape[:2]
    ds.SamplesPerPixel = shape[2] if len(shape) > 2 else 1
    if ds.SamplesPerPixel > 1:
        ds.PlanarConfiguration = planar or 0
    ds.PhotometricInterpretation = photometric
    ds.BitsAllocated = 8 * values.dtype.itemsize
    ds.BitsStored = stored or ds.BitsAllocated
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = int(values.dtype.kind == "i")
    if frames is not None:
        ds.NumberOfFrames = frames
    if data is None:
        ordered = values if planar != 1 else np.moveaxis(values, -1, -3)
        endless = ordered.astype(ordered.dtype.newbyteorder(">" if ds.file_meta.TransferSyntaxUID == BIG else "<"))
        data = endless.tobytes()
        data += b"\0" * (len(data) % 2)
        ds.PixelData = data
    else:
        ds.PixelData = encapsulate(data if isinstance(data, list) else [data])
    ds["PixelData"].VR = "OB" if ds.file_meta.TransferSyntaxUID.is_compressed or ds.BitsAllocated == 8 else "OW"
    return ds


def place(ds, position=(0, 0, 0), orientation=(1, 0, 0, 0, 1, 0), spacing=(0.7, 0.5), thickness=2):
    ds.ImagePositionPatient, ds.ImageOrientationPatient = list(position), list(orientation)
    ds.PixelSpacing, ds.SliceThickness = list(spacing), thickness
    return ds


def written(ds):
    out = io.BytesIO()
    ds.save_as(out, enforce_file_format=True)
    return out.getvalue()


def sha(values, dtype):
    return hashlib.sha256(np.ascontiguousarray(np.asarray(values).astype(dtype)).tobytes()).hexdigest()


def figures(values, frames=None):
    """As `vernier volume --json` has them."""
    values = np.asarray(values)
    return {"size": list(values.shape[:3]) if frames else [1, *values.shape[:2]], "min": float(values.min()), "max": float(values.max()),
            "sha256": sha(values, "<f4")}


def add(name, ds, stored=None, spacing=(None, None, None), axes=None, voi=True, frames=None, lossy=None, **more):
    """`stored`: the values that were compressed; else pydicom's."""
    content = written(ds)
    files[f"{name}.dcm"] = content
    read = pydicom.dcmread(io.BytesIO(content))
    values = read.pixel_array if stored is None else stored
    modality = apply_modality_lut(values, read)
    expected = {"spacing_mm": list(spacing), "photometric": ds.PhotometricInterpretation, **figures(modality, frames), **more}
    if axes is not None:
        expected["axes"] = axes
    if lossy is not None:
        # The values themselves, to be met within so much.
        expected["within"], expected["values"] = lossy, np.asarray(modality).ravel().astype(float).tolist()
        del expected["sha256"]
    if voi and ("WindowCenter" in ds or "VOILUTSequence" in ds):
        shown = apply_voi_lut(modality if "RescaleSlope" in ds else modality, read)
        # Functions of exp differ in their last bit from one library to the next.
        expected["voi"] = sha(shown, "<f8") if getattr(ds, "VOILUTFunction", "") != "SIGMOID" else np.asarray(shown).ravel().tolist()
    index[f"{name}.dcm"] = expected
    return ds


def window(ds, center, width, function=None):
    ds.WindowCenter, ds.WindowWidth = center, width
    if function:
        ds.VOILUTFunction = function
    return ds


def rescale(ds, slope, intercept, kind="HU"):
    ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = slope, intercept, kind
    return ds


def lut(first, bits, entries, signed=False, vr="US"):
    item = Dataset()
    item.add_new(0x00283002, "SS" if signed else "US", [len(entries) % 65536, first, bits])
    item.add_new(0x00283006, "OW", np.asarray(entries, "<u2").tobytes())
    return item


SHAPE = (12, 10)
AXIAL = ["S", "P", "L"]
ct = smooth(SHAPE, -1000, 1500, np.int16)

# ---- how values are stored
add("ct_signed", window(rescale(place(pixels(dataset("CT"), ct)), 1, -24), 40, 400), spacing=(None, 0.7, 0.5), axes=AXIAL, units="HU",
    window={"center": 40, "width": 400, "function": "LINEAR"})
add("ct_slope", rescale(place(pixels(dataset("CT", syntax=IMPLICIT), smooth(SHAPE, 0, 4000, np.uint16))), 0.1, -1024.3), spacing=(None, 0.7, 0.5))
twelve = smooth(SHAPE, -2048, 2047, np.int16)
add("ct_12_in_16", place(pixels(dataset("CT"), (twelve & 0x0FFF).astype(np.int16) | np.int16(0x5000), 12)), stored=twelve, spacing=(None, 0.7, 0.5))
add("ct_10_in_16_overlay", place(pixels(dataset("CT"), smooth(SHAPE, 0, 1023, np.uint16) | np.uint16(0x8000), 10)), spacing=(None, 0.7, 0.5))
add("ct_big_endian", place(pixels(dataset("CT", syntax=BIG), ct)), spacing=(None, 0.7, 0.5))
add("ct_deflated", place(pixels(dataset("CT", syntax=DEFLATED), ct)), spacing=(None, 0.7, 0.5))
add("sc_8", pixels(dataset("SC", "OT"), smooth(SHAPE, 0, 255, np.uint8)))
add("sc_signed_8", pixels(dataset("SC", "OT"), smooth((11, 9), -100, 100, np.int8), 8))
add("dose_32", place(pixels(dataset("CT", "RTDOSE"), smooth(SHAPE, 0, 4e9, np.uint32))), spacing=(None, 0.7, 0.5))
one = rng.randint(0, 2, (3, 7, 5)).astype(np.uint8)
seg = pixels(dataset("SC", "SEG"), one, frames=3)
seg.BitsAllocated = seg.BitsStored = 1
seg.HighBit, seg.PixelData = 0, np.packbits(one.ravel(), bitorder="little").tobytes() + b"\0" * (len(np.packbits(one.ravel())) % 2)
add("single_bits", seg, frames=3, stored=one)
floats = place(pixels(dataset("MR"), smooth(SHAPE, 0, 9, np.uint16)))
del floats.PixelData, floats.BitsStored, floats.HighBit, floats.PixelRepresentation
floats.BitsAllocated, floats.FloatPixelData = 32, (smooth(SHAPE, 0, 1e6, np.float32) / np.float32(7)).astype("<f4").tobytes()
add("float_pixels", floats, spacing=(None, 0.7, 0.5))

# ---- tables and windows
table = dataset("CR")
pixels(table, smooth(SHAPE, 0, 255, np.uint16), 8)
table.ModalityLUTSequence = Sequence([lut(20, 16, np.arange(200) ** 2 % 65536)])
table.ModalityLUTSequence[0].ModalityLUTType = "OD"
add("modality_table", window(table, 20000, 30000), units="OD")
negative = dataset("CT")
place(pixels(negative, smooth(SHAPE, -300, 300, np.int16)))
negative.ModalityLUTSequence = Sequence([lut(-100, 16, np.arange(0, 60000, 300), signed=True)])
add("modality_table_signed", negative, spacing=(None, 0.7, 0.5))
voi = dataset("CR")
pixels(voi, smooth(SHAPE, 0, 1023, np.uint16), 10)
voi.VOILUTSequence = Sequence([lut(100, 12, np.arange(800) * 5)])
add("voi_table", voi)
add("voi_linear", window(pixels(dataset("MR"), smooth(SHAPE, 0, 4095, np.uint16), 12), [1000, 500], [800, 100]))
add("voi_linear_width_1", window(pixels(dataset("MR"), smooth(SHAPE, 0, 4095, np.uint16), 12), 1000, 1))
add("voi_exact", window(rescale(pixels(dataset("MR"), smooth(SHAPE, 0, 4095, np.uint16), 12), 0.5, -100, "US"), 300, 777.5, "LINEAR_EXACT"))
add("voi_sigmoid", window(pixels(dataset("MR"), smooth(SHAPE, 0, 4095, np.uint16), 12), 2000, 900, "SIGMOID"))
add("monochrome1", window(pixels(dataset("CR"), smooth(SHAPE, 0, 4095, np.uint16), 12, "MONOCHROME1"), 2000, 3000))

# ---- colours
rgb = np.stack([smooth(SHAPE, 0, 255, np.uint8) for _ in range(3)], -1)
add("rgb", pixels(dataset("SC", "OT"), rgb, photometric="RGB"))
add("rgb_planar", pixels(dataset("SC", "OT"), rgb, photometric="RGB", planar=1))
add("ybr_full", pixels(dataset("SC", "OT"), rgb, photometric="YBR_FULL"))
half = dataset("SC", "OT")
pixels(half, rgb, photometric="YBR_FULL_422")
half.PixelData = b"".join(bytes([row[x, 0], row[x + 1, 0], row[x, 1], row[x, 2]]) for row in rgb for x in range(0, SHAPE[1], 2))
add("ybr_full_422", half)


def palette(ds, first, entries, bits, segmented=False):
    for number, channel in enumerate(("Red", "Green", "Blue")):
        setattr(ds, f"{channel}PaletteColorLookupTableDescriptor", [len(entries[number]), first, bits])
        packed = np.asarray(entries[number], "<u2" if bits == 16 else "u1").tobytes()
        setattr(ds, f"{channel}PaletteColorLookupTableData", packed + b"\0" * (len(packed) % 2))
    return ds


indices = smooth(SHAPE, 0, 255, np.uint8)
entries16 = [rng.randint(0, 256, 200) * 257 for _ in range(3)]
coloured = palette(pixels(dataset("US"), indices, photometric="PALETTE COLOR"), 20, entries16, 16)
add("palette_16", coloured, shown=sha(apply_color_lut(indices, coloured) >> 8, "u1"))
entries8 = [rng.randint(0, 256, 256) for _ in range(3)]
coloured = palette(pixels(dataset("US"), indices, photometric="PALETTE COLOR"), 0, entries8, 8)
add("palette_8", coloured, shown=sha(apply_color_lut(indices, coloured), "u1"))
coloured = pixels(dataset("US"), indices, photometric="PALETTE COLOR")
for channel, top in (("Red", 255), ("Green", 128), ("Blue", 64)):
    setattr(coloured, f"{channel}PaletteColorLookupTableDescriptor", [256, 0, 16])
    words = [0, 2, 0, 257, 1, 127, top * 128, 0, 1, top * 257, 1, 126, 40]
    setattr(coloured, f"Segmented{channel}PaletteColorLookupTableData", np.asarray(words, "<u2").tobytes())
add("palette_segmented", coloured, shown=sha(apply_color_lut(indices, coloured) >> 8, "u1"))

# ---- compression
sixteen = smooth(SHAPE, 0, 65535, np.uint16)
twelve_bits = smooth((24, 32), 0, 4095, np.uint16)


def packed(name, kind, syntax, values, data, stored=None, photometric="MONOCHROME2", **more):
    ds = dataset(kind, "OT" if kind == "SC" else None, syntax)
    add(name, pixels(ds, values, stored, photometric, data), stored=values if "lossy" not in more else more.pop("decoded"), **more)


def rle(values):
    ds = pixels(dataset("SC", "OT"), values, photometric="RGB" if values.ndim > 2 else "MONOCHROME2")
    ds.compress(RLE, generate_instance_uid=False)
    return ds


add("rle_16", rle(sixteen), stored=sixteen)
add("rle_rgb", rle(rgb), stored=rgb)
eight = smooth((24, 32), 0, 255, np.uint8)
data = imagecodecs.jpeg8_encode(eight, level=90)
packed("jpeg_8", "SC", JPEG, eight, data, lossy=1, decoded=imagecodecs.jpeg8_decode(data))
wide = np.stack([smooth((24, 32), 0, 255, np.uint8) for _ in range(3)], -1)
data = imagecodecs.jpeg8_encode(wide, level=90, subsampling="422")
packed("jpeg_422", "SC", JPEG, wide, data, photometric="YBR_FULL_422", lossy=2, decoded=imagecodecs.jpeg8_decode(data))
data = imagecodecs.jpeg8_encode(twelve_bits, level=95, bitspersample=12)
packed("jpeg_12", "SC", JPEG12, twelve_bits, data, 12, lossy=1, decoded=imagecodecs.jpeg8_decode(data))
for predictor in range(1, 8):
    data = imagecodecs.jpeg8_encode(sixteen, lossless=True, predictor=predictor, bitspersample=16)
    packed(f"jpeg_lossless_{predictor}", "SC", LOSSLESS1 if predictor == 1 else LOSSLESS, sixteen, data)
data = imagecodecs.jpeg8_encode(twelve_bits, lossless=True, predictor=1, bitspersample=12)
packed("jpeg_lossless_12", "CT", LOSSLESS1, twelve_bits, data, 12)
signed_bits = (twelve & 0x0FFF).astype(np.uint16)
data = imagecodecs.jpeg8_encode(signed_bits, lossless=True, predictor=1, bitspersample=12)
packed("jpeg_lossless_signed", "CT", LOSSLESS1, twelve, data, 12)
packed("jpeg_lossless_rgb", "SC", LOSSLESS1, rgb, imagecodecs.jpeg8_encode(rgb, lossless=True, predictor=1, colorspace="rgb", outcolorspace="rgb"),
       photometric="RGB")
packed("jls", "SC", JLS, sixteen, imagecodecs.jpegls_encode(sixteen))
packed("jls_12", "CT", JLS, twelve_bits, imagecodecs.jpegls_encode(twelve_bits), 12)
packed("jls_signed", "CT", JLS, ct, imagecodecs.jpegls_encode(ct.view(np.uint16)))
packed("jls_rgb", "SC", JLS, rgb, imagecodecs.jpegls_encode(rgb), photometric="RGB")
data = imagecodecs.jpegls_encode(sixteen, level=3)
packed("jls_near", "SC", JLS_NEAR, sixteen, data, lossy=0, decoded=imagecodecs.jpegls_decode(data))
packed("j2k", "SC", J2K, sixteen, imagecodecs.jpeg2k_encode(sixteen, codecformat="j2k", reversible=True))
packed("j2k_signed", "CT", J2K, ct, imagecodecs.jpeg2k_encode(ct, codecformat="j2k", reversible=True))
packed("j2k_rct", "SC", J2K, rgb, imagecodecs.jpeg2k_encode(rgb, codecformat="j2k", reversible=True, mct=True), photometric="YBR_RCT")
data = imagecodecs.jpeg2k_encode(eight, level=40, codecformat="j2k", reversible=False)
packed("j2k_lossy", "SC", J2K_LOSSY, eight, data, lossy=1, decoded=imagecodecs.jpeg2k_decode(data))
packed("htj2k", "SC", HT, sixteen, imagecodecs.htj2k_encode(sixteen, reversible=True))
packed("htj2k_rpcl", "CT", HT_RPCL, twelve_bits, imagecodecs.htj2k_encode(twelve_bits, reversible=True), 12)
packed("htj2k_rgb", "SC", HT, rgb, imagecodecs.htj2k_encode(rgb, reversible=True), photometric="YBR_RCT")
stack8 = np.stack([smooth((24, 32), 0, 255, np.uint8) for _ in range(3)])
coded = [imagecodecs.jpegls_encode(frame) for frame in stack8]
for name, content in (
    ("table", encapsulate(coded)),
    ("no_table", encapsulate(coded, has_bot=False)),
    ("in_fragments", encapsulate(coded, fragments_per_frame=2, has_bot=False)),
):
    several = dataset("USM", "US", JLS)
    pixels(several, stack8, data=coded, frames=3)
    several.PixelData = content
    add(f"frames_{name}", several, stored=stack8, frames=3)
several = dataset("USM", "US", JLS)
pixels(several, stack8, data=coded, frames=3)
several.PixelData, several.ExtendedOffsetTable, several.ExtendedOffsetTableLengths = encapsulate_extended(coded)
add("frames_extended_table", several, stored=stack8, frames=3)

# ---- spacing: PS3.3, 10.7 (basic pixel spacing calibration macro), C.8.11.7 (magnification), C.8.5.5 (ultrasound regions)
xray = smooth(SHAPE, 0, 4095, np.uint16)


def projection(kind, name, spacing, **attributes):
    ds = pixels(dataset(kind), xray, 12)
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    add(name, ds, spacing=(None, *spacing), **({"axes": [None, "I", "L"]} if "PatientOrientation" in attributes else {}))


projection("CR", "cr_imager", (0.2, 0.1), ImagerPixelSpacing=[0.2, 0.1], PatientOrientation=["L", "F"])
projection("DX", "dx_magnified", (0.1, 0.05), ImagerPixelSpacing=[0.15, 0.075], EstimatedRadiographicMagnificationFactor=1.5)
projection("MG", "mg_magnified", (0.05, 0.05), ImagerPixelSpacing=[0.09, 0.09], EstimatedRadiographicMagnificationFactor=1.8)
projection("DX", "dx_calibrated", (0.13, 0.12), ImagerPixelSpacing=[0.15, 0.15], PixelSpacing=[0.13, 0.12], PixelSpacingCalibrationType="FIDUCIAL",
           EstimatedRadiographicMagnificationFactor=1.5)
projection("DX", "dx_corrected", (0.13, 0.13), ImagerPixelSpacing=[0.15, 0.15], PixelSpacing=[0.13, 0.13])
projection("DX", "dx_as_imager", (0.1, 0.1), ImagerPixelSpacing=[0.15, 0.15], PixelSpacing=[0.15, 0.15],
           EstimatedRadiographicMagnificationFactor=1.5)
projection("CR", "cr_spacing_only", (0.143, 0.144), PixelSpacing=[0.143, 0.144])


def region(dx, dy, kind=1, unit=3):
    item = Dataset()
    item.RegionSpatialFormat, item.RegionDataType, item.RegionFlags = kind, 1, 0
    item.RegionLocationMinX0 = item.RegionLocationMinY0 = 0
    item.RegionLocationMaxX1, item.RegionLocationMaxY1 = 9, 11
    item.PhysicalUnitsXDirection = item.PhysicalUnitsYDirection = unit
    item.PhysicalDeltaX, item.PhysicalDeltaY = dx, dy
    return item


def ultrasound(name, regions, spacing):
    ds = pixels(dataset("US"), indices)
    ds.SequenceOfUltrasoundRegions = Sequence(regions)
    add(name, ds, spacing=(None, *spacing))


ultrasound("us_region", [region(0.02, 0.03)], (0.3, 0.2))
ultrasound("us_region_and_doppler", [region(0.02, 0.02), region(0.5, 0.5, kind=3, unit=4)], (0.2, 0.2))
ultrasound("us_two_regions", [region(0.02, 0.02), region(0.03, 0.03)], (None, None))
nuclear = np.stack([smooth(SHAPE, 0, 500, np.uint16) for _ in range(4)])
nm = pixels(dataset("NM"), nuclear, frames=4)
nm.PixelSpacing, nm.SpacingBetweenSlices, nm.SliceThickness = [4.8, 4.8], 4.4, 4.4
add("nm_frames", nm, spacing=(4.4, 4.8, 4.8), frames=4)


# ---- volumes: their order is that along the normal, whatever that of the files and frames
def volume_figures(name, slices, spacing, axes, **more):
    """`slices` in the order along the normal."""
    index[name] = {"spacing_mm": list(spacing), "axes": axes, **figures(np.stack(slices), True), **more}


def by_dcm2niix(contents):
    """What nibabel makes closest to RAS+ of dcm2niix's volume."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in contents.items():
            pathlib.Path(folder, name).write_bytes(content)
        pathlib.Path(folder, "out").mkdir()
        subprocess.run(["dcm2niix", "-b", "n", "-z", "n", "-f", "x", "-o", f"{folder}/out", folder], check=True, capture_output=True)
        made = sorted(pathlib.Path(folder, "out").glob("*.nii"))
        assert len(made) == 1, made
        image = nib.as_closest_canonical(nib.load(made[0]))
        values = np.asarray(image.dataobj).astype("<f4")
        return {"shape": list(values.shape), "affine": image.affine.tolist(), "sha256": hashlib.sha256(values.tobytes(order="F")).hexdigest()}


def series(name, orientation, step, count=5, shuffled=True, modality="MR", positions=None, compare=True, slopes=None, expect=None, **more):
    row, column = np.array(orientation[:3], float), np.array(orientation[3:], float)
    normal = np.cross(row, column)
    places = positions if positions is not None else [10 + step * n for n in range(count)]
    contents, slices = {}, []
    order = rng.permutation(len(places)) if shuffled else np.arange(len(places))
    for number, mm in enumerate(places):
        values = smooth(SHAPE, -500, 500, np.int16)
        ds = place(pixels(dataset(modality), values), [round(float(x), 4) for x in normal * mm + (3, -4, 5)], orientation, thickness=step)
        ds.InstanceNumber = int(order[number]) + 1
        slope = slopes[number] if slopes else 1
        rescale(ds, slope, -10, "US")
        ds.AcquisitionNumber, ds.SeriesNumber, ds.EchoTime, ds.RepetitionTime, ds.MagneticFieldStrength = 1, 3, 5, 50, 3
        contents[f"{order[number]:03d}.dcm"] = written(ds)
        slices.append(values * float(slope) - 10)
    for file, content in contents.items():
        files[f"{name}/{file}"] = content
    if expect is not None:
        index[name] = expect
        return contents
    volume_figures(name, slices, (more.pop("between", step), 0.7, 0.5), **more)
    if compare:
        index[name]["dcm2niix"] = by_dcm2niix(contents)
    return contents


series("axial", (1, 0, 0, 0, 1, 0), 2.5, axes=["S", "P", "L"])
series("sagittal", (0, 1, 0, 0, 0, -1), 3, axes=["R", "I", "P"])
series("coronal", (1, 0, 0, 0, 0, -1), 3, axes=["P", "I", "L"])
series("feet_first", (-1, 0, 0, 0, 1, 0), 2, axes=["I", "P", "R"])
angle = np.deg2rad(20)
series("oblique", (1, 0, 0, 0, round(float(np.cos(angle)), 6), round(float(np.sin(angle)), 6)), 2, axes=["S", "P", "L"])
series("slope_by_slice", (1, 0, 0, 0, 1, 0), 4, axes=["S", "P", "L"], slopes=[1, 2, 0.5, 1.5, 3], compare=False, modality="PT")
series("gap", (1, 0, 0, 0, 1, 0), 5, positions=[0, 5, 10, 20, 25], axes=["S", "P", "L"], between=None, compare=False, told="gap")
series("uneven", (1, 0, 0, 0, 1, 0), 5, positions=[0, 5, 7, 10], axes=["S", "P", "L"], between=None, compare=False, told="gap")
series("twice", (1, 0, 0, 0, 1, 0), 5, positions=[0, 5, 5, 10], expect={"error": "at the place of another one"})
doubled = series("same_object_twice", (1, 0, 0, 0, 1, 0), 5, axes=["S", "P", "L"], told="duplicate")
files["same_object_twice/copy.dcm"] = next(iter(doubled.values()))
files["same_object_twice/notes.txt"] = b"no DICOM"
series("mixed", (1, 0, 0, 0, 1, 0), 5, expect={"error": "2 series"})
other = pydicom.dcmread(io.BytesIO(next(iter(doubled.values()))))
other.SeriesInstanceUID, other.SeriesNumber = "1.2.3.99", 9
other.SOPInstanceUID = uid()
files["mixed/other.dcm"] = written(other)
series("two_orientations", (1, 0, 0, 0, 1, 0), 5, expect={"error": "orientations"})
other = pydicom.dcmread(io.BytesIO(next(iter(doubled.values()))))
other.ImageOrientationPatient, other.SOPInstanceUID = [0, 1, 0, 0, 0, -1], uid()
files["two_orientations/other.dcm"] = written(other)
series("localizer", (1, 0, 0, 0, 1, 0), 5, axes=["S", "P", "L"], told="localizer")
other.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
files["localizer/scout.dcm"] = written(other)
series("two_sizes", (1, 0, 0, 0, 1, 0), 5, expect={"error": "differ in size"})
other = place(pixels(dataset("MR"), smooth((12, 12), 0, 9, np.int16)))
files["two_sizes/other.dcm"] = written(other)


# ---- enhanced multi-frame (PS3.3, C.7.6.16)
def enhanced(name, places, slopes=None, stacks=None, orientation=(1, 0, 0, 0, 1, 0), kind="EMR", expect=None, compare=True, between=None, told=None):
    values = np.stack([smooth(SHAPE, 0, 900, np.uint16) for _ in places])
    ds = pixels(dataset(kind, kind[1:]), values, frames=len(places))
    row, column = np.array(orientation[:3], float), np.array(orientation[3:], float)
    normal = np.cross(row, column)
    shared = Dataset()
    measures = Dataset()
    measures.PixelSpacing, measures.SliceThickness = [0.7, 0.5], 2
    shared.PixelMeasuresSequence = Sequence([measures])
    way = Dataset()
    way.ImageOrientationPatient = list(orientation)
    shared.PlaneOrientationSequence = Sequence([way])
    ds.SharedFunctionalGroupsSequence = Sequence([shared])
    groups = []
    for number, mm in enumerate(places):
        group, content, at, change = Dataset(), Dataset(), Dataset(), Dataset()
        content.StackID = str(stacks[number]) if stacks else "1"
        content.InStackPositionNumber = int(np.argsort(np.argsort(places))[number]) + 1
        content.DimensionIndexValues = [1, content.InStackPositionNumber]
        at.ImagePositionPatient = [float(x) for x in normal * mm]
        change.RescaleSlope, change.RescaleIntercept, change.RescaleType = (slopes[number] if slopes else 1), 0, "US"
        group.FrameContentSequence, group.PlanePositionSequence = Sequence([content]), Sequence([at])
        group.PixelValueTransformationSequence = Sequence([change])
        groups.append(group)
    ds.PerFrameFunctionalGroupsSequence = Sequence(groups)
    content = written(ds)
    files[f"{name}.dcm"] = content
    if expect is not None:
        index[f"{name}.dcm"] = expect
        return
    order = np.argsort(places)
    slices = [values[n] * float(slopes[n] if slopes else 1) for n in order]
    volume_figures(f"{name}.dcm", slices, (between, 0.7, 0.5), axes=["S", "P", "L"] if orientation[4] else ["R", "I", "P"],
                   **({"told": told} if told else {}))
    if compare:
        index[f"{name}.dcm"]["dcm2niix"] = by_dcm2niix({"x.dcm": content})


enhanced("enhanced_unordered", [6, 0, 4, 2, 8], between=2)
enhanced("enhanced_slopes", [0, 3, 6], slopes=[1, 2, 0.25], between=3, compare=False)
enhanced("enhanced_ct_sagittal", [0, -3, 3], orientation=(0, 1, 0, 0, 0, -1), kind="ECT", between=3)
enhanced("enhanced_gap", [0, 2, 4, 8], compare=False, told="gap")
enhanced("enhanced_two_stacks", [0, 2, 4, 6], stacks=[1, 1, 2, 2], expect={"error": "stacks"})

# ---- plain objects of several frames: PS3.3, C.8.4.15 (nuclear medicine), C.8.8.3 (doses), C.8.6.4 (secondary captures), C.8.12.4 (slides)
def frames_apart(name, kind, modality, spacing, dtype=np.uint16, turned=False, **attributes):
    values = np.stack([smooth(SHAPE, 0, 500, dtype) for _ in range(4)])
    more = {key: attributes.pop(key) for key in ("axes", "told", "units") if key in attributes}
    ds = pixels(dataset(kind, modality), values, frames=4)
    ds.PixelSpacing = [4.8, 4.7]
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    content = written(ds)
    files[f"{name}.dcm"] = content
    volume_figures(f"{name}.dcm", values[::-1] if turned else values, (spacing, 4.8, 4.7), more.pop("axes", None), **more)
    if index[f"{name}.dcm"]["axes"] is None:
        del index[f"{name}.dcm"]["axes"]
    return content


detector = Dataset()
detector.ImagePositionPatient, detector.ImageOrientationPatient = [-20, -30, 50], [1, 0, 0, 0, 1, 0]
slices = {"SliceVector": [1, 2, 3, 4], "FrameIncrementPointer": 0x00540080, "SliceThickness": 5, "DetectorInformationSequence": Sequence([detector])}
content = frames_apart("nm_detector", "NM", "NM", 4.4, SpacingBetweenSlices=4.4, axes=AXIAL, **slices)
index["nm_detector.dcm"]["dcm2niix"] = by_dcm2niix({"x.dcm": content})
frames_apart("nm_downwards", "NM", "NM", 4.4, SpacingBetweenSlices=-4.4, turned=True, axes=AXIAL, **slices)
frames_apart("nm_dynamic", "NM", "NM", None, SpacingBetweenSlices=4.4, TimeSliceVector=[1, 2, 3, 4], told="no stack of slices: they differ in TimeSliceVector")
frames_apart("nm_gated_somewhere", "NM", "NM", None, SliceVector=[1, 2, 1, 2], TimeSlotVector=[1, 1, 2, 2], SpacingBetweenSlices=4.4,
             told="no stack of slices: they differ in TimeSlotVector")
content = frames_apart("nm_gated", "NM", "NM", None, **{**slices, "SliceVector": [1, 2, 1, 2]}, SpacingBetweenSlices=4.4, TimeSlotVector=[1, 1, 2, 2])
gated = pydicom.dcmread(io.BytesIO(content)).pixel_array
index["nm_gated.dcm"] = {"error": "2 volumes: volume 1 (TimeSlotVector 1, 2 images), volume 2 (TimeSlotVector 2, 2 images)",
                         "volumes": [{"spacing_mm": [4.4, 4.8, 4.7], **figures(gated[at:at + 2], True)} for at in (0, 2)]}
frames_apart("sc_locations", "SC", "OT", 3, SliceLocationVector=[9, 6, 3, 0], FrameIncrementPointer=0x00182005)
frames_apart("dose_scaled", "CT", "RTDOSE", 2.5, np.uint32, GridFrameOffsetVector=[0, 2.5, 5, 7.5], ImagePositionPatient=[0, 0, 0], DoseUnits="GY",
             ImageOrientationPatient=[1, 0, 0, 0, 1, 0], DoseGridScaling="1.5e-3", axes=AXIAL, units=None, told="times 0.0015 (DoseGridScaling) they are gray")
frames_apart("slide", "SC", "SM", None, TotalPixelMatrixColumns=20, TotalPixelMatrixRows=24, told="tiles of one picture of 20×24 pixels")

# ---- rarely seen
swapped = pixels(dataset("SC", "SEG", BIG), one, frames=3)
swapped.BitsAllocated = swapped.BitsStored = 1
packed_bits = np.packbits(np.append(one.ravel(), np.zeros(-one.size % 16, np.uint8)), bitorder="little")
swapped.HighBit, swapped.PixelData = 0, packed_bits.view("<u2").astype(">u2").tobytes()
swapped["PixelData"].VR = "OW"
add("single_bits_big_endian", swapped, frames=3, stored=one)
# A near-lossless stream of 16 bits for values of 12: some come out above 4095, as CharLS and pydicom have them.
steep = np.where(rng.rand(24, 32) < 0.5, 4095, rng.randint(0, 4096, (24, 32))).astype(np.uint16)
data = imagecodecs.jpegls_encode(steep, level=5)
assert imagecodecs.jpegls_decode(data).max() > 4095
packed("jls_near_12", "CT", JLS_NEAR, steep, data, 12, lossy=0, decoded=imagecodecs.jpegls_decode(data))
colours12 = np.stack([smooth((24, 32), 0, 4095, np.uint16) for _ in range(3)], -1)
data = imagecodecs.jpeg8_encode(colours12, level=95, bitspersample=12, subsampling="444")
packed("jpeg_12_ybr", "SC", JPEG12, colours12, data, 12, photometric="YBR_FULL", lossy=2, decoded=imagecodecs.jpeg8_decode(data))
# C.7.6.3.1.2: a third of the bytes too many for two chrominances of two pixels.
content = written(pixels(dataset("SC", "OT"), rgb, photometric="YBR_FULL_422"))
files["not_422.dcm"], index["not_422.dcm"] = content, {"error": "those of three samples a pixel"}
content = written(pixels(dataset("SC", "OT"), rgb, photometric="YBR_PARTIAL_420"))
files["partial.dcm"], index["partial.dcm"] = content, {"error": 'PhotometricInterpretation "YBR_PARTIAL_420" is not read'}
# PS3.5, 7.1.2: lengths of 32 bits, in an item too.
deep = place(pixels(dataset("CT"), ct))
inner = Dataset()
inner.add_new(0x00091002, "SV", -5)
inner.add_new(0x00091003, "UV", 5)
inner.add_new(0x00091004, "LO", "private Zyxwvut")
deep.add_new(0x00091005, "SQ", [inner])
deep[0x00091005].value[0].is_undefined_length_sequence_item = True
add("long_integers_in_item", deep, spacing=(None, 0.7, 0.5))

# C.8.19.6.5: ObjectPixelSpacingInCenterOfBeam is FL, which an implicit file does not say.
calibrated = pixels(dataset("XA", "XA", IMPLICIT), np.stack([xray, xray]), 12, frames=2)
beam = Dataset()
beam.BeamAngle, beam.ObjectPixelSpacingInCenterOfBeam = 0, [0.125, 0.25]
shared = Dataset()
shared.ProjectionPixelCalibrationSequence = Sequence([beam])
calibrated.SharedFunctionalGroupsSequence, calibrated.PerFrameFunctionalGroupsSequence = Sequence([shared]), Sequence([Dataset(), Dataset()])
add("xa_calibrated_implicit", calibrated, spacing=(None, 0.125, 0.25), frames=2)


def as_unknown(content, ds, keyword):
    """A sequence of defined length as an archive keeps it that does not know it: UN, without value representations (PS3.5, 6.2.2)."""
    element = ds[keyword]
    head = element.tag.group.to_bytes(2, "little") + element.tag.element.to_bytes(2, "little")
    at = content.index(head + b"SQ")
    length = int.from_bytes(content[at + 8:at + 12], "little")
    out = DicomBytesIO()
    out.is_little_endian = out.is_implicit_VR = True
    write_data_element(out, element)
    items = out.getvalue()[8:]
    return content[:at] + head + b"UN\0\0" + len(items).to_bytes(4, "little") + items + content[at + 12 + length:]


unknown = pixels(dataset("US"), indices)
unknown.SequenceOfUltrasoundRegions = Sequence([region(0.02, 0.03)])
content = as_unknown(written(unknown), unknown, "SequenceOfUltrasoundRegions")
files["us_region_as_unknown.dcm"], index["us_region_as_unknown.dcm"] = content, index["us_region.dcm"]
read = pydicom.dcmread(io.BytesIO(files["enhanced_slopes.dcm"]))
content = files["enhanced_slopes.dcm"]
for keyword in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
    content = as_unknown(content, read, keyword)
files["enhanced_as_unknown.dcm"], index["enhanced_as_unknown.dcm"] = content, index["enhanced_slopes.dcm"]

# ---- segments (PS3.3, C.8.20.2): frames of several at one place, of each its own places
voxels = rng.randint(0, 2, (6, *SHAPE)).astype(np.uint8)
enhanced("segments", [0, 3, 6, 3, 6, 9], compare=False, between=3)
segments = pydicom.dcmread(io.BytesIO(files["segments.dcm"]))
segments.Modality, segments.BitsAllocated, segments.BitsStored, segments.HighBit = "SEG", 1, 1, 0
segments.PixelData = np.packbits(voxels.ravel(), bitorder="little").tobytes()
segments["PixelData"].VR = "OB"
for at, group in enumerate(segments.PerFrameFunctionalGroupsSequence):
    segment = Dataset()
    segment.ReferencedSegmentNumber = 1 + at // 3
    group.SegmentIdentificationSequence = Sequence([segment])
    del group.FrameContentSequence[0].StackID
files["segments.dcm"] = written(segments)
index["segments.dcm"] = {
    "error": "2 volumes: volume 1 (ReferencedSegmentNumber 1, 3 images), volume 2 (ReferencedSegmentNumber 2, 3 images)",
    "volumes": [{"spacing_mm": [3, 0.7, 0.5], **figures(voxels[at:at + 3], True)} for at in (0, 3)],
}

with zipfile.ZipFile(pathlib.Path(__file__).with_name("dicom_objects.zip"), "w", zipfile.ZIP_DEFLATED) as archive:
    for name, content in {"index.json": json.dumps(index).encode(), **files}.items():
        archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
print(len(index), "objects,", sum(map(len, files.values())), "bytes")
