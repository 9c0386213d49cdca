//! Tests of the numbers of lists, in each kind of document.

use super::office::{archive, odf, pages, relations};
use std::fmt::Write as _;

/// Builds a Word document with this numbering and these styles.
///
/// Each paragraph has its properties and its text.
fn word(numbering: &str, styles: &str, paragraphs: &[(&str, &str)]) -> Vec<u8> {
    let mut body = String::new();
    for (properties, text) in paragraphs {
        let run = if text.is_empty() { String::new() } else { format!("<w:r><w:t>{text}</w:t></w:r>") };
        write!(body, "<w:p><w:pPr>{properties}</w:pPr>{run}</w:p>").unwrap();
    }
    archive(&[
        ("word/document.xml", &format!("<w:document><w:body>{body}</w:body></w:document>")),
        ("word/numbering.xml", &format!("<w:numbering>{numbering}</w:numbering>")),
        ("word/styles.xml", &format!("<w:styles>{styles}</w:styles>")),
    ])
}

fn level(at: usize, kind: &str, text: &str, more: &str) -> String {
    format!("<w:lvl w:ilvl='{at}'><w:start w:val='1'/><w:numFmt w:val='{kind}'/>{more}<w:lvlText w:val='{text}'/></w:lvl>")
}

fn item(list: usize, level: usize) -> String {
    format!("<w:numPr><w:ilvl w:val='{level}'/><w:numId w:val='{list}'/></w:numPr>")
}

#[test]
fn word_counts_lists_by_their_definitions() {
    let levels = [
        level(0, "upperRoman", "%1.", ""),
        level(1, "decimal", "%1.%2", "<w:isLgl/>"),
        level(2, "lowerLetter", "(%3)", "<w:lvlRestart w:val='0'/>"),
        level(3, "none", "Note:", ""),
    ];
    let own = level(0, "ordinal", "%1 part", "");
    let numbering = format!(
        "<w:abstractNum w:abstractNumId='5'>{}</w:abstractNum><w:num w:numId='1'><w:abstractNumId w:val='5'/></w:num>\
         <w:num w:numId='2'><w:abstractNumId w:val='5'/></w:num>\
         <w:num w:numId='3'><w:abstractNumId w:val='5'/><w:lvlOverride w:ilvl='0'><w:startOverride w:val='7'/></w:lvlOverride></w:num>\
         <w:num w:numId='4'><w:abstractNumId w:val='5'/><w:lvlOverride w:ilvl='0'>{own}</w:lvlOverride></w:num>",
        levels.concat()
    );
    let (one, two, three) = (item(1, 0), item(1, 1), item(1, 2));
    let paragraphs = [
        (&*one, "a"),
        (&two, "b"),
        (&three, "c"),
        (&one, ""),
        (&one, "d"),
        (&two, "e"),
        (&three, "f"),
        (&item(1, 3), "g"),
        (&item(2, 0), "goes on"),
        (&item(3, 0), "starts"),
        (&item(3, 0), "once"),
        (&item(4, 0), "own"),
    ];
    let lines = [
        "I. a",
        "  1.1 b",
        "    (a) c",
        "III. d",
        "  3.1 e",
        "    (b) f",
        "      Note: g",
        "IV. goes on",
        "VII. starts",
        "VIII. once",
        "9th part own",
    ];
    assert_eq!(pages(&word(&numbering, "", &paragraphs)), lines.join("\n"));
}

