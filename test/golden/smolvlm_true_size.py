"""
A SmolVLM of SmolVLM-256M's true shapes with random weights, an adapter on every linear layer, one row with three tiles, and what transformers and PEFT make of
it (float32 over bf16 weights): loss, norm of the gradients, some gradients. Half a gigabyte, so it is made where it is wanted:

    python test/golden/smolvlm_true_size.py FOLDER
    VERNIER_TRUE_SIZE=FOLDER npx vitest run test/train/trueSize.test.ts
"""
import json
import sys
from pathlib import Path

import torch

torch.library.define("torchvision::nms", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

from family_goldens import load, saved_name, store, token_losses, write_json  # noqa: E402
from peft import LoraConfig, get_peft_model  # noqa: E402
from smolvlm_folders import ADDED, DEFAULT_TEMPLATE, IMAGES, random_model  # noqa: E402
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers  # noqa: E402

out = Path(sys.argv[1])
WORDS, LAST = 49152, 49280
IMAGE = WORDS + 38
CONFIG = dict(
    model_type="idefics3", image_token_id=IMAGE, scale_factor=4, tie_word_embeddings=False, pad_token_id=2,
    text_config=dict(model_type="llama", vocab_size=LAST, hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9, num_key_value_heads=3,
                     head_dim=64, rms_norm_eps=1e-5, max_position_embeddings=8192, rope_theta=100000.0, pad_token_id=2),
    vision_config=dict(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12, image_size=512, patch_size=16),
)
TILES, TOKENS = 3, 64


def tokenizer():
    """Bytes, and names without a meaning up to the released vocabulary's size; the special tokens where they are."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    names = letters + [f"<word{i}>" for i in range(WORDS - len(letters))]
    made = Tokenizer(models.BPE(vocab={name: i for i, name in enumerate(names)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    special = ADDED[:-1] + [f"<reserved_{i}>" for i in range(LAST - WORDS - len(ADDED))] + ADDED[-1:]
    made.add_special_tokens([AddedToken(content, normalized=False, special=True) for content in special])
    assert made.token_to_id("<image>") == IMAGE and made.get_vocab_size() == LAST
    return made


def write_folder():
    random_model(CONFIG, 3).bfloat16().save_pretrained(out)
    write = lambda name, value: write_json(f"{out}/{name}", value)
    write("config.json", CONFIG)
    write("processor_config.json", dict(image_seq_len=TOKENS))
    write("preprocessor_config.json", IMAGES | dict(max_image_size={"longest_edge": 512}, size={"longest_edge": 2048}))
    write("generation_config.json", dict(eos_token_id=LAST - 1, pad_token_id=2))
    write("tokenizer_config.json", dict(eos_token="<end_of_utterance>", bos_token="<word1>", pad_token="<word2>", clean_up_tokenization_spaces=False))
    (out / "chat_template.jinja").write_text(DEFAULT_TEMPLATE)
    tokenizer().save(str(out / "tokenizer.json"))
    # Read back: .bfloat16() has rounded RoPE's frequencies too.
    return load(out, torch.float32)


def main():
    torch.manual_seed(1)
    out.mkdir(parents=True, exist_ok=True)
    model = get_peft_model(write_folder(), LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM"))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_" in name:
                weight.copy_((weight.shape[1] ** -0.5 if "lora_A" in name else 0.05) * torch.randn_like(weight))
    model.save_pretrained(out / "adapter")
    words = lambda n: torch.randint(3, 40000, (n,)).tolist()
    row = words(5) + sum(([WORDS + 37, WORDS + 1 + tile] + [IMAGE] * TOKENS for tile in range(TILES)), []) + [WORDS + 37] + words(40)
    ids = torch.tensor([row])
    labels = torch.where(torch.arange(len(row))[None] >= len(row) - 24, ids, -100)
    # Smooth pictures: random ones at a sixteenth of the size, enlarged.
    bytes_ = torch.nn.functional.interpolate(torch.rand(TILES, 3, 32, 32) * 255, size=(512, 512), mode="bilinear").byte()
    pixels = ((bytes_.double() / 255).float() - 0.5) / 0.5
    inputs = dict(input_ids=ids, attention_mask=torch.ones_like(ids), pixel_values=pixels[None], pixel_attention_mask=torch.ones(1, TILES, 512, 512, dtype=torch.long))
    _, nll, _ = token_losses(model.eval(), inputs, labels)
    nll.mean().backward()
    grads = {saved_name(name): p.grad for name, p in model.named_parameters() if p.requires_grad}
    norm = torch.sqrt(sum(grad.double().pow(2).sum() for grad in grads.values())).item()
    store(dict(input_ids=ids[0], labels=labels[0], tiles_u8=bytes_), f"{out}/case.safetensors")
    norms = {name: grad.norm().item() for name, grad in grads.items()}
    write_json(f"{out}/case.json", dict(loss=nll.mean().item(), grad_norm=norm, grad_norms=norms))
    print(json.dumps(dict(loss=nll.mean().item(), grad_norm=norm, gradients=len(grads), tokens=len(row))))


main()
