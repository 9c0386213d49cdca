//! Tests that values are whole, marked as struck, and in their cells.

use super::{Document, PdfMode, at, document, read, stream, tagged};
use std::fmt::Write as _;
use std::io::Read as _;

#[test]
fn struck_parts_of_words_are_marked() {
    let line = at(60.0, 700.0, "Price 5060 EUR (100) x123");
    // In Helvetica, `5060` begins at 85.56 points, `100` at 137.8 and `123` at 165.59.
    let rules = "85.6 703 11.1 0.6 re f 96.7 698.5 11.1 0.6 re f 137.8 703 16.7 0.6 re f 165.6 703 5.5 0.6 re f";
    assert_eq!(document(&[&(line.clone() + rules)]).text(), "Price ~~50~~60 EUR (~~100~~) x~~1~~23");
    // A line that begins and ends inside of letters is a drawing.
    assert_eq!(document(&[&(line.clone() + "89 703 11 0.6 re f")]).text(), "Price 5060 EUR (100) x123");
    let mut marked = document(&[&line]);
    marked.page =
        "/Annots [<< /Type /Annot /Subtype /StrikeOut /Rect [85 698 97 709] /QuadPoints [85.5 709 96.7 709 85.5 698 96.7 698] >>]";
    assert_eq!(marked.text(), "Price ~~50~~60 EUR (100) x123");
}

#[test]
fn struck_parts_of_cells_are_marked() {
    let mut drawn = String::new();
    for y in [715, 695, 675] {
        write!(drawn, "60 {y} m 200 {y} l S ").unwrap();
    }
    for x in [60, 120, 200] {
        write!(drawn, "{x} 715 m {x} 675 l S ").unwrap();
    }
    drawn += &(at(65.0, 701.0, "Fee") + &at(125.0, 701.0, "1,0002,000") + &at(65.0, 681.0, "Rent") + &at(125.0, 681.0, "900"));
    // `1,000` is 25.02 points wide.
    let text = document(&[&(drawn + "125 704 25 0.6 re f 150 699.5 25 0.6 re f")]).text();
    assert_eq!(text, "| Fee | ~~1,000~~2,000 |\n| --- | --- |\n| Rent | 900 |");
}

/// Encodes bytes as letters, five for each four bytes.
fn base_85(bytes: &[u8]) -> String {
    let mut letters = String::new();
    for group in bytes.chunks(4) {
        let mut four = [0; 4];
        four[..group.len()].copy_from_slice(group);
        let value = u32::from_be_bytes(four);
        let digit = |place: u32| char::from(b'!' + u8::try_from(value / 85_u32.pow(4 - place) % 85).unwrap());
        letters.extend((0..=u32::try_from(group.len()).unwrap()).map(digit));
    }
    letters + "~>"
}

#[test]
fn damaged_compression_below_letters_has_a_note() {
    let content: String =
        (0..40).map(|line| at(50.0, 700.0 - f64::from(line) * 15.0, &format!("line {line} of {}", line * 7919))).collect();
    let mut whole = Vec::new();
    flate2::read::ZlibEncoder::new(content.as_bytes(), flate2::Compression::new(9)).read_to_end(&mut whole).unwrap();
    let mut spoiled = whole.clone();
    spoiled[whole.len() / 2] ^= 0x55;
    let notes = |filter: &str, letters: &str| {
        let mut document = document(&["", &at(50.0, 700.0, "whole")]);
        let page = "<< /Type /Page /Parent 2 0 R /Resources 3 0 R /Contents 20 0 R >>";
        document.objects = vec![stream(&format!("/Filter [/{filter} /FlateDecode]"), letters), page.to_owned()];
        let mut bytes = document.bytes();
        let place = bytes.windows(6).position(|window| window == b"[100 0").unwrap();
        bytes[place..place + 6].copy_from_slice(b"[21  0");
        read(&bytes, PdfMode::Auto).unwrap().notes
    };
    let hex = |bytes: &[u8]| bytes.iter().fold(String::new(), |letters, byte| letters + &format!("{byte:02x}\n")) + ">";
    let damaged = ["page 1 is damaged: only a part of the content could be read"];
    for (filter, letters) in [("ASCII85Decode", base_85 as fn(&[u8]) -> String), ("ASCIIHexDecode", hex)] {
        assert_eq!(notes(filter, &letters(&whole)), [""; 0]);
        assert_eq!(notes(filter, &letters(&spoiled)), damaged);
    }
    let mut stray = base_85(&whole);
    stray.insert(50, 'v');
    assert_eq!(notes("ASCII85Decode", &stray), damaged, "one letter that stands for nothing");
}

