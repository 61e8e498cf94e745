"""added_tokens.py SEED ROUNDS [OUT.json.gz]: token ids of AutoTokenizer (transformers 5.18) for node/base and node/base-medgemma with random added tokens
(overlapping, parts of each other, every combination of flags) over random texts, and for plain texts of many scripts. One JSON list of
{base, added: what tokenizer.json then lists, texts: [[text, ids], ...]}. The committed file: seed 1, 24 rounds."""
import copy, gzip, json, os, random, sys, unicodedata
from tokenizers import AddedToken
from transformers import AutoTokenizer

seed, rounds = int(sys.argv[1]), int(sys.argv[2])
R = random.Random(seed)
here = os.path.dirname(__file__)
WORDS = ["cm", "c", "mm", "m", "cmd", "cm.", "<a>", "<a><b>", "<b>", "a<b", "ß", "É", "e\u0301", "日本", "日", " x", "x ", "  ", "\n", "_", "-cm", "9", "12", "😀", "👩‍⚕️", "Ⅳ", "\u0301", "foo bar", "bar", "o b", "<|im|>"]
FILL = [" ", "  ", "\n", "\t", "a", "Z", "_", "5", "é", "ñ", "日", "本", ".", ",", "-", "😀", "\u200d", "\u0301", "\u00a0", "\u3000", "\u2028", "\ufeff", "\x1c", "٣", "ـ", "く", "ꙮ", "𝒳", " the", "word", "\u200b", "|", "<", ">", "›"]
PLAIN = ["Hello, world! 12.5 mm", "  leading and trailing  ", "tabs\tand\n\nnew\r\nlines\r", "Größe naïve façade œuvre Łódź", "Ελληνικά σίγμα Σ", "Привет, мир", "שלום עולם", "مرحبا بالعالم ٣٤٥", "नमस्ते दुनिया", "ประเทศไทย",
         "日本語のテキスト、カタカナ", "한국어 텍스트", "😀👩‍⚕️🏳️‍🌈👍🏽", "e\u0301 vs \u00e9, A\u030a vs \u00c5 \u212b", "ﬁ ﬂ ½ ² ① Ⅳ ㎜", "1234567890 3.14159 1e-10 0x1F", "a" * 300, "ab" * 150, "x\x00y\x01\x7f\x85z", "\u00a0\u2003\u3000\u200b\ufeffq", "don't we'll I'M you'RE",
         "snake_case camelCase kebab-case", "<html><b>&amp;</b></html>", "C:\\path\\to \\n", "\U0001d4b3\U00020000\U0010fffd", "   \n   \n\n\n x", "{\"k\": [1, 2.50, null]}", "", " ", "\n", "a\u0300\u0301\u0302b", "ᄒ\u1161\u11ab 한", "..!!??,,;;::", "ÀÁÂ ÃÄÅ", "\u202eabc\u202c", "12,345.67 % $€£¥", "t\u0323\u0307 t\u0307\u0323", "the quick brown fox " * 8]

def text():
    return "".join(R.choice(WORDS if R.random() < .45 else FILL) for _ in range(R.randrange(1, 14)))

def entry(base, count):
    tokenizer = AutoTokenizer.from_pretrained(os.path.join(here, "../../node", base))
    before = len(json.loads(tokenizer.backend_tokenizer.to_str())["added_tokens"])
    flag = lambda p=.35: R.random() < p
    if count: tokenizer.add_tokens([AddedToken(w, single_word=flag(), lstrip=flag(.3), rstrip=flag(.3), normalized=flag(.5), special=flag(.3)) for w in R.sample(WORDS, count)])
    added = json.loads(tokenizer.backend_tokenizer.to_str())["added_tokens"]
    texts = [text() for _ in range(20)] if count else PLAIN + [unicodedata.normalize("NFD", p) for p in PLAIN] + [text() for _ in range(40)]
    return {"base": base, "added": added if count else None, "texts": [[t, tokenizer(t, add_special_tokens=False)["input_ids"]] for t in texts]}

entries = [entry(base, 0) for base in ("base", "base-medgemma")]
entries += [entry(R.choice(["base", "base-medgemma"]), R.randrange(1, 9)) for _ in range(rounds)]
if rounds == 24:
    tokenizer = AutoTokenizer.from_pretrained(os.path.join(here, "../../node/base")); tokenizer.add_tokens([AddedToken("cm", single_word=True)])
    t = "5 cm, cmd acm cm."
    entries.append({"base": "base", "added": json.loads(tokenizer.backend_tokenizer.to_str())["added_tokens"], "texts": [[t, tokenizer(t, add_special_tokens=False)["input_ids"]]]})
out = json.dumps(entries, ensure_ascii=False, separators=(",", ":"))
if len(sys.argv) > 3: open(sys.argv[3], "wb").write(gzip.compress(out.encode(), 9, mtime=0))
else: print(out)
