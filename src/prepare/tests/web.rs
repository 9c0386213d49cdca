//! Tests of web pages, books and RTF documents.

use super::office::{archive, code, damage, pages, read};
use super::*;
use encoding_rs::{SHIFT_JIS, WINDOWS_1251};

fn html(body: &str) -> String {
    pages(format!("<!DOCTYPE html><body>{body}").as_bytes())
}

#[test]
fn pages_come_out_as_markdown() {
    let cases = [
        ("<h2>A &amp; B</h2><p>one<p>two<br>three", "## A & B\n\none\n\ntwo\nthree"),
        (
            "<p>un<b>der</b>_score *star* 10<sup>6</sup>, 1<sup>st</sup>, soft&shy;hyphen, a&nbsp;b",
            "under_score *star* 10^6, 1st, softhyphen, a b",
        ),
        ("<ul><li>a<li><p>b</p><ol start=3><li>c<li>d</ol><li>e</ul>f", "- a\n- b\n  3. c\n  4. d\n- e\n\nf"),
        (
            "<table><tr><th>A<th>B<tr><th>row<td>1|2<tr><td rowspan=2>x<td>y<tr><td>z</table>",
            "| A | B |\n| --- | --- |\n| row | 1\\|2 |\n| x | y |\n|  | z |",
        ),
        ("<table><tr><td colspan=2>wide<td>c<tr><td>1<td>2<td>3</table>", "| wide |  | c |\n| --- | --- | --- |\n| 1 | 2 | 3 |"),
        ("<table><tr><td>left<table><tr><td>a<td>b</table><td>right</table>", "left\n\n| a | b |\n| --- | --- |\n\nright"),
        (
            "<table><tr><td>k<td>v<tr><td>x<td>see<table><tr><td>a|b<td>c<tr><td>1<td></table><tr><td>y<td>z</table>",
            "| k | v |\n| --- | --- |\n| x | see a\\|b, c; 1,  |\n| y | z |",
        ),
        ("<pre>a\n  b</pre>", "a\n  b"),
        (
            "<a href='https://x.org/y'>site</a> <a href=z.html>near</a> <a href='https://x.org'>x.org</a>",
            "site (https://x.org/y) near x.org",
        ),
        (
            "<nav>menu</nav><script>if (a<b) '</p>'</script><style>p{}</style><noscript>on</noscript><img alt='a cat'>text",
            "[image: a cat]text",
        ),
        ("<nav>never closed<p>text", "never closed\n\ntext"),
        (
            "<div>No.</div><blockquote>Do you<br>agree?<blockquote>Yes.</blockquote></blockquote>So",
            "No.\n\n> Do you\n> agree?\n\n> > Yes.\n\nSo",
        ),
        (
            "<blockquote><table><tr><td>a<td>b<tr><td>1<td><blockquote>2</table></blockquote><pre>x\ny</pre>",
            "> | a | b |\n> | --- | --- |\n> | 1 | > 2 |\n\nx\ny",
        ),
        ("<svg><title>no</title><text>words</text></svg><dl><dt>term<dd>meaning</dl>", "words\n\nterm\n: meaning"),
    ];
    for (body, text) in cases {
        assert_eq!(html(body), text, "{body}");
    }
    let titled = "<html><head><title>My\n page</title><link></head><body><p>text</html>";
    assert_eq!(pages(titled.as_bytes()), "# My page\n\ntext");
    assert_eq!(pages(b"<html><title>Same</title><h1>Same</h1>text"), "# Same\n\ntext");
}

