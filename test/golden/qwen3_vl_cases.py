"""
Golden figures of Qwen3-VL by transformers 5.18 and PEFT 0.21, from tiny models of random weights, in the form of the first families'.

    python qwen3_vl_cases.py <golden folder> <output folder, test/golden/qwen3_vl> [--more]

models/qwen3_vl-tiny        float32, the hub's layout: rope_scaling beside rope_theta, preprocessor_config.json, a tied head
models/qwen3_vl-tiny-bf16   bfloat16 in shards, as transformers 5 saves it: rope_parameters, image_processor in processor_config.json
golden/qwen3_vl-tiny        cases, batches, adapters, full gradients, runs, NF4 (family_goldens.py); pictures and sizes
untied, small               other shapes (qwen3_vl_shapes.py)

Pixels are those of the PIL back end, whose resized bytes are stored in their place. The released processor is not asked: it needs torchvision for videos; what
it does to ids is one line, repeated here. --more writes every case.
"""
import hashlib
import json
import shutil
import sys
from collections import namedtuple
from pathlib import Path

import torch

torch.library.define("torchvision::nms", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

import numpy  # noqa: E402
from family_goldens import Goldens, store, write_json  # noqa: E402
from nf4_blocks import dequantise  # noqa: E402
from PIL import Image  # noqa: E402
from qwen3_vl_folders import END, IMAGE, NAME, PAD, PIXELS, write_folders  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from transformers import AutoTokenizer  # noqa: E402
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil, smart_resize  # noqa: E402
from transformers.models.qwen3_vl import modeling_qwen3_vl  # noqa: E402

torch.set_num_threads(1)
COMMITTED = ["s00_single", "s01_single", "s09_textonly", "s10_twoimages"]
Row = namedtuple("Row", "text prompt_text images has_images ids labels reference pixels grids positions")


def norm64(self, hidden_states):
    variance = hidden_states.pow(2).mean(-1, keepdim=True)
    return self.weight * (hidden_states * torch.rsqrt(variance + self.variance_epsilon))


class Qwen3VL:
    FEATURES = "image_features"
    # Inverse frequencies and interpolation weights stay in float32, as both twins share them.
    patches = [(modeling_qwen3_vl.Qwen3VLTextRMSNorm, "forward", norm64), (torch.Tensor, "float", torch.Tensor.double)]
    language_only = r".*language_model\.layers\.\d+\..*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"

    def __init__(self, golden, folder):
        self.name, self.golden = NAME, golden
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.images = Qwen2VLImageProcessorPil(**PIXELS)
        config = modeling_qwen3_vl.Qwen3VLConfig.from_pretrained(folder)
        with torch.device("meta"):
            self.rope_index = modeling_qwen3_vl.Qwen3VLModel(config).get_rope_index

    def picture(self, name):
        return Image.open(self.golden / "data" / "images" / name).convert("RGB")

    def render(self, messages, prompt=False):
        return self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=prompt)

    def expanded(self, text, grids):
        """Qwen3VLProcessor.replace_image_token for every image in turn."""
        first, *others = text.split("<|image_pad|>")
        return first + "".join("<|image_pad|>" * (int(grid.prod()) // 4) + piece for grid, piece in zip(grids, others))

    def encode(self, row):
        names = [path.split("/")[-1] for path in row["images"]]
        found = self.images(images=[self.picture(name) for name in names], return_tensors="pt") if names else {}
        pixels, grids = found.get("pixel_values"), found.get("image_grid_thw")
        text = self.render(row["messages"])
        ids = torch.tensor([self.tokenizer(self.expanded(text, grids if names else []))["input_ids"]])
        labels, header = torch.full_like(ids, -100), self.tokenizer("<|im_start|>assistant\n")["input_ids"]
        for start in range(len(header), ids.shape[1] + 1):
            if ids[0, start - len(header) : start].tolist() == header:
                stop = start + ids[0, start:].tolist().index(END) + 1
                labels[0, start:stop] = ids[0, start:stop]
        reference = ids.masked_fill((ids == IMAGE) | (ids == PAD), -100)
        positions = self.rope_index(ids, (ids == IMAGE).long(), grids) if names else None
        return Row(text, self.render(row["messages"][:-1], True), names, bool(names), ids, labels, reference, pixels, grids, positions)

    def prompt_ids(self, row):
        found = self.images(images=[self.picture(path.split("/")[-1]) for path in row["images"]], return_tensors="pt") if row["images"] else {}
        return [self.tokenizer(self.expanded(self.render(row["messages"][:-1], True), found.get("image_grid_thw", [])))["input_ids"]]

    def collate(self, rows, left=False):
        width = max(row.ids.shape[1] for row in rows)
        pad = lambda value, fill: torch.nn.functional.pad(value, (width - value.shape[1], 0) if left else (0, width - value.shape[1]), value=fill)
        together = lambda values, fill: torch.cat([pad(value, fill) for value in values])
        inputs = dict(
            input_ids=together([row.ids for row in rows], PAD), attention_mask=together([torch.ones_like(row.ids) for row in rows], 0),
            mm_token_type_ids=together([(row.ids == IMAGE).long() for row in rows], 0),
        )
        if any(row.has_images for row in rows):
            inputs |= dict(pixel_values=torch.cat([row.pixels for row in rows if row.has_images]), image_grid_thw=torch.cat([row.grids for row in rows if row.has_images]))
        return inputs, together([row.labels for row in rows], -100), together([row.reference for row in rows], -100)

    def stored_images(self, row):
        places = dict(image_grid_thw=row.grids, position_ids=row.positions[0], rope_deltas=row.positions[1]) if row.has_images else {}
        return places | dict(mm_token_type_ids=(row.ids == IMAGE).long())

    def stored_batch(self, inputs):
        return dict(position_ids=self.rope_index(inputs["input_ids"], inputs["mm_token_type_ids"], inputs["image_grid_thw"], attention_mask=inputs["attention_mask"])[0])

    def taps(self, model):
        visual, text = model.model.visual, model.model.language_model
        # What a layer hands on: the deep features are added after it, so it is what the next one is given.
        following = [*text.layers, text.norm]
        return (
            {"vision.embedded": (visual.blocks[0], "input")}
            | {f"vision.block.{i}": block for i, block in enumerate(visual.blocks)}
            | {f"vision.deepstack.{i}": merger for i, merger in enumerate(visual.deepstack_merger_list)}
            | {self.FEATURES: visual.merger, "inputs_embeds": (text.layers[0], "input")}
            | {f"layer.{i}": (following[i + 1], "input") for i in range(len(text.layers))}
            | {"final_norm": text.norm}
        )

    def quantity(self, name):
        head, _, last = name.rpartition(".")
        return f"{head}.*" if last.isdigit() else name

    def is_zero(self, name):
        return False

    def is_stored_gradient(self, name):
        return "embed_tokens" not in name and "proj" not in name and "linear_fc" not in name and "qkv" not in name or "patch_embed" in name or "layers.1." in name or "blocks.3." in name or "deepstack" in name


def pictures(family, out):
    """Resized bytes of every picture (grey ones once), grids and pixels; sizes within other bounds."""
    tensors, facts = {}, {}
    for path in sorted((family.golden / "data" / "images").iterdir()):
        picture = family.picture(path.name)
        height, width = smart_resize(picture.height, picture.width, 32, PIXELS["min_pixels"], PIXELS["max_pixels"])
        resized = torch.from_numpy(numpy.asarray(picture.resize((width, height), Image.Resampling.BICUBIC)).copy())
        found = family.images(images=[picture], return_tensors="pt")
        digest = hashlib.sha256(found["pixel_values"].numpy().astype("<f4").tobytes()).hexdigest()
        tensors[f"{path.name}.resized_u8.pil"] = resized[..., 0] if (resized == resized[..., :1]).all() else resized.permute(2, 0, 1)
        facts[path.name] = dict(size_hw=[picture.height, picture.width], resized_hw=[height, width], grid_thw=found["image_grid_thw"][0].tolist(), pixel_values_sha256=digest)
    store(tensors, f"{out}/image_processor.safetensors")
    write_json(f"{out}/image_processor.json", facts)
    torch.manual_seed(5)
    sides = torch.randint(8, 1400, (200, 2)).tolist() + [[80, 80], [80, 112], [16, 48], [48, 16], [176, 208], [1, 200], [512, 512]]
    bounds = [(4096, 16777216), (65536, 16777216), (65536, 1003520), (4096, 50176), (16384, 16384)]
    rows = [[h, w, low, high, 32, *smart_resize(h, w, 32, low, high)] for h, w in sides for low, high in bounds]
    columns = ["height", "width", "min_pixels", "max_pixels", "factor", "resized_height", "resized_width"]
    Path(f"{out}/smart_resize.json").write_text(json.dumps(dict(columns=columns, rows=rows)) + "\n")


if __name__ == "__main__":
    golden, out = Path(sys.argv[1]), Path(sys.argv[2])
    write_folders(golden / "models" / "qwen2_5_vl-tiny", out / "models")
    shutil.rmtree(out / "golden" / NAME, ignore_errors=True)
    tiny = Qwen3VL(golden, out / "models" / NAME)
    rows = {row["id"]: row for row in map(json.loads, (golden / "data" / "dataset.jsonl").read_text().splitlines())}
    Goldens(tiny, rows, str(out), list(rows), list(rows) if "--more" in sys.argv else COMMITTED).write(load_file(golden / "nf4" / "matrices.safetensors"), dequantise)
    pictures(tiny, out / "golden" / NAME)
