"""The tiny SmolVLM and Idefics3 folders of smolvlm_cases.py: configurations, random weights, a small BPE tokenizer with the released special tokens."""
import json
import shutil
from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoConfig, AutoModelForImageTextToText

SMOLLM = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<repo_name>", "<reponame>", "<file_sep>", "<filename>", "<gh_stars>", "<issue_start>", "<issue_comment>",
          "<issue_closed>", "<jupyter_start>", "<jupyter_text>", "<jupyter_code>", "<jupyter_output>", "<jupyter_script>", "<empty_output>"]
ADDED = ["<global-img>"] + [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)] + ["<fake_token_around_image>", "<image>", "<end_of_utterance>"]
WORDS = 370
IMAGE, END = WORDS + ADDED.index("<image>"), WORDS + ADDED.index("<end_of_utterance>")

# Written anew; it renders as the released one.
DEFAULT_TEMPLATE = (
    "<|im_start|>{% for message in messages %}{{ message['role'] | capitalize }}{{ ':' if message['content'][0]['type'] == 'image' else ': ' }}"
    "{% for part in message['content'] %}{% if part['type'] == 'text' %}{{ part['text'] }}{% elif part['type'] == 'image' %}{{ '<image>' }}{% endif %}{% endfor %}"
    "<end_of_utterance>\n{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)

TEXT = dict(model_type="llama", vocab_size=416, hidden_size=48, intermediate_size=88, num_hidden_layers=3, num_attention_heads=6, num_key_value_heads=2,
            head_dim=8, rms_norm_eps=1e-5, max_position_embeddings=2048, pad_token_id=2)
VISION = dict(hidden_size=32, intermediate_size=56, num_hidden_layers=2, num_attention_heads=2, image_size=48, patch_size=8)
IMAGES = dict(do_convert_rgb=True, do_image_splitting=True, do_normalize=True, do_pad=True, do_rescale=True, do_resize=True, image_mean=[0.5] * 3, image_std=[0.5] * 3,
              resample=1, rescale_factor=1 / 255)
# The hub's files keep keys that nothing reads.
HUB = dict(_flash_attn_2_enabled=True, neftune_noise_alpha=0.0, pixel_shuffle_factor=2, qk_layer_norms=False, rope_interleaved=False, use_resampler=False, is_llama_config=True)

TINY = dict(
    name="smolvlm-tiny", seed=5, edge=144, seq=9, is_new=False,
    config=dict(
        architectures=["SmolVLMForConditionalGeneration"], model_type="smolvlm", image_token_id=IMAGE, scale_factor=2, tie_word_embeddings=False, pad_token_id=2,
        text_config=TEXT | HUB | dict(rope_theta=100000, torch_dtype="float32"), torch_dtype="float32", transformers_version="4.47.1", use_cache=True, vocab_size=416,
        vision_config=VISION | dict(max_image_size={"longest_edge": 48}, model_type="smolvlm_vision", size={"longest_edge": 144}, use_base_siglip=True),
    ),
)
BF16 = dict(
    name="smolvlm-tiny-bf16", seed=5, edge=144, seq=9, is_new=True,
    config=dict(model_type="idefics3", image_token_id=IMAGE, scale_factor=2, tie_word_embeddings=False, pad_token_id=2, vision_config=VISION,
                text_config=TEXT | dict(rope_parameters=dict(rope_type="default", rope_theta=100000.0))),
)
OTHER = dict(
    name="other", seed=11, edge=100, seq=4, is_new=False,
    config=dict(
        architectures=["Idefics3ForConditionalGeneration"], model_type="idefics3", image_token_id=IMAGE, scale_factor=3, tie_word_embeddings=True, pad_token_id=2,
        text_config=dict(
            model_type="llama", vocab_size=412, hidden_size=44, intermediate_size=52, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=1, head_dim=10,
            rms_norm_eps=1e-6, max_position_embeddings=1024, attention_bias=True, mlp_bias=True, rope_theta=5000.0, pad_token_id=2,
            rope_scaling=dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=64),
        ),
        vision_config=dict(hidden_size=36, intermediate_size=40, num_hidden_layers=2, num_attention_heads=3, image_size=50, patch_size=8, layer_norm_eps=1e-5,
                           hidden_act="gelu", model_type="idefics3"),
    ),
)


