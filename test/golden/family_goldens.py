"""
Golden figures of a model family by transformers and PEFT, in the form of the first families' (file names, keys, bounds): what is alike in all families. A
script of its own, <family>_cases.py, makes the folders of tiny models and says what a row becomes; `write_goldens` does the rest.

Arithmetic is float32 on one thread, and once more in float64 with the float32 upcasts replaced; what is stored is the float64 value, rounded. tolerances.json
of the family has, per quantity, the largest distance of the two, also relative to the tensor's largest value.
"""
import json
import os
import shutil
from contextlib import contextmanager

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText
from transformers.utils import logging

logging.disable_progress_bar()
TRAIN_ROWS = [f"s0{i}_single" for i in range(8)]
RUNS = {
    "lora_token_mean": dict(variant="all_linear", mode="token_mean", steps=20, initial_adapter="lora/all_linear"),
    "lora_micro_mean": dict(variant="all_linear", mode="micro_mean", steps=20, initial_adapter="lora/all_linear"),
    "lora_b_zero_init": dict(variant="all_linear", mode="token_mean", steps=10),
    "lora_epoch_remainder": dict(variant="language_only", mode="micro_mean", steps=10, initial_adapter="lora/language_only", more=["s08_multiturn"]),
    "lora_dora": dict(variant="dora", mode="token_mean", steps=10, initial_adapter="lora/dora"),
    "full_ft": dict(variant=None, mode="token_mean", steps=10),
}
ADAPTERS_KEPT = ["lora_token_mean", "lora_epoch_remainder", "lora_dora"]
# Of these every module's output and every logit is stored.
TAPPED = ["s00_single", "s09_textonly"]


class Tolerances:
    """The distance of float32 from float64, the worst over all that is measured."""

    def __init__(self):
        self.worst = {}

    def add(self, quantity, single, double):
        single, double = torch.as_tensor(single).double(), torch.as_tensor(double).double()
        error, absmax = (single - double).abs().max().item(), double.abs().max().item()
        if absmax == 0:
            return
        rms = ((single - double).pow(2).mean().sqrt() / double.pow(2).mean().sqrt()).item()
        old = self.worst.setdefault(quantity, dict(max_abs=0.0, max_rel_to_absmax=0.0, rms_rel=0.0, value_absmax=0.0, n=0))
        found = dict(max_abs=error, max_rel_to_absmax=error / absmax, rms_rel=rms, value_absmax=absmax)
        for key, value in found.items():
            old[key] = max(old[key], value)
        old["n"] += 1


@contextmanager
def patched(patches):
    """patches: (class, name of a method, the method that does not round to float32)."""
    kept = [(owner, name, getattr(owner, name)) for owner, name, _ in patches]
    for owner, name, method in patches:
        setattr(owner, name, method)
    try:
        yield
    finally:
        for owner, name, method in kept:
            setattr(owner, name, method)


def load(folder, dtype, adapter=None):
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)
    if adapter is not None:
        model = PeftModel.from_pretrained(model, adapter, is_trainable=True)
    return model.to(dtype).eval()


def token_losses(model, inputs, labels):
    """Logits of the positions that predict a label, row-major, and their losses; also all logits."""
    inputs = {k: v.to(next(model.parameters()).dtype) if v.is_floating_point() else v for k, v in inputs.items()}
    logits = model(**inputs).logits
    rows, at = (labels[:, 1:] != -100).nonzero(as_tuple=True)
    picked = logits[rows, at]
    nll = torch.nn.functional.cross_entropy(picked, labels[rows, at + 1], reduction="none")
    return picked, nll, logits


def saved_name(name):
    return name.replace(".modules_to_save.default", "").replace(".default.weight", ".weight").replace("magnitude_vector.weight", "magnitude_vector").replace(".default", "")


def trained(model):
    return {saved_name(name): p for name, p in model.named_parameters() if p.requires_grad}


def hook(module, name, outputs):
    """Keeps a module's output, or with (module, "input") its first input."""
    if isinstance(module, tuple):
        module[0].register_forward_pre_hook(lambda _, given: outputs.__setitem__(name, given[0]))
    else:
        module.register_forward_hook(lambda _m, _i, out: outputs.__setitem__(name, out[0] if isinstance(out, tuple) else out))


