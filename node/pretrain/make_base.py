"""Makes the tiny base models of the quick start on a CPU, with PyTorch:

    npm run build && node dist/prepareBase.js --family qwen2_5_vl --output_dir base
    python node/pretrain/make_base.py --folder base --look 300 --seconds 2400

The first line writes the folder with random weights; this program replaces them. They learn in two stages, both on phantoms.py alone:

1. look: the vision tower with linear heads that say, for every patch and every token of the picture, which structure it lies on (how far
   its box reaches in each direction, how bright it is, what it may be called). Hundreds of numbers a picture, where an answer in words
   gives a dozen.
2. read: the whole model on questions and answers. The heads of stage 1 go on, with two more: the picture's tokens say in the text stack
   where their structure lies counted from the picture's corner, and the answer's tokens the box as numbers, one layer before the last.
   Prompts start without the sentences that all share, and end as MedVision writes them.

The heads are thrown away. What is saved is a Hugging Face folder in bf16 (and make_base.pt in --out, to go on from with --resume).
"""

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor

import phantoms
from phantoms import NAMES, Pictures
from tiny_gemma import TinyGemma
from tiny_qwen import TinyQwen, for_products
from tiny_smolvlm import TinySmolVLM

FAMILIES = {"qwen2_5_vl": TinyQwen, "gemma3": TinyGemma, "smolvlm": TinySmolVLM}

# Merged tokens down and across, 10 to 18 of them, as slices of all shapes get.
QWEN_GRIDS = [(4, 3), (5, 3), (6, 2), (3, 4), (4, 4), (3, 5), (5, 2), (2, 6), (6, 3), (7, 2)]
TOKEN = 28  # pixels of a merged token
DENSE = 4 + 1 + 1 + len(NAMES)  # what a dense head says: box, brightness, whether there is a structure, its names