def tokenizer_of(rows):
    """GPT-2's bytes and every digit by itself, as SmolLM2 has it; merges of the rows' texts."""
    texts = [part["text"] for row in rows for m in row["messages"] if not isinstance(m["content"], str) for part in m["content"] if part["type"] == "text"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=WORDS, special_tokens=SMOLLM, initial_alphabet=sorted(alphabet), show_progress=False)
    tokenizer.train_from_iterator(["User: \nAssistant: "] * 20 + texts, trainer)
    assert tokenizer.get_vocab_size() == WORDS
    tokenizer.add_special_tokens([AddedToken(content, normalized=False, special=True) for content in ADDED])
    assert tokenizer.token_to_id("<image>") == IMAGE
    return tokenizer


def random_model(config, seed):
    """Weights large enough that everything matters, in steps that bf16 holds."""
    torch.manual_seed(seed)
    known = dict(config)
    model = AutoModelForImageTextToText.from_config(AutoConfig.for_model(known.pop("model_type"), **known), dtype=torch.float32)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            drawn = torch.randn(weight.shape)
            if "norm" in name and name.endswith("weight"):
                drawn = 1 + 0.2 * drawn
            elif name.endswith("bias"):
                drawn = 0.2 * drawn
            elif "embedding.weight" in name and "position" in name or "embed_tokens" in name:
                drawn = 0.5 * drawn
            else:
                drawn = drawn * (2.0 if "lm_head" in name else 1.2) / weight[0].numel() ** 0.5
            weight.copy_(drawn.bfloat16().float())
    return model


def write_folder(spec, folder, tokenizer, dtype):
    folder = Path(folder)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    side = spec["config"]["vision_config"]["image_size"]
    images = IMAGES | dict(max_image_size={"longest_edge": side}, size={"longest_edge": spec["edge"]})
    model = random_model(spec["config"], spec["seed"]).to(dtype)
    model.save_pretrained(folder, **(dict(max_shard_size="150KB") if spec["is_new"] else {}))
    write = lambda name, value: (folder / name).write_text(json.dumps(value, indent=2) + "\n")
    if spec["is_new"]:
        write("processor_config.json", dict(image_processor=images | dict(image_processor_type="Idefics3ImageProcessor"), image_seq_len=spec["seq"], processor_class="Idefics3Processor"))
    else:
        write("config.json", spec["config"])
        write("processor_config.json", dict(image_seq_len=spec["seq"], processor_class="Idefics3Processor"))
        write("chat_template.json", dict(chat_template=DEFAULT_TEMPLATE))
    # AutoProcessor of the tests' Python reads this one in both layouts.
    if not spec["is_new"]:
        write("preprocessor_config.json", images | dict(image_processor_type="Idefics3ImageProcessor", processor_class="Idefics3Processor"))
    else:
        (folder / "chat_template.jinja").write_text(DEFAULT_TEMPLATE)
    write("generation_config.json", dict(_from_model_config=True, bos_token_id=1, eos_token_id=END, pad_token_id=2, transformers_version="4.47.1"))
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    decoder = {str(id): dict(content=content, lstrip=False, normalized=False, rstrip=False, single_word=False, special=True)
               for content, id in [(c, i) for i, c in enumerate(SMOLLM)] + [(c, WORDS + i) for i, c in enumerate(ADDED)]}
    write("tokenizer_config.json", dict(
        add_prefix_space=False, added_tokens_decoder=decoder, additional_special_tokens=["<fake_token_around_image>", "<image>", "<end_of_utterance>"],
        bos_token="<|im_start|>", clean_up_tokenization_spaces=False, eos_token="<end_of_utterance>", legacy=False, model_max_length=2048, pad_token="<|im_end|>",
        processor_class="Idefics3Processor", tokenizer_class="GPT2Tokenizer", truncation_side="left", unk_token="<|endoftext|>", vocab_size=WORDS,
        **(dict(chat_template=DEFAULT_TEMPLATE) if not spec["is_new"] else {}),
    ))
