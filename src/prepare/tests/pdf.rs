//! Tests of PDF documents that are built here.

mod layout;
mod places;
mod values;

use super::settings;
use crate::model::FailureCode::{Empty, Encrypted, NoText, PrepareLimit, TooLong, TooManyPixels, Undecodable};
use crate::model::{Failure, FailureCode};
use crate::prepare::documents::{Extract, Page, READERS, Reader};
use crate::prepare::{ImageLimits, PdfMode, PrepareSettings};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use std::fmt::Write as _;
use std::io::Read as _;

/// A document whose pages are drawn by these content streams.
///
/// It has the image X and three fonts: F (Helvetica), U (glyphs without known characters) and A
/// (Arabic).
#[derive(Clone)]
struct Document {
    pages: Vec<String>,
    /// Additional entries of each page.
    page: &'static str,
    /// Additional entries of the trailer.
    trailer: &'static str,
    /// Additional objects, numbered from 20.
    objects: Vec<String>,
    image_side: u32,
}

fn document(pages: &[&str]) -> Document {
    let pages = pages.iter().map(ToString::to_string).collect();
    Document { pages, page: "", trailer: "", objects: Vec::new(), image_side: 2 }
}

fn stream(dictionary: &str, content: &str) -> String {
    format!("<< {dictionary} /Length {} >>\nstream\n{content}\nendstream", content.len())
}

impl Document {
    fn bytes(&self) -> Vec<u8> {
        const PAGES: usize = 100;
        let arabic = "beginbfchar <01> <0633> <02> <0644> <03> <0627> <04> <0645> <05> <FEFB> <06> <FB01> endbfchar";
        let arabic = format!("1 begincodespacerange <00> <FF> endcodespacerange 6 {arabic}");
        let kids = (0..self.pages.len()).fold(String::new(), |kids, page| kids + &format!("{} 0 R ", PAGES + 2 * page));
        let side = self.image_side;
        let mut objects = vec![
            (1, "<< /Type /Catalog /Pages 2 0 R /StructTreeRoot 20 0 R /AcroForm 22 0 R >>".to_owned()),
            (2, format!("<< /Type /Pages /Kids [{kids}] /Count {} /MediaBox [0 0 600 800] >>", self.pages.len())),
            (3, "<< /Font << /F 4 0 R /U 5 0 R /A 7 0 R >> /XObject << /X 9 0 R /Y 20 0 R >> >>".to_owned()),
            (4, "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>".to_owned()),
            (5, "<< /Type /Font /Subtype /Type0 /BaseFont /Helvetica /Encoding /Identity-H /DescendantFonts [6 0 R] >>".to_owned()),
            (6, "<< /Type /Font /Subtype /CIDFontType2 /BaseFont /Helvetica /DW 500 /CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> >>".to_owned()),
            (7, "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /FirstChar 1 /LastChar 6 /Widths [500 500 500 500 500 500] /ToUnicode 8 0 R >>".to_owned()),
            (8, stream("", &arabic)),
            (9, stream(&format!("/Type /XObject /Subtype /Image /Width {side} /Height {side} /ColorSpace /DeviceRGB /BitsPerComponent 8"), "\u{1}a\u{2}b\u{3}c\u{4}defgh")),
        ];
        objects.extend((20..).zip(self.objects.iter().cloned()));
        for (page, content) in self.pages.iter().enumerate() {
            let id = PAGES + 2 * page;
            objects.push((id, format!("<< /Type /Page /Parent 2 0 R /Resources 3 0 R /Contents {} 0 R {} >>", id + 1, self.page)));
            objects.push((id + 1, stream("", content)));
        }
        let mut bytes = b"%PDF-1.7\n%\xE2\xE3\xCF\xD3\n".to_vec();
        let mut table = String::new();
        for (id, object) in &objects {
            write!(table, "{id} 1\n{:010} 00000 n \n", bytes.len()).unwrap();
            bytes.extend(format!("{id} 0 obj\n{object}\nendobj\n").into_bytes());
        }
        let start = bytes.len();
        let size = objects.last().unwrap().0 + 1;
        let trailer = self.trailer;
        bytes.extend(
            format!(
                "xref\n0 1\n0000000000 65535 f \n{table}trailer\n<< /Size {size} /Root 1 0 R {trailer} >>\nstartxref\n{start}\n%%EOF\n"
            )
            .into_bytes(),
        );
        bytes
    }

    fn read(&self, mode: PdfMode) -> Result<Extract, Failure> {
        read(&self.bytes(), mode)
    }

    /// Returns the text of the first page.
    fn text(&self) -> String {
        text(&self.read(PdfMode::Auto).unwrap().pages[0])
    }
}

fn pdf() -> &'static Reader {
    READERS.iter().find(|reader| reader.format == "pdf").unwrap()
}

fn with(mode: PdfMode) -> PrepareSettings {
    let mut settings = settings();
    settings.pdf.mode = mode;
    settings
}

fn read(bytes: &[u8], mode: PdfMode) -> Result<Extract, Failure> {
    (pdf().read)(bytes, &with(mode), &ImageLimits::anthropic(false))
}

fn text(page: &Page) -> String {
    match page {
        Page::Text(text) => text.clone(),
        Page::Image(_) => panic!("an image came out"),
    }
}

fn image(page: &Page) -> ::image::RgbImage {
    match page {
        Page::Image(page) => {
            let file = STANDARD.decode(&page.base64).unwrap();
            assert_eq!(page.digest, blake3::hash(&file).to_hex().to_string());
            let image = ::image::load_from_memory(&file).unwrap().to_rgb8();
            assert_eq!(image.dimensions(), (page.width, page.height));
            image
        }
        Page::Text(text) => panic!("a text came out: {text:?}"),
    }
}

/// Draws a line of text in size 10.
fn at(x: f64, y: f64, text: &str) -> String {
    format!("BT /F 10 Tf {x} {y} Td ({text}) Tj ET\n")
}

fn code(result: Result<Extract, Failure>) -> FailureCode {
    result.unwrap_err().code
}

const IMAGE: &str = "q 600 0 0 800 0 0 cm /X Do Q";

