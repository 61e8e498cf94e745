"""
Series with windows of every kind, and what a screen shows of each of their planes: the values of the modality (pydicom's apply_modality_lut),
stacked and cut as they lie in RAS+, through pydicom's apply_voi_lut with the first slice's attributes (in the plane that the images were made
in, with each image's own), MONOCHROME1 inverted. Writes dicom_planes.zip beside itself: the files, and index.json, series -> levels of the
slices along each of the three axes, one after the other, rows and columns as Volume.slice has them.

Run: python test/golden/dicom_planes.py     (pydicom 3.0.2, numpy)
"""
import io
import json
import pathlib
import zipfile

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from pydicom.sequence import Sequence
from pydicom.uid import UID

rng = np.random.RandomState(3)
SLICES, ROWS, COLUMNS = 4, 6, 5
AXIAL, SAGITTAL = (1, 0, 0, 0, 1, 0), (0, 1, 0, 0, 0, -1)
files, index = {}, {}


def image(number, orientation, dtype, bits, attributes):
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = UID("1.2.840.10008.5.1.4.1.1.4")
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = f"1.2.826.0.1.3680043.8.498.17.{len(files)}"
    ds.file_meta.TransferSyntaxUID = UID("1.2.840.10008.1.2.1")
    ds.Modality, ds.SeriesInstanceUID, ds.InstanceNumber = "MR", "1.2.3.78", number + 1
    ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PhotometricInterpretation = ROWS, COLUMNS, 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, bits, bits - 1, int(np.dtype(dtype).kind == "i")
    normal = np.cross(orientation[:3], orientation[3:])
    ds.ImagePositionPatient, ds.ImageOrientationPatient = [float(x) for x in 2.0 * number * normal], list(orientation)
    ds.PixelSpacing, ds.SliceThickness = [0.7, 0.5], 2
    for key, value in attributes.items():
        setattr(ds, key, value)
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1)) if np.dtype(dtype).kind == "i" else (0, 2**bits)
    ds.PixelData = rng.randint(low, high, (ROWS, COLUMNS)).astype(dtype).tobytes()
    return ds


def levels(values, ds):
    shown, low, high = values, values.min(), values.max()
    if "VOILUTSequence" in ds or "WindowCenter" in ds:
        shown = apply_voi_lut(values, ds)
        if "VOILUTSequence" in ds:
            low, high = 0, 2 ** ds.VOILUTSequence[0].LUTDescriptor[2] - 1
        else:
            # Of all that the stored bits can mean (PS3.3, C.11.2.1.2): what apply_voi_lut maps to.
            least, greatest = (-(2 ** (ds.BitsStored - 1)), 2 ** (ds.BitsStored - 1) - 1) if ds.PixelRepresentation else (0, 2**ds.BitsStored - 1)
            slope, intercept = ds.get("RescaleSlope", 1), ds.get("RescaleIntercept", 0)
            low, high = least * slope + intercept, greatest * slope + intercept
    grey = np.clip(np.floor((shown.astype(float) - float(low)) * (255 / (float(high) - float(low))) + 0.5), 0, 255).astype(int)
    return 255 - grey if ds.PhotometricInterpretation == "MONOCHROME1" else grey


def series(name, dtype="<u2", bits=12, of_each=lambda number: {}, orientation=AXIAL, **attributes):
    images = [image(number, orientation, dtype, bits, {**attributes, **of_each(number)}) for number in range(SLICES)]
    for number, ds in enumerate(images):
        out = io.BytesIO()
        ds.save_as(out, enforce_file_format=True)
        files[f"{name}/{number}.dcm"] = out.getvalue()
    stored = np.stack([apply_modality_lut(ds.pixel_array, ds) for ds in images])  # slices, rows, columns

    def in_ras(stack):
        # Axial: slices go up, rows to the back, columns to the left. Sagittal: to the right, down, to the back.
        return stack[:, ::-1, ::-1].transpose(2, 1, 0) if orientation == AXIAL else stack[:, ::-1, ::-1].transpose(0, 2, 1)

    volume, made_in = in_ras(stored), 2 if orientation == AXIAL else 0
    shown = in_ras(np.stack([levels(values, ds) for values, ds in zip(stored, images)]))
    index[name] = [
        [(np.take(shown, at, axis) if axis == made_in else levels(np.take(volume, at, axis), images[0])).ravel().tolist() for at in range(volume.shape[axis])]
        for axis in range(3)
    ]


table = Dataset()
table.LUTDescriptor, table.LUTData = [100, 500, 10], b"".join(int(1023 * (i / 99) ** 2).to_bytes(2, "little") for i in range(100))
table["LUTDescriptor"].VR, table["LUTData"].VR = "US", "OW"
window = {"WindowCenter": 1800.5, "WindowWidth": 901}
series("linear", **window)
series("linear_rescaled", "<i2", 16, RescaleSlope=0.1, RescaleIntercept=-12.3, WindowCenter=40, WindowWidth=400, orientation=SAGITTAL)
series("linear_exact", **window, VOILUTFunction="LINEAR_EXACT")
series("sigmoid", **window, VOILUTFunction="SIGMOID", orientation=SAGITTAL)
series("table", VOILUTSequence=Sequence([table]))
series("inverted", **window, PhotometricInterpretation="MONOCHROME1")
series("inverted_unwindowed", PhotometricInterpretation="MONOCHROME1", orientation=SAGITTAL)
series("of_each_slice", of_each=lambda number: {"WindowCenter": 1000 + 500 * number, "WindowWidth": 600 + 100 * number})
series("rescaled_by_slice", of_each=lambda number: {"RescaleSlope": 1 + 0.3 * number, "RescaleIntercept": 0}, **window)

with zipfile.ZipFile(pathlib.Path(__file__).with_name("dicom_planes.zip"), "w", zipfile.ZIP_DEFLATED) as archive:
    for name, content in {"index.json": json.dumps(index).encode(), **files}.items():
        archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
print(len(index), "series")
