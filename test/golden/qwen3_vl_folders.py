"""Folders of tiny Qwen3-VL models: for qwen3_vl_cases.py."""
import json
import shutil

import torch
from safetensors.torch import save_file
from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

NAME = "qwen3_vl-tiny"
PAD, END, IMAGE = 600, 602, 612
PIXELS = dict(min_pixels=4096, max_pixels=16777216, patch_size=16, temporal_patch_size=2, merge_size=2, image_mean=[0.5] * 3, image_std=[0.5] * 3)
TEXT = dict(
    vocab_size=640, hidden_size=40, intermediate_size=72, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2, head_dim=20,
    max_position_embeddings=4096, rms_norm_eps=1e-6, attention_bias=False, attention_dropout=0.0, hidden_act="silu", initializer_range=0.02,
)
VISION = dict(
    depth=4, hidden_size=16, intermediate_size=28, num_heads=2, in_channels=3, patch_size=16, temporal_patch_size=2, spatial_merge_size=2, out_hidden_size=40,
    num_position_embeddings=36, deepstack_visual_indexes=[0, 2], hidden_act="gelu_pytorch_tanh", initializer_range=0.02,
)
ROPE = {"mrope_interleaved": True, "mrope_section": [4, 3, 3], "rope_type": "default"}
IDS = dict(image_token_id=IMAGE, video_token_id=613, vision_start_token_id=609, vision_end_token_id=610, tie_word_embeddings=True)
# As the released template renders; written anew.
TEMPLATE = """{%- macro parts(content) -%}
{%- if content is string -%}{{- content -}}{%- else -%}
{%- for part in content -%}
{%- if part.type == 'image' or 'image' in part or 'image_url' in part -%}<|vision_start|><|image_pad|><|vision_end|>
{%- elif part.type == 'video' or 'video' in part -%}<|vision_start|><|video_pad|><|vision_end|>
{%- elif 'text' in part -%}{{- part.text -}}{%- endif -%}
{%- endfor -%}
{%- endif -%}
{%- endmacro -%}
{%- for message in messages -%}
{%- if message.role in ['user', 'assistant'] or (message.role == 'system' and loop.first) -%}
{{- '<|im_start|>' + message.role + '\\n' -}}{{- parts(message.content) -}}{{- '<|im_end|>\\n' -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}
"""


def randomise(model, seed):
    """Weights large enough that every module matters."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            noise = torch.randn_like(weight)
            if weight.ndim == 1:
                weight.copy_(1 + 0.2 * noise if "norm" in name and name.endswith("weight") else 0.1 * noise)
            else:
                weight.copy_(noise * (0.25 if "embed_tokens" in name else 0.6 if "pos_embed" in name else 1.1 * weight[0].numel() ** -0.5))


def dump(path, value):
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def write_folders(tokenizer, models):
    """models/qwen3_vl-tiny in float32 as the hub's repositories are, models/qwen3_vl-tiny-bf16 in shards as transformers 5 saves it."""
    base, bf16 = models / NAME, models / f"{NAME}-bf16"
    config = Qwen3VLConfig(text_config=TEXT | dict(rope_parameters=ROPE | {"rope_theta": 5e6}), vision_config=VISION, **IDS)
    model = Qwen3VLForConditionalGeneration(config)
    randomise(model, 31)
    for folder in (base, bf16):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copyfile(tokenizer / name, folder / name)
        settings = json.loads((folder / "tokenizer_config.json").read_text())
        dump(folder / "tokenizer_config.json", {k: v for k, v in settings.items() if k not in ("processor_class", "chat_template")} | dict(processor_class="Qwen3VLProcessor"))
        (folder / "chat_template.jinja").write_text(TEMPLATE)
        dump(folder / "generation_config.json", dict(bos_token_id=PAD, pad_token_id=PAD, do_sample=True, eos_token_id=[END, PAD], top_k=20, top_p=0.8, temperature=0.7))
    # As the hub's repositories are: rope_scaling beside rope_theta, image settings by themselves.
    save_file({k: v.contiguous() for k, v in model.state_dict().items() if k != "lm_head.weight"}, base / "model.safetensors", {"format": "pt"})
    text = TEXT | dict(model_type="qwen3_vl_text", rope_theta=5000000, rope_scaling=ROPE, tie_word_embeddings=True, dtype="float32", use_cache=True)
    hub = dict(architectures=["Qwen3VLForConditionalGeneration"], model_type="qwen3_vl", text_config=text, vision_config=VISION | dict(model_type="qwen3_vl"))
    dump(base / "config.json", hub | IDS | dict(transformers_version="4.57.0.dev0"))
    image = {k: v for k, v in PIXELS.items() if not k.endswith("pixels")}
    size = dict(longest_edge=PIXELS["max_pixels"], shortest_edge=PIXELS["min_pixels"])
    dump(base / "preprocessor_config.json", image | dict(size=size, image_processor_type="Qwen2VLImageProcessorFast", processor_class="Qwen3VLProcessor"))
    model.bfloat16().save_pretrained(bf16, max_shard_size="130KB")
    dump(bf16 / "generation_config.json", json.loads((base / "generation_config.json").read_text()))
    combined = image | dict(size=size, do_resize=True, do_rescale=True, do_normalize=True, do_convert_rgb=True, rescale_factor=1 / 255, resample=3, image_processor_type="Qwen2VLImageProcessor")
    dump(bf16 / "processor_config.json", dict(image_processor=combined, processor_class="Qwen3VLProcessor"))
    for file in [*base.iterdir(), *bf16.iterdir()]:
        file.chmod(0o644)