#[test]
fn files_are_recognised_by_their_header() {
    let recognises = pdf().recognises;
    assert!(recognises(&document(&["x"]).bytes(), ""));
    assert!(recognises(b"\n\n%PDF-1.4", ""));
    assert!(recognises(b"HTTP junk\n%PDF-1.4", "pdf"));
    assert!(!recognises(b"A file that begins with %PDF- is a PDF document", "txt"));
    assert!(!recognises(b"", "pdf"));
    assert!(recognises(b"%!PS-Adobe-3.0 PDF-1.4\n", ""));
    let headless = document(&["x"]).bytes().split_off(15);
    assert!(recognises(&headless, "") && recognises(&[b"junk".as_slice(), &headless].concat(), "pdf"));
    assert!(!recognises(b"A PDF has lines such as 1 0 obj and endobj, and ends with startxref", "txt"));
}

#[test]
fn lines_words_and_paragraphs() {
    let page = at(50.0, 700.0, "The first line")
        + &at(50.0, 688.0, "and the second.")
        + &at(50.0, 676.0, "The third.")
        + &at(50.0, 640.0, "A paragraph.");
    assert_eq!(document(&[&page]).text(), "The first line\nand the second.\nThe third.\n\nA paragraph.");
}

#[test]
fn gaps_are_spaces_and_wide_gaps_are_tabs() {
    let page = "BT /F 10 Tf 50 700 Td [(Ta) 40 (ke) -300 (care) -4000 (12) -4000 (13)] TJ ET";
    assert_eq!(document(&[page]).text(), "Take care\t12\t13");
}

#[test]
fn tables_are_read_row_by_row_for_all_kinds_of_cells() {
    let rows = [
        ("Operating income of the year", "Thirteen thousand pieces"),
        ("Other income of the year", "Some more thousand pieces"),
        ("Taxes on all of the above", "None at all, as it seems"),
    ];
    let mut page = String::new();
    for (row, (left, right)) in rows.iter().enumerate() {
        let y = 700.0 - 12.0 * row as f64;
        page += &(at(50.0, y, left) + &at(300.0, y, right));
    }
    let expected: Vec<_> = rows.iter().map(|(left, right)| format!("{left}\t{right}")).collect();
    assert_eq!(document(&[&page]).text(), expected.join("\n"));
}

#[test]
fn cells_of_several_lines_stay_whole() {
    let mut page = String::new();
    for (row, y) in [700.0, 660.0].into_iter().enumerate() {
        page += &(at(50.0, y, &format!("left cell of row {row} begins")) + &at(50.0, y - 12.0, &format!("left cell of row {row} ends")));
        page +=
            &(at(300.0, y, &format!("right cell of row {row} begins")) + &at(300.0, y - 12.0, &format!("right cell of row {row} ends")));
    }
    let text = document(&[&page]).text();
    let order: Vec<_> = text.lines().filter(|line| !line.is_empty()).collect();
    let expected = ["left cell of row 0 begins", "left cell of row 0 ends", "right cell of row 0 begins", "right cell of row 0 ends"];
    assert_eq!(order[..4], expected);
    assert_eq!(order[4], "left cell of row 1 begins");
}

/// Builds a page with title, two columns and page number.
///
/// The columns are drawn one after the other, or line by line.
fn columns(line_by_line: bool) -> (String, Vec<String>) {
    let line = |side: &str, row: usize| format!("This is line {row:02} of the {side} column, and it is as full");
    let mut page = at(150.0, 760.0, "A title that goes over both of the columns of the page below");
    let place = |side: &str, row: usize| at(if side == "left" { 50.0 } else { 310.0 }, 700.0 - 12.0 * row as f64, &line(side, row));
    if line_by_line {
        page.extend((0..20).map(|row| place("left", row) + &place("right", row)));
    } else {
        page.extend(["left", "right"].iter().flat_map(|side| (0..20).map(|row| place(side, row))));
    }
    page += &at(298.0, 40.0, "7");
    let mut expected = vec!["A title that goes over both of the columns of the page below".to_owned()];
    expected.extend(["left", "right"].iter().flat_map(|side| (0..20).map(|row| line(side, row))));
    expected.push("7".to_owned());
    (page, expected)
}

#[test]
fn columns_are_read_one_after_the_other_in_any_drawing_order() {
    for line_by_line in [false, true] {
        let (page, expected) = columns(line_by_line);
        let text = document(&[&page]).text();
        assert_eq!(text.lines().filter(|line| !line.is_empty()).collect::<Vec<_>>(), expected, "line by line: {line_by_line}");
    }
}

#[test]
fn hyphens_of_compounds_stay_at_line_ends() {
    let page = at(50.0, 700.0, "a state-of-the-")
        + &at(50.0, 688.0, "art and self-")
        + &at(50.0, 676.0, "adjoint co-")
        + &at(50.0, 664.0, "operation of inter-")
        + &at(50.0, 652.0, "national pre-")
        + &at(50.0, 640.0, "and postwar cooperation");
    let expected = "a state-of-the-art and self-adjoint cooperation of international pre-\nand postwar cooperation";
    assert_eq!(document(&[&page]).text(), expected);
    // The words of another page decide.
    let other = at(50.0, 700.0, "The co-operation went on.");
    let extract = document(&[&at(50.0, 700.0, "co-").replace("ET", "0 -12 Td (operation) Tj ET"), &other]).read(PdfMode::Auto).unwrap();
    assert_eq!(text(&extract.pages[0]), "co-operation");
}

#[test]
fn words_hyphenated_at_line_ends_are_joined() {
    let page =
        at(50.0, 700.0, "an inter-") + &at(50.0, 688.0, "national text, 2020-") + &at(50.0, 676.0, "2021, and A-") + &at(50.0, 664.0, "B");
    assert_eq!(document(&[&page]).text(), "an international text, 2020-\n2021, and A-\nB");
}

#[test]
fn ligatures_are_letters() {
    let page = "BT /A 10 Tf 50 700 Td <06> Tj /F 10 Tf (nd) Tj ET";
    assert_eq!(document(&[page]).text(), "find");
}

#[test]
fn raised_and_lowered_digits_are_kept() {
    let page = "BT /F 10 Tf 50 700 Td (10) Tj /F 7 Tf 4 Ts (6) Tj /F 10 Tf 0 Ts ( H) Tj /F 7 Tf -2 Ts (2) Tj /F 10 Tf 0 Ts (O) Tj ET";
    assert_eq!(document(&[page]).text(), "10⁶ H₂O");
}

