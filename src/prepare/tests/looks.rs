//! Raised, struck, hidden and computed text of documents.

use super::office::{archive, pages, read, word};

fn notes(bytes: &[u8]) -> Vec<String> {
    read(bytes, "").1.unwrap().notes
}

#[test]
fn the_result_of_a_field_in_a_code_is_part_of_the_code() {
    let mark = |kind: &str| format!("<w:r><w:fldChar w:fldCharType='{kind}'/></w:r>");
    let code = |text: &str| format!("<w:r><w:instrText>{text}</w:instrText></w:r>");
    let text = |text: &str| format!("<w:r><w:t>{text}</w:t></w:r>");
    let (begin, separate, end) = (mark("begin"), mark("separate"), mark("end"));
    let inner = format!("{begin}{}{separate}{}{end}", code("MERGEFIELD Kids"), text("3"));
    let simple = format!("<w:fldSimple w:instr='MERGEFIELD Kids'>{}</w:fldSimple>", text("3"));
    for inner in [inner, simple] {
        let outer = format!("{begin}{}{inner}{}{separate}{}{end}", code(" IF "), code(" &gt; 2"), text("1,000 EUR"));
        assert_eq!(pages(&word(&format!("<w:p>{}{outer}{inner}</w:p>", text("Due ")))), "Due 1,000 EUR3");
    }
    let rtf = b"{\\rtf1 Due {\\field{\\*\\fldinst IF {\\field{\\*\\fldinst MERGEFIELD Kids}{\\fldrslt 3}} > 2}{\\fldrslt 1,000}}}";
    assert_eq!(pages(rtf), "Due 1,000");
}

#[test]
fn character_styles_raise_and_strike() {
    let styles = "<w:styles><w:style w:styleId='S'><w:rPr><w:vertAlign w:val='superscript'/></w:rPr></w:style>\
                  <w:style w:styleId='D'><w:rPr><w:strike/></w:rPr></w:style></w:styles>";
    let run = |style: &str, text: &str| format!("<w:r><w:rPr>{style}</w:rPr><w:t xml:space='preserve'>{text}</w:t></w:r>");
    let body = [
        run("", "10"),
        run("<w:rStyle w:val='S'/>", "6"),
        run("", " N "),
        run("<w:rStyle w:val='D'/>", "old"),
        run("<w:rStyle w:val='D'/><w:strike w:val='0'/>", " new"),
    ];
    let body = format!("<w:body><w:p>{}</w:p></w:body>", body.concat());
    let document = archive(&[("word/document.xml", &format!("<w:document>{body}</w:document>")), ("word/styles.xml", styles)]);
    let flat = format!(
        "<?xml version='1.0'?><w:wordDocument xmlns:w='http://schemas.microsoft.com/office/word/2003/wordml'>{styles}{body}</w:wordDocument>"
    );
    for file in [document, flat.into_bytes()] {
        assert_eq!(pages(&file), "10^6 N ~~old~~ new");
    }
}

#[test]
fn hidden_rows_and_shapes_are_left_out() {
    let row = |more: &str, text: &str| format!("<w:tr>{more}<w:tc><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:tc></w:tr>");
    let table =
        format!("<w:tbl>{}{}{}</w:tbl>", row("", "a"), row("<w:trPr><w:hidden/></w:trPr>", "secret"), row("<w:trPr></w:trPr>", "b"));
    let text = pages(&word(&table));
    assert_eq!(text, "a\n\nb");
    assert_eq!(notes(&word(&table)), ["hidden text left out"]);
    let shape = |more: &str, text: &str| {
        format!("<p:sp><p:nvSpPr><p:cNvPr id='1' {more}/></p:nvSpPr><p:txBody><a:p><a:r><a:t>{text}</a:t></a:r></a:p></p:txBody></p:sp>")
    };
    let slide = format!("<p:sld><p:grpSp>{}</p:grpSp>{}</p:sld>", shape("hidden='1'", "secret"), shape("", "shown"));
    let slides = archive(&[
        ("ppt/presentation.xml", "<p:presentation><p:sldIdLst><p:sldId r:id='r1'/></p:sldIdLst></p:presentation>"),
        (
            "ppt/_rels/presentation.xml.rels",
            "<Relationships><Relationship Id='r1' Type='http://x/slide' Target='slides/slide1.xml'/></Relationships>",
        ),
        ("ppt/slides/slide1.xml", &slide),
    ]);
    assert_eq!((pages(&slides).as_str(), notes(&slides)), ("shown", vec!["hidden text left out".to_owned()]));
}

fn flat(kind: &str, styles: &str, body: &str) -> String {
    format!(
        "<?xml version='1.0'?><office:document office:mimetype='application/vnd.oasis.opendocument.{kind}'>\
         <office:automatic-styles>{styles}</office:automatic-styles><office:body><office:{kind}>{body}</office:{kind}></office:body></office:document>"
    )
}

