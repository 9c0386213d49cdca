//! Tests of text outside the main flow of Office documents.

use super::office::{archive, damage, odf, pages, read, relations, word};

fn p(inner: &str) -> String {
    format!("<w:p>{inner}</w:p>")
}

fn run(text: &str) -> String {
    format!("<w:r><w:t xml:space=\"preserve\">{text}</w:t></w:r>")
}

fn math(inner: &str) -> String {
    format!("<m:oMath>{inner}</m:oMath>")
}

#[test]
fn formulas_of_word_are_linear() {
    let t = |text: &str| format!("<m:r><m:rPr/><w:rPr><w:rFonts w:ascii='Cambria Math'/></w:rPr><m:t>{text}</m:t></m:r>");
    let e = |inner: &str| format!("<m:e>{inner}</m:e>");
    let part = |name: &str, inner: &str| format!("<m:{name}>{inner}</m:{name}>");
    for (formula, text) in [
        (part("f", &(part("num", &t("a+b")) + &part("den", &t("2")))), "(a+b)/2"),
        (part("sSup", &(e(&t("x")) + &part("sup", &t("10")))), "x^10"),
        (part("rad", &("<m:radPr><m:degHide/></m:radPr>".to_owned() + &part("deg", "") + &e(&t("x")))), "sqrt(x)"),
        (part("rad", &(part("deg", &t("3")) + &e(&t("x")))), "root(3, x)"),
        (
            part(
                "nary",
                &("<m:naryPr><m:chr m:val='∑'/></m:naryPr>".to_owned() + &part("sub", &t("i=1")) + &part("sup", &t("n")) + &e(&t("i"))),
            ),
            "∑_{i=1}^n i",
        ),
        (part("d", &("<m:dPr><m:begChr m:val='['/><m:endChr m:val=']'/></m:dPr>".to_owned() + &e(&t("a")) + &e(&t("b")))), "[a|b]"),
        (part("m", &(part("mr", &(e(&t("1")) + &e(&t("0")))) + &part("mr", &(e(&t("0")) + &e(&t("1")))))), "[1, 0; 0, 1]"),
        (part("func", &(part("fName", &t("sin")) + &e(&t("x")))), "sin(x)"),
        (part("sSup", &(e(&t("x")) + &part("sup", &t("2n")))), "x^{2n}"),
        (part("sSup", &(e(&t("2x")) + &part("sup", &t("2")))), "2x^2"),
        (part("f", &(part("num", &t("a")) + &part("den", &t("2b")))), "a/(2b)"),
        (part("f", &(part("num", &t("1")) + &part("den", "<m:r><m:rPr><m:sty m:val='p'/></m:rPr><m:t>max</m:t></m:r>"))), "1/max"),
        (part("sSub", &(e(&t("x")) + &part("sub", "<m:r><m:rPr><m:nor/></m:rPr><m:t>max</m:t></m:r>"))), "x_max"),
        (part("bar", &("<m:barPr><m:pos m:val='top'/></m:barPr>".to_owned() + &e(&t("y")))), "y\u{305}"),
        (t("E=m") + &part("sSup", &(e(&t("c")) + &part("sup", &t("2")))), "E=mc^2"),
    ] {
        assert_eq!(pages(&word(&p(&(run("so ") + &math(&formula) + &run(" end"))))), format!("so {text} end"), "{formula}");
    }
    let deep = "<m:e>".repeat(5000) + "<m:r><m:t>x</m:t></m:r>" + &"</m:e>".repeat(5000);
    assert!(pages(&word(&p(&(math(&deep) + &run("words"))))).contains("words"));
}

#[test]
fn fields_furigana_and_symbols_of_word_are_read() {
    let field = |form: &str, code: &str| {
        let sign = |kind: &str, inner: &str| format!("<w:r><w:fldChar w:fldCharType='{kind}'>{inner}</w:fldChar></w:r>");
        sign("begin", form) + &format!("<w:r><w:instrText>{code}</w:instrText></w:r>") + &sign("end", "")
    };
    let choice = "<w:ffData><w:ddList><w:default w:val='2'/><w:listEntry w:val='a'/><w:listEntry w:val='b'/><w:listEntry w:val='c'/></w:ddList></w:ffData>";
    let open = "<w:ffData><w:checkBox><w:default w:val='0'/></w:checkBox></w:ffData>";
    let ticked = "<w:ffData><w:checkBox><w:default w:val='0'/><w:checked/></w:checkBox></w:ffData>";
    let ruby =
        "<w:r><w:ruby><w:rt><w:r><w:t>とうきょう</w:t></w:r></w:rt><w:rubyBase><w:r><w:t>東京</w:t></w:r></w:rubyBase></w:ruby></w:r>";
    let symbol = "<w:r><w:rPr><w:rFonts w:ascii='Wingdings'/></w:rPr><w:t>\u{F0FC}</w:t></w:r>";
    for (body, text) in [
        (field(choice, " FORMDROPDOWN "), "c"),
        (field(open, "FORMCHECKBOX") + &field(ticked, "FORMCHECKBOX"), "☐☒"),
        (field("", r" EQ \f(1,2) "), "1/2"),
        (field("", " PAGE "), ""),
        (ruby.to_owned(), "東京(とうきょう)"),
        (symbol.to_owned(), "✓"),
    ] {
        assert_eq!(pages(&word(&p(&(run("x") + &body)))), format!("x{text}"));
    }
}

