//! Tests of Office documents that are built part by part.

use super::*;
use std::fmt::Write as _;
use std::io::Write as _;
use zip::write::SimpleFileOptions;

/// Reads a file. Returns the format of its reader, and the result.
pub(super) fn read(bytes: &[u8], extension: &str) -> (&'static str, Result<Extract, Failure>) {
    let reader = READERS.iter().find(|reader| (reader.recognises)(bytes, extension));
    reader.map_or(("", Ok(Extract::default())), |reader| (reader.format, (reader.read)(bytes, &settings(), &ImageLimits::anthropic(false))))
}

/// Reads a file and joins its pages.
pub(super) fn pages(bytes: &[u8]) -> String {
    let (_, extract) = read(bytes, "");
    let pages = extract.unwrap().pages.into_iter().map(|page| match page {
        Page::Text(text) => text,
        Page::Image(_) => panic!("a picture came out"),
    });
    pages.collect::<Vec<_>>().join("\n=====\n")
}

pub(super) fn code(bytes: &[u8], extension: &str) -> Option<FailureCode> {
    read(bytes, extension).1.err().map(|failure| failure.code)
}

pub(super) fn archive(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in entries {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// Builds a record of an Excel workbook (97 to 2003).
pub(super) fn record(kind: u16, body: &[u8]) -> Vec<u8> {
    [&kind.to_le_bytes()[..], &u16::try_from(body.len()).unwrap().to_le_bytes(), body].concat()
}

/// Builds the stream of a workbook with one sheet.
///
/// The first column of the sheet has these texts.
fn workbook_stream(texts: &[&str]) -> Vec<u8> {
    let begin = |kind: u8| record(0x0809, &[0, 6, kind, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let end = record(0x000A, &[]);
    let sheet_name = |offset: usize| {
        let offset = u32::try_from(offset).unwrap().to_le_bytes();
        record(0x0085, &[&offset[..], &[0, 0, 5, 0], b"Parts"].concat())
    };
    let before = begin(5).len() + sheet_name(0).len() + end.len();
    let label = |(row, text): (usize, &&str)| {
        let [row, length] = [row, text.len()].map(|n| u16::try_from(n).unwrap().to_le_bytes());
        record(0x0204, &[&row[..], &[0, 0, 0, 0], &length, &[0], text.as_bytes()].concat())
    };
    let cells: Vec<u8> = texts.iter().enumerate().flat_map(label).collect();
    [begin(5), sheet_name(before), end.clone(), begin(0x10), cells, end].concat()
}

pub(super) fn compound(streams: &[(&str, &[u8])]) -> Vec<u8> {
    let mut file = cfb::CompoundFile::create(Cursor::new(Vec::new())).unwrap();
    for (path, bytes) in streams {
        if let Some((folder, _)) = path.trim_start_matches('/').rsplit_once('/') {
            file.create_storage_all(folder).unwrap();
        }
        file.create_stream(path).unwrap().write_all(bytes).unwrap();
    }
    file.into_inner().into_inner()
}

pub(super) fn word(body: &str) -> Vec<u8> {
    archive(&[("word/document.xml", &format!("<w:document><w:body>{body}</w:body></w:document>"))])
}

fn p(text: &str) -> String {
    format!("<w:p><w:r><w:t xml:space=\"preserve\">{text}</w:t></w:r></w:p>")
}

fn docx() -> Vec<u8> {
    let styles = r#"<w:styles><w:style w:styleId="H"><w:name w:val="heading 2"/></w:style>
        <w:style w:styleId="Mine"><w:name w:val="Mine"/><w:basedOn w:val="H"/></w:style></w:styles>"#;
    let numbering = r#"<w:numbering><w:abstractNum w:abstractNumId="7">
        <w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1."/></w:lvl>
        <w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="lowerLetter"/><w:lvlText w:val="%1.%2)"/></w:lvl></w:abstractNum>
        <w:abstractNum w:abstractNumId="8"><w:lvl w:ilvl="0"><w:numFmt w:val="bullet"/><w:lvlText w:val="x"/></w:lvl></w:abstractNum>
        <w:num w:numId="1"><w:abstractNumId w:val="7"/></w:num><w:num w:numId="2"><w:abstractNumId w:val="8"/></w:num></w:numbering>"#;
    let item = |list: u8, level: u8, text: &str| {
        let place = format!("<w:numPr><w:ilvl w:val=\"{level}\"/><w:numId w:val=\"{list}\"/></w:numPr>");
        format!("<w:p><w:pPr>{place}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>")
    };
    let cell = |text: &str| format!("<w:tc><w:tcPr/>{}</w:tc>", p(text));
    let body = [
        r#"<w:p><w:pPr><w:pStyle w:val="Mine"/><w:tabs><w:tab/></w:tabs></w:pPr><w:r><w:t>A head</w:t></w:r></w:p>"#,
        r#"<w:p><w:r><w:rPr><w:b/></w:rPr><w:t>un</w:t></w:r><w:r><w:t>der_score &amp; *star*</w:t></w:r><w:r><w:tab/><w:t>tabbed</w:t><w:br/><w:t>below</w:t></w:r>
           <w:hyperlink r:id="r1"><w:r><w:t xml:space="preserve"> a link</w:t></w:r></w:hyperlink><w:del><w:r><w:delText>gone</w:delText></w:r></w:del><w:ins><w:r><w:t>!</w:t></w:r></w:ins>
           <w:r><w:footnoteReference w:id="5"/></w:r><w:r><w:commentReference w:id="3"/></w:r></w:p>"#,
        &item(1, 0, "first"),
        &item(1, 1, "inner"),
        &item(1, 1, "inner too"),
        &item(1, 0, "second"),
        &item(2, 0, "dot"),
        &p("between"),
        &format!("<w:tbl><w:tr>{}{}</w:tr><w:tr>{}{}</w:tr></w:tbl>", cell("Name"), cell("Sum|total"), cell("Ann"), cell("1")),
        r#"<w:p><w:r><mc:AlternateContent><mc:Choice><w:drawing><wp:docPr descr="a cat"/><a:blip/><wps:txbx><w:txbxContent><w:p><w:r><w:t>boxed</w:t></w:r></w:p></w:txbxContent></wps:txbx></w:drawing></mc:Choice>
           <mc:Fallback><w:t>boxed</w:t></mc:Fallback></mc:AlternateContent></w:r><w:r><w:t>behind</w:t></w:r></w:p>"#,
    ]
    .concat();
    archive(&[
        ("word/document.xml", &format!("<w:document><w:body>{body}</w:body></w:document>")),
        ("word/styles.xml", styles),
        ("word/numbering.xml", numbering),
        (
            "word/footnotes.xml",
            &format!("<w:footnotes><w:footnote w:id=\"-1\"/><w:footnote w:id=\"5\">{}</w:footnote></w:footnotes>", p("The note.")),
        ),
        ("word/comments.xml", &format!("<w:comments><w:comment w:id=\"3\" w:author=\"Eve\">{}</w:comment></w:comments>", p("Really?"))),
        ("word/header1.xml", &format!("<w:hdr>{}</w:hdr>", p("Top"))),
        ("word/header2.xml", &format!("<w:hdr>{}</w:hdr>", p("Top"))),
        ("word/footer1.xml", &format!("<w:ftr>{}</w:ftr>", p("Bottom"))),
    ])
}

const RELATIONS: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";

pub(super) fn relations(parts: &[(&str, &str, &str)]) -> String {
    let mut text = "<Relationships>".to_owned();
    for (id, kind, target) in parts {
        write!(text, "<Relationship Id=\"{id}\" Type=\"{RELATIONS}/{kind}\" Target=\"{target}\"/>").unwrap();
    }
    text + "</Relationships>"
}

fn pptx() -> Vec<u8> {
    let shape = |place: &str, text: &str| {
        format!(
            "<p:sp><p:nvSpPr><p:nvPr><p:ph type=\"{place}\"/></p:nvPr></p:nvSpPr><p:txBody><a:p><a:r><a:t>{text}</a:t></a:r></a:p></p:txBody></p:sp>"
        )
    };
    let table = "<a:tbl><a:tr><a:tc><a:p><a:t>A</a:t></a:p></a:tc><a:tc><a:p><a:t>B</a:t></a:p></a:tc></a:tr></a:tbl>";
    let chart = r"<c:chart><c:title><a:t>Sales</a:t></c:title><c:ser><c:tx><c:v>Q1</c:v></c:tx><c:cat><c:v>East</c:v><c:v>West</c:v></c:cat>
        <c:val><c:v>1</c:v><c:v>2</c:v></c:val></c:ser></c:chart>";
    archive(&[
        ("ppt/presentation.xml", r#"<p:presentation><p:sldIdLst><p:sldId r:id="r2"/><p:sldId r:id="r1"/></p:sldIdLst></p:presentation>"#),
        ("ppt/_rels/presentation.xml.rels", &relations(&[("r1", "slide", "slides/slide1.xml"), ("r2", "slide", "/ppt/slides/slide2.xml")])),
        ("ppt/slides/slide1.xml", &format!("<p:sld show=\"0\">{}{}</p:sld>", shape("title", "Last"), shape("sldNum", "2"))),
        ("ppt/slides/_rels/slide1.xml.rels", &relations(&[("r1", "notesSlide", "../notesSlides/notesSlide1.xml")])),
        ("ppt/slides/slide2.xml", &format!("<p:sld>{}{}{table}</p:sld>", shape("ctrTitle", "Begin"), shape("body", "a point"))),
        ("ppt/slides/_rels/slide2.xml.rels", &relations(&[("r1", "chart", "../charts/chart1.xml")])),
        ("ppt/charts/chart1.xml", chart),
        ("ppt/notesSlides/notesSlide1.xml", &format!("<p:notes>{}{}</p:notes>", shape("body", "say this"), shape("hdr", "not this"))),
    ])
}

fn xlsx(rows: &str) -> Vec<u8> {
    let styles = r#"<styleSheet><numFmts count="1"><numFmt numFmtId="170" formatCode="0.0%"/></numFmts>
        <cellXfs count="3"><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="170"/></cellXfs></styleSheet>"#;
    archive(&[
        ("_rels/.rels", &relations(&[("r1", "officeDocument", "xl/workbook.xml")])),
        (
            "xl/workbook.xml",
            r#"<workbook xmlns:r="r"><sheets><sheet name="Data" sheetId="1" r:id="r1"/><sheet name="More" sheetId="2" state="hidden" r:id="r2"/></sheets></workbook>"#,
        ),
        (
            "xl/_rels/workbook.xml.rels",
            &relations(&[("r1", "worksheet", "worksheets/sheet1.xml"), ("r2", "worksheet", "worksheets/sheet2.xml")]),
        ),
        ("xl/styles.xml", styles),
        ("xl/worksheets/sheet1.xml", &format!("<worksheet><sheetData>{rows}</sheetData></worksheet>")),
        ("xl/worksheets/_rels/sheet1.xml.rels", &relations(&[("r1", "comments", "../comments1.xml")])),
        ("xl/comments1.xml", r#"<comments><commentList><comment ref="A2"><text><t>look</t></text></comment></commentList></comments>"#),
        ("xl/worksheets/sheet2.xml", r#"<worksheet><sheetData><row r="3"><c r="C3"><v>7</v></c></row></sheetData></worksheet>"#),
    ])
}

const ROWS: &str = r#"<row r="1"><c r="A1" t="inlineStr"><is><t>Day</t></is></c><c r="B1" t="inlineStr"><is><t>Share</t></is></c><c r="D1" t="inlineStr"><is><t>Sum</t></is></c></row>
    <row r="2"><c r="A2" s="1"><v>45429</v></c><c r="B2" s="2"><v>0.125</v></c><c r="D2"><v>0.30000000000000004</v></c></row>
    <row r="900000"><c r="A900000" t="b"><v>1</v></c></row>"#;

pub(super) fn odf(kind: &str, body: &str) -> Vec<u8> {
    let content = format!("<office:document-content><office:body>{body}</office:body></office:document-content>");
    let styles = "<x><style:style><text:p>no</text:p></style:style><style:header><text:p>Top</text:p></style:header></x>";
    archive(&[("mimetype", &format!("application/vnd.oasis.opendocument.{kind}")), ("styles.xml", styles), ("content.xml", &content)])
}

fn odt() -> Vec<u8> {
    odf(
        "text",
        r#"<office:text><text:tracked-changes><text:p>gone</text:p></text:tracked-changes><text:h text:outline-level="2">A head</text:h>
        <text:p>One<text:s text:c="2"/>two<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>The note.</text:p></text:note-body></text:note>
        <office:annotation><dc:creator>Eve</dc:creator><text:p>Really?</text:p></office:annotation></text:p>
        <text:list><text:list-item><text:p>item</text:p></text:list-item></text:list>
        <table:table><table:table-row><table:table-cell><text:p>A</text:p></table:table-cell><table:table-cell><text:p>B</text:p></table:table-cell></table:table-row></table:table>
        <text:p>end</text:p></office:text>"#,
    )
}

fn ods() -> Vec<u8> {
    odf(
        "spreadsheet",
        r#"<office:spreadsheet><table:table table:name="Data"><table:table-row><table:table-cell><text:p>Day</text:p></table:table-cell>
        <table:table-cell table:number-columns-repeated="2"><text:p>x</text:p></table:table-cell></table:table-row>
        <table:table-row table:number-rows-repeated="1000000"><table:table-cell table:number-columns-repeated="16000"/></table:table-row>
        <table:table-row><table:table-cell office:date-value="2024-05-17"><text:p>17.05.24</text:p></table:table-cell><table:table-cell office:value="0.5"/></table:table-row>
        </table:table></office:spreadsheet>"#,
    )
}

/// Builds an OpenDocument sheet whose numbers are displayed differently.
fn ods_of_numbers(numbers: &[(&str, &str)]) -> Vec<u8> {
    let cell = |(value, shown): &(&str, &str)| {
        format!("<table:table-row><table:table-cell office:value=\"{value}\"><text:p>{shown}</text:p></table:table-cell></table:table-row>")
    };
    let (head, cells) =
        ("<table:table-row><table:table-cell><text:p>id</text:p></table:table-cell></table:table-row>", numbers.iter().map(cell));
    let cells: String = cells.collect();
    odf("spreadsheet", &format!("<office:spreadsheet><table:table table:name=\"S\">{head}{cells}</table:table></office:spreadsheet>"))
}

#[test]
fn sixteen_digit_ids_stay_distinct_and_longer_ones_are_refused() {
    let rows = |bytes: &[u8], format: &str, id: &str| {
        let (wanted, mut out) = (SheetChoice { id_column: Some(id.into()), ..SheetChoice::default() }, Vec::new());
        sheet_rows(bytes, format, &wanted, 1000, &mut out).map(|_| String::from_utf8(out).unwrap())
    };
    let book = |ids: [&str; 2]| {
        let [one, two] = ids;
        let head = r#"<row r="1"><c r="A1" t="inlineStr"><is><t>id</t></is></c></row>"#;
        xlsx(&format!(r#"{head}<row r="2"><c r="A2"><v>{one}</v></c></row><row r="3"><c r="A3"><v>{two}</v></c></row>"#))
    };
    let apart = Ok("{\"id\":\"1234567890123450\"}\n{\"id\":\"1234567890123453\"}\n".to_owned());
    assert_eq!(rows(&book(["1234567890123450", "1234567890123453"]), "xlsx", "id"), apart);
    let shown = [("1234567890123450", "1.23456789012345E+15"), ("1234567890123453", "1,23456789012345E+15")];
    assert_eq!(rows(&ods_of_numbers(&shown), "ods", "id"), apart);
    assert_eq!(
        rows(&ods_of_numbers(&[("1234", "1,234"), ("0.5", "0.50 EUR")]), "ods", "id"),
        Ok("{\"id\":\"1,234\"}\n{\"id\":\"0.50 EUR\"}\n".into())
    );
    let long = ["1234567890123456780", "1234567890123456781"];
    for (bytes, format) in [(book(long), "xlsx"), (ods_of_numbers(&long.map(|id| (id, "1.23456789012345E+18"))), "ods")] {
        assert!(rows(&bytes, format, "id").unwrap_err().starts_with("column \"id\" has whole numbers above 2^53"), "{format}");
        // In other columns, such numbers are accepted.
        assert!(rows(&bytes, format, "other").unwrap().contains("1234567890123456800"), "{format}");
    }
    let missing = SheetChoice { name: Some("None".into()), ..SheetChoice::default() };
    for (bytes, format) in [(xlsx(ROWS), "xlsx"), (ods(), "ods")] {
        let why = sheet_rows(&bytes, format, &missing, 1000, &mut Vec::new()).unwrap_err();
        assert!(why.starts_with("the workbook has no sheet None; expected one of Data"), "{why}");
    }
}

#[test]
fn office_documents_are_read_as_people_see_them() {
    let odp = odf(
        "presentation",
        "<draw:page><draw:frame presentation:class='title'><text:p>One</text:p></draw:frame><text:p>words</text:p><presentation:notes>\
         <draw:frame presentation:class='notes'><text:p>say</text:p></draw:frame></presentation:notes></draw:page><draw:page><text:p>Two</text:p></draw:page>",
    );
    let cases: [(&str, Vec<u8>, &str); 6] = [
        (
            "docx",
            docx(),
            "Top\n\n## A head\n\nunder_score & *star* tabbed\nbelow a link![^1] [Comment by Eve: Really?]\n\n1. first\n  1.a) inner\n  1.b) inner too\n2. second\n- dot\n\nbetween\n\n\
             | Name | Sum\\|total |\n| --- | --- |\n| Ann | 1 |\n\n[image: a cat]\n\nboxed\n\nbehind\n\n[^1]: The note.\n\nBottom",
        ),
        (
            "pptx",
            pptx(),
            "# Begin\n\n- a point\n\n| A | B |\n| --- | --- |\n\nChart: Sales\n\n|  | Q1 |\n| --- | --- |\n| East | 1 |\n| West | 2 |\n=====\n# Last\n\nNotes: say this",
        ),
        (
            "xlsx",
            xlsx(ROWS),
            "## Data\n\n| Day | Share | Sum |\n| --- | --- | --- |\n| 2024-05-17 | 12.5% | 0.3 |\n| TRUE |\n\nComment on A2: look\n\n## More (hidden)\n\n| 7 |\n| --- |",
        ),
        (
            "odt",
            odt(),
            "Top\n\n## A head\n\nOne two[^1] [Comment by Eve: Really?]\n\n- item\n\n| A | B |\n| --- | --- |\n\nend\n\n[^1]: The note.",
        ),
        ("odp", odp, "# One\n\nwords\n\nNotes: say\n=====\nTwo"),
        ("ods", ods(), "## Data\n\n| Day | x | x |\n| --- | --- | --- |\n| 2024-05-17 | 0.5 |"),
    ];
    for (format, bytes, text) in cases {
        assert_eq!(read(&bytes, "").0, format);
        assert_eq!(read(&bytes, "zip").0, format, "the extension changes nothing");
        assert_eq!(pages(&bytes), text, "{format}");
    }
}

#[test]
fn notes_say_what_was_left_out() {
    let notes = |bytes: &[u8]| read(bytes, "").1.unwrap().notes;
    assert_eq!(notes(&docx()), ["1 picture left out", "tracked deletions left out"]);
    assert_eq!(notes(&pptx()), ["slide 2 is hidden"]);
    assert_eq!(notes(&xlsx(ROWS)), ["sheet More is hidden"]);
    let row = r#"<row r="1" hidden="1"><c r="A1"><f>B1+1</f><v></v></c><c r="B1"><v>5</v></c><c r="C1"><f>B1</f><v>5</v></c><c r="D1" t="str"><f>""</f><v></v></c></row>"#;
    let of_data = [
        "sheet Data has 1 formula without a result, sent as empty cells: save it in a spreadsheet program",
        "sheet Data has hidden rows or columns, which were sent",
    ];
    assert_eq!(notes(&xlsx(row))[..2], of_data);
    let cells = r#"<table:table-cell table:formula="of:=[.B1]+1"/><table:table-cell office:value="5"/><table:table-cell office:value-type="string" table:formula="of:=&quot;&quot;"/>"#;
    let row = format!("<table:table-row table:visibility='filter'>{cells}</table:table-row>");
    assert_eq!(notes(&odf("spreadsheet", &format!("<table:table table:name='Data'>{row}</table:table>"))), of_data);
}

#[test]
fn tracked_deletions_are_left_out_with_a_note() {
    let cell = |properties: &str, text: &str| format!("<w:tc><w:tcPr>{properties}</w:tcPr>{}</w:tc>", p(text));
    let row = |properties: &str, cells: &str| format!("<w:tr><w:trPr>{properties}</w:trPr>{cells}</w:tr>");
    let table = [
        row("", &(cell("", "A") + &cell("<w:cellDel/>", "no") + &cell("", "B"))),
        row("<w:del/>", &(cell("", "no") + &cell("", "no"))),
        row("<w:trPrChange><w:trPr><w:del/></w:trPr></w:trPrChange>", &(cell("", "1") + &cell("<w:cellDel/>", "no") + &cell("", "2"))),
    ];
    let run = "<w:p><w:pPr><w:rPr><w:del/></w:rPr></w:pPr><w:r><w:t>900</w:t></w:r>\
               <w:del><w:r><w:delText>no</w:delText><w:footnoteReference w:id=\"1\"/></w:r></w:del></w:p>";
    let docx = word(&format!("{run}<w:tbl>{}</w:tbl>", table.concat()));
    let odt = odf(
        "text",
        "<office:text><text:tracked-changes><text:changed-region><text:deletion><text:p>no</text:p></text:deletion></text:changed-region>\
         </text:tracked-changes><text:p>900</text:p></office:text>",
    );
    let rtf = br"{\rtf1 9{\deleted 5}0\deleted no\par\deleted0 0}".to_vec();
    for (bytes, text) in [(docx, "900\n\n| A |  | B |\n| --- | --- | --- |\n| 1 |  | 2 |"), (odt, "Top\n\n900"), (rtf, "900")] {
        assert_eq!(pages(&bytes), text);
        assert_eq!(read(&bytes, "").1.unwrap().notes, ["tracked deletions left out"], "{text}");
    }
}

#[test]
fn raised_lowered_and_struck_text_is_marked() {
    let run = |properties: &str, text: &str| format!("<w:r><w:rPr>{properties}</w:rPr><w:t xml:space=\"preserve\">{text}</w:t></w:r>");
    let (raised, lowered) = ("<w:vertAlign w:val=\"superscript\"/>", "<w:vertAlign w:val=\"subscript\"/>");
    let parts = [("", "2"), (raised, "1"), (raised, "0"), ("", " H"), (lowered, "2"), ("", "O 1"), (raised, "st"), ("", " fee ")];
    let struck = [("<w:strike/>", "1,000 "), ("<w:dstrike/>", "EUR"), ("<w:strike w:val=\"0\"/>", " 500")];
    let runs: String = parts.iter().chain(&struck).map(|(properties, text)| run(properties, text)).collect();
    let docx = word(&format!("<w:p>{runs}</w:p>{}", p("end")));
    let a = |properties: &str, text: &str| format!("<a:r><a:rPr {properties}/><a:t>{text}</a:t></a:r>");
    let slide =
        [a("", "2"), a("baseline='30000'", "10"), a("", " H"), a("baseline='-25000'", "2"), a("", "O 1"), a("baseline='30000'", "st")];
    let slide = slide.concat() + &a("strike='noStrike'", " fee ") + &a("strike='sngStrike'", "1,000 EUR") + "<a:r><a:t> 500</a:t></a:r>";
    let pptx = archive(&[
        ("ppt/presentation.xml", r#"<p:presentation><p:sldIdLst><p:sldId r:id="r1"/></p:sldIdLst></p:presentation>"#),
        ("ppt/_rels/presentation.xml.rels", &relations(&[("r1", "slide", "slides/slide1.xml")])),
        ("ppt/slides/slide1.xml", &format!("<p:sld><a:p>{slide}</a:p><a:p><a:r><a:t>end</a:t></a:r></a:p></p:sld>")),
    ]);
    let style = |name: &str, says: &str| format!("<style:style style:name='{name}'><style:text-properties {says}/></style:style>");
    let styles = [
        style("U", "style:text-position='super 58%'"),
        style("D", "style:text-position='-33% 58%'"),
        style("S", "style:text-line-through-style='solid'"),
    ];
    let span = |name: &str, text: &str| format!("<text:span text:style-name='{name}'>{text}</text:span>");
    let text = ["2", &span("U", "10"), " H", &span("D", "2"), "O 1", &span("U", "st"), " fee ", &span("S", "1,000 EUR"), " 500"].concat();
    let body = format!("{}<office:text><text:p>{text}</text:p><text:p>end</text:p></office:text>", styles.concat());
    let expected = "2^10 H_2O 1st fee ~~1,000 EUR~~ 500\n\nend";
    assert_eq!(pages(&docx), expected);
    assert_eq!(pages(&pptx), expected);
    assert_eq!(pages(&odf("text", &body)), format!("Top\n\n{expected}"));
    let html = "<html><p>2<sup>10</sup> H<sub>2</sub>O 1<sup>st</sup> fee <del>1,000 EUR</del> 500<p>end";
    assert_eq!(pages(html.as_bytes()), expected);
    let rtf = br"{\rtf1 2{\super 10} H{\sub 2}O 1{\super st} fee {\strike 1,000 EUR} 500\par end}";
    assert_eq!(pages(rtf), expected);
    let cells = "<html><table><tr><td>A<td>B<tr><td><s>1<p>2</s><td>3</table>";
    assert_eq!(pages(cells.as_bytes()), "| A | B |\n| --- | --- |\n| ~~1~~ ~~2~~ | 3 |");
}

#[test]
fn symbol_font_signs_become_characters_or_a_note() {
    let sign = |font: &str, code: &str| format!("<w:sym w:font=\"{font}\" w:char=\"{code}\"/>");
    let signs =
        [sign("Wingdings", "F0FE"), sign("Wingdings", "A8"), sign("Symbol", "F061"), sign("Symbol", "F057"), sign("Webdings", "F061")];
    let extract = read(&word(&format!("<w:p><w:r>{}<w:t> end</w:t></w:r></w:p>", signs.concat())), "").1.unwrap();
    assert_eq!(extract.pages, [Page::Text("☑☐αΩ end".to_owned())]);
    assert_eq!(extract.notes, ["1 sign of symbol fonts left out"]);
}

#[test]
fn repeated_cells_of_a_small_sheet_are_bounded() {
    let cell = "<table:table-cell table:number-columns-repeated='16000'><text:p>x</text:p></table:table-cell>";
    let row = |times: u32, cells: &str| format!("<table:table-row table:number-rows-repeated='{times}'>{cells}</table:table-row>");
    let sheet = |rows: &str| odf("spreadsheet", &format!("<table:table table:name='Data'>{rows}</table:table>"));
    let extract = read(&sheet(&[row(1_000_000, cell), row(1_000_000, "<table:table-cell/>")].concat()), "").1.unwrap();
    let [Page::Text(text)] = &extract.pages[..] else { panic!("{extract:?}") };
    assert_eq!(text.matches('x').count(), 1000);
    assert_eq!(extract.notes, ["sheet Data repeats a value or row 1000000 times; only the first ones were sent"]);
    let few = read(&sheet(&row(20, "<table:table-cell office:value='0'/><table:table-cell table:number-columns-repeated='1000'/>")), "");
    let few = few.1.unwrap();
    assert_eq!(
        (few.pages, few.notes),
        (
            vec![Page::Text(format!(
                "## Data

| 0 |
| --- |{}",
                "
| 0 |"
                    .repeat(19)
            ))],
            Vec::new()
        )
    );
}

#[test]
fn hidden_text_of_word_is_left_out_with_a_note() {
    let run = |properties: &str, text: &str| format!("<w:r><w:rPr>{properties}</w:rPr><w:t>{text}</w:t><w:tab/></w:r>");
    let styles = r#"<w:styles><w:style w:styleId="Base"><w:name w:val="x"/><w:rPr><w:vanish/></w:rPr></w:style>
        <w:style w:styleId="Secret"><w:name w:val="y"/><w:basedOn w:val="Base"/></w:style></w:styles>"#;
    let body = [
        "<w:p><w:pPr><w:rPr><w:vanish/></w:rPr></w:pPr>",
        &run("", "seen"),
        &run("<w:vanish/>", "no"),
        &run("<w:rStyle w:val=\"Secret\"/>", "no"),
        &run("<w:rStyle w:val=\"Secret\"/><w:vanish w:val=\"0\"/>", "shown"),
        "</w:p><w:p><w:pPr><w:pStyle w:val=\"Secret\"/></w:pPr>",
        &run("", "no"),
        "</w:p>",
    ]
    .concat();
    let main = format!("<w:document><w:body>{body}</w:body></w:document>");
    let bytes = archive(&[("word/document.xml", &main), ("word/styles.xml", styles)]);
    let extract = read(&bytes, "").1.unwrap();
    assert_eq!(extract.pages, [Page::Text("seen shown".to_owned())]);
    assert_eq!(extract.notes, ["hidden text left out"]);
    assert_eq!(code(&word(&run("<w:vanish/>", "no")), ""), Some(FailureCode::Empty));
}

#[test]
fn nested_tables_become_one_line_of_their_cell() {
    let table = |rows: &[[String; 2]], tag: [&str; 3]| {
        let [table, row, cell] = tag;
        let row = |[a, b]: &[String; 2]| format!("<{row}><{cell}>{a}</{cell}><{cell}>{b}</{cell}></{row}>");
        format!("<{table}>{}</{table}>", rows.iter().map(row).collect::<String>())
    };
    let nested = |paragraph: fn(&str) -> String, tag: [&str; 3]| {
        let cells = |texts: [&str; 2]| texts.map(paragraph);
        let inner = table(&[cells(["a", "b"]), cells(["1", "2"])], tag);
        table(&[cells(["Name", "Parts"]), [paragraph("Ann"), inner + &paragraph("end")], cells(["Bob", "none"])], tag)
    };
    let expected = "| Name | Parts |\n| --- | --- |\n| Ann | a, b; 1, 2 end |\n| Bob | none |";
    assert_eq!(pages(&word(&nested(p, ["w:tbl", "w:tr", "w:tc"]))), expected);
    let odt = nested(|text| format!("<text:p>{text}</text:p>"), ["table:table", "table:table-row", "table:table-cell"]);
    assert_eq!(pages(&odf("text", &format!("<office:text>{odt}</office:text>"))), format!("Top\n\n{expected}"));
}

#[test]
fn documents_with_only_pictures_have_no_text() {
    let picture = r#"<p:pic><p:cNvPr descr="photo.png"/></p:pic>"#;
    let slides = replaced(&pptx(), "ppt/slides/slide2.xml", &format!("<p:sld>{picture}{picture}</p:sld>"));
    let slides = replaced(&slides, "ppt/slides/slide1.xml", &format!("<p:sld>{picture}</p:sld>"));
    let slides = replaced(&slides, "ppt/notesSlides/notesSlide1.xml", "<p:notes/>");
    let slides = replaced(&slides, "ppt/charts/chart1.xml", "<c:chart/>");
    let slides = replaced(&slides, "ppt/slides/_rels/slide2.xml.rels", "<Relationships/>");
    let docx = word("<w:p><w:r><w:drawing><wp:docPr descr=\"photo.png\"/><a:blip/></w:drawing></w:r></w:p>");
    let frame = "<draw:frame><draw:image/><svg:title>photo.png</svg:title></draw:frame>";
    let odp = odf("presentation", &format!("<draw:page>{frame}</draw:page><draw:page>{frame}</draw:page>"));
    for bytes in [slides, docx, odp] {
        let (format, extract) = read(&bytes, "");
        assert_eq!(extract.map_err(|failure| failure.code), Err(FailureCode::NoText), "{format}");
    }
}

#[test]
fn sheets_with_many_or_distant_cells_are_bounded() {
    let mut rows = String::new();
    for row in 1..20_000 {
        let column = 1 + row % 26;
        let letter = char::from(b'A' + u8::try_from(row % 26).unwrap());
        write!(rows, "<row r=\"{row}\"><c r=\"X{letter}{letter}{row}\"><v>{column}</v></c></row>").unwrap();
    }
    let text = pages(&xlsx(&rows));
    assert!(text.len() < 2_000_000, "{}", text.len());
    let corners = pages(&xlsx(r#"<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>2</v></c></row>"#));
    assert!(corners.starts_with("## Data\n\n| 1 |  |\n| --- | --- |\n|  | 2 |"), "{corners}");
}

#[test]
fn decompression_bombs_are_refused() {
    let blanks = " ".repeat(20 << 20);
    for (entry, format) in [("word/document.xml", "docx"), ("ppt/presentation.xml", "pptx"), ("xl/workbook.xml", "xlsx")] {
        let bomb = archive(&[(entry, &blanks)]);
        assert_eq!(read(&bomb, "").0, format);
        assert_eq!(code(&bomb, ""), Some(FailureCode::PrepareLimit), "{entry}");
    }
    let bomb = archive(&[("mimetype", "application/vnd.oasis.opendocument.text"), ("content.xml", &blanks)]);
    assert_eq!(code(&bomb, ""), Some(FailureCode::PrepareLimit));
    // No single entry is too large.
    let one = archive(&[("xl/workbook.xml", &blanks[..15 << 20])]);
    let mut many = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for at in 0..20 {
        let mut one = zip::ZipArchive::new(Cursor::new(&one)).unwrap();
        let name = if at == 0 { "xl/workbook.xml".to_owned() } else { format!("xl/{at}.xml") };
        many.raw_copy_file_rename(one.by_index(0).unwrap(), name).unwrap();
    }
    let failure = read(&many.finish().unwrap().into_inner(), "").1.unwrap_err();
    assert_eq!(failure.code, FailureCode::PrepareLimit);
    assert!(failure.message.contains("more than 256 MB: a quarter of prepare.document_mb, plus the size of the file"), "{failure}");
}

#[test]
fn password_protected_documents_fail_as_encrypted() {
    let sealed = compound(&[("EncryptionInfo", b"x"), ("EncryptedPackage", b"y")]);
    let odt = archive(&[
        ("mimetype", "application/vnd.oasis.opendocument.text"),
        ("META-INF/manifest.xml", "<manifest:encryption-data/>"),
        ("content.xml", "garbage"),
    ]);
    for bytes in [sealed, odt] {
        assert_eq!(code(&bytes, ""), Some(FailureCode::Encrypted));
    }
}

#[test]
fn documents_without_text_are_empty() {
    let nothing = "<row r=\"1\"><c r=\"A1\"/></row>";
    let mut empty_book = xlsx(nothing);
    empty_book = replaced(&empty_book, "xl/worksheets/sheet2.xml", "<worksheet><sheetData/></worksheet>");
    empty_book = replaced(&empty_book, "xl/comments1.xml", "<comments/>");
    for bytes in [word(""), word("<w:p/>"), odf("presentation", "<draw:page/>"), odf("spreadsheet", "<table:table/>"), empty_book] {
        let (format, extract) = read(&bytes, "");
        assert_eq!(extract.unwrap_err().code, FailureCode::Empty, "{format}");
    }
}

fn replaced(bytes: &[u8], name: &str, text: &str) -> Vec<u8> {
    let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let names: Vec<String> = zip.file_names().flatten().map(std::borrow::Cow::into_owned).collect();
    let mut entries = Vec::new();
    for entry in names {
        let mut old = String::new();
        std::io::Read::read_to_string(&mut zip.by_name(&entry).unwrap(), &mut old).unwrap();
        entries.push((entry.clone(), if entry == name { text.to_owned() } else { old }));
    }
    archive(&entries.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect::<Vec<_>>())
}

/// Damages the first byte of a file in an archive.
pub(super) fn damage(archive: &mut [u8], name: &[u8]) {
    let at = archive.windows(name.len()).position(|window| window == name).unwrap() + name.len();
    archive[at] ^= 0xFF;
}

#[test]
fn other_archives_and_compound_files_stay_unsupported() {
    assert_eq!(read(&archive(&[("a.txt", "hello")]), "zip").0, "");
    assert_eq!(read(&archive(&[("mimetype", "text/plain")]), "").0, "");
    assert_eq!(read(&compound(&[("Other", b"x")]), "doc").0, "");
}

#[test]
fn damaged_documents_fail_with_advice() {
    let documents = [("docx", docx()), ("pptx", pptx()), ("xlsx", xlsx(ROWS)), ("odt", odt()), ("ods", ods())];
    for (format, bytes) in &documents {
        for length in (10..bytes.len()).step_by(bytes.len() / 40) {
            let (found, extract) = read(&bytes[..length], format);
            assert_eq!(found, *format, "the extension decides for a damaged archive");
            let failure = extract.unwrap_err();
            assert_eq!(failure.code, FailureCode::Undecodable);
            assert!(failure.message.contains("damaged") && failure.message.contains("save it again"), "{}", failure.message);
        }
    }
    for (stream, extension) in [("WordDocument", "doc"), ("PowerPoint Document", "ppt"), ("Workbook", "xls")] {
        let (format, extract) = read(&compound(&[(stream, &[7; 5000])]), "");
        assert_eq!(format, extension);
        assert_eq!(extract.unwrap_err().code, FailureCode::Undecodable, "{stream}");
    }
}

#[test]
fn old_workbooks_are_read_from_all_forms_of_containers() {
    // Both versions are tested, with streams in small and in normal sectors.
    for (version, rows) in [(cfb::Version::V3, 2), (cfb::Version::V4, 2), (cfb::Version::V3, 900), (cfb::Version::V4, 900)] {
        let texts: Vec<&str> = ["bolt", "nut"].into_iter().cycle().take(rows).collect();
        let mut file = cfb::CompoundFile::create_with_version(version, Cursor::new(Vec::new())).unwrap();
        file.create_stream("Other").unwrap().write_all(&[7; 5000]).unwrap();
        file.create_stream("Workbook").unwrap().write_all(&workbook_stream(&texts)).unwrap();
        let text = pages(&file.into_inner().into_inner());
        assert!(text.contains("Parts") && text.matches("bolt").count() == rows / 2 && text.matches("nut").count() == rows / 2, "{text}");
    }
}

#[test]
fn deep_nesting_is_read() {
    let deep = 50_000;
    for (open, close) in [("<w:p>", "</w:p>"), ("<w:tbl><w:tr><w:tc>", "</w:tc></w:tr></w:tbl>"), ("<w:sdt>", "</w:sdt>")] {
        let bytes = word(&[&open.repeat(deep), &*p("words"), &close.repeat(deep)].concat());
        assert_eq!(pages(&bytes), "words");
    }
    let lists = format!("<office:text>{}<text:p>words</text:p></office:text>", "<text:list><text:list-item>".repeat(deep));
    assert!(pages(&odf("text", &lists)).ends_with("- words"));
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 60, failure_persistence: None, ..Default::default() })]

    /// Parts are changed before compression.
    ///
    /// Changes of compressed bytes rarely reach them.
    #[test]
    fn changed_parts_never_panic_a_reader(at: proptest::sample::Index, new in proptest::collection::vec(0_u8..128, 0..6), cut in 0_usize..40) {
        let texts = [("docx", docx()), ("pptx", pptx()), ("xlsx", xlsx(ROWS)), ("odt", odt()), ("ods", ods())];
        for (_, bytes) in texts {
            let mut zip = zip::ZipArchive::new(Cursor::new(&bytes)).unwrap();
            let names: Vec<String> = zip.file_names().flatten().map(std::borrow::Cow::into_owned).collect();
            let name = &names[at.index(names.len())];
            let mut text = String::new();
            std::io::Read::read_to_string(&mut zip.by_name(name).unwrap(), &mut text).unwrap();
            let from = at.index(text.len() + 1);
            let mut changed = text.into_bytes();
            changed.splice(from..(from + cut).min(changed.len()), new.iter().copied());
            let changed = String::from_utf8_lossy(&changed).into_owned();
            let _any = read(&replaced(&bytes, name, &changed), "");
        }
    }

    #[test]
    fn changed_files_never_panic_a_reader(at: proptest::sample::Index, byte: u8, extension in "docx|pptx|xlsx|xlsb|odt|ods|doc|ppt|xls|msg") {
        let old = compound(&[("WordDocument", &[byte; 900]), ("Workbook", &[9, 8, 16, 0, 0, 6, 5, 0, byte]), ("1Table", b"x")]);
        for mut bytes in [docx(), xlsx(ROWS), old] {
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _any = read(&bytes, &extension);
            bytes.truncate(at);
            let _any = read(&bytes, &extension);
        }
    }
}