#[test]
fn styles_of_word_have_levels_of_lists() {
    let levels = [level(0, "decimal", "%1", "<w:pStyle w:val='One'/>"), level(1, "decimal", "%1.%2", "<w:pStyle w:val='Two'/>")].concat();
    let numbering = format!(
        "<w:abstractNum w:abstractNumId='1'><w:styleLink w:val='Outline'/>{levels}</w:abstractNum>\
         <w:abstractNum w:abstractNumId='2'><w:numStyleLink w:val='Outline'/></w:abstractNum><w:num w:numId='9'><w:abstractNumId w:val='2'/></w:num>"
    );
    let style = |id: &str, more: &str| format!("<w:style w:styleId='{id}'><w:name w:val='{id}'/>{more}</w:style>");
    let list = "<w:pPr><w:numPr><w:numId w:val='9'/></w:numPr></w:pPr>";
    let styles = [style("One", list), style("Two", list), style("Mine", "<w:basedOn w:val='Two'/>")].concat();
    let of = |style: &str| format!("<w:pStyle w:val='{style}'/>");
    let without = of("One") + "<w:numPr><w:numId w:val='0'/></w:numPr>";
    let paragraphs = [(&*of("One"), "a"), (&of("Two"), "b"), (&of("Mine"), "c"), (&without, "no number"), (&of("One"), "d")];
    assert_eq!(pages(&word(&numbering, &styles, &paragraphs)), "1 a\n  1.1 b\n  1.2 c\n\nno number\n\n2 d");
}

#[test]
fn open_documents_count_lists_and_headings() {
    let number = |level: usize, format: &str, more: &str| {
        format!("<text:list-level-style-number text:level='{level}' style:num-format='{format}' style:num-suffix='.' {more}/>")
    };
    let style = format!(
        "<text:list-style style:name='L'>{}{}</text:list-style><text:list-style style:name='B'><text:list-level-style-bullet text:level='1'/></text:list-style>\
         <style:style style:name='P' style:list-style-name='L'/><style:style style:name='Q' style:parent-style-name='P'/>",
        number(1, "I", "text:start-value='2'"),
        number(2, "1", "text:display-levels='2'")
    );
    let outline = "<text:outline-style><text:outline-level-style text:level='1' style:num-format='1'/>\
                   <text:outline-level-style text:level='2' style:num-format='1' text:display-levels='2'/></text:outline-style>";
    let heading = |level: u8, text: &str| format!("<text:h text:outline-level='{level}'>{text}</text:h>");
    let item = |text: &str| format!("<text:list-item><text:p>{text}</text:p></text:list-item>");
    let body = [
        heading(1, "Scope"),
        heading(2, "General"),
        heading(1, "Methods"),
        format!(
            "<text:list xml:id='one' text:style-name='L'>{}<text:list-item><text:p>b</text:p><text:p>more of b</text:p><text:list>{}</text:list></text:list-item>\
                 <text:list-header><text:p>unnumbered</text:p></text:list-header></text:list>",
            item("a"),
            item("inner")
        ),
        "<text:p>between</text:p>".to_owned(),
        format!("<text:list text:continue-list='one' text:style-name='L'>{}</text:list>", item("c")),
        format!("<text:list text:style-name='B'>{}</text:list>", item("dot")),
        "<text:list><text:list-item><text:p text:style-name='Q'>by style</text:p></text:list-item></text:list>".to_owned(),
    ];
    let text = pages(&odf("text", &format!("{style}{outline}<office:text>{}</office:text>", body.concat())));
    let lines = "# 1 Scope\n\n## 1.1 General\n\n# 2 Methods\n\nII. a\nIII. b\nmore of b\n  III.1. inner\nunnumbered\n\nbetween\n\nIV. c\n\n- dot\n\nII. by style";
    assert_eq!(text, format!("Top\n\n{lines}"));
}

