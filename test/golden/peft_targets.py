"""
Asks PEFT itself which modules an adapter touches, for many configurations on the tiny golden models, and writes the answers to
peft_targets.json for test/io/peftTargets.test.ts.

    python test/golden/peft_targets.py GOLDEN_DIR > test/golden/peft_targets.json
    python test/golden/peft_targets.py test/golden/smolvlm smolvlm-tiny > test/golden/smolvlm/peft_targets.json
    python test/golden/peft_targets.py test/golden/qwen3_vl qwen3_vl-tiny > test/golden/qwen3_vl/peft_targets.json

GOLDEN_DIR has models/<name>; names are those of the first families where none is given. Made with transformers 5.18 and PEFT 0.21; Gemma3's vision tower is renamed to its 4.52 spelling before PEFT
sees it, so that the names are those Vernier uses inside.
"""
import json
import math
import sys
import types
import warnings

import torch

# torchvision registers a fake kernel for an operator that its C library defines; without that library the import of transformers' Qwen fails.
torch.library.define("torchvision::nms", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

from peft import LoraConfig, get_peft_model  # noqa: E402
from peft.tuners.lora import LoraLayer  # noqa: E402
from peft.utils.other import ModulesToSaveWrapper  # noqa: E402
from transformers import AutoConfig, AutoModelForImageTextToText  # noqa: E402

warnings.filterwarnings("ignore")
QWEN, GEMMA = "qwen2_5_vl-tiny", "gemma3-tiny"
BOTH = (QWEN, GEMMA)

CASES = [
    (BOTH, dict(target_modules="all-linear")),
    (BOTH, dict(target_modules="ALL-linear", r=4, lora_alpha=6)),
    (BOTH, dict(target_modules=["q_proj", "v_proj"])),
    (BOTH, dict(target_modules=["q_proj", "nothing"])),
    (BOTH, dict(target_modules=["proj"])),
    (BOTH, dict(target_modules=["mlp"])),
    (BOTH, dict(target_modules=["embed_tokens"])),
    (BOTH, dict(target_modules=["norm"])),
    (BOTH, dict(target_modules=["nothing"])),
    (BOTH, dict(target_modules=["lm_head", "o_proj"])),
    (BOTH, dict(target_modules=["model.language_model.layers.1.mlp.up_proj", "1.self_attn.q_proj"])),
    (BOTH, dict(target_modules=r".*language_model\.layers\.\d+\..*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)")),
    (BOTH, dict(target_modules=r"^(?!.*(visual|vision_tower)).*(?:gate_proj|up_proj|down_proj|[kqv]_proj|o_proj).*")),
    (BOTH, dict(target_modules=r"(?:.*?(?:vision|visual|image|language|text).*?(?:self_attn|attn|mlp).*?(?:qkv|_proj|fc1)).*?")),
    (BOTH, dict(target_modules=r"(?i).*\.SELF_ATTN\.(?P<which>[qv])_proj")),
    (BOTH, dict(target_modules=r".*layers\.[^1]\.self_attn\.q_proj\Z")),
    (BOTH, dict(target_modules=r"q_proj")),
    (BOTH, dict(target_modules=["q_proj", "v_proj"], layers_to_transform=[1])),
    (BOTH, dict(target_modules=["q_proj", "qkv"], layers_to_transform=0)),
    (BOTH, dict(target_modules=["q_proj", "qkv"], layers_to_transform=[0, 2], layers_pattern="blocks")),
    (BOTH, dict(target_modules=["q_proj", "qkv"], layers_to_transform=[0], layers_pattern=["blocks", "layers"])),
    (BOTH, dict(target_modules=["model.language_model.layers.0.self_attn.q_proj", "k_proj"], layers_to_transform=[1])),
    (BOTH, dict(target_modules=["q_proj"], layers_pattern="layers")),
    (BOTH, dict(target_modules="all-linear", exclude_modules=r".*(visual|vision_tower).*")),
    (BOTH, dict(target_modules="all-linear", exclude_modules=["down_proj", "qkv"])),
    (BOTH, dict(target_modules=["q_proj"], exclude_modules=["q_proj"])),
    (BOTH, dict(target_modules="all-linear", modules_to_save=["lm_head", "embed_tokens"])),
    (BOTH, dict(target_modules=["q_proj"], modules_to_save=["norm"])),
    (BOTH, dict(target_modules="all-linear", modules_to_save=["merger"])),
    (BOTH, dict(target_modules="all-linear", modules_to_save=["multi_modal_projector"])),
    (BOTH, dict(target_modules=["q_proj", "up_proj"], modules_to_save=["layers.0.mlp"])),
    (BOTH, dict(target_modules=["q_proj", "k_proj"], rank_pattern={"q_proj": 2}, alpha_pattern={r"layers\.1\..*": 5})),
    (BOTH, dict(target_modules=["q_proj", "up_proj"], use_rslora=True, r=5,
                rank_pattern={"^model.language_model.layers.0.mlp.up_proj": 3, "0.mlp.up_proj": 7, "roj": 9})),
    (BOTH, dict(target_modules=["q_proj", "up_proj"], alpha_pattern={"self_attn.q_proj|mlp.up_proj": 3, "q_proj": 4})),
]
# Of later families, beside all the others.
MORE = {
    "smolvlm-tiny": [
        (BOTH, dict(target_modules=r".*text_model\.layers\.\d+\..*_proj")),
        (BOTH, dict(target_modules=r".*connector.*", modules_to_save=["lm_head"])),
        (BOTH, dict(target_modules="all-linear", exclude_modules=r".*(vision_model|connector).*")),
        (BOTH, dict(target_modules=["fc1", "out_proj"], layers_to_transform=[1])),
        (BOTH, dict(target_modules=["q_proj"], modules_to_save=["connector", "position_embedding"])),
    ],
    "qwen3_vl-tiny": [
        (BOTH, dict(target_modules=r".*deepstack_merger_list\.\d+\.linear_fc[12]")),
        (BOTH, dict(target_modules=["linear_fc1"], exclude_modules=["deepstack_merger_list.1.linear_fc1"])),
        (BOTH, dict(target_modules="all-linear", modules_to_save=["deepstack_merger_list"])),
        (BOTH, dict(target_modules=["pos_embed"])),
        (BOTH, dict(target_modules=["q_proj"], modules_to_save=["pos_embed", "q_norm"])),
        (BOTH, dict(target_modules=["linear_fc2", "q_proj"], layers_to_transform=[1])),
    ],
}


def build(folder, gemma):
    config = AutoConfig.from_pretrained(folder)
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config)
    if gemma:
        tower = model.model.vision_tower
        if not hasattr(tower, "vision_model"):
            holder = torch.nn.Module()
            for name, child in list(tower.named_children()):
                delattr(tower, name)
                holder.add_module(name, child)
            tower.add_module("vision_model", holder)
    return model