#[test]
fn text_drawn_twice_for_bold_is_read_once() {
    let word = "BT /F 10 Tf 50 700 Td (Heading of it) Tj ET BT /F 10 Tf 50.3 700 Td (Heading of it) Tj ET";
    assert_eq!(document(&[word]).text(), "Heading of it");
    let letters =
        "BT /F 10 Tf 1 0 0 1 50 700 Tm (A) Tj 1 0 0 1 50.3 700 Tm (A) Tj 1 0 0 1 56.67 700 Tm (B) Tj 1 0 0 1 56.97 700 Tm (B) Tj ET";
    assert_eq!(document(&[letters]).text(), "AB");
    let stroked = "BT /F 10 Tf 2 Tr 50 700 Td (Out) Tj (line) Tj ET";
    assert_eq!(document(&[stroked]).text(), "Outline");
}

#[test]
fn invisible_text_over_a_scan_is_read() {
    let page = format!("{IMAGE} BT 3 Tr /F 10 Tf 50 700 Td (What the program for scans has read on this page, word by word) Tj ET");
    assert_eq!(document(&[&page]).text(), "What the program for scans has read on this page, word by word");
}

#[test]
fn rotated_pages_and_rotated_text_are_read_along_their_lines() {
    let lines = "BT /F 10 Tf 0 1 -1 0 300 100 Tm (first line) Tj 0 1 -1 0 312 100 Tm (second line) Tj ET";
    assert_eq!(document(&[lines]).text(), "first line\nsecond line");
    let mut turned = document(&[lines]);
    turned.page = "/Rotate 90";
    assert_eq!(turned.text(), "first line\nsecond line");
    let both = at(50.0, 700.0, "The text of the page") + "BT /F 10 Tf 0 1 -1 0 580 100 Tm (margin) Tj ET\n" + &at(50.0, 688.0, "goes on.");
    assert_eq!(document(&[&both]).text(), "The text of the page\ngoes on.\n\nmargin");
}

#[test]
fn right_to_left_text_is_in_logical_order() {
    // This is drawn from left to right in visual order: meem, lam-alef, seen, then a number.
    let visual = "BT /F 10 Tf 50 700 Td (42 ) Tj /A 10 Tf <040501> Tj ET";
    assert_eq!(document(&[visual]).text(), "سلام 42");
    // This is drawn in logical order, each letter to the left of the previous one.
    let logical = "BT /A 10 Tf 1 0 0 1 80 700 Tm <01> Tj 1 0 0 1 75 700 Tm <02> Tj 1 0 0 1 70 700 Tm <03> Tj 1 0 0 1 65 700 Tm <04> Tj ET";
    assert_eq!(document(&[logical]).text(), "سلام");
    let within = "BT /F 10 Tf 50 700 Td (they say ) Tj /A 10 Tf <04030201> Tj /F 10 Tf ( as a greeting) Tj ET";
    assert_eq!(document(&[within]).text(), "they say سلام as a greeting");
}

#[test]
fn empty_pages_keep_their_number() {
    let first = at(50.0, 700.0, "First");
    let extract = document(&[&first, "", "1 1 1 rg 0 0 600 800 re f", &first]).read(PdfMode::Auto).unwrap();
    assert!(extract.paged);
    assert_eq!(extract.pages.iter().map(text).collect::<Vec<_>>(), ["First", "", "", "First"]);
    assert_eq!(extract.notes, ["2 of 4 pages with nothing on them left out"]);
}

#[test]
fn scans_are_images_unless_the_mode_is_text() {
    let first = at(50.0, 700.0, "First");
    let document = document(&[&first, IMAGE]);
    let auto = document.read(PdfMode::Auto).unwrap();
    assert_eq!(text(&auto.pages[0]), "First");
    let (width, height) = image(&auto.pages[1]).dimensions();
    assert_eq!(ImageLimits::anthropic(false).with_max_edge(1568).fit(1667, 2222), (width, height));
    assert_eq!(auto.notes, Vec::<String>::new());

    let texts = document.read(PdfMode::Text).unwrap();
    assert_eq!(texts.pages.iter().map(text).collect::<Vec<_>>(), ["First", ""]);
    assert_eq!(texts.notes, ["1 of 2 pages without text left out"]);
}

#[test]
fn a_scan_with_a_little_text_stays_an_image() {
    let number = at(300.0, 20.0, "Page 12");
    let bates =
        at(30.0, 780.0, "Case 1:20-cv-01234-ABC   Document 123-4   Filed 05/06/2020   Page 4 of 120") + &at(500.0, 15.0, "SMITH 0001");
    let aslant = "BT /F 40 Tf 0.6 0.8 -0.8 0.6 100 100 Tm (A confidential draft, not to be copied) Tj ET";
    let strips: String = (0..20).map(|strip| format!("q 600 0 0 40 0 {} cm /X Do Q\n", strip * 40)).collect();
    let small = format!("q 300 0 0 400 0 400 cm /X Do Q {}", at(20.0, 780.0, "Produced with a trial version of something that annotates"));
    for page in [small, format!("{IMAGE}\n{number}"), format!("{IMAGE}\n{bates}"), format!("{IMAGE}\n{aslant}"), strips + &number] {
        image(&document(&[&page]).read(PdfMode::Auto).unwrap().pages[0]);
        let texts = document(&[&page]).read(PdfMode::Text).unwrap();
        text(&texts.pages[0]);
        assert!(texts.notes.iter().any(|note| note.starts_with("only a little text sent of 1 of 1 page")), "{:?}", texts.notes);
    }
}

#[test]
fn a_text_page_with_images_stays_a_text() {
    let lines = |size: f64, texts: &[&str]| {
        (0_i32..)
            .zip(texts)
            .map(|(n, text)| format!("BT /F {size} Tf 50 {} Td ({text}) Tj ET\n", 700.0 - f64::from(n) * 2.0 * size))
            .collect::<String>()
    };
    let letter = ["A line of a letter on a page with a background"; 30];
    let slide = ["Results of the third quarter", "Sales rose by four per cent", "Two new plants opened"];
    let logo = "q 100 0 0 80 30 720 cm /X Do Q\n";
    for page in [
        IMAGE.to_owned() + "\n" + &lines(10.0, &letter),
        IMAGE.to_owned() + "\n" + &lines(28.0, &slide),
        logo.to_owned() + &lines(10.0, &["Short."]),
    ] {
        let extract = document(&[&page]).read(PdfMode::Auto).unwrap();
        text(&extract.pages[0]);
        assert_eq!(extract.notes, Vec::<String>::new());
    }
}

