"""Compares the cells that docmill shows with those of LibreOffice, for 500 number formats.

    python3 tests/bench/number_formats.py DOCMILL [WORK_DIRECTORY]

It needs openpyxl and `soffice`. openpyxl writes a workbook with one cell for each format, and
LibreOffice converts it to CSV (the shown text), XLS and ODS. docmill reads XLSX, XLS and ODS. Full
dates are compared in ISO form, because docmill always sends them so. The numbers of digits of
General are not compared: docmill keeps all of them.
"""
import csv
import datetime
import itertools
import os
import re
import subprocess
import sys
import tempfile

NUMBERS = [0, 1, -1, 5, 12.5, -12.5, 0.075, -0.123, 0.333333333, 1234.5, -1234.567, 1500000, 0.0005, 98765.4321, 1234567890.12]
DAYS = [46096.75, 45351.5, 61.25, 0.75, 1.5, 36526, 46096.0625, 25570.00625]


def cases():
    """Yields groups of (format, value)."""
    plain = ["0", "0.0", "0.00", "0.000", "#", "#.#", "#.##", "0.##", "0.0#", "#,##0", "#,##0.00", "#,###", "00000", "000.00", "0000.0##",
             "?0.0?", "#,##0.00_);(#,##0.00)", "#,##0_);[Red](#,##0)", "0;-0;;@", "0.00;[Red]-0.00", "+0;-0;0", '0" kg"', '"approx. "0.0',
             '#,##0" units"', "0\\°", '0.0" °C"', "(000) 000-0000", "000-00-0000", "00000-0000", "0,", "0.0,", "0.0,,", '0.0,,"M"',
             '#,##0,"k"', "#,##0.0,,;-#,##0.0,,"]
    per_cent = ["0%", "0.0%", "0.00%", "#%", "#,##0%", "0 %", '0.0" %"', "0.00%;-0.00%", "0%_);(0%)", "[Red]0%;[Blue]-0%"]
    money = ["[$€-407]#,##0.00", "#,##0.00 [$€-407]", "#,##0.00\\ [$€-1]", '"$"#,##0.00', "$#,##0.00", "[$$-409]#,##0.00", "[$£-809]#,##0",
             "[$USD] #,##0.00", '"CHF "#,##0.00', "[$¥-411]#,##0", '_("$"* #,##0.00_);_("$"* \\(#,##0.00\\);_("$"* "-"??_);_(@_)',
             '_-* #,##0.00\\ "€"_-;\\-* #,##0.00\\ "€"_-;_-* "-"??\\ "€"_-;_-@_-', '#,##0.00\\ "€";[Red]\\-#,##0.00\\ "€"', "#,##0 [$kr-41D]",
             "[$₹-4009]#,##0.00", '$#,##0;($#,##0);"free"']
    science = ["0E+00", "0.00E+00", "0.0E-0", "##0.0E+0", "0.###E+0", "#E+0", "0.0000E+00"]
    fractions = ["# ?/?", "# ??/??", "# ???/???", "# ?/2", "# ?/4", "# ?/8", "# ??/16", "# ??/100", "?/?", "0 ?/?"]
    conditions = ['[<100]0.0;0', '[>=1000]#,##0;0.00', '[<0]"minus";[=0]"zero";"plus"', '[=1]"Yes";[=0]"No";General', '"Yes";"Yes";"No"',
                  '[>1000000]0.0,,"M";[>1000]0.0,"k";0', '[Red][<0]-0.0;[Green][>10]0.0;0.00', '[<1]0.00%;0', '"in";"out";"even"',
                  '[>100][Red]"high "0;"low "0', '[<=5]"few";[>5]"many"', '"on";;"off"', ";;;", '0;"neg";"nil";"text "@', "General;-General;\"-\""]
    days = ["yyyy-mm-dd", "dd.mm.yyyy", "d.m.yy", "mm/dd/yyyy", "m/d/yyyy", "d mmmm yyyy", "dddd, d mmmm yyyy", "ddd dd mmm yy", "[$-409]d-mmm-yy",
            "[$-407]dd.mm.yyyy", "yyyy/mm/dd hh:mm", "dd.mm.yyyy hh:mm:ss", "m/d/yy h:mm", "m/d/yyyy h:mm AM/PM", "yyyy-mm-dd\"T\"hh:mm:ss",
            "d. mmmm yyyy", "[$-F800]dddd\\,\\ mmmm\\ dd\\,\\ yyyy"]
    parts = ["mmm yyyy", "mmm-yy", "mmmm yyyy", "yyyy", "yy", "d-mmm", "dddd", "ddd", "mmmm", "mmm", "mmmmm", "d", "dd"]
    times = ["h:mm", "hh:mm", "h:mm:ss", "hh:mm:ss", "h:mm AM/PM", "h:mm:ss AM/PM", "hh:mm A/P", "mm:ss", "h", 'h" h "mm" min"', "ss",
             "[h]:mm", "[h]:mm:ss", "[hh]:mm", "[mm]:ss", "[m]", "[s]", "[ss]", "[h]", "mm:ss.0", "h:mm:ss.00", "s.000", '[h]"h "mm"m"']
    # Units, currencies and signs around each form of a number.
    around = ['{} "km"', '"Nr. "{}', "[$EUR] {}", "{} [$€-2]", "[$-409]{}", "[Blue]{}", "{}_)", "+{}", "{};[Red]-{}", "{};({})", '{};-{};"none"',
              '[>=100]{};[<100]{}"*"', "[$-407]{}", '"("{}")"', "{}\\ \\€", "{}%", '"~"{}', "[Color10]{}", "{} [$₽-419]"]
    forms = ["0", "00.00", "#,##0.0", "0.0", "0.00", "#,##0", "#,##0.00", "#,##0.000", "000", "0.0#", "#.0", "0,0.0", "??0", "#,##0.0##", "0.0,", "#,##0,"]
    clocks = ["hh:mm", "h:mm:ss", "h:mm AM/PM", "[h]:mm", "[h]:mm:ss", "[mm]:ss", "mm:ss", "hh:mm:ss.0"]
    calendars = ["dd.mm.yyyy", "d.m.yy", "mm/dd/yyyy", "m/d/yy", "yyyy-mm-dd", "yyyy/mm/dd", "d mmm yyyy", "dd-mmm-yy", "mmm d, yyyy", "dddd, mmmm d, yyyy"]
    mixed = [shape.replace("{}", form) for shape in around for form in forms]
    times += [f"{before}{clock}{behind}" for clock in clocks for before, behind in [("", ";@"), ("[$-409]", ""), ('"at "', ""), ("", '" h"')]]
    days += [f"{before}{day}{behind}" for day in calendars for before, behind in [("[$-409]", ";@"), ("", " hh:mm"), ("", " h:mm:ss"), ('"on "', "")]]
    groups = [("mixed", mixed, NUMBERS, 3), ("numbers", plain, NUMBERS, 4), ("per cent", per_cent, NUMBERS, 5), ("currency", money, NUMBERS, 5), ("scientific", science, NUMBERS, 5),
              ("fractions", fractions, [0.5, 1.25, 3.1416, -2.75, 0, 12, 0.3333], 5), ("conditions", conditions, NUMBERS, 6),
              ("dates", days, [day for day in DAYS if day > 100], 2), ("parts of dates", parts, [day for day in DAYS if day > 100], 2),
              ("times", times, DAYS, 4)]
    for group, formats, values, times_each in groups:
        for index, code in enumerate(formats):
            picked = itertools.islice(itertools.cycle(values), index * 2, index * 2 + times_each)
            for value in dict.fromkeys(picked):
                yield group, code, value
    for code in ["@", '"Item "@', "0;-0;0;@", "General", '@" (old)"', ";;;", "0.00", '>@<']:
        yield "text", code, "steel"
    for code in ["General", "0", "@"]:
        yield "booleans", code, True


