"""score.py DIR TOOL: compares the cells of tables with those that were drawn.

A cell counts if its text is right, in the right column of the right row. Texts of docmill are in DIR/NAME.pdf.md."""
import json, sys, os, re, subprocess, collections, time
from concurrent.futures import ThreadPoolExecutor
d, tool = sys.argv[1], sys.argv[2]
def norm(s): return re.sub(r"[\s​]+", "", str(s or "")).replace("\\|","|").replace("<br>","").replace("**","")
def markdown(text):
    tables=[]; cur=None
    for line in text.split("\n"):
        line=line.strip()
        if line.startswith("|") and line.endswith("|") and len(line)>1:
            cells=re.split(r"(?<!\\)\|", line[1:-1])
            if cur is None: cur=[]; tables.append(cur)
            if all(re.fullmatch(r"\s*:?-{3,}:?\s*", c) for c in cells): continue
            cur.append([norm(c) for c in cells])
        else: cur=None
    return tables
def docmill(path):
    return markdown(open(path + ".md", encoding="utf-8").read())
def plumber(path):
    import pdfplumber
    with pdfplumber.open(path) as p: return [[[norm(c) for c in row] for row in t] for pg in p.pages for t in pg.extract_tables()]
def plumber_text(path):
    import pdfplumber
    with pdfplumber.open(path) as p: return [[[norm(c) for c in row] for row in t] for pg in p.pages for t in pg.extract_tables({"vertical_strategy":"text","horizontal_strategy":"text"})]
def camelot_(flavor):
    def f(path):
        import camelot
        return [[[norm(c) for c in row] for row in t.df.values.tolist()] for t in camelot.read_pdf(path,pages="all",flavor=flavor,suppress_stdout=True)]
    return f
def mu(path):
    import pymupdf4llm
    return markdown(pymupdf4llm.to_markdown(path, show_progress=False))
tools=dict(docmill=docmill,pdfplumber=plumber,pdfplumber_text=plumber_text,camelot_lattice=camelot_("lattice"),camelot_stream=camelot_("stream"),camelot_hybrid=camelot_("hybrid"),camelot_network=camelot_("network"),pymupdf4llm=mu)
def match(a,b): 
    m=sum(x==y for x,y in zip(a,b))
    return m if any(x and x==y for x,y in zip(a,b)) else 0
def align(true,found):
    n,m=len(true),len(found); best=[[0]*(m+1) for _ in range(n+1)]
    for i in range(n-1,-1,-1):
        for j in range(m-1,-1,-1):
            best[i][j]=max(best[i+1][j],best[i][j+1],best[i+1][j+1]+match(true[i],found[j]))
    return best[0][0]
def run(entry):
    path=os.path.join(d,entry["file"])
    t=time.time()
    try: found=tools[tool](path)
    except ImportError: sys.exit(f"{tool}: not installed, not measured")
    except Exception as e: found=[]; print(entry["file"],repr(e)[:100],file=sys.stderr)
    took=time.time()-t
    true=[[norm(c) for c in row] for tb in entry["tables"] for row in tb["cells"]]
    rows=[r for tb in found for r in tb]
    heads=[[norm(c) for c in tb["cells"][0]] for tb in entry["tables"] if tb["pages"]]
    seen=collections.Counter(); kept=[]
    for r in rows:
        if r in heads:
            if seen[tuple(r)]: continue
            seen[tuple(r)]+=1
        kept.append(r)
    m=align(true,kept); T=sum(map(len,true)); F=sum(map(len,kept))
    return m,T,F,took
if __name__=="__main__":
    entries=json.load(open(os.path.join(d,"tables.json")))
    M=T=F=0; by=collections.defaultdict(lambda:[0,0,0]); worst=[]; files=[]; took=0
    for e in entries:
        m,t,f,s=run(e); M+=m;T+=t;F+=f; took+=s; files.append(2*m/(t+f) if t+f else 0)
        for tb in e["tables"]:
            for k in ("rule:"+tb["rule"],"kind:"+tb["kind"],"tight:"+str(tb["tight"]),"font:"+tb["font"],*("feature:"+x for x in tb["features"]),*(["pages"] if tb["pages"] else [])):
                by[k][0]+=m; by[k][1]+=t; by[k][2]+=f
        if files[-1]<.98: worst.append((files[-1],e["file"],[(tb["kind"],tb["rule"],tb["tight"],tb["features"],tb["pages"]) for tb in e["tables"]]))
    print(f"{tool}: cells F1 {2*M/(T+F):.4f} recall {M/T:.4f} precision {M/max(F,1):.4f}; mean over files {sum(files)/len(files):.4f}; perfect files {sum(x==1 for x in files)}/{len(files)}" + ("" if tool=="docmill" else f"; {took:.1f} s"))
    if tool=="docmill" or "-v" in sys.argv:
        for k in sorted(by): m,t,f=by[k]; print(f"  {k:22} {2*m/(t+f):.3f}")
        for w in sorted(worst)[:40]: print("  ",round(w[0],3),*w[1:])
