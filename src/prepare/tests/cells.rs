//! Tests of the cells of spreadsheets: formats, merged cells, text boxes, comments.

use super::office::{archive, compound, odf, pages, read, record, relations};

/// Builds an XLSX file with these formats, rows, and what follows the rows.
fn xlsx(formats: &[&str], rows: &str, behind: &str) -> Vec<u8> {
    let codes: String = formats.iter().zip(170..).map(|(code, id)| format!("<numFmt numFmtId=\"{id}\" formatCode=\"{code}\"/>")).collect();
    let styles: String = (170..170 + formats.len()).map(|id| format!("<xf numFmtId=\"{id}\"/>")).collect();
    let drawing = "<xdr:wsDr><mc:AlternateContent><mc:Choice><xdr:sp><xdr:txBody><a:p><a:r><a:t>in a </a:t></a:r><a:r><a:t>box</a:t></a:r></a:p></xdr:txBody></xdr:sp></mc:Choice>\
                   <mc:Fallback><xdr:sp><a:t>in a box</a:t></xdr:sp></mc:Fallback></mc:AlternateContent><xdr:pic/></xdr:wsDr>";
    archive(&[
        ("_rels/.rels", &relations(&[("r1", "officeDocument", "xl/workbook.xml")])),
        ("xl/workbook.xml", r#"<workbook xmlns:r="r"><sheets><sheet name="S" sheetId="1" r:id="r1"/></sheets></workbook>"#),
        ("xl/_rels/workbook.xml.rels", &relations(&[("r1", "worksheet", "worksheets/sheet1.xml")])),
        ("xl/styles.xml", &format!("<styleSheet><numFmts>{codes}</numFmts><cellXfs>{styles}</cellXfs></styleSheet>")),
        ("xl/worksheets/sheet1.xml", &format!("<worksheet><sheetData>{rows}</sheetData>{behind}</worksheet>")),
        ("xl/worksheets/_rels/sheet1.xml.rels", &relations(&[("r1", "drawing", "../drawings/drawing1.xml")])),
        ("xl/drawings/drawing1.xml", drawing),
    ])
}

#[test]
fn cells_of_xlsx_show_their_formats_and_boxes() {
    let rows = "<row r=\"1\"><c r=\"A1\" s=\"0\"><v>1234</v></c><c r=\"B1\" s=\"1\"><v>12</v></c><c r=\"C1\" s=\"2\"><v>-5</v></c><c r=\"D1\" t=\"b\"><v>0</v></c></row>\
                <row r=\"2\"><c r=\"A2\" s=\"3\"><v>8</v></c><c r=\"B2\"><v>1</v></c><c r=\"C2\"><v>2</v></c></row>";
    let bytes =
        xlsx(&["00000", "0&quot; kg&quot;", "[$€-407] #,##0.00", ";;;"], rows, "<mergeCells><mergeCell ref=\"B2:C2\"/></mergeCells>");
    assert_eq!(pages(&bytes), "## S\n\n| 01234 | 12 kg | -€ 5.00 | FALSE |\n| --- | --- | --- | --- |\n|  | 00001 |\n\nText box: in a box");
    let notes = read(&bytes, "").1.unwrap().notes;
    assert_eq!(
        notes,
        ["sheet S has 1 value hidden by the number format, left out", "sheet S has 1 value covered by merged cells, left out"]
    );
}

#[test]
fn whole_numbers_that_lost_digits_have_a_note() {
    let rows = "<row r=\"1\"><c r=\"A1\"><v>12345678901234567890</v></c><c r=\"B1\"><v>9007199254740991</v></c></row>";
    let notes = read(&xlsx(&[], rows, ""), "").1.unwrap().notes;
    assert_eq!(notes, ["sheet S has 1 whole number above 2^53, whose last digits a workbook does not keep"]);
}

#[test]
fn cells_of_xls_show_their_formats_boxes_and_comments() {
    let short = |values: &[u16]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let begin = |kind: u16| record(0x0809, &short(&[0x0600, kind, 0, 0, 0, 0, 0, 0]));
    let end = record(0x000A, &[]);
    let format = |id: u16, code: &str| {
        record(0x041E, &[short(&[id, u16::try_from(code.len()).unwrap()]), vec![0], code.as_bytes().to_vec()].concat())
    };
    let style = |format: u16| record(0x00E0, &[short(&[0, format]), vec![0; 16]].concat());
    let name = |at: usize| record(0x0085, &[&u32::try_from(at).unwrap().to_le_bytes()[..], &[0, 0, 1, 0], b"S"].concat());
    let globals = |at: usize| {
        [begin(5), format(170, "0.0%"), format(171, "[h]:mm"), style(0), style(170), style(171), name(at), end.clone()].concat()
    };
    let number = |column: u16, style: u16, value: f64| record(0x0203, &[short(&[0, column, style]), value.to_le_bytes().to_vec()].concat());
    let object = |kind: u16, id: u16, text: &str| {
        let size = u16::try_from(text.len()).unwrap();
        [
            record(0x005D, &short(&[0x15, 18, kind, id, 0, 0, 0])),
            record(0x01B6, &short(&[0, 0, 0, 0, 0, size, 16, 0, 0])),
            record(0x003C, &[&[0], text.as_bytes()].concat()),
            record(0x003C, &[0; 16]),
        ]
        .concat()
    };
    let packed = record(0x00BD, &[short(&[0, 2]), short(&[1]), (((100_u32) << 2) | 3).to_le_bytes().to_vec(), short(&[2])].concat());
    let sheet = [
        begin(0x10),
        number(0, 1, 0.075),
        number(1, 2, 1.5),
        packed,
        object(6, 1, "in a box"),
        object(0x19, 2, "look"),
        record(0x005D, &short(&[0x15, 18, 5, 3, 0, 0, 0])),
        record(0x005D, &short(&[0x15, 18, 8, 4, 0, 0, 0])),
        record(0x005D, &short(&[0x15, 18, 8, 5, 0, 0, 0])),
        record(0x001C, &short(&[0, 1, 0, 2, 0, 0])),
        end.clone(),
    ]
    .concat();
    let bytes = compound(&[("Workbook", &[globals(globals(0).len()), sheet].concat())]);
    assert_eq!(pages(&bytes), "## S\n\n| 7.5% | 36:00 | 100.0% |\n| --- | --- | --- |\n\nText box: in a box\n\nComment on B1: look");
    assert_eq!(read(&bytes, "xls").1.unwrap().notes, ["2 pictures left out", "1 chart left out"]);
}

/// Builds a part of an XLSB file.
fn binary(records: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut part = Vec::new();
    for (kind, body) in records {
        if *kind < 128 {
            part.push(u8::try_from(*kind).unwrap());
        } else {
            part.extend([u8::try_from(kind & 0x7F | 0x80).unwrap(), u8::try_from(kind >> 7).unwrap()]);
        }
        part.push(u8::try_from(body.len()).unwrap());
        part.extend(body);
    }
    part
}

fn wide(text: &str) -> Vec<u8> {
    let units: Vec<u16> = text.encode_utf16().collect();
    u32::try_from(units.len()).unwrap().to_le_bytes().into_iter().chain(units.into_iter().flat_map(u16::to_le_bytes)).collect()
}

fn longs(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn xlsb(links: &[(&str, &str, &str)], cells: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let workbook = binary(&[(0x99, longs(&[0, 0])), (0x9C, [longs(&[1, 1]), wide("r1"), wide("S")].concat())]);
    let format = [170_u16.to_le_bytes().to_vec(), wide("0.0%")].concat();
    let style = |number: u16| (0x2F, [vec![0, 0], number.to_le_bytes().to_vec(), vec![0; 12]].concat());
    let styles = binary(&[(0x2C, format), (0x269, longs(&[2])), style(0), style(170), (0x26A, Vec::new())]);
    let strings = binary(&[(0x9F, longs(&[1, 1])), (0x13, [vec![0], wide("Share")].concat())]);
    let sheet = binary(cells);
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let relations = relations(links);
    let parts: [(&str, &[u8]); 5] = [
        ("xl/workbook.bin", &workbook),
        ("xl/_rels/workbook.bin.rels", relations.as_bytes()),
        ("xl/styles.bin", &styles),
        ("xl/sharedStrings.bin", &strings),
        ("xl/worksheets/sheet1.bin", &sheet),
    ];
    for (name, bytes) in parts {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        std::io::Write::write_all(&mut zip, bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn cells_of_xlsb_show_their_formats() {
    let cells = [
        (0, longs(&[0, 0, 0, 0])),
        (7, longs(&[0, 0, 0])),
        (0, longs(&[1, 0, 0x1000_0000, 0])),
        (5, [longs(&[0, 1]), 0.075_f64.to_le_bytes().to_vec()].concat()),
        (13, longs(&[1, (12 << 2) | 2])),
        (4, [longs(&[2, 0]), vec![1]].concat()),
        (3, [longs(&[3, 0]), vec![0x07]].concat()),
        (6, [longs(&[4, 0]), wide("inline")].concat()),
    ];
    let bytes = xlsb(&[("r1", "worksheet", "worksheets/sheet1.bin")], &cells);
    let row = "| 7.5% | 1200.0% | TRUE | #DIV/0! | inline |";
    assert_eq!(pages(&bytes), format!("## S (hidden)\n\n| Share |  |  |  |  |\n| --- | --- | --- | --- | --- |\n{row}"));
    // A sheet whose relation is missing costs itself.
    let (format, extract) = read(&xlsb(&[], &cells), "");
    assert_eq!(format, "xlsb");
    assert!(extract.unwrap_err().message.contains("sheet S is not a table"));
    for cut in 1..bytes.len() {
        let _any = read(&bytes[..cut], "xlsb");
    }
}

#[test]
fn cells_of_ods_show_text_boxes_and_parts_of_dates() {
    let cell = |date: &str, text: &str| {
        format!("<table:table-cell office:value-type='date' office:date-value='{date}'><text:p>{text}</text:p></table:table-cell>")
    };
    let shape = "<table:table-cell><text:p>with</text:p><draw:frame><draw:text-box><text:p>in a box</text:p></draw:text-box></draw:frame>\
                 <draw:custom-shape><text:p>in a shape</text:p></draw:custom-shape></table:table-cell>";
    let cells = [
        cell("2026-03-15", "15.03.26"),
        cell("2026-03-15", "March 2026"),
        cell("2026-03-15T18:00:00", "3/15/2026 18:00"),
        cell("2026-03-15T18:00:00", "6:00 PM"),
        cell("2026-03-15", "Sunday"),
        shape.to_owned(),
    ];
    let table = format!("<table:table table:name='S'><table:table-row>{}</table:table-row></table:table>", cells.concat());
    let row = "| 2026-03-15 | March 2026 | 2026-03-15 18:00 | 6:00 PM | Sunday | with |";
    let text = format!("## S\n\n{row}\n|{}\n\nText box: in a box\n\nText box: in a shape", " --- |".repeat(6));
    assert_eq!(pages(&odf("spreadsheet", &table)), text);
}