#[test]
fn boxes_stand_apart_from_the_text_around_them() {
    let css = "<style>.l{display:block}.f{display:flex}.i{display:inline-block}.r{float:right}.card .v{display:block} p b{display:block}\
               .t{display:table}.w{display:table-row}.c{display:table-cell}</style>";
    for (body, text) in [
        ("<p><span class=l>10</span><span class=l>20</span>30", "10\n20\n30"),
        ("<div class=f><span>10</span><span>20</span></div>", "10 20"),
        ("<div style='display:grid'><b>A</b>10<i>20</i></div>", "A 10 20"),
        ("<div class=card>Sum<span class=v>10</span></div>", "Sum\n10"),
        ("<p>x<b>10</b>20", "x1020"),
        ("<p>1<span class=i>2</span><span class=i>3</span> New<span class=i>4</span>", "1 2 3 New 4"),
        ("<p><span class=i>W</span><span class=i>o</span>rd <span class=r>T</span>he", "Word The"),
        ("<p>Sum<span class=r>10</span>", "Sum 10"),
        ("<p>f(<span class=i>x</span>), <span class=i>5</span>%", "f(x), 5%"),
        ("<p><span class=i><span class=l>1</span>/<span class=l>2</span></span>", "1 / 2"),
        ("<table><tr><td><span class=l>1</span><span class=l>2</span><td>3</table>", "| 1 2 | 3 |\n| --- | --- |"),
        (
            "<div class=t><div class=w><i class=c>1</i><i class=c></i></div><div class=w><i class=c>3</i><i class=c>4</i></div></div>",
            "| 1 |  |\n| --- | --- |\n| 3 | 4 |",
        ),
        ("<table><tr><td><div class=c>1</div><div class=c>2</div><td>3</table>", "| 1 2 | 3 |\n| --- | --- |"),
        ("<my-cell>10</my-cell><my-cell>20</my-cell><button>a</button><button>b</button>1</br>2<canvas></canvas>3", "10 20 a b 1\n2 3"),
        ("<p class=f>a<p>b<span>c</span>", "a\n\nbc"),
        ("<p>-<span class=i>5</span> $<span class=i>19</span> km/<span class=i>h</span> Anna<span class=i>’s</span>", "-5 $19 km/h Anna’s"),
        ("<pre><code style='display:grid'><i>a</i>\n<i>  b</i></code></pre>", "a\n  b"),
    ] {
        let page = format!("<!DOCTYPE html><head>{css}</head><body>{body}");
        assert_eq!(pages(page.as_bytes()), text, "{body}");
    }
}

#[test]
fn words_of_drawings_are_read_from_above() {
    let svg = |body: &str| html(&format!("<p>a</p><svg width=9>{body}</svg><p>b"));
    for (body, text) in [
        ("<title>no</title><text x=5 y=20>Revenue 123</text>", "a\n\nRevenue 123\n\nb"),
        ("<text x=50 y=20>20</text><text x=5 y=21>10</text><text y=5>Head</text>", "a\n\nHead\n10 20\n\nb"),
        (
            "<g transform='translate(0,50)'><text>low</text></g><g transform='matrix(1 0 0 1 0 30) scale(2)'><text y=1>middle</text></g><text y=9>top</text>",
            "a\n\ntop\nmiddle\nlow\n\nb",
        ),
        ("<text y=20><tspan x=0>one</tspan><tspan x=0 dy='1.2em'>two</tspan><tspan>!</tspan></text>", "a\n\none\ntwo!\n\nb"),
        (
            "<defs><text>no</text></defs><text display=none>no</text><g visibility=hidden><text>no</text></g><text>x</text><style>no</style><desc>no</desc>",
            "a\n\nx\n\nb",
        ),
        ("<foreignObject x=1 y=2><div>10</div><div>20</div></foreignObject><text style='display:none'>no</text>", "a\n\n10 20\n\nb"),
        ("<path d='M0'/>", "a\n\nb"),
    ] {
        assert_eq!(svg(body), text, "{body}");
    }
    assert_eq!(html("<svg><text>1</text><p>never closed"), "1\n\nnever closed");
    assert_eq!(html(&format!("<svg><text>1</text>{}</svg>then", "<path d=M0>".repeat(300))), "1 then");
    assert_eq!(html("<svg><text>1<b>never closed"), "1never closed");
}

#[test]
fn hidden_elements_are_left_out_with_a_note() {
    let cases = [
        ("<div hidden>no<div>no</div><p>no</div>yes", "yes"),
        ("a<span style='color: red; Display : NONE !important'>no</span>b<span style='visibility:hidden'>no</span>", "ab"),
        ("<p hidden>no<p>yes<ul><li hidden>no<ul><li>no</ul><li>too</ul>also", "yes\n\n- too\n\nalso"),
        ("<ul><li>yes<li hidden>no</ul>too", "- yes\n\ntoo"),
        (
            "<table><tr><td>a<td hidden>no<td>b<tr style='display:none'><td>no<td>no<tr><td>1<td>2</table>",
            "| a | b |\n| --- | --- |\n| 1 | 2 |",
        ),
        ("<dialog>no</dialog><img hidden alt=no><br hidden>yes<input hidden><p style='display:none'>no", "yes"),
    ];
    for (body, text) in cases {
        let page = format!("<!DOCTYPE html><body>{body}");
        let extract = read(page.as_bytes(), "").1.unwrap();
        assert_eq!(extract.pages, [Page::Text(text.to_owned())], "{body}");
        assert_eq!(extract.notes, ["hidden text left out"], "{body}");
    }
    let shown = "<!DOCTYPE html><body style='display:none'><dialog open>a</dialog><p hidden=until-found>b<template>no</template><nav>";
    let extract = read(shown.as_bytes(), "").1.unwrap();
    assert_eq!(extract.pages, [Page::Text("a\n\nb".to_owned())]);
    assert_eq!(extract.notes, Vec::<String>::new());
    assert_eq!(code(b"<!DOCTYPE html><img alt='photo.jpg'><img alt='two'>", ""), Some(FailureCode::NoText));
}

