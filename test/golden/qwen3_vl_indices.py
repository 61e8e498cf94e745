"""Dumps what transformers computes on the CPU before the first kernel of Qwen3-VL runs, for shapes the golden cases do not have: the position table's rows and
weights, rotary angles of patches and of tokens, M-RoPE positions; parameters of the published sizes; the PIL image processor on synthetic images; the template with and without thinking.

Run: OMP_NUM_THREADS=1 python test/golden/qwen3_vl_indices.py     (transformers 5.18, pillow; writes qwen3_vl_indices.json beside itself)
"""
import hashlib
import json
import pathlib

import torch

torch.library.define("torchvision::nms", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

from PIL import Image  # noqa: E402
from transformers import AutoTokenizer, Qwen3VLConfig  # noqa: E402
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil  # noqa: E402
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLForConditionalGeneration, Qwen3VLModel, Qwen3VLTextRotaryEmbedding, Qwen3VLVisionRotaryEmbedding  # noqa: E402
from transformers.vision_utils import get_vision_interpolation_indices_and_weights, get_vision_position_ids  # noqa: E402

from qwen_vision_indices import digest, some_rows, synthetic  # noqa: E402

HERE = pathlib.Path(__file__).parent
VISION = [
    dict(grids=[[1, 4, 4]], merge=2, positions=2304, head_dim=72),
    dict(grids=[[1, 32, 16], [1, 2, 2]], merge=2, positions=2304, head_dim=72),
    dict(grids=[[1, 12, 14], [1, 6, 8], [1, 2, 2]], merge=2, positions=36, head_dim=12),
    dict(grids=[[1, 18, 10], [1, 10, 26]], merge=2, positions=50, head_dim=16),
    dict(grids=[[2, 6, 10], [1, 2, 34]], merge=2, positions=16, head_dim=8),
    dict(grids=[[1, 9, 15], [1, 3, 3]], merge=3, positions=25, head_dim=24),
    dict(grids=[[1, 1, 7], [1, 5, 1]], merge=1, positions=9, head_dim=4),
    dict(grids=[[1, 4, 6]], merge=2, positions=1, head_dim=4),
    dict(grids=[[1, 96, 64]], merge=2, positions=2304, head_dim=64),
]
TEXT = [
    dict(head_dim=20, section=[4, 3, 3], theta=5e6, grids=[[1, 4, 6]], runs=[5, 0, 7]),
    dict(head_dim=128, section=[24, 20, 20], theta=5e6, grids=[[1, 8, 2], [1, 2, 12]], runs=[900, 3, 40]),
    dict(head_dim=16, section=[2, 3, 3], theta=5e5, grids=[[1, 6, 2]], runs=[3, 9]),
    dict(head_dim=32, section=[12, 2, 2], theta=10000.0, grids=[], runs=[12]),
    dict(head_dim=24, section=[1, 1, 5], theta=1e6, grids=[[1, 2, 2], [1, 4, 4], [1, 2, 8]], runs=[1, 1, 1, 2]),
]
PROCESS = [
    dict(height=80, width=80, channels=3, min_pixels=1024, max_pixels=16777216),
    dict(height=61, width=97, channels=3, min_pixels=65536, max_pixels=16777216),
    dict(height=350, width=90, channels=1, min_pixels=4096, max_pixels=16777216),
    dict(height=20, width=31, channels=3, min_pixels=16384, max_pixels=50176),
    dict(height=300, width=410, channels=3, min_pixels=3136, max_pixels=50176),
]
WIDE = dict(vocab_size=151936, num_key_value_heads=8, head_dim=128, max_position_embeddings=262144, rope_theta=5000000,
            rope_scaling={"rope_type": "default", "mrope_interleaved": True, "mrope_section": [24, 20, 20]})
LARGE = dict(depth=24, hidden_size=1024, intermediate_size=4096, num_heads=16, deepstack_visual_indexes=[5, 11, 17])
SIZES = {
    "2B": dict(tie_word_embeddings=True, text_config=WIDE | dict(hidden_size=2048, intermediate_size=6144, num_hidden_layers=28, num_attention_heads=16),
               vision_config=LARGE | dict(out_hidden_size=2048)),
    "4B": dict(tie_word_embeddings=True, text_config=WIDE | dict(hidden_size=2560, intermediate_size=9728, num_hidden_layers=36, num_attention_heads=32),
               vision_config=LARGE | dict(out_hidden_size=2560)),
    "8B": dict(tie_word_embeddings=False, text_config=WIDE | dict(hidden_size=4096, intermediate_size=12288, num_hidden_layers=36, num_attention_heads=32),
               vision_config=dict(out_hidden_size=4096)),
}
# As the released Thinking models' template renders texts and images; written anew.
THINKING = """{%- set last = namespace(query=-1) -%}
{%- for message in messages -%}{%- if message.role == 'user' -%}{%- set last.query = loop.index0 -%}{%- endif -%}{%- endfor -%}
{%- for message in messages -%}
{%- set said = namespace(text='', thought='') -%}
{%- if message.content is string -%}{%- set said.text = message.content -%}{%- else -%}
{%- for part in message.content -%}
{%- if part.type == 'image' -%}{%- set said.text = said.text + '<|vision_start|><|image_pad|><|vision_end|>' -%}
{%- elif 'text' in part -%}{%- set said.text = said.text + part.text -%}{%- endif -%}
{%- endfor -%}
{%- endif -%}
{%- if message.role == 'assistant' -%}
{%- if '</think>' in said.text -%}
{%- set said.thought = said.text.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') -%}
{%- set said.text = said.text.split('</think>')[-1].lstrip('\\n') -%}
{%- endif -%}
{{- '<|im_start|>assistant\\n' -}}
{%- if loop.index0 > last.query and (loop.last or said.thought) -%}{{- '<think>\\n' + said.thought.strip('\\n') + '\\n</think>\\n\\n' -}}{%- endif -%}
{{- said.text.lstrip('\\n') + '<|im_end|>\\n' -}}
{%- else -%}{{- '<|im_start|>' + message.role + '\\n' + said.text + '<|im_end|>\\n' -}}{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n<think>\\n' -}}{%- endif -%}
"""
IMAGE = {"type": "image"}
TALKS = [
    [("user", [IMAGE, {"type": "text", "text": "How wide is it?"}]), ("assistant", "<think>\nTwelve pixels of half a millimetre.\n</think>\n\n6.0 mm")],
    [("user", "How wide?"), ("assistant", "<think>\na\n</think>\n\n6 mm"), ("user", [{"type": "text", "text": "And now? "}, IMAGE]), ("assistant", "7 mm")],
    [("system", "Answer with a number."), ("user", "How wide?"), ("assistant", [{"type": "text", "text": "<think>\nhalf of twelve\n</think>\n\n6"}])],
]


def vision_case(case):
    grid = torch.tensor(case["grids"])
    side = int(case["positions"] ** 0.5)
    indices, weights = get_vision_interpolation_indices_and_weights(grid, num_grid_per_side=side, mode="bilinear", align_corners=True, spatial_merge_size=case["merge"])
    config = Qwen3VLConfig().vision_config
    config.hidden_size, config.num_heads = case["head_dim"], 1
    cos, sin = Qwen3VLVisionRotaryEmbedding(config)(torch.zeros(1), get_vision_position_ids(grid, case["merge"]))
    return dict(
        case, indices_sha256=digest(indices.numpy().astype("<i4")), weights_sha256=digest(weights.numpy().astype("<f4")),
        indices=indices[:6].flatten().tolist(), weights=weights[:6].flatten().tolist(), cos=some_rows(cos, case["head_dim"] // 2), sin=some_rows(sin, case["head_dim"] // 2),
    )


def text_case(case):
    image_id = 7
    rope = {"rope_type": "default", "mrope_section": case["section"], "mrope_interleaved": True, "rope_theta": case["theta"]}
    config = Qwen3VLConfig(
        text_config=dict(hidden_size=16, num_attention_heads=1, num_key_value_heads=1, head_dim=case["head_dim"], num_hidden_layers=1, intermediate_size=8, vocab_size=16, rope_parameters=rope),
        vision_config=dict(depth=1, hidden_size=16, num_heads=1, intermediate_size=8, out_hidden_size=16, num_position_embeddings=4, deepstack_visual_indexes=[0]),
        image_token_id=image_id,
    )
    ids = []
    for i, run in enumerate(case["runs"]):
        ids += [1] * run
        if i < len(case["grids"]):
            t, h, w = case["grids"][i]
            ids += [3] + [image_id] * (t * h * w // 4) + [4]
    input_ids = torch.tensor([ids])
    positions, delta = Qwen3VLModel(config).get_rope_index(input_ids, (input_ids == image_id).int(), torch.tensor(case["grids"]) if case["grids"] else None)
    # The embedding writes into what it is given.
    cos, sin = Qwen3VLTextRotaryEmbedding(config.text_config)(torch.zeros(1), positions.clone())
    half = case["head_dim"] // 2
    return dict(case, image_id=image_id, positions_sha256=digest(positions[:, 0].numpy().astype("<i4")), length=len(ids), delta=int(delta[0, 0]),
                cos=some_rows(cos[0], half), sin=some_rows(sin[0], half))


def process_case(case):
    array = synthetic(case["height"], case["width"], case["channels"])
    image = Image.fromarray(array if case["channels"] == 3 else array[..., 0]).convert("RGB")
    processor = Qwen2VLImageProcessorPil(min_pixels=case["min_pixels"], max_pixels=case["max_pixels"], patch_size=16, image_mean=[0.5] * 3, image_std=[0.5] * 3)
    out = processor(image, return_tensors="np")
    return dict(case, grid=out["image_grid_thw"][0].tolist(), pixel_values_sha256=digest(out["pixel_values"].astype("<f4")))


def size_case(config):
    with torch.device("meta"):
        model = Qwen3VLForConditionalGeneration(Qwen3VLConfig(**json.loads(json.dumps(config))))
    parameters = {name: list(p.shape) for name, p in model.named_parameters()}
    lines = sorted(f"{name} {shape}" for name, shape in parameters.items())
    return dict(config=dict(config, model_type="qwen3_vl"), parameters=sum(p.numel() for p in model.parameters()), names_sha256=hashlib.sha256("\n".join(lines).encode()).hexdigest())


def talk_case(tokenizer, talk):
    messages = [dict(role=role, content=content) for role, content in talk]
    render = lambda rows, more=False: tokenizer.apply_chat_template(rows, chat_template=THINKING, tokenize=False, add_generation_prompt=more)
    return dict(messages=messages, rendered=render(messages), prompt=render(messages[:-1], True))


if __name__ == "__main__":
    tokenizer = AutoTokenizer.from_pretrained(HERE / "qwen3_vl" / "models" / "qwen3_vl-tiny")
    result = dict(
        vision=[vision_case(c) for c in VISION],
        text=[text_case(c) for c in TEXT],
        process=[process_case(c) for c in PROCESS],
        sizes={name: size_case(config) for name, config in SIZES.items()},
        thinking=dict(template=THINKING, talks=[talk_case(tokenizer, talk) for talk in TALKS]),
    )
    text = json.dumps(result, separators=(",", ":")).replace('},{"', '},\n{"')
    (HERE / "qwen3_vl_indices.json").write_text(text + "\n")
    print(len(text), "bytes")