#[test]
fn a_document_without_any_text_says_what_to_do() {
    let failure = document(&[IMAGE, IMAGE]).read(PdfMode::Text).unwrap_err();
    assert_eq!(failure.code, NoText);
    assert!(failure.message.contains("2 pages") && failure.message.contains("prepare.pdf.mode = \"auto\" or \"pages\""), "{failure}");
    assert_eq!(code(document(&["", ""]).read(PdfMode::Auto)), Empty);
}

#[test]
fn all_pages_can_be_images_with_the_right_content() {
    let left_is_red = "1 0 0 rg 0 0 300 800 re f";
    let extract = document(&[left_is_red, ""]).read(PdfMode::Pages).unwrap();
    let red = image(&extract.pages[0]);
    let (width, height) = red.dimensions();
    assert!(red.get_pixel(width / 4, height / 2)[1] < 20);
    assert!(red.get_pixel(width * 3 / 4, height / 2)[1] > 240);
    assert!(image(&extract.pages[1]).pixels().all(|pixel| pixel.0 == [255, 255, 255]));

    let mut wide = document(&[left_is_red]);
    wide.page = "/Rotate 90";
    let image = image(&wide.read(PdfMode::Pages).unwrap().pages[0]);
    assert!(image.width() > image.height());
}

#[test]
fn unknown_glyphs_make_an_image_or_a_note() {
    let unknown = "BT /U 10 Tf 50 600 Td <000100020003000400050006> Tj ET";
    image(&document(&[unknown]).read(PdfMode::Auto).unwrap().pages[0]);
    assert_eq!(code(document(&[unknown]).read(PdfMode::Text)), NoText);

    let page = at(50.0, 700.0, "Twenty-four letters, all known") + unknown;
    let extract = document(&[&page]).read(PdfMode::Auto).unwrap();
    assert_eq!(text(&extract.pages[0]), "Twenty-four letters, all known\n\n\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}");
    assert_eq!(extract.notes, ["19 % of the characters are unknown: fonts in the document do not say what they stand for"]);
}

#[test]
fn password_protected_documents_fail_as_encrypted() {
    let mut locked = document(&["x"]);
    let zeros = "00".repeat(32);
    let trailer =
        format!("/ID [<{zeros}> <{zeros}>] /Encrypt << /Filter /Standard /V 2 /R 3 /Length 128 /P -4 /O <{zeros}> /U <{zeros}> >>");
    locked.trailer = Box::leak(trailer.into_boxed_str());
    assert_eq!(code(locked.read(PdfMode::Auto)), Encrypted);
}

#[test]
fn too_many_pages_and_no_pages_fail() {
    let mut settings = with(PdfMode::Text);
    settings.pdf.max_pages = 2;
    let page = at(50.0, 700.0, "x");
    let read = |pages: usize| (pdf().read)(&document(&vec![page.as_str(); pages]).bytes(), &settings, &ImageLimits::openai());
    assert_eq!(read(2).unwrap().pages.len(), 2);
    let failure = read(3).unwrap_err();
    assert_eq!(failure.code, TooLong);
    assert!(failure.message.contains("3 pages") && failure.message.contains("prepare.pdf.max_pages is 2"), "{failure}");
    assert_eq!(code(document(&[]).read(PdfMode::Text)), Empty);
}

#[test]
fn long_documents_are_read_to_the_end() {
    let pages: Vec<String> = (0..2000).map(|page| at(50.0, 700.0, &format!("This is page {page}"))).collect();
    let extract = document(&pages.iter().map(String::as_str).collect::<Vec<_>>()).read(PdfMode::Text).unwrap();
    assert_eq!(extract.pages.len(), 2000);
    assert_eq!(text(&extract.pages[1999]), "This is page 1999");
}

#[test]
fn a_broken_cross_reference_table_is_rebuilt() {
    let page = at(50.0, 700.0, "Still there");
    let bytes = document(&[&page]).bytes();
    let table = bytes.windows(4).rposition(|window| window == b"xref").unwrap() - 5;
    let mut shifted = bytes.clone();
    shifted.splice(9..9, b"%%%%%%%%%%%%%%%%%%%%%%%%%%%\n".iter().copied());
    for broken in [shifted.as_slice(), &bytes[..table]] {
        assert_eq!(text(&read(broken, PdfMode::Text).unwrap().pages[0]), "Still there");
    }
}

#[test]
fn garbage_after_the_header_is_undecodable() {
    for bytes in [b"%PDF-1.7\n".as_slice(), b"%PDF-", &[b"%PDF-1.4\n".as_slice(), &b"[".repeat(100_000)].concat()] {
        assert_eq!(code(read(bytes, PdfMode::Auto)), Undecodable);
    }
}

#[test]
fn truncated_documents_are_read_with_a_note_or_refused() {
    let (page, _) = columns(false);
    let bytes = document(&[&page, IMAGE]).bytes();
    for length in (0..bytes.len()).step_by(37) {
        match read(&bytes[..length], PdfMode::Text) {
            Ok(extract) => assert!(extract.notes.iter().any(|note| note.starts_with("the file breaks off")), "{length}"),
            Err(failure) => assert!([Undecodable, NoText].contains(&failure.code), "{length}: {failure}"),
        }
    }
}

#[test]
fn forms_that_draw_each_other_endlessly_are_refused() {
    let mut endless = document(&["/Y Do"]);
    endless.objects = vec![stream("/Type /XObject /Subtype /Form /BBox [0 0 600 800] /Resources 3 0 R", "/Y Do /Y Do")];
    let failure = endless.read(PdfMode::Text).unwrap_err();
    assert_eq!(failure.code, PrepareLimit);
    assert!(failure.message.contains("page 1"), "{failure}");
}

#[test]
fn images_too_large_to_decode_are_refused() {
    let mut huge = document(&[IMAGE]);
    huge.image_side = 30_000;
    assert_eq!(code(huge.read(PdfMode::Auto)), TooManyPixels);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Documents with any damage are read or refused.
    #[test]
    fn damage_is_survived(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40)) {
        let (page, _) = columns(true);
        let mut bytes = document(&[&page, "BT /A 10 Tf 50 700 Td <010203> Tj ET", IMAGE]).bytes();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Err(failure) = read(&bytes, PdfMode::Text) {
            prop_assert!([Undecodable, Empty, NoText, Encrypted].contains(&failure.code), "{}", failure);
        }
    }
}