#[test]
fn open_document_texts_leave_out_hidden_and_deleted_text() {
    let styles = "<style:style style:name='H'><style:text-properties text:display='none'/></style:style>\
                  <style:style style:name='I' style:parent-style-name='H'><style:text-properties/></style:style>";
    let region = |id: &str, kind: &str| format!("<text:changed-region text:id='{id}'><text:{kind}/></text:changed-region>");
    let change = |id: &str, text: &str| format!("<text:change-start text:change-id='{id}'/>{text}<text:change-end text:change-id='{id}'/>");
    let ticked = "<field:fieldmark field:type='vnd.oasis.opendocument.field.FORMCHECKBOX'>\
                  <field:param field:name='Checkbox_Checked' field:value='true'/></field:fieldmark>";
    let body = format!(
        "<text:tracked-changes>{}{}</text:tracked-changes><text:p>Price {}{} <text:span text:style-name='H'>x</text:span>{ticked}</text:p>\
         <text:p text:style-name='I'>y</text:p>",
        region("d", "deletion"),
        region("i", "insertion"),
        change("d", "100"),
        change("i", "250"),
    );
    let file = flat("text", styles, &body);
    assert_eq!(pages(file.as_bytes()), "Price 250 ☒");
    assert_eq!(notes(file.as_bytes()), ["hidden text left out", "tracked deletions left out"]);
}

#[test]
fn cells_of_open_document_keep_raised_and_struck_text() {
    let styles = "<style:style style:name='R'><style:text-properties style:text-position='33% 58%'/></style:style>\
                  <style:style style:name='S'><style:text-properties style:text-line-through-style='solid'/></style:style>";
    let span = |style: &str, text: &str| format!("<text:span text:style-name='{style}'>{text}</text:span>");
    let cell = |more: &str, text: &str| format!("<table:table-cell {more}><text:p>{text}</text:p></table:table-cell>");
    let row = [
        cell("", &format!("10{} N", span("R", "6"))),
        cell("", &format!("{} new", span("S", "old"))),
        cell("table:style-name='S' office:value='9'", "9"),
    ];
    let body = format!("<table:table table:name='T'><table:table-row>{}</table:table-row></table:table>", row.concat());
    let text = pages(flat("spreadsheet", styles, &body).as_bytes());
    assert!(text.contains("| 10^6 N | ~~old~~ new | ~~9~~ |"), "{text}");
}

#[test]
fn pages_leave_out_invisible_text_and_strike_by_style() {
    let page = "<html><body><p>a <span style='font-size:0'>Z</span><b style='opacity: 0'>Z</b>b</p><div style='font-size:0px'>c</div>\
                <p>Now <span style='text-decoration: line-through red'>99 <b>EUR</b></span> 89</p><p>d</p></body></html>";
    assert_eq!(pages(page.as_bytes()), "a b\n\nc\n\nNow ~~99 EUR~~ 89\n\nd");
    assert_eq!(notes(page.as_bytes()), ["hidden text left out"]);
}

#[test]
fn formulas_of_rtf_have_a_note() {
    let rtf = br"{\rtf1 x = {\mmath{\*\moMath{\mf{\mnum{\mr a}}{\mden{\mr b}}}}} done 5\par}";
    assert_eq!((pages(rtf), read(rtf, "").1.unwrap().notes), ("x = done 5".to_owned(), vec!["1 formula left out".to_owned()]));
    let display = br"{\rtf1 x {\mmathPara{\*\moMathPara{\*\moMath{\mr a}}}} done\par}";
    assert_eq!(read(display, "").1.unwrap().notes, ["1 formula left out"]);
}

#[test]
fn rtf_forms_have_their_boxes_and_choices() {
    let field = |code: &str, form: &str| format!("{{\\field{{\\*\\fldinst {code} {{\\*\\formfield{{{form}}}}}}}{{\\fldrslt }}}}");
    let file = format!(
        "{{\\rtf1 A {} B {} C {} D}}",
        field("FORMCHECKBOX", "\\fftype1\\ffres1\\ffdefres0"),
        field("FORMCHECKBOX", "\\fftype1\\ffres25\\ffdefres0"),
        field("FORMDROPDOWN", "\\fftype2\\ffres1{\\*\\ffl red}{\\*\\ffl blue}"),
    );
    assert_eq!(pages(file.as_bytes()), "A ☒ B ☐ C blue D");
}

#[test]
fn cards_have_a_name_and_whole_days_their_last_day() {
    let cards = "BEGIN:VCARD\nVERSION:2.1\nN;ENCODING=QUOTED-PRINTABLE;CHARSET=UTF-8:M=C3=BCller;J=C3=B6rg;;Dr.;\nTEL:1\nEND:VCARD\n\
                 BEGIN:VCARD\nVERSION:3.0\nFN:Ann Lee\nN:Lee;Ann\nEND:VCARD\n";
    assert_eq!(pages(cards.as_bytes()).trim(), "Name: Dr. Jörg Müller\nPhone: 1\n\nName: Ann Lee");
    let event = |end: &str| {
        format!("BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART;VALUE=DATE:20260501\nDTEND;VALUE=DATE:{end}\nEND:VEVENT\nEND:VCALENDAR\n")
    };
    for (end, last) in [("20260502", "2026-05-01"), ("20260504", "2026-05-03"), ("20260501", "2026-05-01")] {
        assert_eq!(pages(event(end).as_bytes()).trim(), format!("Start: 2026-05-01\nEnd: {last}"));
    }
}

