"""
Series with several volumes (echoes, times, parts of complex numbers, diffusion, orientations), plain and enhanced, and the volumes that
dcm2niix makes of them. Writes dicom_volumes.zip beside itself: the files, and index.json, series -> its volumes in the order of their files
and times, [{shape, affine, sha256}] as nibabel has them closest to RAS+ (the hash of little-endian float32, the first axis fastest).

Run: python test/golden/dicom_volumes.py     (pydicom 3.0.2, numpy, nibabel 5; dcm2niix v1.0.20241231 on the path)
"""
import hashlib
import io
import json
import pathlib
import subprocess
import tempfile
import warnings
import zipfile

import nibabel as nib
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID

warnings.simplefilter("ignore")
rng = np.random.RandomState(7)
ROWS, COLUMNS = 6, 5
AXIAL, SAGITTAL, CORONAL = (1, 0, 0, 0, 1, 0), (0, 1, 0, 0, 0, -1), (1, 0, 0, 0, 0, -1)
files, index = {}, {}


def dataset(kind, number):
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = UID("1.2.840.10008.5.1.4.1.1." + kind)
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = f"1.2.826.0.1.3680043.8.498.16.{len(files)}.{number}"
    ds.file_meta.TransferSyntaxUID = UID("1.2.840.10008.1.2.1")
    ds.Modality, ds.Manufacturer, ds.ImageType = "MR", "Vernier", ["ORIGINAL", "PRIMARY", "M", "ND"]
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = "1.2.3.77", "1.2.3.78", "1.2.3.79"
    ds.StudyDate, ds.StudyTime = "20260102", "112233"
    ds.SeriesNumber, ds.InstanceNumber, ds.AcquisitionNumber = 3, number, 1
    ds.RepetitionTime, ds.EchoTime, ds.MagneticFieldStrength = 50, 5, 3
    ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PhotometricInterpretation = ROWS, COLUMNS, 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 0
    return ds


def written(ds):
    out = io.BytesIO()
    ds.save_as(out, enforce_file_format=True)
    return out.getvalue()


def position(orientation, mm):
    return [round(float(x), 4) for x in np.cross(orientation[:3], orientation[3:]) * mm + (3, -4, 5)]


def by_dcm2niix(name, contents):
    with tempfile.TemporaryDirectory() as folder:
        for file, content in contents.items():
            pathlib.Path(folder, file).write_bytes(content)
            files[f"{name}/{file}"] = content
        pathlib.Path(folder, "out").mkdir()
        # Names by echo and series; what would have the same name gets a letter.
        subprocess.run(["dcm2niix", "-b", "n", "-z", "n", "-m", "n", "-f", "x", "-o", f"{folder}/out", folder], check=True, capture_output=True)
        index[name] = []
        for path in sorted(pathlib.Path(folder, "out").glob("*.nii")):
            image = nib.load(path)
            for part in [image] if image.ndim == 3 else nib.four_to_three(image):
                part = nib.as_closest_canonical(part)
                values = np.asarray(part.dataobj).astype("<f4")
                digest = hashlib.sha256(values.tobytes(order="F")).hexdigest()
                index[name].append({"file": path.name, "shape": list(values.shape), "affine": part.affine.tolist(), "sha256": digest})
        print(name, [(one["file"], one["shape"]) for one in index[name]])


def series(name, images):
    """`images`: (orientation, mm along the normal, attributes of its own), in the order of their numbers; files in another one."""
    contents = {}
    for number, (orientation, mm, more) in enumerate(images):
        ds = dataset("4", number + 1)
        ds.ImagePositionPatient, ds.ImageOrientationPatient = position(orientation, mm), list(orientation)
        ds.PixelSpacing, ds.SliceThickness = [0.7, 0.5], 2
        for key, value in more.items():
            setattr(ds, key, value)
        ds.PixelData = rng.randint(0, 900, (ROWS, COLUMNS)).astype("<u2").tobytes()
        contents[f"{(7 * number) % len(images):03d}.dcm"] = written(ds)
    by_dcm2niix(name, contents)


def enhanced(name, frames):
    """`frames`: (orientation, mm, the index of its volume, groups of its own)."""
    ds = dataset("4.1", 1)
    ds.NumberOfFrames = len(frames)
    measures = Dataset()
    measures.PixelSpacing, measures.SliceThickness = [0.7, 0.5], 2
    shared = Dataset()
    shared.PixelMeasuresSequence = Sequence([measures])
    ds.SharedFunctionalGroupsSequence = Sequence([shared])
    groups = []
    for orientation, mm, volume, more in frames:
        group, content, at, way = Dataset(), Dataset(), Dataset(), Dataset()
        content.StackID, content.InStackPositionNumber = "1", int(mm // 2) + 1
        at.ImagePositionPatient, way.ImageOrientationPatient = position(orientation, mm), list(orientation)
        group.FrameContentSequence, group.PlanePositionSequence = Sequence([content]), Sequence([at])
        group.PlaneOrientationSequence = Sequence([way])
        for sequence, values in more.items():
            item = content if sequence == "FrameContentSequence" else Dataset()
            for key, value in values.items():
                setattr(item, key, value)
            if item is not content:
                setattr(group, sequence, Sequence([item]))
        content.DimensionIndexValues = [1, content.InStackPositionNumber, volume]
        groups.append(group)
    ds.PerFrameFunctionalGroupsSequence = Sequence(groups)
    ds.PixelData = rng.randint(0, 900, (len(frames), ROWS, COLUMNS)).astype("<u2").tobytes()
    by_dcm2niix(name, {"x.dcm": written(ds)})


places = [0, 2, 4, 6]
echoes = [{"EchoTime": 4.6, "EchoNumbers": 1}, {"EchoTime": 12, "EchoNumbers": 2}]
series("echoes", [(AXIAL, mm, echo) for mm in places for echo in echoes])
series("times", [(SAGITTAL, mm, {"TemporalPositionIdentifier": at, "AcquisitionNumber": at}) for at in (1, 2, 3) for mm in places])
series("parts", [(CORONAL, mm, {"ImageType": ["ORIGINAL", "PRIMARY", part, "ND"]}) for part in "MP" for mm in places])
series("unnamed", [(AXIAL, mm, {}) for _ in range(3) for mm in places])
series("orientations", [(way, mm, {}) for way in (AXIAL, SAGITTAL, CORONAL) for mm in (0, 10, 20)])
enhanced("enhanced_times", [(AXIAL, mm, at, {"FrameContentSequence": {"TemporalPositionIndex": at}}) for mm in places for at in (1, 2)])
enhanced("enhanced_echoes", [(AXIAL, mm, at, {"MREchoSequence": {"EffectiveEchoTime": ms}}) for at, ms in ((2, 12.0), (1, 4.6)) for mm in places])

with zipfile.ZipFile(pathlib.Path(__file__).with_name("dicom_volumes.zip"), "w", zipfile.ZIP_DEFLATED) as archive:
    for name, content in {"index.json": json.dumps(index).encode(), **files}.items():
        archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