#[test]
fn style_sheets_hide_and_strike() {
    let css = "<style>.c1{text-decoration:line-through}.c2, #x{display:none}p.c3{visibility:hidden}i{font-size:0}</style>";
    for (body, text) in [
        ("<p>The tenant <span class=c1>does not</span> pay.<p class='a c2'>SECRET", "The tenant ~~does not~~ pay."),
        ("<p>yes<div id=x>no<p>no</div><p class=c3>no<div class=c3>yes <i>no</i></div>", "yes\n\nyes"),
        ("<p class=c2 style='display:block'>yes", "yes"),
        ("<p class=c2>a script shows all of it", "a script shows all of it"),
    ] {
        let page = format!("<!DOCTYPE html><head>{css}</head><body>{body}");
        let extract = read(page.as_bytes(), "").1.unwrap();
        assert_eq!(extract.pages, [Page::Text(text.to_owned())], "{body}");
        assert_eq!(extract.notes.contains(&"hidden text left out".to_owned()), body.contains(">no") || body.contains("SECRET"), "{body}");
    }
    let book = archive(&[
        ("META-INF/container.xml", "<container><rootfile full-path='b.opf'/></container>"),
        (
            "b.opf",
            "<package><manifest><item id='a' href='a.xhtml'/><item id='s' href='s.css' media-type='text/css'/></manifest>\
             <spine><itemref idref='a'/></spine></package>",
        ),
        ("a.xhtml", "<html><link rel='stylesheet' href='s.css'/><body><p>shown</p><p class='h'>secret</p></body></html>"),
        ("s.css", ".h { display: none }"),
    ]);
    assert_eq!((pages(&book).as_str(), read(&book, "").1.unwrap().notes), ("shown", vec!["hidden text left out".to_owned()]));
}

#[test]
fn chapters_have_the_style_sheets_that_they_link() {
    let chapter = |head: &str| format!("<html><head>{head}</head><body><p>one</p><p class='h'>two</p></body></html>");
    let book = |first: &str| {
        archive(&[
            ("META-INF/container.xml", "<container><rootfile full-path='o/b.opf'/></container>"),
            (
                "o/b.opf",
                "<package><manifest><item id='a' href='t/a.xhtml'/><item id='b' href='t/b.xhtml'/></manifest>\
                 <spine><itemref idref='a'/><itemref idref='b'/></spine></package>",
            ),
            ("o/t/a.xhtml", &chapter(first)),
            ("o/t/b.xhtml", &chapter("<link rel='stylesheet' href='../other.css'/>")),
            ("o/hide all.css", ".h { display: none }"),
            ("o/show.css", ".h { display: block }"),
            ("o/other.css", ".other { display: none }"),
        ])
    };
    let link = |href: &str, more: &str| format!("<link rel='stylesheet' {more} href='../{href}'/>");
    let hidden = link("hide%20all.css", "");
    for (head, text) in [
        (hidden.clone(), "one\n\none\n\ntwo"),
        (hidden.clone() + &link("show.css", ""), "one\n\ntwo\n\none\n\ntwo"),
        (link("show.css", "") + &hidden, "one\n\none\n\ntwo"),
        (link("hide%20all.css", "media='print'") + &link("missing.css", ""), "one\n\ntwo\n\none\n\ntwo"),
        (hidden.clone() + "<style>.h { display: block }</style>", "one\n\ntwo\n\none\n\ntwo"),
        (hidden.replace("stylesheet", "alternate stylesheet"), "one\n\ntwo\n\none\n\ntwo"),
    ] {
        assert_eq!(pages(&book(&head)), text, "{head}");
    }
    let mut damaged = book(&hidden);
    damage(&mut damaged, b"o/hide all.css");
    assert_eq!(pages(&damaged), "one\n\ntwo\n\none\n\ntwo");
}