/// A table of the structure, with the numbers and the numbers of columns of its cells.
fn table(rows: &[&[(usize, u8)]]) -> String {
    let cell = |(number, width): &(usize, u8)| format!("<< /S /TD /K {number} /A << /O /Table /ColSpan {width} >> >>");
    let row = |cells: &&[(usize, u8)]| format!("<< /S /TR /K [{}] >>", cells.iter().map(cell).collect::<String>());
    format!("<< /S /Table /K [{}] >>", rows.iter().map(row).collect::<String>())
}

/// Draws a text before the content with this number, outside all marks.
fn loose(document: &mut Document, number: usize, text: &str) {
    let mark = format!("/Span << /MCID {number} >>");
    document.pages[0] = document.pages[0].replace(&mark, &(text.to_owned() + &mark));
}

#[test]
fn text_of_style_sheets_belongs_to_the_cell_that_it_touches() {
    let content = [
        (50.0, 700.0, "Item"),
        (120.0, 700.0, "2025"),
        (50.0, 686.0, "Cost"),
        (123.33, 686.0, "60"),
        (50.0, 672.0, "Tax"),
        (123.33, 672.0, "12"),
        (50.0, 658.0, "Rate"),
        (120.0, 658.0, "40"),
    ];
    let rows = (0..4).map(|row| [(2 * row, 1), (2 * row + 1, 1)]).collect::<Vec<_>>();
    let mut document = tagged(&content, &table(&rows.iter().map(|row| &row[..]).collect::<Vec<_>>()));
    loose(&mut document, 3, &at(120.0, 686.0, "-"));
    loose(&mut document, 5, &at(120.0, 672.0, "\\("));
    loose(&mut document, 6, &at(134.45, 672.0, "\\)"));
    document.pages[0] += &(at(134.0, 658.0, "%") + &at(50.0, 600.0, "Behind it"));
    let expected = "| Item | 2025 |\n| --- | --- |\n| Cost | -60 |\n| Tax | (12) |\n| Rate | 40 % |\n\nBehind it";
    assert_eq!(document.text(), expected);
}

const HALVES: [(f64, f64, &str); 12] = [
    (50.0, 700.0, "Region"),
    (134.4, 700.0, "2025"),
    (214.4, 700.0, "2024"),
    (120.0, 686.0, "H1"),
    (160.0, 686.0, "H2"),
    (200.0, 686.0, "H1"),
    (240.0, 686.0, "H2"),
    (50.0, 672.0, "North"),
    (120.0, 672.0, "11"),
    (160.0, 672.0, "12"),
    (200.0, 672.0, "13"),
    (240.0, 672.0, "14"),
];

