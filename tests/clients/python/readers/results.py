"""Readers of other people see in each format what results.jsonl says.

    results.py JOB.toml DIRECTORY

Compares every cell of the files in the directory with the lines of its results.jsonl. Exits with 0
if all agree.
"""

import csv
import datetime
import json
import re
import sys
import tomllib
from decimal import Decimal
from pathlib import Path
from urllib.parse import unquote

import duckdb
import openpyxl
import polars
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet

JOB = tomllib.loads(Path(sys.argv[1]).read_text())
DIRECTORY = Path(sys.argv[2])
FIRST = ["index", "document", "status"]
LAST = ["provider", "model", "failure_code", "failure_message", "input_note", "repaired", "calls", "attempts", "input_tokens", "cached_tokens", "output_tokens", "cost_usd", "seconds"]
FIELDS = {name: field if isinstance(field, dict) else {"type": field} for name, field in JOB["task"][0]["answer"].items()}
MAX_TEXT = 32_767
MAX_LINKS = 65_530
wrong = []


def check(what, got, expected):
    if got != expected or type(got) is bool and type(expected) is not bool:
        wrong.append(f"{what}: {got!r:.300} instead of {expected!r:.300}")


def clock(text):
    """A time as it stands in a column, and whether that is exact. The rule of the manual."""
    match = re.fullmatch(r"(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d:\d\d)?", text)
    hours, minutes, seconds, fraction, offset = match.groups()
    if seconds == "60":
        return None, False
    micros = (fraction or "").ljust(6, "0")
    value = datetime.time(int(hours), int(minutes), int(seconds or 0), int(micros[:6]))
    return value, offset is None and not micros[6:].strip("0")


def moment(text):
    """A date and time in UTC, as it stands in a column, and whether that is exact."""
    day, _, rest = text.partition("T")
    bare, offset = re.fullmatch(r"(.*?)(Z|[+-]\d\d:\d\d)?", rest).groups()
    time, exact = clock(bare)
    ahead = datetime.datetime.strptime(offset or "Z", "%z").utcoffset()
    if time is None or day < "0001":
        return None, False
    try:
        return datetime.datetime.combine(datetime.date.fromisoformat(day), time, datetime.timezone.utc) - ahead, exact and not ahead
    except OverflowError:
        return None, False


def typed(value, field):
    """A value as it stands in a typed column, and whether that is exact."""
    match field.get("type"), value:
        case _, None:
            return None, True
        case "string", str() if "enum" in field:
            return (value, True) if value in field["enum"] else (None, False)
        case "string", str():
            return value, True
        case "integer", int() if not isinstance(value, bool):
            return (value, True) if -(2**63) <= value < 2**63 else (None, False)
        case "integer", float():
            return (int(value), True) if value.is_integer() and abs(value) < 2**63 else (None, False)
        case "number", int() | float() if not isinstance(value, bool):
            return float(value), isinstance(value, float) or int(float(value)) == value
        case "boolean", bool():
            return value, True
        case "date", str():
            return (datetime.date.fromisoformat(value), True) if value > "0001" else (None, False)
        case "time", str():
            return clock(value)
        case "date-time", str():
            return moment(value)
        case "array", list():
            item = {"type": "object", "fields": field["fields"]} if "fields" in field else field.get("items", "string")
            item = item if isinstance(item, dict) else {"type": item}
            items = [typed(one, item) for one in value]
            return [one for one, _ in items], all(exact for _, exact in items)
        case "object", dict():
            fields = {name: one if isinstance(one, dict) else {"type": one} for name, one in field["fields"].items()}
            items = {name: typed(value.get(name), one) for name, one in fields.items()}
            return {name: one for name, (one, _) in items.items()}, all(exact for _, exact in items.values())
    return None, False


def last(row):
    calls = row["calls"]
    usage = [call["usage"] for call in calls]
    failure = row.get("failure") or {}
    repaired = sorted({repair for call in calls for repair in call.get("repaired", [])})
    costs = [call.get("cost_usd") for call in calls]
    cached = sum(one.get("cache_read", 0) for one in usage)
    # Without a call nothing was paid.
    cost = None if None in costs else sum((Decimal(repr(cost)) for cost in costs), Decimal(0))
    return {
        "provider": row["provider"],
        "model": row["model"],
        "failure_code": failure.get("code"),
        "failure_message": failure.get("message"),
        "repaired": ",".join(repaired) or None,
        "calls": len(calls),
        "attempts": sum(call["attempts"] for call in calls),
        "cached_tokens": cached,
        "output_tokens": sum(one.get("output", 0) for one in usage),
        "cost_usd": cost,
    }