#[test]
fn inserted_documents_charts_and_diagrams_of_word_are_read() {
    let inner = word(&p(&run("of the inner document")));
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let body = [
        p(&run("before")),
        "<w:altChunk r:id='r1'/><w:altChunk r:id='r2'/>".to_owned(),
        p("<w:r><w:drawing><c:chart r:id='r3'/></w:drawing></w:r>"),
        p("<w:r><w:drawing><dgm:relIds r:dm='r4'/></w:drawing></w:r>"),
        p(&run("after")),
    ]
    .concat();
    let chart = "<c:chart><c:title><a:t>Sales</a:t></c:title><c:ser><c:tx><c:v>Q1</c:v></c:tx><c:cat><c:v>East</c:v></c:cat><c:val><c:v>1</c:v></c:val></c:ser></c:chart>";
    let links = relations(&[
        ("r1", "aFChunk", "a.html"),
        ("r2", "aFChunk", "b.docx"),
        ("r3", "chart", "charts/chart1.xml"),
        ("r4", "diagramData", "d.xml"),
    ]);
    let document = format!("<w:document><w:body>{body}</w:body></w:document>");
    let parts: [(&str, &[u8]); 6] = [
        ("word/document.xml", document.as_bytes()),
        ("word/_rels/document.xml.rels", links.as_bytes()),
        ("word/a.html", b"<html><p>of the page</p></html>"),
        ("word/b.docx", &inner),
        ("word/charts/chart1.xml", chart.as_bytes()),
        ("word/d.xml", b"<dgm><a:p><a:t>of the diagram</a:t></a:p></dgm>"),
    ];
    for (name, bytes) in parts {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        std::io::Write::write_all(&mut zip, bytes).unwrap();
    }
    let text = pages(&zip.finish().unwrap().into_inner());
    let table = "Chart: Sales\n\n|  | Q1 |\n| --- | --- |\n| East | 1 |";
    assert_eq!(text, format!("before\n\nof the page\n\nof the inner document\n\n{table}\n\nof the diagram\n\nafter"));
}

#[test]
fn readings_of_open_documents_are_kept() {
    let ruby = "<text:ruby><text:ruby-base>東京</text:ruby-base><text:ruby-text>とうきょう</text:ruby-text></text:ruby>";
    assert_eq!(pages(&odf("text", &format!("<office:text><text:p>{ruby} end</text:p></office:text>"))), "Top\n\n東京(とうきょう) end");
}

#[test]
fn damaged_relations_of_word_lose_only_their_target() {
    let bytes =
        archive(&[("word/document.xml", &format!("<w:document><w:body><w:altChunk r:id='no'/>{}</w:body></w:document>", p(&run("text"))))]);
    assert_eq!(read(&bytes, "").1.unwrap().notes, [""; 0]);
    assert_eq!(pages(&bytes), "text");
}

#[test]
fn rows_of_word_begin_behind_the_columns_they_skip() {
    let cell = |text: &str| format!("<w:tc>{}</w:tc>", p(&run(text)));
    let rows = format!(
        "<w:tr><w:trPr><w:gridBefore w:val='1'/></w:trPr>{}{}</w:tr><w:tr><w:trPr><w:gridBefore w:val='0'/></w:trPr>{}{}{}</w:tr>",
        cell("B"),
        cell("C"),
        cell("1"),
        cell("2"),
        cell("3")
    );
    assert_eq!(pages(&word(&format!("<w:tbl>{rows}</w:tbl>"))), "|  | B | C |\n| --- | --- | --- |\n| 1 | 2 | 3 |");
}

#[test]
fn comments_of_open_documents_follow_their_text() {
    let comment = |name: &str| {
        format!(
            "<office:annotation{name}><dc:creator>Bob</dc:creator><dc:date>2026-11-30T19:14:00</dc:date>\
             <meta:creator-initials>B</meta:creator-initials><text:p>why?</text:p></office:annotation>"
        )
    };
    let name = " office:name='c1'";
    for (body, text) in [
        (format!("a{}b", comment("")), "a [Comment by Bob: why?] b"),
        (format!("a{}b", comment(name)), "a [Comment by Bob: why?] b"),
        (format!("a {}b c<office:annotation-end{name}/> d", comment(name)), "a b c [Comment by Bob: why?] d"),
    ] {
        assert_eq!(pages(&odf("text", &format!("<office:text><text:p>{body}</text:p></office:text>"))), format!("Top\n\n{text}"));
    }
}