/// Builds a document of two pages.
///
/// The second page is drawn by these bytes, which are declared as compressed.
fn compressed(data: &[u8]) -> Vec<u8> {
    let mut document = document(&[&at(50.0, 700.0, "whole"), ""]);
    document.objects = vec![
        stream("/Filter /FlateDecode", &"Z".repeat(data.len())),
        "<< /Type /Page /Parent 2 0 R /Resources 3 0 R /Contents 20 0 R >>".to_owned(),
    ];
    let mut bytes = document.bytes();
    let put = |bytes: &mut Vec<u8>, old: &[u8], new: &[u8]| {
        let place = bytes.windows(old.len()).position(|window| window == old).unwrap();
        bytes[place..place + new.len()].copy_from_slice(new);
    };
    put(&mut bytes, &vec![b'Z'; data.len()], data);
    // The length stays the same, so that the cross-reference table stays valid.
    put(&mut bytes, b"/Kids [100 0 R 102 0 R ]", b"/Kids [100 0 R 21 0 R  ]");
    bytes
}

#[test]
fn pages_with_truncated_compression_have_a_note_and_are_never_blank() {
    let content: String =
        (0..40).map(|line| at(50.0, 700.0 - f64::from(line) * 15.0, &format!("line {line} of {}", line * 7919))).collect();
    let mut whole = Vec::new();
    flate2::read::ZlibEncoder::new(content.as_bytes(), flate2::Compression::new(9)).read_to_end(&mut whole).unwrap();
    let notes = |data: &[u8]| read(&compressed(data), PdfMode::Auto).unwrap().notes;
    let damaged = ["page 2 is damaged: only a part of the content could be read"];
    assert_eq!(notes(&whole), [""; 0]);
    assert_eq!(notes(&whole[..whole.len() - 4]), [""; 0], "only the checksum is missing");
    assert_eq!(notes(&whole[2..whole.len() - 4]), [""; 0], "without the frame of the format");
    assert_eq!(notes(&whole[..whole.len() / 2]), damaged);
    assert_eq!(notes(&whole[..3]), damaged);
    let mut spoiled = whole.clone();
    spoiled[whole.len() / 2] ^= 0x55;
    assert_eq!(notes(&spoiled), damaged);
}

#[test]
fn form_values_without_appearance_are_sent() {
    let mut form = document(&[&at(50.0, 700.0, "Application of Ann 7")]);
    form.page = "/Annots [20 0 R 21 0 R 22 0 R 23 0 R 24 0 R 25 0 R 26 0 R 27 0 R]";
    let field = |entries: &str| format!("<< /Type /Annot /Subtype /Widget /Rect [0 0 50 20] {entries} >>");
    form.objects = vec![
        field("/FT /Tx /T (age) /V (7)"),
        field("/FT /Tx /T (t) /TU <FEFF004E00E4006D0065> /V <53F674A0>"),
        field("/FT /Tx /T (hidden) /F 2 /V (no)"),
        field("/FT /Tx /T (password) /Ff 8192 /V (no)"),
        field("/FT /Btn /T (agree) /AS /Yes"),
        field("/FT /Btn /T (other) /AS /Off"),
        field("/Parent 28 0 R /AS /Often"),
        field("/FT /Ch /T (land) /Opt [[(de) (Germany)] [(fr) (France)]] /V [(de) (fr)]"),
        "<< /FT /Btn /Ff 32768 /T (how) /Parent 28 0 R >>".to_owned(),
    ];
    assert_eq!(form.text(), "Application of Ann 7\n\nForm fields:\nage: 7\nNäme: Söt€\nagree: checked\nhow: Often\nland: Germany, France");
    // Values that the field draws itself appear only once.
    form.page = "/Annots [20 0 R]";
    form.objects = vec![
        field("/FT /Tx /T (name) /V (Bob) /AP << /N 21 0 R >>"),
        stream("/Type /XObject /Subtype /Form /BBox [0 0 50 20] /Resources 3 0 R", &at(2.0, 2.0, "Bob")),
    ];
    assert_eq!(form.text().matches("Bob").count(), 1);
    assert_eq!(form.text().matches("Form fields").count(), 0);
}

#[test]
fn trailing_zeros_are_not_damage() {
    let mut bytes = document(&[&at(50.0, 700.0, "whole")]).bytes();
    bytes.resize(bytes.len() + 5000, 0);
    assert_eq!(read(&bytes, PdfMode::Auto).unwrap().notes, [""; 0]);
}

#[test]
fn replacement_texts_stand_for_what_is_drawn() {
    let marked = |properties: &str, inside: &str| {
        format!("BT /F 10 Tf 50 700 Td (The e) Tj /Span << {properties} >> BDC {inside} EMC (cient way) Tj ET")
    };
    assert_eq!(document(&[&marked("/ActualText (ffi)", "(@) Tj")]).text(), "The efficient way");
    // Marks inside do not count, and the text may span several operators.
    let nested = "(@) Tj /Span << /ActualText (no) >> BDC (#) Tj EMC (@) Tj";
    assert_eq!(document(&[&marked("/ActualText <FEFF00660066FB01>", nested)]).text(), "The efffi".to_owned() + "cient way");
    assert_eq!(document(&[&marked("/ActualText ()", "(-) Tj")]).text(), "The ecient way");
    let space = "BT /F 10 Tf 50 700 Td (one) Tj /Span << /ActualText ( ) >> BDC (_) Tj EMC (two) Tj EMC EMC ( three) Tj ET";
    assert_eq!(document(&[space]).text(), "one two three");
}