/// Builds a presentation with one slide, whose layout has these shapes.
fn slides(slide: &str, layout: &str, master: &str) -> Vec<u8> {
    archive(&[
        ("ppt/presentation.xml", r#"<p:presentation><p:sldIdLst><p:sldId r:id="r1"/></p:sldIdLst></p:presentation>"#),
        ("ppt/_rels/presentation.xml.rels", &relations(&[("r1", "slide", "slides/slide1.xml")])),
        ("ppt/slides/slide1.xml", &format!("<p:sld>{slide}</p:sld>")),
        ("ppt/slides/_rels/slide1.xml.rels", &relations(&[("r1", "slideLayout", "../slideLayouts/slideLayout1.xml")])),
        ("ppt/slideLayouts/slideLayout1.xml", &format!("<p:sldLayout>{layout}</p:sldLayout>")),
        ("ppt/slideLayouts/_rels/slideLayout1.xml.rels", &relations(&[("r1", "slideMaster", "../slideMasters/slideMaster1.xml")])),
        ("ppt/slideMasters/slideMaster1.xml", &format!("<p:sldMaster>{master}</p:sldMaster>")),
    ])
}

#[test]
fn slides_number_their_paragraphs() {
    let p = |properties: &str, text: &str| format!("<a:p><a:pPr {properties}</a:pPr><a:r><a:t>{text}</a:t></a:r></a:p>");
    let letters = "><a:buAutoNum type='alphaLcParenR'/>";
    let shape = |place: &str, text: &str| format!("<p:sp><p:nvPr>{place}</p:nvPr><p:txBody>{text}</p:txBody></p:sp>");
    let own =
        [p(letters, "a"), p(&format!("lvl='1' {letters}"), "inner"), p(letters, "b"), p("><a:buNone/>", "plain"), p(letters, "again")]
            .concat();
    let passed_on = p(">", "one") + &p(">", "two") + &p("lvl='1'>", "sign");
    let slide = shape("", &own) + &shape("<p:ph idx='7'/>", &passed_on);
    let levels = "<a:lstStyle><a:lvl1pPr><a:buAutoNum type='romanUcPeriod' startAt='3'/></a:lvl1pPr></a:lstStyle>";
    let layout =
        shape("<p:ph type='body' idx='7'/>", &format!("{levels}{}", p(">", "Click to edit"))) + &shape("", &p(">", "CONFIDENTIAL"));
    let master =
        shape("", &p(">", "ACME")) + "<p:txStyles><p:bodyStyle><a:lvl2pPr><a:buChar char='x'/></a:lvl2pPr></p:bodyStyle></p:txStyles>";
    let lines = "a) a\n  a) inner\nb) b\n\nplain\n\na) again\nIII. one\nIV. two\n  - sign\n\nCONFIDENTIAL\n\nACME";
    assert_eq!(pages(&slides(&slide, &layout, &master)), lines);
}

#[test]
fn rtf_has_numbers_of_its_tables() {
    let list = r"{\list{\listlevel\levelnfc2\levelstartat3{\leveltext\'02\'00);}{\levelnumbers\'01;}}{\listlevel\levelnfc0{\leveltext\'03\'00.\'01;}{\levelnumbers\'01\'03;}}\listid9}";
    let dots = r"{\list{\listlevel\levelnfc23{\leveltext\'01\u8226 ?;}{\levelnumbers;}}\listid8}";
    let overrides = r"{\listoverride\listid9\listoverridecount0\ls1}{\listoverride\listid9\listoverridecount1{\lfolevel\listoverridestartat\levelstartat10}\ls2}{\listoverride\listid8\ls3}";
    let tables = format!(r"{{\*\listtable{list}{dots}}}{{\*\listoverridetable{overrides}}}");
    let rtf = |body: &str| format!(r"{{\rtf1\ansi{tables}{body}}}").into_bytes();
    let body = r"\pard\ls1\ilvl0 a\par\ilvl1 inner\par\pard\ls1 b\par\pard plain\par\ls2 c\par\pard\ls3 dot\par\pard{\listtext x)\tab}\ls1 has one\par}";
    assert_eq!(pages(&rtf(body)), "iii) a\n  iii.1 inner\niv) b\n\nplain\n\nx) c\n- dot\nx) has one");
    assert_eq!(pages(br"{\rtf1{\loch\f0 \*\cs7\cf0 kept}{\*\unknown lost}\par end}"), "kept\n\nend");
}

#[test]
fn cells_without_words_show_the_numbers_of_their_items() {
    let numbering = format!(
        "<w:abstractNum w:abstractNumId='5'>{}</w:abstractNum><w:num w:numId='1'><w:abstractNumId w:val='5'/></w:num>",
        level(0, "decimal", "%1.", "")
    );
    let cell = |merge: &str, text: &str| {
        let run = if text.is_empty() { String::new() } else { format!("<w:r><w:t>{text}</w:t></w:r>") };
        let list = if text.is_empty() { item(1, 0) } else { String::new() };
        format!("<w:tc><w:tcPr>{merge}</w:tcPr><w:p><w:pPr>{list}</w:pPr>{run}</w:p></w:tc>")
    };
    let row = |merge: &str, text: &str| format!("<w:tr>{}{}</w:tr>", cell(merge, ""), cell("", text));
    let rows = [row("", "Bolt"), row("<w:vMerge w:val='restart'/>", "Nut"), row("<w:vMerge/>", "Cap"), row("", "Pin")];
    let file = archive(&[
        ("word/document.xml", &format!("<w:document><w:body><w:tbl>{}</w:tbl></w:body></w:document>", rows.concat())),
        ("word/numbering.xml", &format!("<w:numbering>{numbering}</w:numbering>")),
    ]);
    assert_eq!(pages(&file), "| 1. | Bolt |\n| --- | --- |\n| 2. | Nut |\n|  | Cap |\n| 4. | Pin |");

    let style = "<text:list-style style:name='L'><text:list-level-style-number text:level='1' style:num-format='1' style:num-suffix='.'/></text:list-style>";
    let row = |text: &str| {
        format!(
            "<table:table-row><table:table-cell><text:list text:continue-numbering='true' text:style-name='L'><text:list-item><text:p/></text:list-item></text:list>\
             </table:table-cell><table:table-cell><text:p>{text}</text:p></table:table-cell></table:table-row>"
        )
    };
    let body = format!("{style}<office:text><table:table>{}{}</table:table></office:text>", row("Bolt"), row("Nut"));
    assert_eq!(pages(&odf("text", &body)), "Top\n\n| 1. | Bolt |\n| --- | --- |\n| 2. | Nut |");

    let html = "<html><table><tr><td><ol><li></ol><td>Bolt<tr><td><ol start=2><li><li></ol><td>Nut<tr><td><ul><li></ul><td>Cap</table>";
    assert_eq!(pages(html.as_bytes()), "| 1. | Bolt |\n| --- | --- |\n| 2. 3. | Nut |\n|  | Cap |");
    assert_eq!(pages(b"<html><ol><li><li>b</ol>"), "2. b");
}

#[test]
fn shapes_of_slides_count_their_paragraphs() {
    let number = |level: usize, format: &str| {
        format!("<text:list-level-style-number text:level='{level}' style:num-format='{format}' style:num-suffix='.'/>")
    };
    let style = |name: &str, levels: String| format!("<text:list-style style:name='{name}'>{levels}</text:list-style>");
    let styles = [style("A", number(1, "1")), style("B", number(2, "a") + &number(1, "1")), style("C", number(1, "I"))].concat();
    let item = |text: &str| format!("<text:list-item><text:p>{text}</text:p></text:list-item>");
    let list = |style: &str, items: &str| format!("<text:list text:style-name='{style}'>{items}</text:list>");
    let inner = format!("<text:list-item><text:list>{}{}</text:list></text:list-item>", item("s"), item("t"));
    let shape = |body: String| format!("<draw:frame><draw:text-box>{body}</draw:text-box></draw:frame>");
    let first = [list("A", &(item("a") + &item("b"))), list("B", &(inner + &item("c"))), list("C", &item("d"))].concat();
    let page = format!("<draw:page>{}{}</draw:page>", shape(first), shape(list("A", &item("e"))));
    let text = pages(&odf("presentation", &format!("{styles}<office:presentation>{page}</office:presentation>")));
    let numbers: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(numbers, ["1. a", "2. b", "a. s", "b. t", "3. c", "I. d", "1. e"]);
}

#[test]
fn numbers_have_the_zeros_of_their_format() {
    let custom = "<mc:AlternateContent><mc:Choice><w:numFmt w:val='custom' w:format='001, 002, 003, ...'/></mc:Choice><mc:Fallback>\
                  <w:numFmt w:val='decimal'/></mc:Fallback></mc:AlternateContent>";
    let numbering = format!(
        "<w:abstractNum w:abstractNumId='5'>{}</w:abstractNum><w:num w:numId='1'><w:abstractNumId w:val='5'/></w:num>",
        level(0, "decimal", "%1)", custom)
    );
    assert_eq!(pages(&word(&numbering, "", &[(&item(1, 0), "a"), (&item(1, 0), "b")])), "001) a\n002) b");
    let style = "<text:list-style style:name='L'><text:list-level-style-number text:level='1' style:num-format='01, 02, 03, ...' style:num-prefix='§ '/></text:list-style>";
    let body = "<text:list text:style-name='L'><text:list-item><text:p>a</text:p></text:list-item></text:list>";
    assert_eq!(pages(&odf("text", &format!("{style}<office:text>{body}</office:text>"))), "Top\n\n§ 01 a");
}

#[test]
fn style_sheets_number_lists() {
    let css = "<style>ol.u{list-style-type:upper-alpha}.n{list-style:none}.d{list-style-type:decimal}.g>li{list-style:lower-greek}.i{list-style:inside lower-roman}</style>";
    for (body, text) in [
        ("<ol class=u><li>a<li>b</ol>", "A. a\nB. b"),
        ("<ol class=n><li>a) own</ol><ol style='list-style:none'><li>b</ol>", "a) own\n\nb"),
        ("<ol class=u type=i style='list-style-type:decimal'><li>a</ol>", "1. a"),
        ("<ol class=i><li>a<li class=n>b<li>c</ol>", "i. a\nb\niii. c"),
        ("<ul class=d><li>a<li>b</ul><ul class=n><li>c</ul>", "1. a\n2. b\n\n- c"),
    ] {
        assert_eq!(pages(format!("<html>{css}<body>{body}").as_bytes()), text, "{body}");
    }
    // A reset that some lists undo, in ways that depend on other elements, is no style of a list.
    let reset = "<html><style>ol,ul{list-style:none}.x ol{list-style:decimal}</style><div class=x><ol><li>a<li>b</ol></div>";
    assert_eq!(pages(reset.as_bytes()), "1. a\n2. b");
    // Pages that count by themselves have numbers without our knowing them.
    let own = "<html><style>ol{list-style:none;counter-reset:i}li::before{content:counter(i)}</style><ol><li>a</ol>";
    assert_eq!(pages(own.as_bytes()), "1. a");
}

#[test]
fn pages_have_the_numbers_that_browsers_show() {
    for (html, text) in [
        ("<ol start=4><li>a<li value=9>b<li>c</ol>", "4. a\n9. b\n10. c"),
        ("<ol reversed><li>a<li>b<ul><li>x</ul><li>c</ol>", "3. a\n2. b\n  - x\n1. c"),
        ("<ol reversed start=10><li>a<li>b</ol>", "10. a\n9. b"),
        ("<ol type=a><li>a<li>b</ol><ol type=I><li>c</ol>", "a. a\nb. b\n\nI. c"),
        ("<ol style='list-style: lower-roman inside'><li>a<li>b</ol>", "i. a\nii. b"),
        ("<ol start=-1><li>a<li>b</ol>", "-1. a\n0. b"),
    ] {
        assert_eq!(pages(format!("<html>{html}</html>").as_bytes()), text, "{html}");
    }
}