#[test]
fn repeated_cells_and_rows_of_open_documents_are_written_each_time() {
    let cell = |more: &str, text: &str| format!("<table:table-cell{more}><text:p>{text}</text:p></table:table-cell>");
    let row = format!("<table:table-row>{}</table:table-row>", cell(" table:number-columns-repeated='3'", "x"));
    let twice = format!("<table:table-row table:number-rows-repeated='2'>{}{}</table:table-row>", cell("", "a"), cell("", "b"));
    let table = format!("<office:text><table:table>{row}{twice}</table:table></office:text>");
    assert_eq!(pages(&odf("text", &table)), "Top\n\n| x | x | x |\n| --- | --- | --- |\n| a | b |\n| a | b |");
}

#[test]
fn charts_and_formulas_of_open_documents_are_read() {
    let object = |name: &str| format!("<draw:frame><draw:object xlink:href='./{name}'/><draw:image/></draw:frame>");
    let body = format!("<office:text><text:p>Is {} so?</text:p><text:p>{}</text:p></office:text>", object("Object 1"), object("Object 2"));
    let cell = |text: &str| format!("<table:table-cell><text:p>{text}</text:p></table:table-cell>");
    let row = |a: &str, b: &str| format!("<table:table-row>{}{}</table:table-row>", cell(a), cell(b));
    let chart = format!(
        "<office:chart><chart:title><text:p>Sales</text:p></chart:title><table:table>{}{}</table:table></office:chart>",
        row("", "Q1"),
        row("East", "1")
    );
    let content = format!("<office:document-content><office:body>{body}</office:body></office:document-content>");
    let file = archive(&[
        ("mimetype", "application/vnd.oasis.opendocument.text"),
        ("content.xml", &content),
        ("Object 1/content.xml", "<math><msup><mi>x</mi><mn>2</mn></msup><annotation encoding='StarMath 5.0'>x^2</annotation></math>"),
        ("Object 2/content.xml", &chart),
    ]);
    let extract = read(&file, "").1.unwrap();
    assert_eq!(pages(&file), "Is x^2 so?\n\nSales\n\n|  | Q1 |\n| --- | --- |\n| East | 1 |");
    assert_eq!(extract.notes, [""; 0]);
    // The same in one file, and with an object that several frames name.
    let inner = |object: &str| format!("<draw:frame><draw:object>{object}</draw:object><draw:image/></draw:frame>");
    let chart = format!("<office:document><office:body>{chart}</office:body></office:document>");
    let flat = format!(
        "<?xml version='1.0'?><office:document office:mimetype='application/vnd.oasis.opendocument.text'><office:body><office:text>\
         <text:p>Is {} so?</text:p><text:p>{}</text:p></office:text></office:body></office:document>",
        inner("<math><semantics><msup><mi>x</mi><mn>2</mn></msup><annotation>x^2</annotation></semantics></math>"),
        inner(&chart)
    );
    assert_eq!(read(flat.as_bytes(), "").0, "fodt");
    assert_eq!(pages(flat.as_bytes()), pages(&file));
    assert_eq!(read(flat.as_bytes(), "").1.unwrap().notes, [""; 0]);
    let often = format!("<office:text><text:p>a {}</text:p></office:text>", object("Object 1").repeat(3));
    let copies = archive(&[
        ("mimetype", "application/vnd.oasis.opendocument.text"),
        ("content.xml", &format!("<office:document-content><office:body>{often}</office:body></office:document-content>")),
        ("Object 1/content.xml", "<math><mi>x</mi></math>"),
    ]);
    assert_eq!(pages(&copies), "a x");
    let file = archive(&[
        ("mimetype", "application/vnd.oasis.opendocument.text"),
        ("content.xml", &content.replace("'./Object 1'", "'Formula-0/'").replace("<draw:image/>", "")),
        ("Formula-0/content.xml", "<math><mfrac><mi>a</mi><mn>2</mn></mfrac></math>"),
        ("Object 2/content.xml", "<office:chart/>"),
    ]);
    assert_eq!(pages(&file), "Is a/2 so?");
    assert_eq!(read(&file, "").1.unwrap().notes, ["1 embedded object left out"]);
}

#[test]
fn a_damaged_chart_loses_only_itself() {
    let content = "<office:document-content><office:body><office:text><text:p>the text<draw:frame><draw:object xlink:href='./Object 1'/></draw:frame></text:p>\
                   </office:text></office:body></office:document-content>";
    let mut file = archive(&[
        ("mimetype", "application/vnd.oasis.opendocument.text"),
        ("content.xml", content),
        ("Object 1/content.xml", "<math><mi>damaged</mi></math>"),
    ]);
    damage(&mut file, b"Object 1/content.xml");
    assert_eq!(pages(&file), "the text");
    assert_eq!(read(&file, "").1.unwrap().notes, ["1 embedded object left out"]);
}

#[test]
fn copies_of_rows_are_bounded() {
    let cell = "<table:table-cell table:number-columns-repeated='60'/>".repeat(20);
    let row = format!(
        "<table:table-row table:number-rows-repeated='60'><table:table-cell><text:p>x</text:p></table:table-cell>{cell}</table:table-row>"
    );
    let text = pages(&odf("text", &format!("<office:text><table:table>{}</table:table></office:text>", row.repeat(3))));
    assert!(text.len() < 50_000, "{}", text.len());
}