#[test]
fn notes_without_appearance_are_read_where_they_stand() {
    let mut noted = document(&[&(at(50.0, 700.0, "Above") + &at(50.0, 500.0, "Below"))]);
    noted.page = "/Annots [20 0 R 21 0 R 22 0 R 23 0 R 24 0 R 25 0 R 26 0 R]";
    noted.objects = vec![
        "<< /Subtype /FreeText /Rect [50 580 300 620] /Contents (First line\\rsecond line) /DA (/Helv 12 Tf 0 g) >>".to_owned(),
        "<< /Subtype /FreeText /F 2 /Rect [50 580 300 620] /Contents (hidden) >>".to_owned(),
        "<< /Subtype /Text /Rect [50 400 70 420] /Contents (comment) >>".to_owned(),
        "<< /Subtype /FreeText /Rect [50 400 300 420] /RC (<body><p>a &lt; b</p></body>) >>".to_owned(),
        "<< /Subtype /Highlight /Rect [50 400 70 420] /T (Ann) /Contents (check\rthis) /AP << /N 9 0 R >> >>".to_owned(),
        "<< /Subtype /StrikeOut /Rect [50 400 70 420] >>".to_owned(),
        "<< /Subtype /Text /Rect [50 400 70 420] /StateModel (Review) /State (Accepted) /Contents (Accepted by Ann) >>".to_owned(),
    ];
    assert_eq!(
        noted.text().split_whitespace().collect::<Vec<_>>().join(" "),
        "Above First line second line Below a < b Comments: comment Ann: check this"
    );
}

#[test]
fn attachments_are_named() {
    let mut attached = document(&[&at(50.0, 700.0, "See the files"), ""]);
    attached.page = "/Annots [20 0 R]";
    attached.objects =
        vec!["<< /Subtype /FileAttachment /Rect [0 0 9 9] /FS << /F (plain.csv) /UF <FEFF00E4002E006300730076> >> >>".to_owned()];
    let notes = attached.read(PdfMode::Text).unwrap().notes;
    assert!(notes.contains(&"1 attachment: ä.csv (named, not read)".to_owned()), "{notes:?}");
    attached.pages = vec![String::new()];
    let failure = attached.read(PdfMode::Auto).unwrap_err();
    assert!(failure.code == Empty && failure.message.contains("ä.csv"), "{failure}");
}

#[test]
fn invisible_text_is_left_out() {
    let seen = at(50.0, 700.0, "seen");
    let hidden = [
        "1 1 1 rg BT /F 10 Tf 50 600 Td (white) Tj ET",
        "0 0 0.5 rg 40 590 200 30 re f 0 0 0.5 rg BT /F 10 Tf 50 600 Td (same) Tj ET",
        "BT /F 0.2 Tf 50 600 Td (tiny) Tj ET",
        "BT /F 10 Tf 700 600 Td (outside) Tj ET BT /F 10 Tf 50 -8 Td (below) Tj ET",
        "BT /F 10 Tf 50 600 Td (behind) Tj ET q 100 0 0 40 40 580 cm /X Do Q",
        "BT 3 Tr /F 10 Tf 50 600 Td (invisible) Tj 0 Tr ET",
        "BT /F 10 Tf 50 600 Td (covered) Tj ET 0 g 40 590 100 30 re f",
        "q 0 0 10 10 re W n BT /F 10 Tf 50 600 Td (clipped) Tj ET Q",
    ];
    for drawn in hidden {
        let extract = document(&[&(seen.clone() + drawn)]).read(PdfMode::Text).unwrap();
        assert_eq!(text(&extract.pages[0]), "seen", "{drawn}");
        let is_noted = extract.notes.iter().any(|note| note.starts_with("hidden text left out"));
        assert!(is_noted || drawn.contains("outside"), "{drawn}: {:?}", extract.notes);
    }
    let visible = [
        "0 0 0.5 rg 40 590 200 30 re f 1 1 1 rg BT /F 10 Tf 50 600 Td (shown) Tj ET",
        "q 100 0 0 40 40 580 cm /X Do Q 1 1 1 rg BT /F 10 Tf 50 600 Td (shown) Tj ET",
        "20 w 40 603 m 240 603 l S 1 1 1 rg BT /F 10 Tf 50 600 Td (shown) Tj ET",
        "2 Tr 1 1 1 rg 0 0 0 RG BT /F 10 Tf 50 600 Td (shown) Tj ET",
        "BT /F 10 Tf 50 600 Td (shown) Tj ET 0 g 40 602.5 100 1 re f",
        "0 g 40 602.5 100 1 re f BT /F 10 Tf 50 600 Td (shown) Tj ET",
    ];
    for drawn in visible {
        assert_eq!(
            document(&[&(seen.clone() + drawn)]).read(PdfMode::Text).unwrap().pages.iter().map(text).collect::<String>(),
            "seen\n\nshown",
            "{drawn}"
        );
    }
    assert_eq!(code(document(&["1 1 1 rg BT /F 10 Tf 50 600 Td (white) Tj ET"]).read(PdfMode::Text)), Empty);
}

#[test]
fn a_page_without_its_picture_costs_only_itself() {
    let mut huge = document(&[&at(50.0, 700.0, "First"), IMAGE]);
    huge.image_side = 30_000;
    let extract = huge.read(PdfMode::Auto).unwrap();
    assert_eq!(extract.pages.iter().map(text).collect::<Vec<_>>(), ["First", ""]);
    assert!(extract.notes[0].starts_with("page 2 is sent without its picture"), "{:?}", extract.notes);
    let mut broken = document(&[&at(50.0, 700.0, "First"), "q 600 0 0 800 0 0 cm /Y Do Q"]);
    broken.objects = vec![stream(
        "/Type /XObject /Subtype /Image /Width 9 /Height 9 /ColorSpace /DeviceRGB /BitsPerComponent 8 /Filter /DCTDecode",
        "nonsense",
    )];
    let notes = broken.read(PdfMode::Auto).unwrap().notes;
    assert_eq!(notes, ["page 2 is without its picture, which cannot be decoded"]);
}

#[test]
fn bytes_that_do_not_fit_their_encoding_are_noted() {
    let page = "BT /F 10 Tf 50 700 Td <d6d0bbaac8cbc3f1b9b2bacdb9fab9facef1d4bab0ecb9abccfc> Tj ET";
    let notes = document(&[page]).read(PdfMode::Text).unwrap().notes;
    assert_eq!(notes, ["page 1 is misread: its bytes do not fit the encoding that its fonts declare"]);
}

/// Draws words one by one along lines of this angle.
fn slanted(degrees: f64, (x, y): (f64, f64), lines: &[&str]) -> String {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let mut page = String::new();
    for (line, words) in lines.iter().enumerate() {
        let mut along = 0.0;
        for word in words.split(' ') {
            let down = 14.0 * line as f64;
            let (left, bottom) = (x + along * cos + down * sin, y + along * sin - down * cos);
            writeln!(page, "BT /F 10 Tf {cos} {sin} {} {cos} {left} {bottom} Tm ({word}) Tj ET", -sin).unwrap();
            along += 6.0 * word.len() as f64 + 3.0;
        }
    }
    page
}

