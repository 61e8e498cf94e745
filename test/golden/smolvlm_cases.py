"""
Golden figures of SmolVLM and Idefics3 by transformers 5.18 and PEFT 0.21, from tiny models of random weights, in the form of the first families'.

    python smolvlm_cases.py <golden folder> <output folder, test/golden/smolvlm> [--more]

models/smolvlm-tiny        model_type smolvlm, float32, the hub's layout: rope_theta, preprocessor_config.json, an untied head
models/smolvlm-tiny-bf16   model_type idefics3, bfloat16 in shards, as transformers 5 saves it: rope_parameters, image_processor in processor_config.json
golden/smolvlm-tiny        cases, batches, adapters, full gradients, runs, NF4 (family_goldens.py); tiles of every picture, sizes, positions
other                      another shape: idefics3, tied head, biases, llama3 RoPE, head size unlike width over heads, 50 pixels by patches of 8, shuffle by 3

Pixels are those of the PIL back end (Lanczos; torchvision's takes bicubic before 0.27 or on a GPU). The text processor is Idefics3's; what a picture becomes
is asserted to be what SmolVLM's writes. Text contents are given as lists of parts: the released template prints nothing of a string.
--more writes every case.
"""
import json
import shutil
import sys
from collections import namedtuple
from pathlib import Path

import torch

