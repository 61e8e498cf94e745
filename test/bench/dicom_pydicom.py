"""Makes 2 000 slices of a CT with a plan of boxes (make DATA), and does with pydicom, numpy and Pillow what Vernier does with them.

pixels DATA: RGB of 8 bits in the files' own window, as test/bench/dicom.ts. rows DATA OUT [LEVEL]: rows of the plan as `vernier train
--process_img true --intensity window` makes them: question, answer and a PNG of each slice in RAS+ (rows.jsonl, png/). LEVEL is zlib's for PNG;
without it Pillow's own default.

Run: OMP_NUM_THREADS=1 taskset -c 0 python test/bench/dicom_pydicom.py make|pixels|rows DATA …     (pydicom 3.0.2, numpy, Pillow 12.3)
"""
import gzip
import hashlib
import json
import pathlib
import resource
import sys
import time

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from pydicom.uid import ExplicitVRLittleEndian, UID

what, data = sys.argv[1], pathlib.Path(sys.argv[2])
dataset = data / "Datasets/Synthetic"
folder = dataset / "Images/case_0"
PLAN = dataset / "benchmark_plan_detection_v1.0.0.json.gz"
LABEL = "liver"
DESCRIPTION = "a computed tomography (CT) scan"


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
    write_plan(count)


def write_plan(count):
    def box(at):
        low, high = [100 + at % 50, 60 + at % 40], [180 + at % 50, 160 + at % 40]
        return {"min_coords": low, "max_coords": high, "center_coords": low, "dimensions": [81, 101], "sizes": [56.7, 70.7]}

    slices = [{"slice_idx": at, "slice_profile": [{"label": 1, "bboxes": [box(at)]}]} for at in range(count)]
    info = {"voxel_size": [0.7, 0.7, 0.5], "affine": [], "orientation": ["R", "A", "S"], "array_size": [512, 512, count]}
    case = {
        "case_ID": "case_0", "image_file": "Images/case_0", "mask_file": "Masks/case_0.nii.gz", "image_file_info": info,
        "slice_profiles_x": [], "slice_profiles_y": [], "slice_profiles_z": slices,
    }
    task = {
        "task_ID": "01", "image_modality": "CT", "image_description": DESCRIPTION, "labels_map": {"1": LABEL},
        "train_cases_number": 1, "train_cases": [case], "test_cases_number": 0, "test_cases": [],
    }
    with gzip.open(PLAN, "wt") as out:
        json.dump({"dataset_info": {"dataset": "Synthetic"}, "tasks_number": 1, "tasks": [task]}, out)
    (data / "list.json").write_text(json.dumps({"Synthetic_BoxSize_Task01_Axial": 1}))


def pixels():
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


def rows(out, *level):
    import io

    from PIL import Image

    settings = {"compress_level": int(level[0])} if level else {}
    (out / "png").mkdir(parents=True)
    files = sorted(folder.iterdir())
    headers = [pydicom.dcmread(file, stop_before_pixels=True) for file in files]
    first = headers[0]
    along_row, along_column = np.array(first.ImageOrientationPatient[:3], float), np.array(first.ImageOrientationPatient[3:], float)
    normal = np.cross(along_row, along_column)
    assert all(header.ImageOrientationPatient == first.ImageOrientationPatient for header in headers)
    assert len({header.SeriesInstanceUID for header in headers}) == 1
    order = sorted(range(len(files)), key=lambda at: float(np.dot(normal, np.array(headers[at].ImagePositionPatient, float))))
    task = json.load(gzip.open(PLAN))["tasks"][0]
    low, high = -160.0, 240.0  # soft tissue
    with open(out / "rows.jsonl", "w") as text:
        for case in task["train_cases"]:
            for slice_info in case["slice_profiles_z"]:
                number = slice_info["slice_idx"]
                ds = pydicom.dcmread(files[order[number]])
                values = apply_modality_lut(ds.pixel_array, ds).astype(np.float32)
                # Axes to the right and forwards, the first one down the rows: DICOM counts to the left and to the back.
                values = values.T[::-1, ::-1]
                grey = ((values.clip(low, high).astype(np.float64) - low) / (high - low) * 255).astype(np.uint8)
                picture = io.BytesIO()
                Image.fromarray(np.repeat(grey[:, :, None], 3, 2)).save(picture, "PNG", **settings)
                name = f"png/axial-{number:04d}.png"
                (out / name).write_bytes(picture.getvalue())
                height, width = grey.shape
                for profile in slice_info["slice_profile"]:
                    box = profile["bboxes"][0]
                    (top, left), (bottom, right) = box["min_coords"], box["max_coords"]
                    answer = [left / width, (height - bottom - 1) / height, (right + 1) / width, (height - top) / height]
                    prompt = (
                        f"Task:\nGiven the input medical image: {DESCRIPTION}, return the coordinates of the lower-left and upper-right corner of "
                        f"the bounding box for the {LABEL}.\nAdditional information:\nThe image size is 112 pixels (width) x 112 pixels (height).\n"
                        "Format requirement:\nThe answer should be four decimal numbers separated by commas without any units, brackets or "
                        "additional text: x1, y1, x2, y2, where (x1, y1) is the lower-left corner and (x2, y2) is the upper-right corner, "
                        "relative to the image width and height, with the origin at the lower-left corner of the image."
                    )
                    target = ", ".join(f"{value:.3f}" for value in answer)
                    text.write(json.dumps({"image": name, "prompt": prompt, "target": target, "slice_idx": number, "values": answer}) + "\n")


if what == "make":
    make()
elif what == "pixels":
    pixels()
else:
    rows(pathlib.Path(sys.argv[3]), *sys.argv[4:])