#[test]
fn forms_show_what_is_ticked_chosen_and_written() {
    for (body, text) in [
        ("Agree <input type=checkbox checked> Spam <input type=CHECKBOX><input type=radio checked>R", "Agree ☒ Spam ☐ ☒ R"),
        ("Name <input value=Jane><input type=hidden value=no><input type=password value=no>!", "Name Jane !"),
        ("Size <select><option>S<option selected>M</select> end", "Size M end"),
        ("<select><optgroup label=x><option>First</option></optgroup><option label=Second></select>", "First"),
        ("<select><option label=Short>A long text<option>B</select>", "Short"),
        ("<select><option label=' '>A<option>B</select>", "A"),
        ("<select multiple><option selected>A <b>b</b></option><option>B</option></select>", "☒ A b\n☐ B"),
        ("<select><option>A<p>text", "A\n\ntext"),
        ("<table><tr><td>k<td><select><option>v<tr><td>k2<td>v2</table>", "| k | v |\n| --- | --- |\n| k2 | v2 |"),
        ("<select><option>A<option>B<input value=c>d", "A c d"),
        ("<select><option>never closed", "never closed"),
        ("a<datalist><option>no</datalist>", "a"),
    ] {
        assert_eq!(html(body), text, "{body}");
    }
}

#[test]
fn pages_are_recognised_by_their_beginning() {
    let cases: [(&str, &str, bool); 10] = [
        ("<!DOCTYPE html><p>x", "", true),
        ("\u{FEFF} \n<!-- saved -->\n<HTML lang=en>x", "txt", true),
        ("<?xml version='1.0'?><!DOCTYPE html PUBLIC 'x'><html xmlns='y'>x</html>", "xml", true),
        ("<body>x", "", true),
        ("<p>a part of a page", "html", true),
        ("<p>a part of a page", "txt", false),
        ("<?xml version='1.0'?><svg/>", "svg", false),
        ("<header>", "", false),
        ("<htmlx>", "", false),
        ("words about <html>", "md", false),
    ];
    for (text, extension, is) in cases {
        assert_eq!(read(text.as_bytes(), extension).0 == "html", is, "{text}");
    }
}

#[test]
fn pages_are_decoded_by_their_declared_encoding() {
    let page = |label: &str, text: &str| format!("<html><head><meta charset={label}></head><body>{text}</body></html>");
    let russian = "Все люди рождаются свободными";
    let japanese = "すべての人間は";
    let (cyrillic, _, _) = WINDOWS_1251.encode(russian);
    let bytes = [b"<html><meta charset=windows-1251><p>".as_slice(), &cyrillic].concat();
    assert!(pages(&bytes).contains(russian));
    let shift = page("'Shift_JIS'", japanese);
    assert!(pages(&SHIFT_JIS.encode(&shift).0).contains(japanese));
    assert!(
        pages(page("iso-8859-1", japanese).as_bytes()).contains(japanese),
        "valid UTF-8 is UTF-8 even if a page declares another encoding"
    );
    let old = b"<html><meta http-equiv='Content-Type' content='text/html; charset=iso-8859-2'>\xE6\xB1";
    assert!(pages(old).contains("ćą"));
    let wide: Vec<u8> = "\u{FEFF}<html>größer</html>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(pages(&wide), "größer");
}

#[test]
fn hostile_pages_are_read_within_bounds() {
    let deep = 200_000;
    for tag in ["<div>", "<b>", "<table><tr><td>", "<ul><li>", "<p>", "<blockquote>"] {
        let text = html(&format!("{}words", tag.repeat(deep)));
        assert!(text.ends_with("words"), "{tag}");
    }
    assert!(html(&format!("{}words", "</div></table></ul></a>".repeat(deep))).ends_with("words"));
    assert!(html("<table><tr><td colspan=4000000000 rowspan=4000000000>words<td>x").contains("words"));
    let attributes = (0..300_000).fold(String::new(), |all, at| all + " a" + &at.to_string());
    assert!(html(&format!("<p{attributes}>words")).ends_with("words"));
    for empty in ["<html>", "<html><body></body></html>", "<!doctype html><script>x", "<html><title></title>"] {
        assert_eq!(code(empty.as_bytes(), ""), Some(FailureCode::Empty), "{empty}");
    }
}

