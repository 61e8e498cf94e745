"""Synthetic pictures in batches for make_base.py: ellipses with wavy outlines in a textured field, drawn in mm at the size the model sees,
and MedVision's questions about them. The same idea as src/run/pretrain/phantom.ts, vectorised: a training step on a CPU must not wait for
its pictures.

No medical image and no name of a body part occurs. A structure is named by what is special about it: its brightness, place or size.
"""

from dataclasses import dataclass

import numpy as np

MOST = 5  # structures in a picture
NAMES = ["only", "brightest", "darkest", "leftmost", "rightmost", "uppermost", "lowermost", "largest", "smallest"]


@dataclass
class Pictures:
    """A batch of pictures of one size; arrays over [picture, structure] hold NaN or False where there is no structure."""

    pixels: np.ndarray  # [B, H, W], 0 to 255
    owner: np.ndarray  # [B, H, W], index of the structure a pixel belongs to, -1 outside
    box: np.ndarray  # [B, K, 4]: left, top, right, bottom in pixels, the last row and column included
    grey: np.ndarray  # [B, K]
    centre: np.ndarray  # [B, K, 2] x and y in mm
    axes: np.ndarray  # [B, K, 2] full lengths in mm, longer one first
    named: np.ndarray  # [B, K, len(NAMES)], whether the name means this structure and no other
    pixel: np.ndarray  # [B, 2] mm a pixel: width, height

    @property
    def size(self) -> tuple[int, int]:
        return self.pixels.shape[1], self.pixels.shape[2]


def place(rng: np.random.Generator, width: float, height: float, wanted: int) -> list[tuple[float, float, float, float, float]]:
    """x, y, a, b, angle of structures that do not touch."""
    side = min(width, height)
    found: list[tuple[float, float, float, float, float]] = []
    for _ in range(30):
        if len(found) == wanted:
            break
        a = side * rng.uniform(0.11, 0.42 if wanted < 3 else 0.3)
        b = a * rng.uniform(0.5, 1.0)
        reach = a * 1.05
        # Some run over the picture's edge, as structures in a crop do.
        slack = rng.uniform(-0.4, 1) * reach if rng.random() < 0.3 else reach
        x = rng.uniform(min(slack, width / 2), max(width - slack, width / 2))
        y = rng.uniform(min(slack, height / 2), max(height - slack, height / 2))
        if all(np.hypot(x - other[0], y - other[1]) > 0.85 * (reach + other[2]) for other in found):
            found.append((x, y, a, b, rng.uniform(0, np.pi)))
    return found


def draw(rng: np.random.Generator, count: int, height: int, width: int, clutter: float) -> Pictures:
    """Pictures of `height` × `width` pixels. `clutter` from 0 (plain) to 1 (folds, little contrast, noise)."""
    pixel = np.empty((count, 2))
    shapes = np.full((count, MOST, 5), np.nan)
    grey = np.full((count, MOST), np.nan)
    field = np.empty(count)
    contrast = rng.uniform(1 - 0.6 * clutter, 1, count)
    for i in range(count):
        across = rng.uniform(0.4, 2.2)
        pixel[i] = across, across * (1 if rng.random() < 0.4 else rng.uniform(0.7, 1.4))
        wanted = 1 if rng.random() < 0.3 else int(rng.integers(2, MOST + 1))
        found = place(rng, width * pixel[i, 0], height * pixel[i, 1], wanted)
        shapes[i, : len(found)] = found
        # Brightness in distinct steps, so that the brightest and the darkest are never in doubt; one step is the field's.
        steps = rng.permutation(7) * 34.0 + 26 + rng.uniform(-6, 6, 7)
        steps = steps[0] + (steps - steps[0]) * contrast[i]
        field[i] = steps[0]
        grey[i, : len(found)] = steps[1 : len(found) + 1]

    x = (np.arange(width, dtype=np.float32) + 0.5) * pixel[:, :1]  # [B, W]
    y = (np.arange(height, dtype=np.float32) + 0.5) * pixel[:, 1:]  # [B, H]
    s = shapes.astype(np.float32)[:, :, :, None, None]  # [B, K, 5, 1, 1]
    dx = x.astype(np.float32)[:, None, None, :] - s[:, :, 0]
    dy = y.astype(np.float32)[:, None, :, None] - s[:, :, 1]
    cos, sin = np.cos(s[:, :, 4]), np.sin(s[:, :, 4])
    u, v = (dx * cos + dy * sin) / s[:, :, 2], (dy * cos - dx * sin) / s[:, :, 3]
    wave = rng.uniform(0, 0.12, (count, MOST, 1, 1)).astype(np.float32)
    phase = rng.uniform(0, 2 * np.pi, (count, MOST, 1, 1)).astype(np.float32)
    depth = 1 - np.hypot(u, v) / (1 + wave * np.cos(3 * np.arctan2(v, u) + phase))
    depth = np.nan_to_num(depth, nan=-9)

    pixels = field[:, None, None].astype(np.float32) + texture(rng, count, height, width, clutter)
    soft = rng.uniform(0.05, 0.25, (count, 1, 1)).astype(np.float32)
    for k in range(MOST):
        share = np.clip((depth[:, k] + soft / 2) / soft, 0, 1)
        inner = np.nan_to_num(grey[:, k], nan=0).astype(np.float32)[:, None, None]
        pixels += (inner - pixels) * share * rng.uniform(0.85, 1, (count, 1, 1)).astype(np.float32)
    pixels += noise(rng, count, height, width, 3 + 9 * clutter)
    # A third lie in a dark surround, as a head does; structures stay whole.
    surround = np.hypot((np.arange(width) + 0.5) / width - 0.5, ((np.arange(height) + 0.5) / height - 0.5)[:, None]) > 0.52
    hidden = surround[None] & (rng.random(count) < 0.33)[:, None, None] & (depth.max(1) < -0.1)
    pixels[hidden] = 3
    inside = depth > 0
    owner = np.where(inside.any(1), depth.argmax(1), -1)
    return describe(np.clip(np.round(pixels), 0, 255), owner, inside, grey, shapes, pixel)


