"""chat_templates.py OUT.json.gz: the chat templates that the package trl ships (Apache-2.0, copyright The HuggingFace Team; the templates are the models'
own), nine conversations, and the strings that transformers' apply_chat_template gives (null where it raises). Needs transformers 5.18, trl 1.13, and
a tokenizer folder: node/base."""
import datetime, glob, gzip, json, os, sys
import transformers.utils.chat_template_utils as templates
import trl
from transformers import AutoTokenizer

U=lambda c:{"role":"user","content":c}
A=lambda c,**k:{"role":"assistant","content":c,**k}
S=lambda c:{"role":"system","content":c}
T=lambda t:{"type":"text","text":t}
I={"type":"image"}
convs=[
 {"messages":[U("How large is the lesion?"),A("12.5 mm")]},
 {"messages":[S("You measure.\n\n  Be exact. "),U("  leading and trailing \n\n"),A("\n  12.5 mm  \n"),U("again?\n"),A(" {{ messages }} {% if %} {# #} \"quoted\" 'single' \\n <b>&amp;</b>\u2028 ")]},
 {"messages":[U([I,T("What is this? ")]),A([T("\n A chest X-ray.\n")]),U([T("And this:"),I,T("?")])],"gen":True},
 {"messages":[S([T("Systeme é 日本")]),U([I,I,T("compare 👩‍⚕️ \t x")]),A("plain ñ"),U("end"),A([T("a"),T("b")])]},
 {"messages":[S(""),U("q"),A("<think>\nlong thought\n</think>\n\nfinal",reasoning_content="hidden\n thoughts")]},
 {"messages":[U("2+2"),A("",reasoning_content=" sum "),U("and 3+3?")],"gen":True,"extra":{"enable_thinking":False}},
 {"messages":[S("tools here"),U("weather?"),A("",tool_calls=[{"type":"function","id":"call12345","function":{"name":"get_weather","arguments":{"city":"Zürich","n":3,"f":2.5,"b":True,"z":None,"l":["a",{"k":"v\"<"}]}}}]),{"role":"tool","content":"{\"t\": 21}","name":"get_weather","tool_call_id":"call12345"},A("21")],"tools":[{"type":"function","function":{"name":"get_weather","description":"Gets \"weather\" é","parameters":{"type":"object","properties":{"city":{"type":"string","description":"c","enum":["a","b"]},"n":{"type":"integer"},"l":{"type":"array","items":{"type":"string"}}},"required":["city"]}}}]},
 {"messages":[A("I begin"),U("no")]},
 {"messages":[U("a"),U("b"),A("c"),A("d")]},
]

special = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>", "image_token": "<image>"}
tokenizer = AutoTokenizer.from_pretrained(os.path.join(os.path.dirname(__file__), "../../node/base"))

class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None): return cls(2025, 3, 7, 14, 5, 9)
templates.datetime = Clock

def rendered(template, conversation):
    try:
        return tokenizer.apply_chat_template(
            conversation["messages"], chat_template=template, tokenize=False, add_generation_prompt=conversation.get("gen", False),
            tools=conversation.get("tools"), **special, **conversation.get("extra", {}))
    except Exception:
        return None

golden = {"source": "trl/chat_templates, Apache-2.0", "special": special, "conversations": convs, "templates": []}
for path in sorted(glob.glob(os.path.join(os.path.dirname(trl.__file__), "chat_templates", "*.jinja"))):
    text = open(path, newline="", encoding="utf-8").read()
    golden["templates"].append({"name": os.path.basename(path), "text": text, "rendered": [rendered(text, c) for c in convs]})
open(sys.argv[1], "wb").write(gzip.compress(json.dumps(golden, ensure_ascii=False, separators=(",", ":")).encode(), 9, mtime=0))
print(len(golden["templates"]), "templates,", sum(r is not None for t in golden["templates"] for r in t["rendered"]), "strings")