def write(path, rows):
    import openpyxl
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["no", "value", "end"])
    for number, (_, code, value) in enumerate(rows):
        sheet.append([f"n{number}", value, "e"])
        sheet.cell(number + 2, 2).number_format = code
    book.save(path)


def converted(path, kind, folder):
    subprocess.run(["soffice", f"-env:UserInstallation=file://{folder}/profile", "--headless", "--convert-to", kind, "--outdir", folder, path],
                   check=True, capture_output=True, timeout=180)


def shown_by_docmill(program, path):
    text = subprocess.run([program, "inspect", path], capture_output=True, text=True, timeout=60, check=True).stdout
    rows = (re.split(r"(?<!\\) \| ", line.strip().strip("|").strip(), maxsplit=3) for line in text.splitlines() if re.match(r"\s*\| n\d", line))
    return {row[0].strip(): row[1].strip().replace("\\|", "|") for row in rows}


def iso(text, value, code):
    """The ISO form of a shown date if the format shows a whole date."""
    bare = re.sub(r'"[^"]*"|\\.|\[[^\]]*\]', "", code)
    if not ("y" in bare and "d" in bare and "m" in bare):
        return text
    seconds = round(value * 86400)
    moment = datetime.datetime(1899, 12, 30) + datetime.timedelta(seconds=seconds)
    time = " %H:%M:%S" if "s" in bare else " %H:%M" if "h" in bare else ""
    return moment.strftime("%Y-%m-%d" + time)


def main():
    program, folder = os.path.abspath(sys.argv[1]), (sys.argv[2:] or [tempfile.mkdtemp()])[0]
    rows = list(cases())
    book = os.path.join(folder, "formats.xlsx")
    write(book, rows)
    converted(book, "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true", folder)
    converted(book, "xls", folder)
    converted(book, "ods", folder)
    with open(os.path.join(folder, "formats.csv"), newline="", encoding="utf-8") as file:
        wanted = {row[0]: row[1] for row in csv.reader(file)}
    formats = len({code for _, code, _ in rows})
    print(f"{formats} formats, {len(rows)} cells")
    for kind in ["xlsx", "xls", "ods"]:
        shown, groups = shown_by_docmill(program, os.path.join(folder, f"formats.{kind}")), {}
        for number, (group, code, value) in enumerate(rows):
            expected = wanted.get(f"n{number}", "")
            if group == "dates":
                expected = iso(expected, value, code)
            got = shown.get(f"n{number}", "")
            same = " ".join(got.split()) == " ".join(expected.split())
            groups.setdefault(group, []).append(same)
            if not same:
                print(f"  {kind} {group}: {code} of {value!r}: docmill {got!r}, LibreOffice {expected!r}")
        every = list(itertools.chain(*groups.values()))
        print(f"{kind}: {sum(every)} of {len(every)} agree; " + ", ".join(f"{group} {sum(same)}/{len(same)}" for group, same in groups.items()))


if __name__ == "__main__":
    main()