#[test]
fn headings_over_columns_stand_in_the_first_of_them() {
    let mut content = HALVES.to_vec();
    content.push((190.0, 658.0, "Closed in May"));
    let rows = [&[(0, 1), (1, 2), (2, 2)][..], &[3, 4, 5, 6].map(|n| (n, 1)), &[7, 8, 9, 10, 11].map(|n| (n, 1)), &[(12, 5)]];
    let expected =
        "| Region | 2025 |  | 2024 |  |\n| --- | --- | --- | --- | --- |\n|  | H1 | H2 | H1 | H2 |\n| North | 11 | 12 | 13 | 14 |\n";
    assert_eq!(tagged(&content, &table(&rows)).text(), expected.to_owned() + "| Closed in May |  |  |  |  |");
    // Headings at the left sides of their columns, beside a corner that browsers leave out.
    let content = [
        (70.0, 700.0, "2025"),
        (50.0, 686.0, "No."),
        (70.0, 686.0, "H1"),
        (110.0, 686.0, "H2"),
        (50.0, 672.0, "1"),
        (70.0, 672.0, "11,000"),
        (110.0, 672.0, "12,000"),
    ];
    let rows = [&[(0, 2)][..], &[1, 2, 3].map(|n| (n, 1)), &[4, 5, 6].map(|n| (n, 1))];
    let beside = "|  | 2025 |  |\n| --- | --- | --- |\n| No. | H1 | H2 |\n| 1 | 11,000 | 12,000 |";
    assert_eq!(tagged(&content, &table(&rows)).text(), beside);
    // The same without the structure, and with more rows.
    let mut drawn: String = HALVES.iter().map(|(x, y, text)| at(*x, *y, text)).collect();
    let mut expected = expected.to_owned();
    for n in 1_u8..4 {
        let y = 672.0 - 14.0 * f64::from(n);
        drawn += &[(50.0, "Site"), (120.0, "21"), (160.0, "22"), (200.0, "23"), (240.0, "24")].map(|(x, text)| at(x, y, text)).concat();
        expected += "| Site | 21 | 22 | 23 | 24 |\n";
    }
    assert_eq!(document(&[&drawn]).text() + "\n", expected);
}

#[test]
fn boxes_of_forms_stand_at_their_labels() {
    let labels = [
        (50.0, 700.0, "Agree"),
        (50.0, 680.0, "Spam"),
        (140.0, 660.0, "Paid"),
        (120.0, 640.0, "I agree"),
        (50.0, 620.0, "Mail"),
        (50.0, 600.0, "Sent"),
        (50.0, 580.0, "Lost"),
        (50.0, 560.0, "End"),
    ];
    let mut form = document(&[&labels.map(|(x, y, text)| at(x, y, text)).concat()]);
    form.page = "/Annots [20 0 R 21 0 R 22 0 R 23 0 R 24 0 R 25 0 R 26 0 R 27 0 R]";
    let field = |name: &str, state: &str, place: &str| {
        let states = "/AP << /N << /Yes 28 0 R /Off 29 0 R >> >>";
        format!("<< /Type /Annot /Subtype /Widget /FT /Btn /T ({name}) {state} {states} /Rect [{place}] >>")
    };
    let drawn = |content: &str| stream("/Type /XObject /Subtype /Form /BBox [0 0 10 10] /Resources 3 0 R", content);
    form.objects = vec![
        field("agree", "/AS /Yes", "120 698 130 708"),
        field("spam", "/AS /Off", "120 678 130 688"),
        field("paid", "/AS /Yes", "120 658 130 668"),
        // A box that covers its label.
        field("all", "/AS /Yes", "100 636 300 652"),
        // A box with a mark typed over it.
        field("mail", "/AS /Off", "120 618 130 628"),
        "<< /Subtype /FreeText /Rect [122 618 134 634] /Contents (X) >>".to_owned(),
        // Boxes without a state, in groups with a value.
        field("sent", "/V /Yes", "120 598 130 608"),
        field("lost", "/V /Other", "120 578 130 588"),
        drawn(&at(2.0, 2.0, "4")),
        drawn("BT /U 10 Tf 2 2 Td <0004> Tj ET"),
    ];
    let text = form.text();
    let lines: Vec<String> = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let expected = ["Agree ☒", "Spam ☐", "☒ Paid", "☒ I agree", "Mail X", "Sent ☒", "Lost ☐", "End"];
    assert_eq!(lines[..8], expected, "{text}");
    assert!(text.ends_with("Form fields:\nagree: checked\npaid: checked\nall: checked\nsent: checked"), "{text}");
    // The signs that are replaced do not count as unknown.
    form.page = "/Annots [20 0 R 21 0 R]";
    assert_eq!(form.read(PdfMode::Auto).unwrap().notes, [""; 0]);
}
