"""
Asks a base with a PEFT adapter about one picture, greedily, as `vernier ask` does, and prints the answer: so that a test can compare them.

    python test/golden/peft_answer.py BASE ADAPTER PICTURE QUESTION MAX_NEW_TOKENS

PICTURE should have sides that the processor leaves as they are: its resizing differs from Pillow's by a level here and there.
"""
import os
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch

# torchvision registers a fake kernel for an operator that its C library defines; without that library the import of transformers' Qwen fails.
torch.library.define("torchvision::nms", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

from peft import PeftModel  # noqa: E402
from PIL import Image  # noqa: E402
from transformers import AutoModelForImageTextToText, AutoTokenizer  # noqa: E402
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil as ImageProcessor  # noqa: E402

base_dir, adapter_dir, picture, question, most = sys.argv[1:]
tokenizer = AutoTokenizer.from_pretrained(base_dir)
model = PeftModel.from_pretrained(AutoModelForImageTextToText.from_pretrained(base_dir, dtype=torch.float32), adapter_dir).eval()
messages = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question}]}]
text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
pixels = ImageProcessor.from_pretrained(base_dir)(images=[Image.open(picture).convert("RGB")], return_tensors="pt")
count = int(pixels["image_grid_thw"].prod()) // 4  # patches are merged two by two
pad = tokenizer.convert_ids_to_tokens(model.config.image_token_id)
inputs = tokenizer(text.replace(pad, pad * count), return_tensors="pt", add_special_tokens=False)
kinds = (inputs["input_ids"] == model.config.image_token_id).int()
with torch.no_grad():
    out = model.generate(**inputs, **pixels, mm_token_type_ids=kinds, max_new_tokens=int(most), do_sample=False)
print(tokenizer.decode(out[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True), end="")