torch.library.define("torchvision::nms", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

from family_goldens import Goldens, store, write_json  # noqa: E402
from nf4_blocks import dequantise  # noqa: E402
from PIL import Image  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from smolvlm_folders import BF16, DEFAULT_TEMPLATE, OTHER, TINY, random_model, tokenizer_of, write_folder  # noqa: E402
from transformers import AutoModelForImageTextToText, AutoTokenizer, Idefics3ImageProcessorPil, Idefics3Processor, SmolVLMImageProcessorPil  # noqa: E402
from transformers.models.llama import modeling_llama  # noqa: E402
from transformers.models.smolvlm import image_processing_pil_smolvlm as sizes_of  # noqa: E402
from transformers.models.smolvlm.processing_smolvlm import get_image_prompt_string  # noqa: E402

torch.set_num_threads(1)
golden, out = Path(sys.argv[1]), Path(sys.argv[2])
COMMITTED = ["s00_single", "s01_single", "s09_textonly", "s10_twoimages"]
ROWS = {row["id"]: row for row in map(json.loads, (golden / "data" / "dataset.jsonl").read_text().splitlines())}
NAMES = sorted(path.name for path in (golden / "data" / "images").iterdir())

Row = namedtuple("Row", "text prompt_text images has_images ids labels reference pixels bytes")


def norm64(self, hidden_states):
    variance = hidden_states.pow(2).mean(-1, keepdim=True)
    return self.weight * (hidden_states * torch.rsqrt(variance + self.variance_epsilon))


def parts(messages):
    return [m | {"content": [{"type": "text", "text": m["content"]}]} if isinstance(m["content"], str) else m for m in messages]


class SmolVLM:
    FEATURES = "image_features"
    patches = [(modeling_llama.LlamaRMSNorm, "forward", norm64)]
    language_only = r".*text_model\.layers\.\d+\..*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"

    def __init__(self, folder, name):
        self.name = name
        config = json.loads((Path(folder) / "preprocessor_config.json").read_text())
        settings = {key: value for key, value in config.items() if not key.endswith("_type")}
        self.side = config["max_image_size"]["longest_edge"]
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.images = SmolVLMImageProcessorPil(**settings)
        seq = json.loads((Path(folder) / "processor_config.json").read_text())["image_seq_len"]
        self.processor = Idefics3Processor(Idefics3ImageProcessorPil(**settings), self.tokenizer, image_seq_len=seq, chat_template=DEFAULT_TEMPLATE)

    def picture(self, name):
        return Image.open(golden / "data" / "images" / name)

    def tiles(self, image, **changed):
        """Bytes (tiles, 3, side, side), what becomes of them, rows, columns."""
        kept = self.images.preprocess([[image]], do_rescale=False, do_normalize=False, return_row_col_info=True, **changed)
        whole = self.images.preprocess([[image]], return_tensors="pt", **changed)["pixel_values"][0]
        raw = torch.from_numpy(kept["pixel_values"][0].astype("uint8"))
        # As Vernier makes them, and its tests: scaled in float64, rounded, then moved and divided in float32.
        assert torch.equal(whole, ((raw.double() / 255).float() - 0.5) / 0.5), "pixels"
        return raw, whole, kept["rows"][0][0], kept["cols"][0][0]

    def expanded(self, text, grids):
        pieces = text.split("<image>")
        one = lambda grid: get_image_prompt_string(*grid, self.processor.image_seq_len, "<fake_token_around_image>", "<image>", "<global-img>")
        return "".join(piece + (one(grids[i]) if i < len(grids) else "") for i, piece in enumerate(pieces))

    def render(self, messages, prompt=False):
        return self.processor.apply_chat_template(messages, add_generation_prompt=prompt, tokenize=False)

    def encode(self, row):
        messages, names = parts(row["messages"]), [path.split("/")[-1] for path in row.get("images", [])]
        pictures = [self.picture(name) for name in names]
        tiles = [self.tiles(picture) for picture in pictures]
        grids = [(rows, columns) for _, _, rows, columns in tiles]
        text = self.render(messages)
        whole = self.expanded(text, grids)
        encoded = self.tokenizer(whole, return_offsets_mapping=True)
        ids = torch.tensor([encoded["input_ids"]])
        if pictures:
            reference = self.processor(text=[text], images=[pictures], return_tensors="pt")
            assert torch.equal(reference["input_ids"], ids) and torch.equal(reference["pixel_values"][0], torch.cat([t[1] for t in tiles]))
            assert reference["pixel_attention_mask"].all()
        labels = torch.full_like(ids, -100)
        for turn, message in enumerate(messages):
            if message["role"] != "assistant":
                continue
            start = len(self.expanded(self.render(messages[:turn], True), grids))
            end = len(self.expanded(self.render(messages[: turn + 1]), grids).rstrip("\n"))
            for t, (first, last) in enumerate(encoded["offset_mapping"]):
                if first >= start and last <= end:
                    labels[0, t] = ids[0, t]
        image, pad = self.tokenizer.convert_tokens_to_ids("<image>"), self.tokenizer.pad_token_id
        reference = torch.where((ids == image) | (ids == pad), -100, ids)
        stack = lambda at: torch.cat([t[at] for t in tiles]) if tiles else None
        return Row(text, self.render(messages[:-1], True), names, bool(names), ids, labels, reference, stack(1), stack(0))

    def prompt_ids(self, row):
        messages = parts(row["messages"])
        grids = [self.tiles(self.picture(path.split("/")[-1]))[2:] for path in row.get("images", [])]
        return [self.tokenizer(self.expanded(self.render(messages[:-1], True), grids))["input_ids"]]

    def collate(self, rows, left=False):
        width = max(row.ids.shape[1] for row in rows)
        pad = lambda value, fill: torch.nn.functional.pad(value, (width - value.shape[1], 0) if left else (0, width - value.shape[1]), value=fill)
        inputs = dict(
            input_ids=torch.cat([pad(row.ids, self.tokenizer.pad_token_id) for row in rows]),
            attention_mask=torch.cat([pad(torch.ones_like(row.ids), 0) for row in rows]),
        )
        most = max(0 if row.pixels is None else len(row.pixels) for row in rows)
        if most > 0:
            pixels = torch.zeros(len(rows), most, 3, self.side, self.side)
            mask = torch.zeros(len(rows), most, self.side, self.side, dtype=torch.long)
            for i, row in enumerate(rows):
                if row.pixels is not None:
                    pixels[i, : len(row.pixels)], mask[i, : len(row.pixels)] = row.pixels, 1
            inputs |= dict(pixel_values=pixels, pixel_attention_mask=mask)
        if left:  # absolute positions count the padding; RoPE only sees differences
            inputs["position_ids"] = (inputs["attention_mask"].cumsum(1) - 1).clamp(min=0)
        return inputs, torch.cat([pad(row.labels, -100) for row in rows]), torch.cat([pad(row.reference, -100) for row in rows])

    def stored_images(self, row):
        return {} if row.bytes is None else dict(tiles_u8=row.bytes)

    def stored_batch(self, inputs):
        return {}

    def taps(self, model):
        inner = model.model
        vision, text = inner.vision_model, inner.text_model
        return (
            {"vision.embeddings": vision.embeddings}
            | {f"vision.block.{i}": block for i, block in enumerate(vision.encoder.layers)}
            | {"vision.post_layernorm": vision.post_layernorm, self.FEATURES: inner.connector, "inputs_embeds": (text.layers[0], "input")}
            | {f"layer.{i}": layer for i, layer in enumerate(text.layers)}
            | {"final_norm": text.norm}
        )

    def quantity(self, name):
        head, _, last = name.rpartition(".")
        return f"{head}.*" if last.isdigit() else name

    def is_zero(self, name):
        return name.endswith("k_proj.bias") and "vision_model" in name

    def is_stored_gradient(self, name):
        return "proj" not in name and ".mlp." not in name or "layers.1." in name or "connector" in name


def image_processor(family):
    """Every picture: split, and unsplit. Grey ones are stored once, not three times."""
    tensors, facts = {}, {}
    for name in NAMES:
        for kind, changed in (("split", {}), ("whole", dict(do_image_splitting=False)), ("large", dict(size={"longest_edge": 96}))):
            raw, _, rows, columns = family.tiles(family.picture(name), **changed)
            is_grey = torch.equal(raw[:, 0], raw[:, 1]) and torch.equal(raw[:, 0], raw[:, 2])
            tensors[f"{name}.{kind}"] = raw[:, 0] if is_grey else raw
            facts[f"{name}.{kind}"] = dict(rows=rows, columns=columns)
    store(tensors, f"{out}/golden/{family.name}/image_processor.safetensors")
    write_json(f"{out}/golden/{family.name}/image_processor.json", facts)


def sizes():
    """[height, width, longest_edge, side, first height, first width, stretched height, stretched width, rows, columns]"""
    torch.manual_seed(3)
    processor, found = SmolVLMImageProcessorPil(), []
    taken = []
    resize = lambda image, size, resample=None: (taken.append((size.height, size.width)), image[:, :1, :1].expand(3, size.height, size.width))[1]
    for edge, side in ((2048, 512), (1456, 364), (1536, 384), (144, 48), (512, 512), (1000, 364), (100, 50)):
        for case in range(60):
            height, width = (torch.rand(2) * (2000 if case % 3 else 300) + 1).long().tolist()
            if case % 7 == 0:
                width = height
            taken.clear()
            first = sizes_of.get_resize_output_image_size(torch.empty(3, 1, 1).expand(3, height, width), edge)
            processor.resize = resize
            image = processor.resize_for_vision_encoder(torch.empty(3, 1, 1).expand(3, *first), side)
            _, rows, columns = processor.split_images(image, {"longest_edge": side})
            found.append([height, width, edge, side, *first, *image.shape[1:], rows, columns])
    return found


def positions():
    """{"patches of a side/rows of the table": ids of one axis} of SmolVLMVisionEmbeddings in float32."""
    found = {}
    for table in (*range(1, 41), 47, 60, 64, 70, 90, 128):
        for count in sorted({1, 2, 3, table // 2 or 1, max(1, table - 1), table, table + 3, 2 * table}):
            boundaries = torch.arange(1 / table, 1.0, 1 / table)
            fractions = torch.arange(count, dtype=torch.float32)[None, :] * (1.0 / torch.tensor([count]))[:, None]
            found[f"{count}/{table}"] = torch.bucketize(fractions.clamp(max=1.0 - 1e-6), boundaries, right=True)[0].tolist()
    return found


def tokenizer_cases(family):
    texts = [case["text"] for case in json.loads((golden / "golden" / "gemma3-tiny" / "tokenizer_cases.json").read_text())]
    texts += ["<row_1_col_2><image>x", "12.5 mm, 007", "User:<image>Where?<end_of_utterance>\nAssistant: 0.25", "<global-img>\n\n<fake_token_around_image>"]
    t, cases = family.tokenizer, []
    for text in texts:
        ids = t(text, add_special_tokens=False)["input_ids"]
        cases.append(dict(text=text, ids=ids, ids_with_special=t(text)["input_ids"], tokens=t.convert_ids_to_tokens(ids), decoded=t.decode(ids),
                          decoded_skip_special=t.decode(ids, skip_special_tokens=True)))
    write_json(f"{out}/golden/{family.name}/tokenizer_cases.json", cases)


def other():
    """Another shape: logits, loss, gradient norms, image features and greedy answers of two rows, float32 over bf16 weights."""
    folder = out / "other"
    write_folder(OTHER, folder, tokenizer, torch.bfloat16)
    family = SmolVLM(folder, "other")
    rows = [family.encode(ROWS["s10_twoimages"]), family.encode(ROWS["s09_textonly"])]
    inputs, labels, _ = family.collate(rows)
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    result = model(**inputs, labels=labels)
    result.loss.backward()
    at = (labels[:, 1:] != -100).nonzero(as_tuple=True)
    norms = {name: p.grad.norm().item() for name, p in model.named_parameters()}
    long = family.collate(rows[:1])[0]
    end = len(family.prompt_ids(ROWS["s10_twoimages"])[0])
    prompt = long | {key: long[key][:, :end] for key in ("input_ids", "attention_mask")}
    generated = model.generate(**prompt, do_sample=False, max_new_tokens=12, eos_token_id=None)[0, end:]
    features = model.get_image_features(long["pixel_values"], long["pixel_attention_mask"]).pooler_output
    store(dict(long=rows[0].ids[0], short=rows[1].ids[0], labels_long=rows[0].labels[0], labels_short=rows[1].labels[0], tiles_u8=rows[0].bytes,
               image_features=features, logits=result.logits[at], generated=generated), f"{folder}/case.safetensors")
    write_json(f"{folder}/case.json", dict(loss=result.loss.item(), prompt=end, grad_norms=norms))


tokenizer = tokenizer_of(ROWS.values())
for config, dtype in ((TINY, torch.float32), (BF16, torch.bfloat16)):
    write_folder(config, out / "models" / config["name"], tokenizer, dtype)
shutil.rmtree(out / "golden" / "smolvlm-tiny", ignore_errors=True)
tiny = SmolVLM(out / "models" / "smolvlm-tiny", "smolvlm-tiny")
image_processor(tiny)
write_json(f"{out}/golden/smolvlm-tiny/sizes.json", sizes())
write_json(f"{out}/golden/smolvlm-tiny/positions.json", positions())
tokenizer_cases(tiny)
other()
Goldens(tiny, ROWS, str(out), list(ROWS), list(ROWS) if "--more" in sys.argv else COMMITTED).write(load_file(golden / "nf4" / "matrices.safetensors"), dequantise)
