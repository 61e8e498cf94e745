"""
Variants of a tiny Qwen2.5-VL base as users have them, and adapters on it, with what transformers and PEFT (float32) make of them.

    python test/golden/base_variants.py BASE OUT

BASE  node/base
OUT   test/golden/bases: `variants.json` (losses), `adapter_*/` without the tensors that a hash gives, `gradients.safetensors`, `merged.safetensors`

No weights are stored: heads, tables and adapters are the base's, or zeros, plus numbers that a hash makes of a name and an index (`noise` of base_configs.py);
test/models/baseVariants.test.ts makes the same. With `image`, the row has a picture of 4 × 6 patches, noise as well.
"""
import copy
import json
import os
import shutil
import sys
import tempfile

import numpy as np
import torch
from base_configs import noise
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText, AutoTokenizer

torch.set_num_threads(1)
BASE, OUT = sys.argv[1:3]
config, weights = json.load(open(f"{BASE}/config.json")), load_file(f"{BASE}/model.safetensors")
TABLE = next(key for key in weights if "embed_tokens" in key)
ROOT = {"architectures", "model_type", "torch_dtype", "vision_config", "bos_token_id", "eos_token_id", "vision_start_token_id", "vision_end_token_id",
        "vision_token_id", "image_token_id", "video_token_id"}
work = tempfile.mkdtemp()


def shifted(tensor, name, by=0.05):
    return (tensor.float() + torch.tensor(noise(name, tensor.numel()).reshape(tensor.shape) * by, dtype=torch.float32)).to(tensor.dtype)


def nested(root, text, **more):
    new = {key: copy.deepcopy(value) for key, value in config.items() if key in ROOT}
    new["text_config"] = {key: copy.deepcopy(value) for key, value in config.items() if key not in ROOT | {"tie_word_embeddings"}} | {"model_type": "qwen2_5_vl_text"} | more
    if root is not None:
        new["tie_word_embeddings"] = root
    if text is not None:
        new["text_config"]["tie_word_embeddings"] = text
    return new


HEAD = shifted(weights[TABLE], "lm_head.weight")
ROPE = {"mrope_section": [2, 3, 11], "rope_theta": 300, "rope_type": "default", "type": "default"}
YARN = {"type": "yarn", "mrope_section": [2, 3, 11], "factor": 4, "original_max_position_embeddings": 32}
both_ropes = nested(True, True, rope_parameters=ROPE, rope_scaling=YARN)
both_ropes["text_config"].pop("rope_theta")
# name: configuration, head in the file (own, copy, only: no table beside it, none), whether the table is another too
VARIANTS = {
    "plain": (config, "none", False),
    "tied_by_config_own_head_in_file": (config, "own", False),
    "tied_in_text_own_head": (nested(None, True), "own", False),
    "untied_at_root_tied_in_text_own_head": (nested(False, True), "own", False),
    "untied_at_root_tied_in_text_no_head": (nested(False, True), "none", False),
    "untied_everywhere_own_head": (nested(False, False), "own", False),
    "tied_copy_in_file": (config, "copy", False),
    "tied_only_head_in_file": (config, "only", False),
    "merged_by_peft_config_says_tied": (config, "own", True),
    "rope_parameters_and_rope_scaling": (both_ropes, "none", False),
}


def inputs(folder, has_image):
    row = [{"role": "user", "content": "Where is the liver?"}, {"role": "assistant", "content": "left 12.5 mm"}]
    tok = AutoTokenizer.from_pretrained(folder)
    ids = tok(tok.apply_chat_template(row, tokenize=False), add_special_tokens=False)["input_ids"]
    start = len(tok(tok.apply_chat_template(row[:1], tokenize=False, add_generation_prompt=True), add_special_tokens=False)["input_ids"])
    labels = [-100] * start + ids[start:]
    if tok.decode([ids[-1]]) == "\n":
        labels[-1] = -100
    if not has_image:
        return dict(input_ids=torch.tensor([ids]), labels=torch.tensor([labels]))
    mark = [config["vision_start_token_id"], *[config["image_token_id"]] * 6, config["vision_end_token_id"]]
    ids, labels = mark + ids, [-100] * 8 + labels
    pixels = torch.tensor(noise("pixels", 24 * 1176).reshape(24, 1176), dtype=torch.float32)
    return dict(input_ids=torch.tensor([ids]), labels=torch.tensor([labels]), pixel_values=pixels, image_grid_thw=torch.tensor([[1, 4, 6]]),
                mm_token_type_ids=(torch.tensor([ids]) == config["image_token_id"]).long())


def load(folder=BASE):
    return AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()