ROWS = [json.loads(line) for line in (DIRECTORY / "results.jsonl").read_text().split("\n") if line]


def compare_typed(reader, rows):
    """Compares rows of a typed format, as dictionaries."""
    check(f"{reader}: rows", len(rows), len(ROWS))
    for row, got in zip(ROWS, rows):
        where = f"{reader}: row {row['index']}"
        check(f"{where}: columns", list(got), FIRST + list(row["columns"] if "columns" in row else []) + list(FIELDS) + LAST + ["exact_values"])
        inexact = {}
        for name in FIRST:
            check(f"{where}: {name}", got[name], row[name])
        for name, field in FIELDS.items():
            value = row["answers"].get(name)
            expected, is_exact = typed(value, field)
            check(f"{where}: {name}", got[name], expected)
            if not is_exact:
                inexact[name] = value
        for name, expected in last(row).items():
            check(f"{where}: {name}", got[name], expected)
        # Whole milliseconds in all formats.
        seconds = round(sum(call["seconds"] for call in row["calls"]), 3)
        check(f"{where}: seconds", abs(got["seconds"] - seconds) <= 0.001000001, True)
        check(f"{where}: exact_values", json.loads(got["exact_values"]) if got["exact_values"] else {}, inexact)


def parquet():
    path = str(DIRECTORY / "results.parquet")
    table = pa.parquet.read_table(path)
    compare_typed("pyarrow", table.to_pylist())
    kinds = {name: table.schema.field(name) for name in table.schema.names}
    check("type of cost_usd", str(kinds["cost_usd"].type), "decimal128(38, 12)")
    check("type of kind", str(kinds["kind"].type), "dictionary<values=string, indices=int32, ordered=0>")
    check("unit of ratio", kinds["ratio"].metadata, {b"unit": b"kg", b"description": b"how heavy"})
    told = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
    check("docmill.job", told["docmill.job"], JOB["name"])
    check("docmill.columns", json.loads(told["docmill.columns"])["ratio"], {"unit": "kg", "description": "how heavy"})
    check("length of docmill.job_digest", len(told["docmill.job_digest"]), 64)
    compare_typed("polars", polars.read_parquet(path).rows(named=True))
    with duckdb.connect() as connection:
        cursor = connection.execute(f"SELECT * FROM '{path}' ORDER BY index")
        names = [column[0] for column in cursor.description]
        compare_typed("duckdb", [dict(zip(names, row)) for row in cursor.fetchall()])
        keys = connection.execute(f"SELECT decode(key) FROM parquet_kv_metadata('{path}')").fetchall()
        check("metadata in duckdb", {"docmill.version", "docmill.job", "docmill.job_digest", "docmill.columns"} <= {key for (key,) in keys}, True)


def arrow():
    path = DIRECTORY / "results.arrows"
    with pa.ipc.open_stream(path) as reader:
        compare_typed("pyarrow stream", reader.read_all().to_pylist())
    compare_typed("polars stream", polars.read_ipc_stream(path).rows(named=True))


def plain(value):
    """A value as text, by the rule of the manual."""
    if isinstance(value, list) and value and not any(isinstance(one, list | dict) for one in value):
        return "; ".join(one if isinstance(one, str) else json.dumps(one).replace("e-0", "e-") for one in value)
    return value if isinstance(value, str) else None


def unescaped(text):
    return re.sub(r"_x([0-9A-F]{4})_", lambda match: chr(int(match[1], 16)), text)


