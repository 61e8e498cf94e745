"""Makes 2 000 slices of a CT (make DIR), and turns them into RGB pixels of 8 bits with pydicom and numpy (read DIR), as test/bench/dicom.ts does.

Run: OMP_NUM_THREADS=1 taskset -c 0 python test/bench/dicom_pydicom.py make|read DIR     (pydicom 3.0.2, numpy)
"""
import hashlib
import pathlib
import resource
import sys
import time

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from pydicom.uid import ExplicitVRLittleEndian, UID

what, folder = sys.argv[1], pathlib.Path(sys.argv[2])


def make(count=2000):
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.RandomState(1)
    y, x = np.mgrid[0:512, 0:512]
    body = ((x - 256) / 200) ** 2 + ((y - 256) / 150) ** 2 < 1
    tissue = np.where(body, 40 + 60 * np.sin(x / 17) * np.cos(y / 23), -1000)
    noise = [random.normal(0, 12, (512, 512)) * body for _ in range(8)]
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = UID("1.2.840.10008.5.1.4.1.1.2")
    ds.Modality, ds.SeriesInstanceUID, ds.StudyInstanceUID, ds.SeriesNumber = "CT", "1.2.3", "1.2.4", 1
    ds.Rows = ds.Columns = 512
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.RescaleSlope, ds.RescaleIntercept, ds.WindowCenter, ds.WindowWidth = 1, -1024, 40, 400
    ds.PixelSpacing, ds.ImageOrientationPatient, ds.SliceThickness = [0.7, 0.7], [1, 0, 0, 0, 1, 0], 0.5
    for number in range(count):
        values = np.clip(tissue + noise[number % 8] + 1024 + 20 * np.sin(number / 100), 0, 4095).astype("<u2")
        ds.PixelData = values.tobytes()
        ds["PixelData"].VR = "OW"
        ds.InstanceNumber = number + 1
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"1.2.5.{number}"
        ds.ImagePositionPatient = [0, 0, number * 0.5]
        ds.save_as(folder / f"{number * 7919 % count:04d}.dcm", enforce_file_format=True)


def read():
    digest = hashlib.sha256()
    start = time.process_time()
    files = sorted(folder.iterdir())
    headers = [pydicom.dcmread(file, stop_before_pixels=True) for file in files]
    order = sorted(range(len(files)), key=lambda at: float(headers[at].ImagePositionPatient[2]))
    opened = time.process_time() - start
    hashing = 0
    for number, at in enumerate(order):
        ds = pydicom.dcmread(files[at])
        shown = apply_voi_lut(apply_modality_lut(ds.pixel_array, ds), ds)
        low, high = ds.RescaleIntercept, (2**ds.BitsStored - 1) * ds.RescaleSlope + ds.RescaleIntercept
        grey = np.floor((shown - low) * (255 / (high - low)) + 0.5).clip(0, 255).astype(np.uint8)
        rgb = np.repeat(grey[:, :, None], 3, 2)
        before = time.process_time()
        if number % 100 == 0:
            digest.update(rgb.tobytes())
        hashing += time.process_time() - before
    took = time.process_time() - start - hashing
    print(f"{len(files)}: headers {opened:.2f} s, all {took:.2f} s of CPU, {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB; {digest.hexdigest()[:16]}")


make() if what == "make" else read()