def texture(rng: np.random.Generator, count: int, height: int, width: int, clutter: float) -> np.ndarray:
    """Slow waves, and folds with steep sides where there is clutter."""
    col, row = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]

    def waves(number: int, least: float, most: float) -> np.ndarray:
        total = np.zeros((count, height, width), np.float32)
        for _ in range(number):
            length, turn = rng.uniform(least, most, (count, 1, 1)), rng.uniform(0, 2 * np.pi, (count, 1, 1))
            step = (2 * np.pi / length).astype(np.float32)
            total += np.sin(
                step * (col * np.cos(turn) + row * np.sin(turn)).astype(np.float32) + rng.uniform(0, 6.3, (count, 1, 1)).astype(np.float32)
            )
        return total

    out = waves(3, 40, 160) * rng.uniform(0, 8, (count, 1, 1)).astype(np.float32)
    if clutter > 0:
        amount = (rng.uniform(0, 30, (count, 1, 1)) * (rng.random((count, 1, 1)) < 0.6) * clutter).astype(np.float32)
        out += np.tanh(2.5 * waves(3, 12, 45)) * np.clip(waves(2, 60, 200) + 0.3, 0, 1) * amount
    return out


def noise(rng: np.random.Generator, count: int, height: int, width: int, most: float) -> np.ndarray:
    """Grain of about two pixels: slices are enlarged before the model sees them."""
    grain = rng.standard_normal((count, height // 2 + 1, width // 2 + 1), np.float32).repeat(2, 1).repeat(2, 2)
    grain = (grain[:, :-1, :-1] + grain[:, 1:, 1:]) / 2
    return grain[:, :height, :width] * rng.uniform(0.5, most, (count, 1, 1)).astype(np.float32)


def describe(
    pixels: np.ndarray, owner: np.ndarray, inside: np.ndarray, grey: np.ndarray, shapes: np.ndarray, pixel: np.ndarray
) -> Pictures:
    columns, rows = inside.any(2), inside.any(3)  # [B, K, W], [B, K, H]
    left, right = columns.argmax(2), columns.shape[2] - columns[:, :, ::-1].argmax(2)
    top, bottom = rows.argmax(2), rows.shape[2] - rows[:, :, ::-1].argmax(2)
    box = np.stack([left, top, right, bottom], -1).astype(np.float32)
    there = columns.any(2) & ~np.isnan(grey)
    box[~there] = np.nan
    height, width = pixels.shape[1:]
    x, y = (box[:, :, 0] + box[:, :, 2]) / 2 / width, (box[:, :, 1] + box[:, :, 3]) / 2 / height
    area = np.log(np.maximum(1, inside.sum((2, 3))))
    gap = {"grey": 8, "place": 0.1, "area": 0.3}
    ranks = [
        (grey, gap["grey"]),
        (-grey, gap["grey"]),
        (-x, gap["place"]),
        (x, gap["place"]),
        (-y, gap["place"]),
        (y, gap["place"]),
        (area, gap["area"]),
        (-area, gap["area"]),
    ]
    number = there.sum(1)
    named = np.zeros((*there.shape, len(NAMES)), bool)
    named[:, :, 0] = there & (number == 1)[:, None]
    for i, (value, margin) in enumerate(ranks, 1):
        value = np.where(there, value, -1e9)
        order = np.sort(value, 1)
        clear = (number >= 2) & (order[:, -1] - order[:, -2] > margin)
        named[:, :, i] = (value == order[:, -1:]) & clear[:, None]
    # As MedVision drops small boxes.
    large = (box[:, :, 2] - box[:, :, 0] >= 12) & (box[:, :, 3] - box[:, :, 1] >= 12)
    named &= large[:, :, None]
    axes = 2 * np.sort(shapes[:, :, 2:4], -1)[:, :, ::-1]
    return Pictures(pixels.astype(np.float32), owner, box, grey, shapes[:, :, :2], axes, named, pixel)


@dataclass
class Question:
    prompt: str
    answer: str
    box: np.ndarray | None  # x1, y1, x2, y2 as the answer has them
    invented: list[int]  # what the INVENTED of the prompt mean, in their order


DESCRIPTIONS = [
    "a T1-weighted magnetic resonance imaging (MRI) scan of a phantom",
    "a T2-weighted magnetic resonance imaging (MRI) scan of a phantom",
]
BOX_FORMAT = (
    "The answer should be four decimal numbers separated by commas without any units, brackets or additional text: "
    "x1, y1, x2, y2, where (x1, y1) is "
    "the lower-left corner and (x2, y2) is the upper-right corner, relative to the image width and height, "
    "with the origin at the lower-left corner "
    "of the image."
)
METRIC_FORMAT = "The answer should be a single decimal number without any units or additional text."
ELLIPSE_FORMAT = (
    "The answer should be two decimal numbers separated by a comma without any units or additional text. "
    "The first is the major axis length, and the second is the minor axis length."
)


INVENTED = "\0"  # stands in a prompt for a name that the tokenizer's side invents


def ask(
    rng: np.random.Generator, pictures: Pictures, at: int, is_short: bool, kinds: tuple[float, float, float, float], invented: float = 0
) -> Question | None:
    """A question about a picture in the words of src/data/medvision, or None where it has nothing to name. `is_short` leaves out the
    sentences that are the same in every prompt. `kinds`: shares of box, ellipse, distance and angle; `invented`: share of names given as
    INVENTED."""
    height, width = pictures.size
    pairs = [(name, k) for k, name in zip(*np.nonzero(pictures.named[at]))]
    if not pairs:
        return None
    opening = "Task:\n" if is_short else f"Task:\nGiven the input medical image: {DESCRIPTIONS[rng.integers(2)]}, "
    image = f"Additional information:\nThe image size is {width} pixels (width) x {height} pixels (height).\n"
    mm = f"The pixel size for this image is {pictures.pixel[at, 0]:.3f} mm (width) x {pictures.pixel[at, 1]:.3f} mm (height).\n"
    kind = rng.choice(4, p=kinds)
    chosen: list[tuple[int, int]] = []
    for i in rng.permutation(len(pairs)):
        if all(pairs[i][1] != k for _, k in chosen):
            chosen.append(pairs[i])
    if len(chosen) < (1, 1, 2, 3)[kind]:
        kind = 0
    k = chosen[0][1]
    called = [INVENTED if rng.random() < invented else f"{NAMES[name]} structure" for name, _ in chosen]
    order = [0, 1, 0, 2] if kind == 3 else range((1, 1, 2)[kind])
    names = [chosen[i][0] for i in order if called[i] == INVENTED]
    if kind == 0:
        left, top, right, bottom = pictures.box[at, k]
        box = np.array([left / width, (height - bottom) / height, right / width, (height - top) / height])
        prompt = (
            f"{opening}return the coordinates of the lower-left and upper-right corner of the bounding box for the {called[0]}.\n{image}"
        )
        return Question(
            prompt + ("" if is_short else f"Format requirement:\n{BOX_FORMAT}"), ", ".join(f"{value:.3f}" for value in box), box, names
        )
    if kind == 1:
        prompt = f"{opening}estimate the major and minor axis lengths of the ellipse enclosing the {called[0]}, in mm.\n{image}{mm}"
        answer = ", ".join(f"{value:.2f}" for value in pictures.axes[at, k])
        return Question(prompt + ("" if is_short else f"Format requirement:\n{ELLIPSE_FORMAT}"), answer, None, names)
    points = [pictures.centre[at, k] for _, k in chosen]
    marks = [f"centroid of the {name}" for name in called]
    if kind == 2:
        value = np.hypot(*(points[0] - points[1]))
        question = f"estimate the distance between 2 landmark points in mm: (landmark 1) {marks[0]}, (landmark 2) {marks[1]}.\n"
    else:
        u, v = points[1] - points[0], points[2] - points[0]
        value = np.degrees(np.arccos(np.clip(abs(u @ v) / (np.hypot(*u) * np.hypot(*v)), 0, 1)))
        question = (
            f"estimate the angle between 2 lines in degrees: (line 1) the line connecting {marks[0]} and {marks[1]}, "
            f"(line 2) the line connecting {marks[0]} and {marks[2]}.\n"
        )
    prompt = f"{opening}{question}{image}{mm}"
    return Question(prompt + ("" if is_short else f"Format requirement:\n{METRIC_FORMAT}"), f"{value:.2f}", None, names)
