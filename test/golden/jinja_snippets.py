"""jinja_snippets.py SEED COUNT [OUT.json.gz]: random template snippets with what transformers' Jinja2 makes of them, as one JSON list of
[template, text or null where it raises]; the variables are the first entry. Needs transformers 5.18. The committed file: seed 1, 700 snippets."""
import copy, datetime, gzip, json, random, sys, warnings
import transformers.utils.chat_template_utils as templates

warnings.simplefilter("ignore")
seed, count = int(sys.argv[1]), int(sys.argv[2])
R = random.Random(seed)
STR=["'a'","' b '","'Hello World'","'a,b,,c'","'\\n x\\t'","'éß😀'","\"it's\"","''","'12'","'3.5'","'aXbXc'","'<|im|>'","'ŝΣ'","'a\\nb\\r\\nc\\n'","'  '","'{}'","'%s'"]
NUM=["0","1","2","-1","3","7","10","2.5","0.1","1e3","1e20","1.0","100","true","false"]
NAMES=["s","t","n","f","l","d","nl","b","z","u","m","tup","msgs","e","i","x"]
VARS={"s":"some Text here","t":"  padded\n\ttext \n","n":7,"f":2.75,"l":[3,1,2,1],"d":{"b":2,"a":1,"C":"x","items":5,"n":None},"nl":None,"b":True,"z":"","msgs":[{"role":"user","content":"hi"},{"role":"assistant","content":"  yo\n"},{"role":"user","content":[{"type":"text","text":"p"},{"type":"image"}]}],"m":["b","A","c","B","a"],"tup":["x","y"],"e":[],"x":{"k":[1,{"y":"z'\""}],"f":1.5},"i":-3}
def name(): return R.choice(NAMES)
FILT=["upper","lower","trim","title","capitalize","length","list","first","last","join","join(', ')","sort","reverse","reverse|list","int","float","string","tojson","tojson(indent=2)","tojson(sort_keys=true)","tojson(separators=(',',':'))","tojson(ensure_ascii=true)","unique|list","default('D')","default('D',true)","abs","round","round(1)","round(2,'floor')","replace('a','b')","replace('a','b',1)","indent","indent(2,true)","map('upper')|list","map('string')|join('-')","select('string')|list","reject('none')|list","selectattr('role','equalto','user')|list","map(attribute='role')|list","map(attribute='role',default='?')|join(',')","groupby('role')","dictsort","dictsort(by='value')","items|list","batch(2)|list","slice(2)|list","sum","min","max","count","wordcount","center(12)","attr('upper')","sort(reverse=true)","sort(attribute='role')","rejectattr('content','string')|list","format(1)","map('trim')|list","trim('a ')","d(1)","select|list","select('gt',1)|list","reject('odd')|list","sort(case_sensitive=true)","unique(case_sensitive=true)|list","int(5)","float(1.5)","safe","list|length","select('defined')|list","map('length')|list","map('int')|sum","indent(width='> ')","round(3)","selectattr('role')|list|length","sum(start=2)","join('+',attribute='role')","max(attribute='role')","tojson(indent=1,ensure_ascii=true)"]
METH=["strip()","strip('a ')","lstrip()","rstrip('\\n ')","lstrip('\\n')","split()","split(',')","split(',',1)","split(none,1)","rsplit(',',1)","rsplit(' ',1)","split('X',maxsplit=1)","upper()","lower()","title()","capitalize()","startswith('a')","startswith(('a','S'))","endswith('c')","endswith(' ')","replace('a','q')","replace('','-')","replace('a','',1)","find('a')","find('zz')","rfind('X')","count('a')","index('a')","join(['1','2'])","isdigit()","isalpha()","isspace()","isalnum()","isupper()","islower()","removeprefix('a')","removesuffix('c')","partition(',')","rpartition(',')","splitlines()","splitlines(true)","zfill(5)","ljust(6)","rjust(6,'*')","center(7)","swapcase()","expandtabs(4)","items()","keys()|list","values()|list","get('a')","get('zz')","get('zz',3)","get('n','q')","copy()","index(1)","count(1)","append(1)","pop()","update({})","items()|list","x","a","role","length","format(1,2)","istitle()","isdecimal()","isascii()","isidentifier()","isprintable()","encode()","find('e',3)","startswith('e',3)","title","real","bit_length()","is_integer()","startswith('ome', 1, 4)"]
TEST=["defined","undefined","none","string","number","mapping","iterable","sequence","boolean","true","false","integer","float","odd","even","divisibleby 2","divisibleby(3)","eq 1","equalto 'a'","ne 1","gt 1","lt 2","in [1,2]","in 'abc'","lower","upper","callable","sameas none","sameas true","not none","not string","== 1","ge 0"]
def expr(k):
    if k<=0: return R.choice([R.choice(STR),R.choice(NUM),name(),name(),name()])
    c=R.randrange(20); e=lambda: expr(k-1-R.randrange(2))
    if c<3: return f"{P(e())}|{R.choice(FILT)}"
    if c<6: return f"{P(e())}.{R.choice(METH)}"
    if c==6: return f"{e()} {R.choice(['+','-','*','/','//','%','~','**'])} {e()}"
    if c==7: return f"{e()} {R.choice(['==','!=','<','>','<=','>=','in','not in'])} {e()}"
    if c==8: return f"{e()} {R.choice(['and','or'])} {e()}"
    if c==9: return f"not {e()}"
    if c==10: return f"{P(e())} is {R.choice(TEST)}"
    if c==11: return f"{e()} if {e()} else {e()}"
    if c==12: return f"({e()} if {e()})"
    if c==13: return f"[{e()}, {e()}]"
    if c==14: return f"{{'k': {e()}, {R.choice(STR)}: {e()}}}"
    if c==15: return f"({e()}, {e()})"
    if c==16: return f"{P(e())}[{R.choice(['0','-1','1:','::-1',':2','-2:','::2','5','1:3',repr('a'),repr('role'),e()])}]"
    if c==17: return f"({e()})"
    if c==18: return f"-{P(e())}"
    return f"{R.choice(['range','dict','namespace'])}({R.choice(['3','1,5','a=1','','5,0,-2','l','d',e()])})"