def dense_targets(pictures: Pictures, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """For cells of size × size pixels: the structure that fills most of a cell → numbers [B, cells, 5] (box sides in tokens from the cell's
    centre, brightness), flags [B, cells, 1 + names], and the cell's centre in tokens [cells, 4]."""
    count, height, width = pictures.pixels.shape
    rows, columns = height // size, width // size
    one = pictures.owner[:, None] == np.arange(phantoms.MOST)[:, None, None]
    share = one.reshape(count, phantoms.MOST, rows, size, columns, size).mean((3, 5)).reshape(count, phantoms.MOST, -1)
    best, there = share.argmax(1), share.max(1) > 0.12
    y, x = np.meshgrid((np.arange(rows) + 0.5) * size, (np.arange(columns) + 0.5) * size, indexing="ij")
    centre = np.stack([x, y, x, y], -1).reshape(-1, 4) / TOKEN
    batch = np.arange(count)[:, None]
    box = np.nan_to_num(pictures.box)[batch, best] / TOKEN - centre
    grey = np.nan_to_num(pictures.grey)[batch, best][..., None] / 64 - 2
    numbers = np.concatenate([box, grey], -1)
    flags = np.concatenate([there[..., None], pictures.named[batch, best] & there[..., None]], -1)
    return torch.tensor(numbers, dtype=torch.float32), torch.tensor(flags, dtype=torch.float32), torch.tensor(centre, dtype=torch.float32)


def dense_loss(said: Tensor, numbers: Tensor, flags: Tensor) -> Tensor:
    there = flags[..., 0] > 0
    off = F.smooth_l1_loss(said[..., :5][there], numbers[there], beta=0.1)
    names = F.binary_cross_entropy_with_logits(said[..., 6:][there], flags[..., 1:][there])
    return off + F.binary_cross_entropy_with_logits(said[..., 5], flags[..., 0]) + 2 * names


class Run:
    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.folder = Path(args.folder)
        self.config = json.loads((self.folder / "config.json").read_text())
        self.model = FAMILIES[self.config["model_type"]](self.config)
        self.grids = QWEN_GRIDS if self.config["model_type"] == "qwen2_5_vl" else [(4, 4)]
        self.table = f"{self.model.stack}embed_tokens.weight"
        self.tokenizer = Tokenizer.from_file(str(self.folder / "tokenizer.json"))
        self.rng = np.random.default_rng(args.seed)
        generator = torch.Generator().manual_seed(args.seed)
        self.weights = {name: value.float() for name, value in load_file(self.folder / "model.safetensors").items()}
        patch, width = self.config["vision_config"]["hidden_size"], self.config.get("text_config", self.config)["hidden_size"]
        sizes = {"patch": (DENSE, patch), "token": (DENSE, width), "place": (DENSE, width), "box": (4, width)}
        self.heads = {name: torch.randn(shape, generator=generator) * 0.02 for name, shape in sizes.items()}
        self.heads |= {f"{name}.bias": torch.zeros(shape[0]) for name, shape in sizes.items()}
        if args.resume:
            held = torch.load(args.resume)
            self.weights, self.heads = held["weights"], held["heads"]
        for value in [*self.weights.values(), *self.heads.values()]:
            value.requires_grad_(True)
        self.optimizer = torch.optim.AdamW(
            [
                {"params": [v for n, v in self.weights.items() if v.dim() > 1 and "embed_tokens" not in n], "weight_decay": 0.02},
                {
                    "params": [v for n, v in self.weights.items() if v.dim() == 1 or "embed_tokens" in n] + list(self.heads.values()),
                    "weight_decay": 0,
                },
            ],
            lr=1e-3,
            betas=(0.9, 0.98),
            foreach=True,
        )
        # The tied head chooses among the tokens of answers alone. Told not to say the other thousand, it would push all their embeddings
        # the same way, step by step, until one word that prompts have not used looks like another.
        answer = self.encode(self.model.begin_of_answer + "0123456789., -." + self.model.end_of_answer) + self.encode("0.123, 45.67, 8.90" + self.model.end_of_answer)
        self.outputs = torch.tensor(sorted(set(answer)))
        self.output_at = torch.zeros(len(self.weights[self.table]), dtype=torch.long)
        self.output_at[self.outputs] = torch.arange(len(self.outputs))
        self.words, self.fragments = self.invent()
        self.prefixes: dict[tuple[int, int], list[int]] = {}

    def invent(self) -> tuple[list[list[list[int]]], Tensor]:
        """Names of one to three fragments of words for every meaning, and which ids are fragments. What a name means is a linear function
        of the sum of its embeddings, which stay random where prompts read them: so the model learns to read any words that stand in a
        name's place, and a word it has never seen means something already, which fine-tuning then changes."""
        table = self.weights[self.table].detach()
        used = {i for is_short in (True, False) for i in self.everyday(is_short)}
        ids = [i for t, i in self.tokenizer.get_vocab().items() if t.isascii() and t.isalpha() and 2 <= len(t) <= 6 and i not in used]
        ids.sort()
        rng = np.random.default_rng(7)
        vectors = (table[ids] - table[ids].mean(0)).numpy()
        directions = rng.standard_normal((len(NAMES), vectors.shape[1]))
        words: list[list[list[int]]] = [[] for _ in NAMES]
        for _ in range(20000):
            chosen = rng.choice(len(ids), rng.integers(1, 4), replace=False)
            scores = directions @ vectors[chosen].sum(0) / len(chosen) ** 0.5
            first, second = np.argsort(scores)[:-3:-1]
            if scores[first] - scores[second] > 0.35 * scores.std():
                words[first].append([ids[c] for c in chosen])
        is_fragment = torch.zeros(len(table), dtype=torch.bool)
        is_fragment[ids] = True
        print(f"{len(ids)} fragments, {sum(map(len, words))} names", flush=True)
        return words, is_fragment

    def everyday(self, is_short: bool) -> list[int]:
        """Ids of prompts without invented names."""
        rng = np.random.default_rng(0)
        pictures = phantoms.draw(rng, 40, 112, 112, 0)
        asked = [phantoms.ask(rng, pictures, i, is_short, (0.4, 0.2, 0.2, 0.2)) for i in range(40)]
        return [i for question in asked if question for i in self.encode(self.model.turn(question.prompt) + self.model.begin_of_answer + question.answer)]

    def encode(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def head(self, name: str, x: Tensor) -> Tensor:
        return F.linear(x.float(), self.heads[name], self.heads[f"{name}.bias"])

    def pictures(self, count: int, clutter: float) -> tuple[Pictures, int, int]:
        rows, columns = self.grids[min(int(self.rng.exponential(3)), len(self.grids) - 1)]
        return phantoms.draw(self.rng, count, rows * TOKEN, columns * TOKEN, clutter), rows, columns

    def see(self, pictures: Pictures) -> tuple[Tensor, Tensor]:
        self.cast = for_products(self.weights)
        grid, merged = self.model.see(self.cast, torch.from_numpy(pictures.pixels))
        numbers, flags, _ = dense_targets(pictures, self.config["vision_config"]["patch_size"])
        loss = 0.5 * dense_loss(self.head("patch", grid.flatten(1, 2)), numbers, flags)
        self.token_targets = dense_targets(pictures, TOKEN)
        said = self.head("token", merged)
        loss = loss + dense_loss(said, *self.token_targets[:2])
        with torch.no_grad():
            there = self.token_targets[1][..., 0] > 0
            self.off = float((said[..., :4] - self.token_targets[0][..., :4])[there].abs().mean())
        return merged, loss

    def questions(self, pictures: Pictures, each: int, is_short: bool, kinds: tuple[float, ...]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """ids [B, Q, L], the weight of every id as a target [B·Q, L], and the boxes [B·Q, 4] (NaN in other answers)."""
        rows, weights, boxes = [], [], []
        for i in range(len(pictures.pixels)):
            for _ in range(each):
                question = phantoms.ask(self.rng, pictures, i, is_short, kinds, self.args.invented)
                if question is None:
                    rows.append([0])
                    weights.append([0.0])
                    boxes.append(np.full(4, np.nan))
                    continue
                prompt = self.spell(self.model.turn(question.prompt), question)
                answer = self.encode(self.model.begin_of_answer + question.answer + self.model.end_of_answer)
                rows.append(prompt + answer)
                weights.append([0.0] * len(prompt) + digit_weights([self.tokenizer.id_to_token(i) for i in answer]))
                boxes.append(np.full(4, np.nan) if question.box is None else question.box)
        length = max(map(len, rows))
        ids = torch.tensor([row + [0] * (length - len(row)) for row in rows]).view(len(pictures.pixels), each, length)
        weight = torch.tensor([row + [0.0] * (length - len(row)) for row in weights])
        return ids, weight, torch.tensor(np.array(boxes), dtype=torch.float32)

    def spell(self, prompt: str, question: phantoms.Question) -> list[int]:
        """The prompt's ids, with a name of the right meaning for every INVENTED."""
        # A space belongs to the word that follows it, as in tokens; fragments have none.
        pieces = prompt.split(f" {phantoms.INVENTED}")
        ids = self.encode(pieces[0])
        for meaning, piece in zip(question.invented, pieces[1:], strict=True):
            ids = ids + self.words[meaning][self.rng.integers(len(self.words[meaning]))] + self.encode(piece)
        return ids

    def read(self, done: float) -> dict[str, float]:
        args = self.args
        is_short = self.rng.random() > (done - args.short) / max(1e-9, 0.8 - args.short) if done > args.short else True
        kinds = (1.0, 0.0, 0.0, 0.0) if done < 0.25 else (0.7, 0.1, 0.12, 0.08)
        clutter = min(1.0, 0.2 + done)
        pictures, rows, columns = self.pictures(args.batch, clutter)
        merged, dense = self.see(pictures)
        if (rows, columns) not in self.prefixes:
            self.prefixes[rows, columns] = self.model.prefix(self.encode, rows, columns)
        ids, weight, boxes = self.questions(pictures, args.each, is_short, kinds)
        seen, said = self.model.read(self.cast, self.prefixes[rows, columns], merged, ids, rows, columns, self.fragments)
        numbers, flags, centre = self.token_targets
        place = torch.cat([numbers[..., :4] + centre, numbers[..., 4:]], -1)
        placed = dense_loss(self.head("place", seen[1]), place, flags)
        target, told = ids.flatten(0, 1)[:, 1:], weight[:, 1:]
        asked = told > 0
        logits = self.model.logits(self.cast, said[-1][:, :-1][asked], self.outputs).float()
        target = self.output_at[target]
        each = F.cross_entropy(logits, target[asked], reduction="none")
        words = (each * told[asked]).sum() / told[asked].sum()
        is_box = ~boxes[:, :1].isnan() & asked
        wrong = self.head("box", said[-2][:, :-1][is_box]) - boxes[:, None].expand(-1, told.shape[1], -1)[is_box]
        boxed = F.smooth_l1_loss(wrong, torch.zeros_like(wrong), beta=0.02)
        loss = words + args.aux * (0.3 * dense + 0.3 * placed + 6 * boxed)
        self.step(loss)
        first = told[asked] >= 1.4
        right = (logits.argmax(-1) == target[asked])[first].float().mean()
        return {
            "words": words.item(),
            "first": right.item(),
            "dense": dense.item(),
            "off": self.off,
            "place": placed.item(),
            "box": wrong.abs().mean().item(),
        }

    def step(self, loss: Tensor) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        everything = [v for v in [*self.weights.values(), *self.heads.values()] if v.grad is not None]
        torch.nn.utils.clip_grad_norm_(everything, 1.0, foreach=True)
        self.optimizer.step()

    def stage(self, name: str, seconds: float, one) -> None:
        begun, steps, told, sums = time.time(), 0, time.time(), {}
        saved = begun
        while True:
            done = (time.time() - begun) / seconds
            if done >= 1:
                break
            for group in self.optimizer.param_groups:
                group["lr"] = self.args.lr * min(1, steps / 60) * (0.02 + 0.98 * (0.5 + 0.5 * math.cos(math.pi * done)))
            for key, value in one(done).items():
                sums.setdefault(key, []).append(value)
            steps += 1
            if time.time() - told > 20:
                rate = len(next(iter(sums.values()))) / (time.time() - told)
                print(
                    f"{name} {time.time() - begun:.0f} s  step {steps}  {rate:.2f}/s  "
                    + "  ".join(f"{k} {np.mean(v):.4f}" for k, v in sums.items()),
                    flush=True,
                )
                told, sums = time.time(), {}
            if time.time() - saved > 180:
                self.save()
                saved = time.time()
        print(f"{name}: {steps} steps in {time.time() - begun:.0f} s", flush=True)
        self.save()

    def save(self) -> None:
        out = Path(self.args.out or self.folder)
        out.mkdir(parents=True, exist_ok=True)
        if self.args.out:
            torch.save({"weights": self.weights, "heads": self.heads}, out / "make_base.pt")
        save_file(
            {name: value.detach().to(torch.bfloat16).contiguous() for name, value in self.weights.items()},
            out / "model.safetensors",
            {"format": "pt"},
        )

    def look(self, done: float) -> dict[str, float]:
        pictures, _, _ = self.pictures(self.args.batch * 3, 0.2 + 0.6 * done)
        _, loss = self.see(pictures)
        self.step(loss)
        return {"dense": loss.item(), "off": self.off}


def digit_weights(tokens: list[str]) -> list[float]:
    """First digits say most: tenths and whole numbers, then hundredths; the rest is for the form."""
    weights, behind = [], -1
    for token in tokens:
        if token.isdigit():
            weights.append({-1: 1.2, 0: 1.5, 1: 1.0}.get(behind, 0.2))
            behind = behind + 1 if behind >= 0 else -1
        else:
            weights.append(0.1)
            behind = 0 if token == "." else -1
    return weights


def main() -> None:
    parser = argparse.ArgumentParser(description="Makes a tiny base model on synthetic pictures.")
    parser.add_argument("--folder", required=True, help="folder with config.json and tokenizer.json")
    parser.add_argument("--out", help="where to write, when not there")
    parser.add_argument("--resume", help="make_base.pt of an earlier run")
    parser.add_argument("--look", type=float, default=300, help="seconds of the first stage")
    parser.add_argument("--seconds", type=float, default=2400, help="seconds of the second stage")
    parser.add_argument("--batch", type=int, default=8, help="pictures in a step")
    parser.add_argument("--each", type=int, default=5, help="questions a picture")
    parser.add_argument("--lr", type=float, default=1.6e-3)
    parser.add_argument("--aux", type=float, default=1)
    parser.add_argument("--short", type=float, default=0.4, help="share of the second stage with short prompts alone")
    parser.add_argument("--invented", type=float, default=0.6, help="share of invented names in the second stage")
    parser.add_argument("--seed", type=int, default=1)
    run = Run(parser.parse_args())
    torch.manual_seed(run.args.seed)
    if run.args.look > 0:
        run.stage("look", run.args.look, run.look)
    if run.args.seconds > 0:
        run.stage("read", run.args.seconds, run.read)


main()
