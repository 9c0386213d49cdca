"""make.py DIR: draws 300 tables with known cells by reportlab. DIR/tables.json lists them."""
import json, random, sys, os
from reportlab.lib.pagesizes import A4
from reportlab.platypus import SimpleDocTemplate, Table, TableStyle, Paragraph, Spacer
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.lib import colors
out = sys.argv[1]; os.makedirs(out, exist_ok=True)
style = getSampleStyleSheet()["Normal"]
TEXTS = "Rent,Salary,Shop,Refund,Fee,Insurance,Travel,Books,Transfer,Interest,Card payment,Cash withdrawal,Membership,Donation,Repair,Fuel,Water and power,Telephone,Postage,Subscription".split(",")
NAMES = "Anna Berg,Tom Hill,Mia Stone,Paul West,Lena Vogt,Omar Reed,Ida Lund,Max Kern,Eva Roth,Jon Dale".split(",")
CITIES = "Oslo,Turin,Bern,Lyon,Gdansk,Porto,Malaga,Ghent,Riga,Cork".split(",")
PROSE = "The following figures were taken from the books of the company and have been checked by two members of the board. They do not contain amounts that were paid after the end of the period."
LONG = "delivered in two parcels to the back door, signed for by the neighbour and later collected"
def amount(r): return f"{r.choice([r.randint(1,99), r.randint(100,9999), r.randint(10000,99999)])}.{r.randint(0,99):02d}"
def bank(r, n):
    head = ["Date","Text","Debit","Credit","Balance"]
    return head, [[f"{r.randint(1,28):02d}.{r.randint(1,12):02d}.", r.choice(TEXTS)] + (lambda d: [amount(r) if d else "", "" if d else amount(r)])(r.random()<.6) + [amount(r)] for _ in range(n)], "llrrr"
def stock(r, n):
    head = ["No.","Article","Unit","Quantity","Price","Total"]
    return head, [[str(i+1), r.choice(TEXTS).lower(), r.choice(["kg","pcs","m",""]), str(r.randint(1,500)), amount(r), amount(r) if r.random()<.8 else ""] for i in range(n)], "rlcrrr"
def people(r, n):
    head = ["Name","City","Department","Phone"]
    return head, [[r.choice(NAMES), r.choice(CITIES), r.choice(["Sales","Research","","Purchasing"]), f"{r.randint(100,999)} {r.randint(1000,9999)}" if r.random()<.8 else ""] for _ in range(n)], "llll"
def years(r, n):
    k = r.randint(3,6); head = ["EUR million"] + [str(2026-i) for i in range(k)]
    return head, [[r.choice(TEXTS)] + [amount(r) if r.random()<.85 else r.choice(["","-","n/a"]) for _ in range(k)] for _ in range(n)], "l"+"r"*k
def centred(r, n):
    head = ["Test","Result","Limit","Passed"]
    return head, [[f"T{r.randint(10,99)}", f"{r.random()*10:.2f}", f"{r.random()*10:.1f}", r.choice(["yes","no",""])] for _ in range(n)], "cccc"
def two(r, n):
    return ["Item","Amount"], [[r.choice(TEXTS), amount(r)] for _ in range(n)], "lr"
def words(r, n):
    return ["Colour","Material","Finish"], [[r.choice(["red","blue","green","black"]), r.choice(["oak","steel","glass","cotton"]), r.choice(["matt","gloss","","brushed"])] for _ in range(n)], "lll"
KINDS = [bank, bank, bank, stock, people, years, centred, two, words]
RULES = ["grid","grid","none","none","none","rows","outer","booktabs","columns","box","zebra"]
FONTS = ["Helvetica","Times-Roman","Courier"]
def ruled(rule, rows, cols):
    k = colors.black
    return {"grid":[("GRID",(0,0),(-1,-1),.5,k)], "none":[], "rows":[("LINEBELOW",(0,0),(-1,-1),.4,k)],
      "outer":[("BOX",(0,0),(-1,-1),.7,k),("LINEBELOW",(0,0),(-1,0),.7,k)], "booktabs":[("LINEABOVE",(0,0),(-1,0),1,k),("LINEBELOW",(0,0),(-1,0),.5,k),("LINEBELOW",(0,-1),(-1,-1),1,k)],
      "columns":[("BOX",(0,0),(-1,-1),.5,k),("LINEBELOW",(0,0),(-1,0),.5,k)]+[("LINEAFTER",(c,0),(c,-1),.5,k) for c in range(cols-1)],
      "box":[("INNERGRID",(0,0),(-1,-1),.3,k)], "zebra":[("ROWBACKGROUNDS",(0,1),(-1,-1),[colors.whitesmoke, colors.white]),("LINEBELOW",(0,0),(-1,0),.5,k)]}[rule]