#[test]
fn slanted_lines_are_whole_and_apart_from_level_ones() {
    let lines = [
        "The quick brown fox jumps over the lazy dog",
        "and runs away from all of the other animals",
        "until nobody is left on this page to see it",
    ];
    for degrees in [-15.0, -3.0, 0.8, 5.0, 14.0] {
        let page = slanted(degrees, (100.0, 500.0), &lines);
        assert_eq!(document(&[&page]).text(), lines.join("\n"), "{degrees}");
    }
    let level = ["This letter has a level head of several words", "and a part that was glued onto it askew"];
    let page = slanted(0.0, (60.0, 700.0), &level) + &slanted(6.0, (60.0, 500.0), &lines);
    assert_eq!(document(&[&page]).text(), format!("{}\n\n{}", level.join("\n"), lines.join("\n")));
}

const BANK: [[&str; 5]; 5] = [
    ["Date", "Text", "Debit", "Credit", "Balance"],
    ["01.03.", "Rent", "900.00", "", "100.00"],
    ["02.03.", "Salary", "", "2500.00", "2600.00"],
    ["03.03.", "Card payment", "50.00", "", "2550.00"],
    ["04.03.", "Refund", "", "20.00", "2570.00"],
];

fn bank(rows: &[[&str; 5]]) -> String {
    let row = |row: &[&str; 5]| format!("| {} |", row.join(" | "));
    let mut lines: Vec<String> = rows.iter().map(row).collect();
    lines.insert(1, "| --- | --- | --- | --- | --- |".to_owned());
    lines.join("\n")
}

fn drawn(rows: &[[&str; 5]], x: impl Fn(usize, &str) -> f64) -> String {
    let mut page = String::new();
    for (line, row) in rows.iter().enumerate() {
        for (column, cell) in row.iter().enumerate().filter(|(_, cell)| !cell.is_empty()) {
            page += &at(x(column, cell), 700.0 - 16.0 * line as f64, cell);
        }
    }
    page
}

#[test]
fn empty_cells_keep_their_column() {
    let left = |column: usize, _: &str| [50.0, 110.0, 250.0, 330.0, 410.0][column];
    let right =
        |column: usize, cell: &str| if column < 2 { left(column, cell) } else { left(column, cell) + 55.0 - 5.0 * cell.len() as f64 };
    let lines: String = (0..6).map(|line| format!("45 {0} m 480 {0} l S\n", 712.0 - 16.0 * f64::from(line))).collect::<String>()
        + &[45, 105, 245, 325, 405, 480].map(|x| format!("{x} 712 m {x} 632 l S\n")).concat();
    let boxes: String =
        (0..5).flat_map(|row| (0..5).map(move |column| format!("{} {} 85 16 re S\n", 45 + 85 * column, 696 - 16 * row))).collect();
    let inside = |column: usize, _: &str| 50.0 + 85.0 * column as f64;
    // The same lines as filled areas of half a point, in tenths of points.
    let filled = "q 0.1 0 0 0.1 0 0 cm\n".to_owned()
        + &(0..6).map(|line| format!("450 {} 4350 5 re f\n", 7120 - 160 * line)).collect::<String>()
        + &[450, 1050, 2450, 3250, 4050, 4800].map(|x| format!("{x} 6320 5 800 re f\n")).concat()
        + "Q\n";
    for page in
        [drawn(&BANK, left), drawn(&BANK, right), drawn(&BANK, left) + &lines, filled + &drawn(&BANK, left), boxes + &drawn(&BANK, inside)]
    {
        assert_eq!(document(&[&page]).text(), bank(&BANK));
    }
    // The page behind has no debits and no header.
    let next =
        [["05.03.", "Gift", "", "1.00", "2571.00"], ["06.03.", "Gift", "", "2.00", "2573.00"], ["07.03.", "Gift", "", "3.00", "2576.00"]];
    let extract = document(&[&drawn(&BANK, left), &drawn(&next, left)]).read(PdfMode::Auto).unwrap();
    assert_eq!(text(&extract.pages[1]), bank(&next));
}

#[test]
fn columns_of_sheets_keep_numbers_below_their_header() {
    // Headers are at the left sides of their cells, numbers at the right sides.
    let left = |column: usize| [50.0, 130.0, 190.0, 250.0][column];
    let place = |row: usize, column: usize, cell: &str| {
        let is_number = row > 0 && column > 0;
        if is_number { left(column) + 58.0 - 5.56 * (cell.len() - 1) as f64 - 2.78 } else { left(column) }
    };
    for rows in [
        [["Date", "Debit", "Credit", "Cash"], ["01.03.", "45.10", "", "100.10"], ["02.03.", "", "3.99", ""], ["03.03.", "9.99", "", ""]],
        [["Date", "Debit", "Credit", "Cash"], ["01.03.", "45.10", "", "100.10"], ["02.03.", "", "3.99", ""], ["03.03.", "", "9.99", ""]],
        [["Stock", "Reordered", "Ordered", "Left"], ["Nut", "45.10", "12.10", ""], ["Bolt", "", "3.99", ""], ["Pin", "1.00", "", "9.99"]],
    ] {
        let mut page = String::new();
        for (row, cells) in rows.iter().enumerate() {
            for (column, cell) in cells.iter().enumerate().filter(|(_, cell)| !cell.is_empty()) {
                page += &at(place(row, column, cell), 700.0 - 14.0 * row as f64, cell);
            }
        }
        let mut lines: Vec<String> = rows.iter().map(|row| format!("| {} |", row.join(" | "))).collect();
        lines.insert(1, "| --- | --- | --- | --- |".to_owned());
        assert_eq!(document(&[&page]).text(), lines.join("\n"));
    }
}

#[test]
fn a_line_of_prose_above_a_table_is_no_row() {
    let prose = at(50.0, 714.0, "Statement of account 12345, sort code 01-02-03. Opening balance 1234.56");
    let page = prose + &drawn(&BANK, |column, _| [50.0, 110.0, 250.0, 330.0, 410.0][column]);
    let text = document(&[&page]).text();
    assert_eq!(text, format!("Statement of account 12345, sort code 01-02-03. Opening balance 1234.56\n\n{}", bank(&BANK)));
}