def store(tensors, path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    fit = lambda t: t.detach().float() if t.is_floating_point() else t.detach()
    save_file({name: fit(t).contiguous().clone() for name, t in tensors.items()}, path, {"format": "pt"})


def write_json(path, value):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=1, ensure_ascii=False)


def save_adapter(model, path, base):
    model.peft_config["default"].base_model_name_or_path = base
    model.save_pretrained(path)
    os.remove(f"{path}/README.md")
    with open(f"{path}/adapter_config.json") as file:
        config = json.load(file)
    for key in ("target_modules", "modules_to_save"):  # sets, in an order that changes
        if isinstance(config[key], list):
            config[key].sort()
    write_json(f"{path}/adapter_config.json", config)


class Goldens:
    """
    family: name; collate(rows, left=False) -> inputs, labels, labels of the mask `reference`; encode(row) -> that row; taps(model) -> {tensor: module};
    stored_images(row) and stored_batch(inputs), the tensors of a case and of a batch that only this family has; patches for float64; language_only, a pattern of target modules; quantity(tensor) -> its name among the tolerances.
    """

    def __init__(self, family, rows, out, ids, committed):
        self.family, self.rows, self.out, self.committed = family, rows, out, committed
        self.folder = f"{out}/models/{family.name}"
        self.golden = f"{out}/golden/{family.name}"
        self.tolerances = Tolerances()
        self.encoded = {id: family.encode(rows[id]) for id in ids}

    def both(self, function):
        single = function(torch.float32)
        with patched(self.family.patches):
            return single, function(torch.float64)

    def batch(self, ids, left=False):
        return self.family.collate([self.encoded[id] for id in ids], left)

    # -- cases

    def forward(self, dtype, ids, keep=False, folder=None):
        model = load(folder or self.folder, dtype)
        outputs = {}
        if keep:
            for name, module in self.family.taps(model).items():
                hook(module, name, outputs)
        inputs, labels, reference = self.batch(ids)
        with torch.no_grad():
            picked, nll, logits = token_losses(model, inputs, labels)
            _, nll_reference, _ = token_losses(model, inputs, reference)
        return dict(logits_completion=picked, nll_completion=nll, nll_reference=nll_reference, logits=logits), outputs

    def cases(self):
        facts = {}
        for id, row in self.encoded.items():
            (single, taps32), (double, taps64) = self.both(lambda dtype: self.forward(dtype, [id], keep=True))
            for name in taps64:
                self.tolerances.add(f"forward.{self.family.quantity(name)}", taps32[name], taps64[name])
            self.tolerances.add("forward.logits", single["logits"], double["logits"])
            for name in ("nll_completion", "nll_reference"):
                self.tolerances.add("token_nll", single[name], double[name])
                self.tolerances.add("loss", single[name].mean(), double[name].mean())
            inputs, labels, reference = self.batch([id])
            tensors = dict(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], labels_completion=labels, labels_reference=reference)
            tensors |= self.family.stored_images(row)
            tensors |= {name: double[name] for name in ("logits_completion", "nll_completion", "nll_reference")}
            features = self.family.FEATURES
            if features in taps64 and row.has_images:
                tensors["image_features"] = taps64.pop(features)
            if id in TAPPED:
                tensors |= {"logits": double["logits"]} | {f"taps.{name}": value for name, value in taps64.items() if name != features}
            generated, margin, text = self.generate(load(self.folder, torch.float32), id, 20)
            loss = lambda name, of: dict(f32=single[name].mean().item(), f64=double[name].mean().item(), n_tokens=int((of[:, 1:] != -100).sum()))
            facts[id] = dict(
                id=id, text=row.text, generation_text=row.prompt_text, n_tokens=labels.shape[1], images=row.images,
                loss_completion=loss("nll_completion", labels), loss_reference=loss("nll_reference", reference),
                generated=dict(ids=generated, text=text, min_top1_top2_margin=margin),
            )
            if id in self.committed:
                store(tensors, f"{self.golden}/cases/{id}.safetensors")
        write_json(f"{self.golden}/cases/cases.json", facts)

    def generate(self, model, id, length):
        """Greedy, without a penalty. Also the least distance of the best two logits: below a thousandth the choice would be a matter of rounding."""
        inputs, labels, _ = self.batch([id])
        end = int((labels[0] != -100).nonzero()[-1])
        while labels[0, end - 1] != -100:
            end -= 1
        prompt = {k: v[:, :end] if k in ("input_ids", "attention_mask", "mm_token_type_ids") else v for k, v in inputs.items()}
        assert prompt["input_ids"].tolist() == self.family.prompt_ids(self.rows[id]), id
        answer = model.generate(**prompt, max_new_tokens=length, do_sample=False, output_scores=True, return_dict_in_generate=True)
        best = torch.stack([score[0] for score in answer.scores]).topk(2).values
        margin = (best[:, 0] - best[:, 1]).min().item()
        assert margin > 1e-4, f"{id}: two answers are equally good; take another seed"
        ids = answer.sequences[0, end:].tolist()
        return ids, margin, self.family.tokenizer.decode(ids)

    def batches(self):
        tensors, facts = {}, {}
        for name, ids, left in [("right_padded", ["s00_single", "s01_single"], False), ("left_padded", ["s00_single", "s01_single"], True), ("with_text_only", ["s00_single", "s09_textonly"], False)]:
            inputs, labels, _ = self.batch(ids, left)
            with torch.no_grad():
                single, double = self.both(lambda dtype: token_losses(load(self.folder, dtype), inputs, labels))
            self.tolerances.add("forward.logits_completion_batch", single[0], double[0])
            self.tolerances.add("token_nll", single[1], double[1])
            self.tolerances.add("loss", single[1].mean(), double[1].mean())
            facts[name] = dict(loss=dict(f32=single[1].mean().item(), f64=double[1].mean().item()), shape=list(labels.shape))
            kept = dict(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], labels=labels, logits_completion=double[0], nll_completion=double[1])
            tensors |= {f"{name}.{key}": value for key, value in (kept | self.family.stored_batch(inputs)).items()}
        store(tensors, f"{self.golden}/batches.safetensors")
        write_json(f"{self.golden}/batches.json", facts)

    def bf16(self):
        _, (double, taps) = self.both(lambda dtype: self.forward(dtype, ["s00_single"], keep=True, folder=f"{self.folder}-bf16"))
        kept = dict(image_features=taps[self.family.FEATURES], logits_completion=double["logits_completion"], loss_completion=double["nll_completion"].mean()[None])
        store(kept, f"{self.golden}/bf16_weights_s00.safetensors")

    # -- gradients

    def write_adapters(self):
        base = dict(r=4, lora_alpha=8, lora_dropout=0.0, task_type="CAUSAL_LM", target_modules="all-linear")
        variants = dict(all_linear={}, language_only=dict(target_modules=self.family.language_only), rslora=dict(use_rslora=True), dora=dict(use_dora=True),
                        modules_to_save=dict(modules_to_save=["lm_head", "embed_tokens"]))
        for seed, (name, extra) in enumerate(variants.items()):
            torch.manual_seed(100 + seed)
            model = get_peft_model(load(self.folder, torch.float32), LoraConfig(**(base | extra)))
            with torch.no_grad():
                for key, weight in model.named_parameters():
                    if "lora_A" in key or "lora_B" in key:
                        weight.copy_((weight.shape[1] ** -0.5 if "lora_A" in key else 0.06) * torch.randn_like(weight))
                    elif "modules_to_save" in key or "magnitude" in key:
                        weight.mul_(1 + 0.02 * torch.randn_like(weight))
            save_adapter(model, f"{self.golden}/lora/{name}", self.family.name)
        return list(variants)

    def differentiate(self, model):
        inputs, labels, _ = self.batch(["s00_single", "s01_single"])
        picked, nll, _ = token_losses(model, inputs, labels)
        nll.mean().backward()
        grads = {name: p.grad for name, p in trained(model).items() if p.grad is not None}
        norm = torch.sqrt(sum(grad.double().pow(2).sum() for grad in grads.values())).item()
        return dict(logits=picked.detach(), loss=nll.mean().item(), norm=norm, grads=grads)

    def lora(self):
        facts = {}
        for variant in self.write_adapters():
            folder = f"{self.golden}/lora/{variant}"
            single, double = self.both(lambda dtype: self.differentiate(load(self.folder, dtype, folder)))
            assert set(single["grads"]) == set(load_file(f"{folder}/adapter_model.safetensors")), variant
            self.tolerances.add("lora.loss", single["loss"], double["loss"])
            self.tolerances.add("lora.logits", single["logits"], double["logits"])
            self.tolerances.add("lora.grad_norm", single["norm"], double["norm"])
            for name, grad in double["grads"].items():
                kind = "A" if "lora_A" in name else "B" if "lora_B" in name else "magnitude" if "magnitude" in name else "modules_to_save"
                self.tolerances.add(f"lora.grad.{kind}", single["grads"][name], grad)
            store(double["grads"], f"{folder}/grads.safetensors")
            if variant in ("all_linear", "dora"):
                store(dict(logits_completion=double["logits"]), f"{folder}/logits.safetensors")
            facts[variant] = {key: dict(f32=single[of], f64=double[of]) for key, of in (("loss", "loss"), ("grad_norm", "norm"))}
        write_json(f"{self.golden}/lora/lora.json", facts)

    def full(self):
        def gradients(dtype):
            model = load(self.folder, dtype)
            model.requires_grad_(True)
            return self.differentiate(model)

        single, double = self.both(gradients)
        zeros = [name for name in double["grads"] if self.family.is_zero(name)]
        for name, grad in double["grads"].items():
            if name in zeros:  # of what is zero, only float32's own rounding is a measure
                floor = self.tolerances.worst.setdefault("full.grad.mathematically_zero", dict(max_abs=0.0, max_rel_to_absmax=1.0, rms_rel=1.0, value_absmax=0.0, n=0))
                floor["max_abs"], floor["n"] = max(floor["max_abs"], single["grads"][name].abs().max().item()), floor["n"] + 1
            else:
                self.tolerances.add("full.grad", single["grads"][name], grad)
        write_json(f"{self.golden}/full_grads.json", dict(loss=double["loss"], noise_driven=zeros, grad_norms={name: g.norm().item() for name, g in double["grads"].items()}))
        store({name: g for name, g in double["grads"].items() if self.family.is_stored_gradient(name)}, f"{self.golden}/full_grads.safetensors")

    # -- training

    def runs(self):
        for name, run in RUNS.items():
            rate = 1e-3 if run["variant"] is None else 2e-3
            ids = TRAIN_ROWS + run.get("more", [])
            folder = f"{self.golden}/runs/{name}"
            if run["variant"] is not None and "initial_adapter" not in run:
                self.write_new_adapter(run["variant"], folder)
            self.model = None
            (history, final), (history64, final64) = self.both(lambda dtype: self.train(dtype, run, folder, ids, rate))
            update = sum((final64[k].double() - self.start[k].double()).pow(2).sum() for k in final64).sqrt()
            error = sum((final64[k].double() - final[k].double()).pow(2).sum() for k in final64).sqrt()
            for row, row64 in zip(history, history64):
                row |= dict(loss_f64=row64["loss"], grad_norm_f64=row64["grad_norm"])
            facts = dict(run=name, kind="full" if run["variant"] is None else "lora", variant=run["variant"], mode=run["mode"], steps=run["steps"], base_lr=rate, warmup_steps=1,
                         max_grad_norm=0.3, micro_batch=2, grad_accum=2, sample_ids=ids, history=history, f32_vs_f64_rms_error_over_rms_update=(error / update).item())
            if "initial_adapter" in run:
                facts["initial_adapter"] = run["initial_adapter"]
            if name in ADAPTERS_KEPT:
                save_adapter(self.model, f"{folder}/adapter_final", self.family.name)
                facts["generated_after_training"] = {
                    id: dict(zip(("ids", "min_top1_top2_margin", "text"), self.generate(self.model, id, 20))) for id in ("s00_single", "s03_single", "s08_multiturn")
                }
            if name == "lora_token_mean":
                merged = self.model.merge_and_unload().state_dict()
                digest = {key: dict(shape=list(t.shape), sum=t.double().sum().item(), l2=t.double().norm().item(), first=t.flatten()[:4].tolist()) for key, t in merged.items()}
                write_json(f"{folder}/merged_digest.json", digest)
            write_json(f"{folder}/run.json", facts)
            print(name, [round(row["loss"], 4) for row in history], facts["f32_vs_f64_rms_error_over_rms_update"])

    def write_new_adapter(self, variant, folder):
        torch.manual_seed(42)
        with open(f"{self.golden}/lora/{variant}/adapter_config.json") as file:
            config = json.load(file)
        keys = ("r", "lora_alpha", "lora_dropout", "target_modules", "use_rslora", "use_dora", "task_type")
        model = get_peft_model(load(self.folder, torch.float32), LoraConfig(**{key: config[key] for key in keys}))
        save_adapter(model, f"{folder}/init", self.family.name)
        os.rename(f"{folder}/init/adapter_model.safetensors", f"{folder}/adapter_init.safetensors")

    def train(self, dtype, run, folder, ids, rate):
        """AdamW, linear decay after a warm-up of one step (whose rate is 0), clipping; the last group of an epoch may be shorter."""
        if run["variant"] is None:
            model = load(self.folder, dtype)
            model.requires_grad_(True)
        elif "initial_adapter" in run:
            model = load(self.folder, dtype, f"{self.golden}/{run['initial_adapter']}")
        else:
            if not os.path.exists(f"{folder}/init/adapter_model.safetensors"):
                shutil.copy(f"{folder}/adapter_init.safetensors", f"{folder}/init/adapter_model.safetensors")
            model = load(self.folder, dtype, f"{folder}/init")
            if dtype == torch.float64:
                shutil.rmtree(f"{folder}/init")
        self.model = model if dtype == torch.float32 else self.model
        parameters = trained(model)
        self.start = {name: p.detach().clone() for name, p in parameters.items()}
        optimizer = torch.optim.AdamW(parameters.values(), lr=rate, betas=(0.9, 0.999), eps=1e-8, weight_decay=0)
        micro = [ids[at : at + 2] for at in range(0, len(ids), 2)]
        groups = [micro[at : at + 2] for at in range(0, len(micro), 2)]
        history, steps = [], run["steps"]
        for step in range(steps):
            group = [self.batch(each) for each in groups[step % len(groups)]]
            counts = [int((labels[:, 1:] != -100).sum()) for _, labels, _ in group]
            optimizer.zero_grad()
            losses = []
            for (inputs, labels, _), count in zip(group, counts):
                _, nll, _ = token_losses(model, inputs, labels)
                loss = nll.sum() / sum(counts) if run["mode"] == "token_mean" else nll.mean() / len(group)
                loss.backward()
                losses.append(loss.item())
            norm = torch.nn.utils.clip_grad_norm_(parameters.values(), 0.3)
            lr = 0.0 if step == 0 else rate * (steps - step) / (steps - 1)
            for each in optimizer.param_groups:
                each["lr"] = lr
            optimizer.step()
            history.append(dict(step=step + 1, loss=sum(losses), micro_losses=losses, grad_norm=norm.item(), lr=lr, tokens=counts))
        return history, {name: p.detach().clone() for name, p in parameters.items()}

    # -- NF4

    def nf4(self, matrices, quantise):
        """The linear modules but lm_head in NF4, quantised on the fly; figures of the adapter all_linear."""
        def measure(dtype):
            model = load(self.folder, torch.float32)
            linears = [module for name, module in model.named_modules() if type(module) is torch.nn.Linear and name != "lm_head"]
            for module in linears:
                module.weight.data = quantise(module.weight.data, matrices)
            model = PeftModel.from_pretrained(model, f"{self.golden}/lora/all_linear", is_trainable=True).to(dtype).eval()
            return self.differentiate(model) | dict(n=len(linears))

        single, double = self.both(measure)
        store(dict(adapter_logits_completion=double["logits"]), f"{self.golden}/nf4/fp32/logits.safetensors")
        store(double["grads"], f"{self.golden}/nf4/fp32/lora_grads.safetensors")
        write_json(f"{self.golden}/nf4/nf4.json", dict(fp32=dict(loss=dict(f32=single["loss"], f64=double["loss"]), grad_norm=double["norm"], n_quantised=double["n"])))

    def write(self, matrices, quantise):
        for part in (self.cases, self.batches, self.bf16, self.lora, self.full, self.runs):
            part()
        self.nf4(matrices, quantise)
        write_json(f"{self.golden}/tolerances.json", self.tolerances.worst)