def P(x): return x if x.replace('_','').isalnum() else f"({x})"
def W(): return R.choice(["","-","","+"]) 
def WE(): return R.choice(["","-",""])
def text(): return R.choice(["","\n","  ","\n  "," txt ","line\n","\t","\n\n  x","é😀 ","{ }","a\n   b\n  "])
def stmt(k):
    c=R.randrange(16)
    if c<6: return "{{"+R.choice(["","-",""])+" "+expr(R.randrange(4))+" "+WE()+"}}"
    if k<=0: return text()
    B=lambda: body(k-1)
    o=lambda s: "{%"+W()+" "+s+" "+WE()+"%}"
    if c==6: return o(f"if {expr(2)}")+B()+R.choice(["",o("else")+B(),o(f"elif {expr(1)}")+B()+o("else")+B()])+o("endif")
    if c==7: return o(f"for {R.choice(['i','x','i, j','s'])} in {R.choice(['l','m','msgs','range(3)','d.items()','d|items','e','s','msgs|map(attribute=%s)'%repr('role'),expr(1)])}{R.choice(['','',' if i',' if loop is defined',' if not loop'])}")+B()+R.choice(["","",o("else")+B()])+o("endfor")
    if c==8: return o(f"set {R.choice(['s','x','q','y','i'])} = {expr(2)}")
    if c==9: return o(f"set {R.choice(['s','x','q'])}")+B()+o("endset")
    if c==10: return o("set ns = namespace(a=1)")+o(f"for i in {R.choice(['l','range(3)'])}")+o("set ns.a = ns.a + 1")+B()+o("endfor")+"{{ ns.a }}"
    if c==11: return o("for i in l")+R.choice(["{{ loop.index }}","{{ loop.last }}","{{ loop.first }}","{{ loop.previtem }}","{{ loop.nextitem is defined }}","{{ loop.cycle('a','b') }}","{{ loop.length }}","{{ loop.revindex0 }}","{{ loop.changed(i) }}"])+R.choice([o(f"if {expr(1)}")+R.choice([o("break"),o("continue")])+o("endif"),""])+B()+o("endfor")
    if c==12: return o(f"macro mac(a, b={expr(1)})")+"{{ a }}{{ b }}{{ varargs if false }}"+B()+o("endmacro")+"{{ mac("+R.choice(["1","1,2","b=3","s, b=t",expr(1)])+") }}"
    if c==13: return R.choice(["{#"+W()+" c "+WE()+"#}","{% raw %}{{ x }}{% endraw %}","{%- raw -%} {{ y {%- endraw -%}"])
    if c==14: return o("generation")+B()+o("endgeneration")
    return R.choice([o(f"with q={expr(1)}, y=s")+B()+"{{ q }}"+o("endwith"),o(f"filter {R.choice(['upper','trim','indent'])}")+B()+o("endfilter"),o(f"macro cc()")+"[{{ caller(1) }}]"+o("endmacro")+o("call(v) cc()")+B()+"{{ v }}"+o("endcall")])
def body(k): return "".join(R.choice([text,lambda: stmt(k)])() for _ in range(R.randrange(1,4)))

class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None): return cls(2025, 3, 7, 14, 5, 9)
templates.datetime = Clock

def rendered(template):
    try: return templates._cached_compile_jinja_template(template).render(**copy.deepcopy(VARS))
    except Exception: return None

entries = [VARS]
for _ in range(count):
    template = body(3) if R.random() < .5 else "{{ " + expr(R.randrange(1, 5)) + " }}"
    entries.append([template, rendered(template)])
text = json.dumps(entries, ensure_ascii=False, separators=(",", ":"))
if len(sys.argv) > 3: open(sys.argv[3], "wb").write(gzip.compress(text.encode(), 9, mtime=0))
else: print(text)