tables = []
def one(number):
    r = random.Random(number)
    kind = r.choice(KINDS); rule = r.choice(RULES); font = r.choice(FONTS); size = r.choice([8,9,10,10,11])
    pages = number % 12 == 0
    n = r.randint(60,90) if pages else r.randint(3,14)
    if rule in ("none","booktabs","zebra","outer") and kind in (words,people,two): n = max(n,6)
    head, body, align = kind(r, n)
    cells = [head] + body
    features = []
    shown = [row[:] for row in cells]
    styles = ruled(rule, len(cells), len(head))
    tight = r.random() < .25
    pad = r.choice([1.5,2,3]) if tight else r.choice([4,6,9])
    multi = r.random() < .2 and kind in (bank, stock)
    if multi:
        features.append("multi")
        for row in shown[1:]:
            if r.random() < .4:
                i = cells.index(row) if row in cells else None
                extra = row[1] + " " + LONG[:r.choice([40,60,88])].rsplit(" ",1)[0]
                row[1] = extra
        cells = [row[:] for row in shown]
        from reportlab.lib.styles import ParagraphStyle
        ps = ParagraphStyle("c", fontName=font, fontSize=size, leading=size*1.2)
        shown = [shown[0]] + [[row[0], Paragraph(row[1], ps)] + row[2:] for row in shown[1:]]
    span = rule == "grid" and r.random() < .3 and not pages
    if span:
        at = r.randint(2, len(cells)-1); text = "Sum of the above items"
        row = [text] + [""]*(len(head)-2) + ["77.50"] if len(head) > 2 else None
        if row:
            features.append("span"); cells.insert(at, row); shown.insert(at, row[:]); styles.append(("SPAN",(0,at),(len(head)-2,at)))
    from reportlab.pdfbase.pdfmetrics import stringWidth
    widths = []
    for c in range(len(head)):
        longest = max(stringWidth(row[c], font, size) for i,row in enumerate(cells) if not (row[0].startswith("Sum of") )) if not (multi and c == 1) else 130
        widths.append(longest + 2*pad + (0 if tight else r.choice([0,5,20])))
    total = sum(widths)
    if total > 500: widths = [w*500/total for w in widths] if not tight else widths
    for c,a in enumerate(align): styles.append(("ALIGN",(c,0 if r.random()<.7 else 1),(c,-1),{"l":"LEFT","r":"RIGHT","c":"CENTER"}[a]))
    valign = r.choice(["TOP","MIDDLE","BOTTOM","TOP"])
    styles += [("FONT",(0,0),(-1,-1),font,size),("LEFTPADDING",(0,0),(-1,-1),pad),("RIGHTPADDING",(0,0),(-1,-1),pad),("VALIGN",(0,0),(-1,-1),valign)]
    vp = r.choice([1,2,3,4]); styles += [("TOPPADDING",(0,0),(-1,-1),vp),("BOTTOMPADDING",(0,0),(-1,-1),vp)]
    t = Table(shown, colWidths=widths, repeatRows=1 if pages and r.random()<.5 else 0); t.setStyle(TableStyle(styles))
    return t, cells, dict(kind=kind.__name__, rule=rule, tight=tight, font=font, features=features, pages=pages, repeat=t.repeatRows)
number = 0; files = 0
while number < 300:
    r = random.Random(10_000+files); name = f"t{files:03d}.pdf"; story = []; here = []
    count = r.choice([1,1,1,2,3])
    for _ in range(min(count, 300-number)):
        if r.random() < .7: story += [Paragraph(PROSE, style), Spacer(1,r.choice([8,14,20]))]
        else: story.append(Spacer(1,30))
        t, cells, about = one(number); number += 1
        story += [t, Spacer(1, 16)]; here.append(dict(cells=cells, **about))
        if r.random() < .5: story += [Paragraph(PROSE, style), Spacer(1,14)]
        if about["pages"]: break
    SimpleDocTemplate(os.path.join(out,name), pagesize=A4, leftMargin=45, rightMargin=45).build(story)
    tables.append(dict(file=name, tables=here)); files += 1
json.dump(tables, open(os.path.join(out,"tables.json"),"w"))
print(files, "files", number, "tables")
