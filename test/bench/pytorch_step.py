"""pytorch_step.py FOLDER MODEL CHECKPOINTING: the training step of test/bench/pytorch.ts in PyTorch + PEFT, float32. FOLDER has batch.json (rows of ids and labels, all of
one length, and image grids) and pixels.f32. Prints the first step's loss; then for every line N on stdin runs N steps and prints
the ms of one, by the clock and of all processors together."""
import inspect, json, sys, time
import numpy, torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForImageTextToText

folder, path, checkpointing = sys.argv[1:4]
batch = json.load(open(f"{folder}/batch.json"))
torch.set_num_threads(batch["threads"])
torch.manual_seed(1)
model = AutoModelForImageTextToText.from_pretrained(path, dtype=torch.float32, attn_implementation="sdpa")
model = get_peft_model(model, LoraConfig(r=16, lora_alpha=16, target_modules="all-linear"))
if checkpointing == "true":
    model.gradient_checkpointing_enable({"use_reentrant": False})
    model.enable_input_require_grads()
model.train()
ids = torch.tensor(batch["ids"])
inputs = dict(
    input_ids=ids, attention_mask=torch.ones_like(ids), labels=torch.tensor(batch["labels"]), image_grid_thw=torch.tensor(batch["grids"]),
    pixel_values=torch.from_numpy(numpy.fromfile(f"{folder}/pixels.f32", "<f4").reshape(batch["patches"], -1)))
if "mm_token_type_ids" in inspect.signature(model.base_model.model.forward).parameters:
    inputs["mm_token_type_ids"] = (ids == model.config.image_token_id).long()
trained = [p for p in model.parameters() if p.requires_grad]
adamw = torch.optim.AdamW(trained, lr=1e-4, weight_decay=0)

def step():
    adamw.zero_grad(set_to_none=False)
    loss = model(**inputs).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(trained, 1.0)
    adamw.step()
    return loss

print(f"{step().item():.6f} {sum(p.numel() for p in trained)}", flush=True)
for line in sys.stdin:
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(int(line)): step()
    print(*(round(1000 * (end - start) / int(line), 3) for start, end in ((wall, time.perf_counter()), (cpu, time.process_time()))), flush=True)