def loss_of(model, **batch):
    with torch.no_grad():
        return model(**batch).loss.item()


facts = {"variants": {}, "adapters": {}}
example = inputs(BASE, False)
facts["row"] = {key: example[key][0].tolist() for key in ("input_ids", "labels")}
for name, (new_config, head, other_table) in VARIANTS.items():
    tensors = dict(weights)
    if other_table:
        tensors[TABLE] = shifted(weights[TABLE], "table")
    if head in ("own", "copy"):
        tensors["lm_head.weight"] = HEAD if head == "own" else tensors[TABLE].clone()
    if head == "only":
        tensors["lm_head.weight"] = tensors.pop(TABLE)
    folder = f"{work}/{name}"
    shutil.copytree(BASE, folder)
    json.dump(new_config, open(f"{folder}/config.json", "w"))
    save_file(tensors, f"{folder}/model.safetensors", metadata={"format": "pt"})
    model = load(folder)
    tied = model.lm_head.weight.data_ptr() == model.get_input_embeddings().weight.data_ptr()
    facts["variants"][name] = dict(config=new_config, head=head, other_table=other_table, loss=loss_of(model, **example), tied=tied)

gradients, merged = {}, {}


def adapter(name, save={}, has_image=False, edit=None, base=BASE, **lora):
    """An adapter, every trained value of which is noise, in a folder of its own; facts, gradients of the patch convolution, and its merged weight."""
    model = get_peft_model(load(base), LoraConfig(r=4, lora_alpha=8, **lora))
    with torch.no_grad():
        for key, p in model.named_parameters():
            if p.requires_grad:
                plain = key.replace(".default", "").replace("base_model.model.", "")
                p.copy_(p * 0 + torch.tensor(noise(plain, p.numel()).reshape(p.shape) * 0.1 + ("magnitude" in plain), dtype=torch.float32))
    if edit:
        edit(model)
    folder = f"{work}/{name}"
    model.save_pretrained(folder, **save)
    # As PEFT loads it again: that is what the loss is of.
    loaded = PeftModel.from_pretrained(load(base), folder).eval()
    batch = inputs(BASE, has_image)
    saved = json.load(open(f"{folder}/adapter_config.json"))
    saved["base_model_name_or_path"] = "base"
    tensors = load_file(f"{folder}/adapter_model.safetensors")
    fact = dict(config=saved, shapes={key: list(tensor.shape) for key, tensor in tensors.items()}, image=has_image, loss=loss_of(loaded, **batch))
    patch = [key for key in tensors if "patch_embed" in key]
    if patch:
        model.eval()
        model.zero_grad()
        model(**batch).loss.backward()
        for key, p in model.named_parameters():
            if "patch_embed" in key and p.requires_grad:
                gradients[f"{name}.{key.replace('.default', '').replace('base_model.model.', '')}"] = p.grad.contiguous()
        whole = loaded.merge_and_unload()
        # Every 37th value: enough to see any order of sums.
        merged[name] = whole.model.visual.patch_embed.proj.weight.reshape(-1)[::37].detach().contiguous()
        fact["merged_loss"] = loss_of(whole, **batch)
    facts["adapters"][name] = fact


def other_table(model):
    with torch.no_grad():
        table = model.get_input_embeddings().weight
        table.copy_(shifted(table, "brought"))


adapter("with_embedding_layers", dict(save_embedding_layers=True), target_modules=["q_proj"])
adapter("with_other_embedding_layers", dict(save_embedding_layers=True), edit=other_table, target_modules=["q_proj"])
adapter("on_patch_convolution", has_image=True, target_modules=["proj", "q_proj"])
adapter("on_patch_convolution_rslora", has_image=True, target_modules=["patch_embed.proj"], use_rslora=True)
adapter("on_patch_convolution_dora", has_image=True, target_modules=["patch_embed.proj", "q_proj"], use_dora=True)
adapter("head_and_table_on_own_head", base=f"{work}/tied_by_config_own_head_in_file", target_modules=["q_proj"], modules_to_save=["lm_head", "embed_tokens"])

os.makedirs(OUT, exist_ok=True)
save_file(gradients, f"{OUT}/gradients.safetensors")
save_file(merged, f"{OUT}/merged.safetensors")
with open(f"{OUT}/variants.json", "w") as file:
    json.dump(facts, file, indent=1)
    file.write("\n")
for kind in ("variants", "adapters"):
    for name, fact in facts[kind].items():
        print(f"{name:45s} {fact['loss']:.4f} {fact.get('tied', '')} {fact.get('merged_loss', '')}")
shutil.rmtree(work)