fn epub() -> Vec<u8> {
    let package = r#"<package><metadata><dc:title>A book</dc:title><dc:creator>Ann</dc:creator></metadata>
        <manifest><item id="b" href="text/two.xhtml"/><item id="a" href="text/one%20x.xhtml"/><item id="p" href="p.png" media-type="image/png"/></manifest>
        <spine><itemref idref="a"/><itemref idref="b"/></spine></package>"#;
    let chapter = |text: &str| format!("<?xml version='1.0'?><html><head><title/><script src='x'/></head><body>{text}</body></html>");
    archive(&[
        ("mimetype", "application/epub+zip"),
        ("META-INF/container.xml", "<container><rootfiles><rootfile full-path='OEBPS/book.opf'/></rootfiles></container>"),
        ("OEBPS/book.opf", package),
        ("OEBPS/text/one x.xhtml", &chapter("<h1>One</h1><p>first<a id='x'/> words</p>")),
        ("OEBPS/text/two.xhtml", &chapter("<h1>Two</h1><p>last words</p>")),
    ])
}

#[test]
fn books_are_read_chapter_by_chapter() {
    let book = epub();
    assert_eq!(read(&book, "").0, "epub");
    assert_eq!(pages(&book), "# A book\n\nAnn\n\n# One\n\nfirst words\n\n# Two\n\nlast words");
    assert_eq!(read(&book, "").1.unwrap().notes, ["1 picture left out"]);
    let sold = archive(&[
        ("mimetype", "application/epub+zip"),
        ("META-INF/container.xml", "<container><rootfile full-path='b.opf'/></container>"),
        ("META-INF/encryption.xml", "<CipherReference URI='a.xhtml'/>"),
        ("b.opf", "<package><manifest><item id='a' href='a.xhtml'/></manifest><spine><itemref idref='a'/></spine></package>"),
        ("a.xhtml", "scrambled"),
    ]);
    assert_eq!(code(&sold, ""), Some(FailureCode::Encrypted));
    assert_eq!(code(&archive(&[("mimetype", "application/epub+zip")]), ""), Some(FailureCode::Undecodable));
}