#[test]
fn pages_raise_and_lower_text_by_style() {
    let page = "<html><head><style>.sup{vertical-align:super}.low{vertical-align:sub}sup{vertical-align:baseline}td{vertical-align:super}\
                .old{text-decoration:line-through}</style></head><body><p>10<span class=sup>6</span> H<span class=low>2</span>O \
                x<span style='vertical-align: super'>2</span><sup>3</sup> y<sup>2</sup></p><table><tr><td class=old>1<td>2<tr><td>3<td>4</table>\
                <p>5<ins style='vertical-align:4pt'>-6</ins> 7</p>\
                <table><tr><td>Net<td><i style='vertical-align:-3px'>1,200</i><tr><td>Tax<td>10<i style='vertical-align:3px'>6</i></table></body></html>";
    let text = pages(page.as_bytes());
    assert_eq!(
        text,
        "10^6 H_2O x^2^3 y^2\n\n| ~~1~~ | 2 |\n| --- | --- |\n| 3 | 4 |\n\n5^-6 7\n\n| Net | 1,200 |\n| --- | --- |\n| Tax | 10^6 |"
    );
}

#[test]
fn pages_have_the_text_that_styles_add() {
    let page = "<html><head><style>.neg::before{content:'-'}.par::before{content:'('}.par::after{content:')'}.eur:after{content:' EUR'}\
                li::before{content:'*'}li::after{content:counter(x)}\
                li.minus::before{content:'-'}li.bullet::before{content:'\\2022'}</style></head><body><p>Loss of <b class='neg eur'>77</b>, \
                <span class=par>5</span>.</p><table><tr><th>Tax<th class=par>1<tr><td class=neg>60<td class=par>12</table><ul><li>a<li class=minus>7<li class=bullet>b</ul></body></html>";
    let text = pages(page.as_bytes());
    assert_eq!(text, "Loss of -77 EUR, (5).\n\n| Tax | (1) |\n| --- | --- |\n| -60 | (12) |\n\n- a\n- -7\n- b");
}

#[test]
fn signs_of_symbol_fonts_are_found_in_pages_and_open_document_texts() {
    let page = "<html><body><p>A <font face='Wingdings, serif'>\u{F0FE}\u{F025}</font> <span style='font-family:Symbol'>ab</span> \
                <i>\u{F0C9}</i></p></body></html>";
    assert_eq!(pages(page.as_bytes()), "A ☑ αβ \u{F0C9}");
    assert_eq!(notes(page.as_bytes()), ["1 sign of symbol fonts left out"]);
    let styles = "<style:style style:name='W'><style:text-properties style:font-name='Wingdings1'/></style:style>\
                  <style:style style:name='S'><style:text-properties fo:font-family='Symbol'/></style:style>";
    let span = |style: &str, text: &str| format!("<text:span text:style-name='{style}'>{text}</text:span>");
    let body = format!("<text:p>A {}{} {} \u{F0B1}</text:p>", span("W", "\u{F0FE}"), span("W", "\u{F025}"), span("S", "ab"));
    let file = flat("text", styles, &body);
    assert_eq!(pages(file.as_bytes()), "A ☑ αβ ±");
    assert_eq!(notes(file.as_bytes()), ["1 sign of symbol fonts left out"]);
}

#[test]
fn text_that_a_distance_raises_is_raised() {
    let styles = "<w:styles><w:style w:styleId='P'><w:rPr><w:position w:val='-6'/></w:rPr></w:style></w:styles>";
    let run = |style: &str, text: &str| format!("<w:r><w:rPr>{style}</w:rPr><w:t xml:space='preserve'>{text}</w:t></w:r>");
    let body = [
        run("", "x"),
        run("<w:position w:val='6'/>", "3"),
        run("", " y"),
        run("<w:rStyle w:val='P'/>", "4"),
        run("<w:rStyle w:val='P'/><w:position w:val='0'/>", " z"),
        run("<w:position w:val='2'/>", "5"),
    ];
    let document = format!("<w:document><w:body><w:p>{}</w:p></w:body></w:document>", body.concat());
    assert_eq!(pages(&archive(&[("word/document.xml", &document), ("word/styles.xml", styles)])), "x^3 y_4 z5");
    assert_eq!(pages(b"{\\rtf1 x{\\up6 3} y{\\dn6 4}{\\up2 5}\\up6 7\\up0  z\\dn 8\\plain 9}"), "x^3 y_45^7 z_89");
}