def same_cell(where, cell, value, field):
    got = cell.value
    kind = field.get("type")
    if value is None or value == "":
        return check(where, got in (None, ""), True)
    if isinstance(value, bool):
        return check(where, (got, cell.data_type), (value, "b"))
    if isinstance(value, int | float):
        exact = int(value) == value and abs(value) <= 999_999_999_999_999 if isinstance(value, int) else abs(value) <= 9.99e307
        if exact:
            return check(where, (got, cell.data_type), (value, "n"))
        return check(where, (type(got), type(value)(got)), (str, value))
    if isinstance(value, str) and kind in ("date", "time", "date-time"):
        expected, is_exact = typed(value, field)
        if expected is not None and is_exact and (kind == "time" or expected.year > 1900):
            if kind == "date":
                expected = datetime.datetime.combine(expected, datetime.time())
            if kind == "date-time":
                expected = expected.replace(tzinfo=None)
            if kind == "time":
                # The reader rounds to whole milliseconds, and the last moment of a day to the next day.
                midnight = datetime.datetime(2000, 1, 1)
                expected = datetime.datetime.combine(midnight, expected)
                got = datetime.datetime.combine(midnight, got) if isinstance(got, datetime.time) else midnight + datetime.timedelta(days=1)
            return check(where, (abs(got - expected) < datetime.timedelta(milliseconds=1), cell.data_type), (True, "d"))
    text = plain(value)
    if text is None:
        return check(where, json.loads(unescaped(got)), value)
    if len(text.encode("utf-16-le")) // 2 > MAX_TEXT:
        text = text[:MAX_TEXT]
    check(where, (unescaped(got), cell.data_type), (text, "s"))


def xlsx():
    book = openpyxl.load_workbook(DIRECTORY / "results.xlsx")
    check("sheets", book.sheetnames, ["Results", "Failures", "Summary"])
    sheet = book["Results"]
    check("frozen", sheet.freeze_panes, "C2")
    names = FIRST + list(FIELDS) + LAST
    check("header", [cell.value for cell in sheet[1]], names)
    check("filter", sheet.auto_filter.ref, f"A1:{openpyxl.utils.get_column_letter(len(names))}{len(ROWS) + 1}")
    for row, cells in zip(ROWS, sheet.iter_rows(min_row=2)):
        got = dict(zip(names, cells))
        where = f"openpyxl: row {row['index']}"
        check(f"{where}: index", got["index"].value, row["index"])
        check(f"{where}: document", unescaped(got["document"].value), row["document"])
        link = got["document"].hyperlink
        check(f"{where}: link", link is not None and (DIRECTORY / unquote(link.target)).resolve().exists(), row["index"] < MAX_LINKS)
        check(f"{where}: formulas", [cell.coordinate for cell in cells if cell.data_type == "f"], [])
        for name, field in FIELDS.items():
            same_cell(f"{where}: {name}", got[name], row["answers"].get(name), field)
        for name, value in last(row).items():
            value = float(value) if isinstance(value, Decimal) else value
            same_cell(f"{where}: {name}", got[name], value, {})
    failed = [row for row in ROWS if row["status"] in ("failed", "partial", "refused")]
    failures = list(book["Failures"].iter_rows(min_row=2, values_only=True))
    check("failures", [row[:4] for row in failures], [(row["index"], row["document"], row["status"], row["failure"]["code"]) for row in failed])
    summary = dict(line for line in book["Summary"].iter_rows(min_row=2, values_only=True) if line[0] != "note")
    check("summary", (summary["documents"], summary["failed"]), (len(ROWS), sum(row["status"] == "failed" for row in ROWS)))
    notes = [line[1] for line in book["Summary"].iter_rows(min_row=2, values_only=True) if line[0] == "note"]
    long = sum(isinstance(value, str) and len(value) > MAX_TEXT for row in ROWS for value in row["answers"].values())
    check("notes", notes[:1], [f"{long} texts cut, because a cell holds 32,767 characters"])
    unlinked = max(0, len(ROWS) - MAX_LINKS)
    check("notes of links", [note.split()[0].replace(",", "") for note in notes[1:]], [str(unlinked)] if unlinked else [])


def dialect():
    """The file of offices: separator `;` and decimal comma."""
    with (DIRECTORY / "results.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    check("csv: rows", len(rows), len(ROWS))
    for row, got in zip(ROWS, rows):
        where = f"csv: row {row['index']}"
        for name in ("whole", "ratio"):
            value = row["answers"].get(name)
            if value is None:
                check(f"{where}: {name}", got[name], "")
            else:
                check(f"{where}: {name}", (type(value)(got[name].replace(",", ".")), "." in got[name]), (value, False))
        text = row["answers"].get("text") or ""
        check(f"{where}: text", got["text"].removeprefix("'"), text.replace("\0", "").removeprefix("'") if got["text"] == text else text.replace("\0", ""))


parquet()
arrow()
xlsx()
dialect()
if wrong:
    sys.exit("\n".join(wrong[:40]) + f"\n{len(wrong)} differences")
print(f"{len(ROWS)} rows agree")