#[test]
fn rtf_is_read_in_every_code_page() {
    let cases: [(&[u8], &str); 23] = [
        (br"{\rtf1\ansi Hello {\b bo}ld.\par Next\tab tab\line below}", "Hello bold.\n\nNext tab\nbelow"),
        (br"{\rtf1\ansi\ansicpg1252 Gr\'f6\'dfe \u8364?5 \uc2\u26085xx\uc0\u26412 \{x\}}", "Größe €5 日本{x}"),
        (br"{\rtf1\ansicpg1251 \'cf\'f0\'e8}", "При"),
        (br"{\rtf1\ansi\ansicpg850 Gr\'94\'e1e \'d5}", "Größe ı"),
        (br"{\rtf1\pc \'9d\plain \'81 {\fonttbl{\f1\fcharset238 A;}}\f1\'b3}", "¥ü ł"),
        (br"{\rtf1\pca \'9d}", "Ø"),
        (br"{\rtf1{\fonttbl{\f0 Arial;}{\f1\fcharset128 Gothic;}}\f1 \'93\'fa\'96\'7b\f0 x}", "日本x"),
        (br"{\rtf1 \u-10179?\u-8704? end}", "\u{1F600} end"),
        (br"{\rtf1{\stylesheet no;}{\info{\title no}}{\*\unknown no}{\field{\*\fldinst HYPERLINK no}{\fldrslt link}} text}", "link text"),
        (
            br"{\rtf1 a{\footnote the note\par} b{\*\annotation why} c\v hidden\v0 d 10{\super 6}}",
            "a [Note: the note] b [Comment: why] cd 10^6",
        ),
        (br"{\rtf1{\shp{\*\shpinst{\sp no}{\shptxt boxed\par}}}behind}", "boxed\n\nbehind"),
        (
            br"{\rtf1\trowd\cellx1\cellx2\pard\intbl A\cell B|C\cell\row\trowd\pard\intbl 1\cell\cell\row\pard end}",
            "| A | B\\|C |\n| --- | --- |\n| 1 |  |\n\nend",
        ),
        (
            br"{\rtf1\trowd\cellx1000\cellx2000\cellx3000\pard\intbl A\cell B\cell C\cell\row\trowd\cellx2000\cellx3000\pard\intbl{\listtext\pard 1.\tab}D\cell E\cell\row}",
            "| A | B | C |\n| --- | --- | --- |\n| 1. D |  | E |",
        ),
        (br"{\rtf1{\pict\pngblip 89504e47}{\*\shppict{\pict ff}}{\nonshppict{\pict ff}}{\upr{no}{\*\ud yes}}}", "yes"),
        (br"{\rtf1\uc0 \u55357\uc1 \u56832 ?{\u-10179 ?}\u-8704 ? end}", "\u{1F600}\u{1F600} end"),
        (
            br"{\rtf1{\stylesheet{\ql Normal;}{\s1\outlinelevel0\b Title 1;}{\s4\b heading 2;}}\pard\s1 Head{\footnote\pard\s0 n\par}\par\pard\s4 Sub\par\pard text\par\pard\outlinelevel2 Deep}",
            "# Head [Note: n]\n\n## Sub\n\ntext\n\n### Deep",
        ),
        (
            br"{\rtf1{\fonttbl{\f0 Arial;}{\f3\fcharset2 Symbol;}}{\pntext\f3\'b7\tab}one\par{\pntext\f3\'b7\tab}two\par\pard end}",
            "- one\n- two\n\nend",
        ),
        (br"{\rtf1{\fonttbl{\f0 Arial;}{\f3\fcharset2 Symbol;}}\f3 a\f0 a {\f3\'a3}\plain b}", "\u{3b1}a \u{2264}b"),
        (br"{\rtf1{\listtext\u61589\'3f\tab}\ilvl0\ls2 a\par{\listtext\u61589\'3f\tab}\ilvl1\ls2 b\par}", "- a\n  - b"),
        (br"{\rtf1{\listtext 1.1\tab}\ls1\outlinelevel0 Head\par\pard text}", "# 1.1 Head\n\ntext"),
        (b"{\\rtf1 a\\bin3 }}}b\\~c\\_d\\-e", "ab c-de"),
        (
            br"{\rtf1\trowd\cellx1\cellx2\pard\intbl{\listtext 1.\tab}\cell A\cell\row\trowd\cellx1\cellx2\pard\intbl{\listtext 2.\tab}\cell B\cell\row}",
            "| 1. | A |\n| --- | --- |\n| 2. | B |",
        ),
        (br"{\rtf1 one\column{\listtext 2.\tab}two}", "one\n\n2. two"),
    ];
    for (bytes, text) in cases {
        assert_eq!(read(bytes, "").0, "rtf");
        assert_eq!(pages(bytes), text, "{}", String::from_utf8_lossy(bytes));
    }
    assert_eq!(code(br"{\rtf1{\pict ff}}", ""), Some(FailureCode::NoText));
    let notes = |bytes: &[u8]| read(bytes, "").1.unwrap().notes;
    assert_eq!(notes(br"{\rtf1 whole}"), [""; 0]);
    assert_eq!(notes(br"{\rtf1 cut {\b he"), ["the file breaks off before its end; parts of it may be missing"]);
    assert_eq!(code(br"{\rtf1{\stylesheet{\s1 he", ""), Some(FailureCode::Undecodable));
    let deep = [b"{\\rtf1".as_slice(), &b"{\\b ".repeat(200_000), b"words"].concat();
    assert_eq!(pages(&deep), "words");
    let long = [br"{\rtf1{\fonttbl{\f0 ".as_slice(), &b"Arial ".repeat(100_000), b";}}", &b"a{\\f0 b}".repeat(100_000), b"}"].concat();
    assert_eq!(pages(&long).len(), 200_000);
    assert_eq!(pages(&[b"{\\rtf1 words".as_slice(), &b"}".repeat(1000), b"more"].concat()), "wordsmore");
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 300, failure_persistence: None, ..Default::default() })]

    #[test]
    fn no_page_panics_the_reader(parts in proptest::collection::vec("<(/?(table|tr|td|ul|li|p|pre|a|title|nav|svg|sup|script)( colspan=9| rowspan=9| href=http:x)?/?>?)|[a-z&;#<\"]{0,6}", 0..60)) {
        let _any = read(format!("<html>{}", parts.concat()).as_bytes(), "html");
    }

    #[test]
    fn no_rtf_panics_the_reader(parts in proptest::collection::vec(r"[{}]|\\(cell|row|intbl|pard|trowd|u-?[0-9]{0,5}|uc[0-9]|bin[0-9]|'[0-9a-f]{0,2}|f[0-9]|\*|v|ud|upr|footnote|fonttbl|fcharset128) ?|[a-z]{0,3}", 0..60)) {
        let _any = read(format!("{{\\rtf1{}", parts.concat()).as_bytes(), "");
    }

    #[test]
    fn no_book_panics_the_reader(at: proptest::sample::Index, byte: u8) {
        let mut book = epub();
        let at = at.index(book.len());
        book[at] = byte;
        let _any = read(&book, "epub");
        let _any = read(&book[..at], "epub");
    }
}