def answer(model, options):
    try:
        peft = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **{"r": 8, "lora_alpha": 16, **options}))
    except (ValueError, TypeError) as error:
        return {"error": str(error).split("\n")[0][:200]}
    lora, saved = {}, []
    for name, module in peft.base_model.model.named_modules():
        if isinstance(module, LoraLayer):
            scaling = module.scaling["default"]
            lora[name] = [module.r["default"], module.lora_alpha["default"], scaling, type(module).__name__]
        elif isinstance(module, ModulesToSaveWrapper):
            saved += [f"{name}.{p}" for p, _ in module.modules_to_save["default"].named_parameters()]
    targets = peft.peft_config["default"].target_modules
    return {"lora": lora, "saved": sorted(saved), "target_modules": targets if isinstance(targets, str) else sorted(targets)}


def main():
    golden = sys.argv[1]
    out = {}
    for name in sys.argv[2:] or BOTH:
        folder = f"{golden}/models/{name}"
        parameters = [[key, list(p.shape)] for key, p in build(folder, name == GEMMA).named_parameters(remove_duplicate=False)]
        cases = [
            {"options": options, **answer(build(folder, name == GEMMA), options)} for names, options in CASES + MORE.get(name, []) if name in names or name in MORE
        ]
        out[name] = {"parameters": parameters, "cases": cases}
    print(json.dumps(out, separators=(",", ":")))


main()