/// A document whose first page has marked content at these places, and whose structure has `kids`.
fn tagged(content: &[(f64, f64, &str)], kids: &str) -> Document {
    let mark = |(number, (x, y, text)): (usize, &(f64, f64, &str))| format!("/Span << /MCID {number} >> BDC {} EMC\n", at(*x, *y, text));
    let page: String = content.iter().enumerate().map(mark).collect();
    Document { objects: vec![format!("<< /K << /S /Document /Pg 100 0 R /K [{kids}] >> >>")], ..document(&[&page]) }
}

#[test]
fn tagged_tables_have_the_columns_of_their_places() {
    // Browsers leave empty cells out of the structure, and columns may be closer than a blank.
    let content = [
        (50.0, 700.0, "Text"),
        (74.0, 700.0, "Debit"),
        (99.0, 700.0, "Credit"),
        (50.0, 686.0, "Rent"),
        (81.0, 686.0, "900"),
        (50.0, 672.0, "Pay"),
        (111.0, 672.0, "250"),
    ];
    let row = |cells: &str| format!("<< /S /TR /K [{cells}] >>");
    let cell = |number: usize| format!("<< /S /TD /K {number} >>");
    let cells = |numbers: std::ops::Range<usize>| row(&numbers.map(cell).collect::<String>());
    let table = |rows: &str| tagged(&content, &format!("<< /S /Table /K [{rows}] >>")).text();
    let whole = cells(0..3);
    let expected = "| Text | Debit | Credit |\n| --- | --- | --- |\n| Rent | 900 |  |\n| Pay |  | 250 |";
    assert_eq!(table(&(whole + &cells(3..5) + &cells(5..7))), expected);
    // A structure that contradicts the places says nothing.
    let turned = row(&[2, 1, 0].map(cell).concat());
    assert!(!table(&(turned + &row(&[4, 3].map(cell).concat()) + &cells(5..7))).contains("| 250"));
    // Neither does one without a row that has all cells.
    assert!(!table(&(cells(0..2) + &cells(3..5) + &cells(5..7))).contains("| Pay | 250"));
}

#[test]
fn replacement_texts_of_elements_stand_for_all_their_content() {
    let content = [(50.0, 700.0, "The e"), (73.0, 700.0, "@"), (83.0, 700.0, "#"), (90.0, 700.0, " way")];
    let span = "<< /S /P /K [0 << /S /Span /ActualText (fficient) /K [1 << /Type /MCR /MCID 2 /Pg 100 0 R >>] >> 3] >>";
    assert_eq!(tagged(&content, span).text(), "The efficient way");
}

#[test]
fn totals_may_lie_across_columns() {
    let total = at(110.0, 620.0, "Sum Dienstleistungsvertragsentgelte") + &at(410.0, 620.0, "2570.00");
    let page = drawn(&BANK, |column, _| [50.0, 110.0, 250.0, 330.0, 410.0][column]) + &total;
    let expected = bank(&BANK) + "\n|  | Sum Dienstleistungsvertragsentgelte |  |  | 2570.00 |";
    assert_eq!(document(&[&page]).text(), expected);
}

#[test]
fn cells_in_the_middle_of_their_row_belong_to_it() {
    let mut page = at(50.0, 736.0, "Date") + &at(120.0, 736.0, "Number") + &at(220.0, 736.0, "Sum");
    let mut expected = "| Date | Number | Sum |\n| --- | --- | --- |".to_owned();
    for row in 1..6 {
        let y = 736.0 - 32.0 * f64::from(row);
        page += &(at(120.0, y + 6.0, "0664") + &at(50.0, y, &format!("0{row}.01.")) + &at(220.0, y, &format!("{row}.10")));
        page += &at(120.0, y - 6.0, &format!("100000{row}"));
        write!(expected, "\n| 0{row}.01. | 0664 100000{row} | {row}.10 |").unwrap();
    }
    assert_eq!(document(&[&page]).text(), expected);
}

#[test]
fn soft_hyphens_of_browsers_leave_no_trace() {
    let mark = "/Span << /ActualText <FEFF00AD> >> BDC ( ) Tj EMC 1 0 0 1";
    let soft = format!(
        "BT /F 10 Tf 50 700 Td (so Donau) Tj {mark} 92.8 700 Tm (dampfer, zu) Tj {mark} 145.6 700 Tm (-) Tj {mark} 50 688 Tm (frieden) Tj ET"
    );
    assert_eq!(document(&[&soft]).text(), "so Donaudampfer, zufrieden");
}

#[test]
fn pictures_on_text_pages_are_noted() {
    let lines: String = (0..20).map(|line| at(50.0, 700.0 - 12.0 * f64::from(line), "A line of a report with a chart below it")).collect();
    let note = |size: u32| {
        let page = format!("{lines}q {size} 0 0 {size} 50 50 cm /X Do Q");
        document(&[&page]).read(PdfMode::Auto).unwrap().notes.concat()
    };
    assert!(note(250).starts_with("page 1 is sent as text without its pictures"), "{}", note(250));
    assert_eq!(note(100), "");
}

#[test]
fn contents_lists_and_addresses_stay_text() {
    let lines = |rows: &[&[&str]], columns: &[f64]| -> String {
        let row = |(line, row): (usize, &&[&str])| {
            row.iter().zip(columns).map(|(cell, x)| at(*x, 700.0 - 14.0 * line as f64, cell)).collect::<String>()
        };
        rows.iter().enumerate().map(row).collect()
    };
    let contents: &[&[&str]] = &[&["1", "Beginning", "3"], &["1.1", "Middle of it", "7"], &["1.2", "More", "9"], &["2", "End", "12"]];
    let list: &[&[&str]] = &[&["1.", "Open the box"], &["2.", "Take 3 screws"], &["3.", "Turn them"], &["4.", "Close it"]];
    let addresses: &[&[&str]] =
        &[&["Ann Example", "Bob Sample"], &["12 High Street", "7 Low Road"], &["London", "York"], &["N1 7AA", "YO1 8AB"]];
    for (rows, columns) in [(contents, vec![50.0, 80.0, 400.0]), (list, vec![50.0, 80.0]), (addresses, vec![50.0, 300.0])] {
        let text = document(&[&lines(rows, &columns)]).text();
        assert!(!text.contains('|'), "{text}");
    }
}
