//! Tests of the layout: cells, columns, raised text and struck text.

use super::{at, document, stream};
use std::fmt::Write as _;

/// Draws rows cell by cell. Lines of a cell are divided by `/`.
fn cells(xs: &[f64], top: f64, leading: f64, rows: &[&[&str]]) -> String {
    let mut drawn = String::new();
    let mut y = top;
    for row in rows {
        let mut lines = 1;
        for (x, cell) in xs.iter().zip(*row) {
            for (line, text) in (0_u8..).zip(cell.split('/')) {
                drawn += &at(*x, y - leading * f64::from(line), text);
                lines = lines.max(line + 1);
            }
        }
        y -= leading * f64::from(lines) + 4.0;
    }
    drawn
}

/// Draws a text with a font whose letters have the width 500, and whose spaces are wide.
fn wide(content: &str) -> String {
    let widths = format!("400 {}", "500 ".repeat(94));
    let font = format!("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /FirstChar 32 /LastChar 126 /Widths [{widths}] >>");
    let form = stream("/Type /XObject /Subtype /Form /BBox [0 0 600 800] /Resources << /Font << /F 21 0 R >> >>", content);
    let mut document = document(&["/Y Do"]);
    document.objects = vec![form, font];
    document.text()
}

#[test]
fn words_of_one_text_are_one_cell() {
    for name in ["Item", "Week", "Phase"] {
        let header = at(60.0, 700.0, name) + &at(150.0, 700.0, "Qty") + &at(210.0, 700.0, "Price");
        let rows = (1_u8..6).fold(header, |rows, n| {
            let y = 700.0 - 14.0 * f64::from(n);
            rows + &at(60.0, y, &format!("{name} {n}")) + &at(160.0, y, &n.to_string()) + &at(215.0, y, &format!("{n}.25"))
        });
        let text = wide(&rows);
        assert!(text.starts_with(&format!("| {name} | Qty | Price |\n")), "{text}");
        assert!(text.ends_with(&format!("| {name} 5 | 5 | 5.25 |")), "{text}");
    }
}

#[test]
fn the_last_row_keeps_the_rest_of_its_cells() {
    let xs = [60.0, 200.0, 250.0];
    let rows: [&[&str]; 4] =
        [&["Item", "Qty", "Price"], &["Bolt", "3", "1.00"], &["Nut", "5", "0.50"], &["Washer of steel/with a ring/of rubber", "7", "2.25"]];
    let text = document(&[&(cells(&xs, 700.0, 12.0, &rows) + &at(60.0, 560.0, "After"))]).text();
    assert!(text.contains("| Washer of steel with a ring of rubber | 7 | 2.25 |\n\nAfter"), "{text}");
}

#[test]
fn cells_of_several_lines_that_were_drawn_at_once_are_rows() {
    let xs = [60.0, 160.0, 240.0, 290.0];
    let rows: [&[&str]; 5] = [
        &["Text", "Kind", "Share", "Net"],
        &["valve tube/door and a/long name", "oak/tube kit", "81 %", "67.12"],
        &["", "red/blue/small", "10 %", "89.37"],
        &["large glass/hinge", "small", "", "52.80"],
        &["pine door/frame", "pump/of oak/with/steel", "15 %", "56.58"],
    ];
    let text = document(&[&cells(&xs, 700.0, 12.0, &rows)]).text();
    assert!(text.contains("| valve tube door and a long name | oak tube kit | 81 % | 67.12 |"), "{text}");
    assert!(text.contains("|  | red blue small | 10 % | 89.37 |") && text.contains("| large glass hinge | small |  | 52.80 |"), "{text}");
    assert!(text.ends_with("| pine door frame | pump of oak with steel | 15 % | 56.58 |"), "{text}");
}

#[test]
fn cells_at_the_foot_of_their_row_belong_to_it() {
    let (xs, mut drawn) = ([60.0, 200.0, 260.0], String::new());
    drawn += &(at(60.0, 700.0, "Item") + &at(200.0, 712.0, "Unit") + &at(200.0, 700.0, "price") + &at(260.0, 700.0, "Qty"));
    for (n, name) in (0_u8..).zip(["Bolt of steel with a/ring", "Nut", "Washer with a/long name", "Pin"]) {
        let foot = 668.0 - 32.0 * f64::from(n);
        let top = foot + 12.0 * name.matches('/').count() as f64;
        for (line, text) in (0_u8..).zip(name.split('/')) {
            drawn += &at(xs[0], top - 12.0 * f64::from(line), text);
        }
        drawn += &(at(xs[1], foot, &format!("{n}.25")) + &at(xs[2], foot, &format!("{n}7")));
    }
    let text = document(&[&drawn]).text();
    assert!(text.starts_with("| Item | Unit price | Qty |\n"), "{text}");
    assert!(
        text.contains("| Bolt of steel with a ring | 0.25 | 07 |") && text.contains("| Washer with a long name | 2.25 | 27 |"),
        "{text}"
    );
}

#[test]
fn rising_numbers_below_a_header_are_no_page_numbers() {
    let xs = [60.0, 160.0, 240.0];
    let rows: [&[&str]; 5] = [
        &["Phase", "Lead", "Budget"],
        &["Phase 1", "Ann", "100"],
        &["Phase 2", "Bob", "200"],
        &["Phase 3", "Cid", "300"],
        &["Phase 4", "Di", "400"],
    ];
    assert!(document(&[&cells(&xs, 700.0, 12.0, &rows)]).text().contains("| Phase 4 | Di | 400 |"));
}

#[test]
fn a_heading_above_a_table_is_no_row() {
    let xs = [60.0, 88.0, 200.0];
    let rows: [&[&str]; 4] = [&["No", "Name", "Amount"], &["1", "Ann", "1.50"], &["2", "Bob", "3.00"], &["3", "Cid", "4.50"]];
    let text = document(&[&(at(60.0, 724.0, "Long table") + &cells(&xs, 704.0, 12.0, &rows))]).text();
    assert!(text.starts_with("Long table\n\n| No | Name | Amount |\n"), "{text}");
}

#[test]
fn codes_and_dates_divided_in_a_cell_have_no_space() {
    let xs = [60.0, 120.0, 170.0];
    let rows: [&[&str]; 4] = [
        &["Date", "Code", "Amount"],
        &["2024-/01-11", "AB-/1211", "11.50"],
        &["2024-/01-12", "AB-/1212", "12.50"],
        &["2024-/01-13", "AB-/1213", "13.50"],
    ];
    let text = document(&[&cells(&xs, 700.0, 12.0, &rows)]).text();
    assert!(text.contains("| 2024-01-12 | AB-1212 | 12.50 |"), "{text}");
    let text = document(&[&(at(60.0, 700.0, "See https://example.com/long-") + &at(60.0, 688.0, "path/page for more."))]).text();
    assert_eq!(text, "See https://example.com/long-path/page for more.");
}

#[test]
fn raised_and_lowered_digits_stay_in_their_sentence() {
    for (size, up, down) in [(5.0, 4.0, -2.0), (8.0, 3.3, -5.0), (9.7, 4.8, -4.8)] {
        let shifted = |rise: f64, text: &str| format!("/F {size} Tf {rise} Ts ({text}) Tj 0 Ts /F 10 Tf ");
        let line = format!(
            "BT /F 10 Tf 60 700 Td (An area of 25 m) Tj {}( and H) Tj {}(O, at 10) Tj {}( mol.) Tj ET\n",
            shifted(up, "2"),
            shifted(down, "2"),
            shifted(up, "-6")
        );
        let text = document(&[&(line + &at(60.0, 686.0, "The next line."))]).text();
        assert_eq!(text, "An area of 25 m² and H₂O, at 10⁻⁶ mol.\nThe next line.", "{size}");
    }
}

#[test]
fn lines_beside_a_large_heading_stay_apart() {
    let left = [
        "over the lazy dog while considering",
        "extraordinarily complicated cases",
        "of international law and order",
        "telecommunications of the world",
    ];
    let lines = (0_u8..).zip(left).fold(String::new(), |lines, (n, line)| lines + &at(60.0, 700.0 - 11.6 * f64::from(n), line));
    let right = (0_u8..3).fold("BT /F 15 Tf 310 694 Td (A heading) Tj ET\n".to_owned(), |lines, n| {
        lines + &at(310.0, 676.0 - 11.6 * f64::from(n), "and the lines of its own text below")
    });
    let text = document(&[&(lines + &right)]).text();
    assert!(text.starts_with(&left.join("\n")), "{text}");
}

#[test]
fn a_sidebar_of_short_lines_is_read_apart() {
    let side = ["Skills", "Python", "SQL", "Go", "Languages", "German", "English"];
    let main = [
        "Experience",
        "Engineer, ACME, from 2019 to 2024",
        "Built the data platform and led a team of five people",
        "over several years.",
        "Developer, Foo Ltd, from 2015 to 2019",
        "Wrote the billing system and kept it running.",
    ];
    let mut drawn = String::new();
    for (lines, x, leading) in [(&side[..], 60.0, 12.0), (&main[..], 200.0, 13.0)] {
        for (n, line) in (0_u8..).zip(lines) {
            drawn += &at(x, 700.0 - leading * f64::from(n), line);
        }
    }
    let words = document(&[&drawn]).text().split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(words, [side.join(" "), main.join(" ")].join(" "));
}

#[test]
fn a_table_in_one_of_two_columns_of_text_stays_in_it() {
    let prose = |x: f64, y: f64, lines: u8| {
        (0..lines).fold(String::new(), |drawn, n| drawn + &at(x, y - 12.0 * f64::from(n), "words of a column of text that go on and on"))
    };
    let rows: [&[&str]; 4] = [&["Model", "C1", "C2"], &["Base", "1.0", "4.5"], &["Large", "2.0", "5.5"], &["Tiny", "3.0", "6.5"]];
    let left = prose(60.0, 700.0, 5) + &cells(&[80.0, 140.0, 180.0], 630.0, 11.0, &rows) + &prose(60.0, 560.0, 4);
    let text = document(&[&(left + &prose(330.0, 700.0, 15))]).text();
    assert!(text.contains("| Model | C1 | C2 |\n| --- | --- | --- |\n| Base | 1.0 | 4.5 |\n"), "{text}");
    assert_eq!(text.matches("words of a column of text that go on and on").count(), 5 + 4 + 15, "{text}");
}

#[test]
fn struck_words_are_marked_and_underlined_words_are_not() {
    let line = at(60.0, 700.0, "The tenant does not pay.");
    // In Helvetica, `does not` begins at 110.6 points.
    let text = document(&[&(line.clone() + "111 703 36.5 0.6 re f")]).text();
    assert_eq!(text, "The tenant ~~does not~~ pay.");
    assert_eq!(document(&[&(line.clone() + "111 698.5 36.5 0.6 re f")]).text(), "The tenant does not pay.");
    assert_eq!(document(&[&(line.clone() + "20 703 560 0.6 re f")]).text(), "The tenant does not pay.");
    let mut marked = document(&[&line]);
    marked.page = "/Annots [<< /Type /Annot /Subtype /StrikeOut /Rect [110 698 149 709] /QuadPoints [110 709 149 709 110 698 149 698] >>]";
    assert_eq!(marked.text(), "The tenant ~~does not~~ pay.");
}

#[test]
fn a_table_with_lines_is_read_on_pages_with_other_directions() {
    let mut drawn = "BT /A 10 Tf 300 600 Td <0102> Tj ET\n".to_owned();
    for n in 0_u8..4 {
        let (x, y) = (60.0 + 60.0 * f64::from(n), 715.0 - 20.0 * f64::from(n));
        writeln!(drawn, "60 {y} m 240 {y} l S {x} 715 m {x} 655 l S").unwrap();
        if n < 3 {
            for (column, name) in [(0_u8, "a"), (1, "b"), (2, "c")] {
                drawn += &at(65.0 + 60.0 * f64::from(column), y - 14.0, &format!("v{name}{n}"));
            }
        }
    }
    let text = document(&[&drawn]).text();
    assert!(text.starts_with("| va0 | vb0 | vc0 |\n"), "{text}");
}

#[test]
fn many_narrow_columns_of_numbers_are_one_table() {
    let header = (0_u8..20).fold(at(40.0, 700.0, "Name"), |row, n| row + &at(80.0 + 25.0 * f64::from(n), 700.0, &format!("C{n}")));
    let rows = (0_u8..10).fold(header, |rows, m| {
        let y = 682.0 - 18.0 * f64::from(m);
        (0_u8..20).fold(rows + &at(40.0, y, &format!("row{m}")), |row, n| {
            row + &at(80.0 + 25.0 * f64::from(n), y, &(u32::from(m) * u32::from(n) % 97).to_string())
        })
    });
    let text = document(&[&rows]).text();
    assert_eq!(text.lines().filter(|line| line.matches('|').count() == 22).count(), 12, "{text}");
}

#[test]
fn a_large_first_letter_begins_its_paragraph() {
    let lines = ["nce upon a time there was", "a large letter beside the", "first lines of a paragraph."];
    let cap = "BT /F 32 Tf 60 676 Td (O) Tj ET\n".to_owned();
    let drawn = (0_u8..).zip(lines).fold(cap, |drawn, (n, line)| drawn + &at(87.0, 700.0 - 12.0 * f64::from(n), line));
    assert_eq!(document(&[&drawn]).text().split_whitespace().collect::<Vec<_>>().join(" "), format!("O{}", lines.join(" ")));
}

#[test]
fn tables_drawn_column_by_column_keep_their_rows() {
    let columns = [["Item", "Bolt", "Nut", "Washer", "Screw"], ["Qty", "3", "5", "7", "9"], ["Price", "1.00", "0.50", "2.25", "4.75"]];
    let xs = [60.0, 200.0, 260.0];
    let header = xs.iter().zip(columns).fold(String::new(), |header, (x, column)| header + &at(*x, 700.0, column[0]));
    let mut drawn = header;
    for (x, column) in xs.iter().zip(columns) {
        for (n, cell) in (1_u8..).zip(&column[1..]) {
            drawn += &at(*x, 700.0 - 12.0 * f64::from(n), cell);
        }
    }
    let total = at(60.0, 640.0, "Total") + &at(200.0, 640.0, "24") + &at(260.0, 640.0, "8.50");
    let rules = (0_u8..6).fold(String::new(), |rules, n| rules + &format!("60 {0} m 300 {0} l S\n", 697 - 12 * u16::from(n)));
    for end in ["", &total, &(total.clone() + &rules)] {
        let text = document(&[&(drawn.clone() + end)]).text();
        assert!(text.contains("| Bolt | 3 | 1.00 |\n") && text.contains("| Screw | 9 | 4.75 |"), "{text}");
        assert!(end.is_empty() || text.contains("|\n| Total | 24 | 8.50 |"), "{text}");
    }
}

#[test]
fn digits_of_full_size_over_other_text_are_no_index() {
    for y in [696.8, 703.2] {
        let drawn = at(60.0, 700.0, "Amount") + &at(110.0, 700.0, &".".repeat(60)) + &at(150.0, y, "1500");
        let text = document(&[&(drawn + &at(60.0, 660.0, "Another line of text here"))]).text();
        assert!(text.contains("1500"), "{text}");
    }
}

#[test]
fn a_struck_word_broken_at_a_line_end_is_whole() {
    let lines = at(60.0, 700.0, "The tenant must make a full pay-") + &at(60.0, 688.0, "ment of rent.");
    // In Helvetica, `full pay-` begins at 170.6 points.
    let text = document(&[&(lines.clone() + "171 703 35 0.6 re f 60 691 24 0.6 re f")]).text();
    assert_eq!(text, "The tenant must make a ~~full payment~~ of rent.");
    let text = document(&[&(lines + "60 703 146 0.6 re f 60 691 57 0.6 re f\n" + &at(60.0, 640.0, "Next"))]).text();
    assert_eq!(text, "~~The tenant must make a full payment of rent.~~\n\nNext");
}

#[test]
fn each_line_of_struck_text_is_marked() {
    let lines = at(60.0, 700.0, "The tenant pays") + &at(60.0, 688.0, "the whole rent") + &at(60.0, 676.0, "on Monday.");
    let text = document(&[&(lines + "60 703 73 0.6 re f 60 691 65 0.6 re f 60 679 14 0.6 re f")]).text();
    assert_eq!(text, "~~The tenant pays~~\n~~the whole rent~~\n~~on~~ Monday.");
}

#[test]
fn struck_areas_beyond_the_maximum_are_ignored() {
    let mark = |areas: usize| {
        let mut marked = document(&[&at(60.0, 700.0, "Word")]);
        marked.page = "/Annots [20 0 R]";
        let quads = "0 1 1 1 0 0 1 0 ".repeat(areas) + "60 709 90 709 60 698 90 698";
        marked.objects = vec![format!("<< /Type /Annot /Subtype /StrikeOut /Rect [0 0 90 709] /QuadPoints [{quads}] >>")];
        marked.text()
    };
    assert_eq!((mark(999), mark(1000)), ("~~Word~~".to_owned(), "Word".to_owned()));
}

#[test]
fn amounts_in_a_cell_keep_the_sign_behind_them() {
    let rules =
        "60 720 m 300 720 l S 60 700 m 300 700 l S 60 660 m 300 660 l S 60 720 m 60 660 l S 180 720 m 180 660 l S 300 720 m 300 660 l S\n";
    let header = at(65.0, 706.0, "Account") + &at(190.0, 706.0, "Amount");
    let row = at(65.0, 686.0, "Rent") + &at(65.0, 674.0, "and heat") + &at(190.0, 686.0, "100,00-") + &at(190.0, 674.0, "25,00-");
    let text = document(&[&(rules.to_owned() + &header + &row)]).text();
    assert!(text.contains("100,00- 25,00-"), "{text}");
}

#[test]
fn lines_behind_a_web_address_are_not_part_of_it() {
    let lines = [(700.0, "www.example.com/item-"), (660.0, "total due: 100 EUR"), (648.0, "See www.example.com/x-"), (636.0, "Invoice 12")];
    let text = document(&[&lines.iter().fold(String::new(), |drawn, (y, line)| drawn + &at(60.0, *y, line))]).text();
    assert_eq!(text, "www.example.com/item-\n\ntotal due: 100 EUR\nSee www.example.com/x-\nInvoice 12");
}

#[test]
fn right_to_left_tables_begin_at_the_right() {
    // meem, lam-alef and seen, from left to right.
    const WORD: &str = "/A 10 Tf <040501> Tj";
    let rows = [
        ["سلام", "سلام", "سلام", "سلام", "سلام"],
        ["1.2.2026", "سلام", "900.00-", "", "100.00"],
        ["3.2.2026", "سلام", "", "2,500.00", "2,600.00"],
        ["5.2.2026", "سلام", "50.00", "", "2,550.00"],
        ["9.2.2026", "سلام", "", "20.00", "2,570.00"],
    ];
    let page = |x: [f64; 5]| {
        let cells = rows.iter().enumerate().flat_map(|(line, row)| row.iter().enumerate().map(move |(column, cell)| (line, column, cell)));
        let cell = |(line, column, cell): (usize, usize, &&str)| {
            let shown = if *cell == "سلام" { WORD.to_owned() } else { format!("/F 10 Tf ({cell}) Tj") };
            format!("BT {} {} Td {shown} ET\n", x[column], 700.0 - 16.0 * line as f64)
        };
        cells.filter(|(.., cell)| !cell.is_empty()).map(cell).collect::<String>()
    };
    let lines: String = (0..6).map(|line| format!("45 {0} m 530 {0} l S\n", 712 - 16 * line)).collect::<String>()
        + &[45, 145, 245, 345, 445, 530].map(|x| format!("{x} 712 m {x} 632 l S\n")).concat();
    let expected = "| سلام | سلام | سلام | سلام | سلام |\n| --- | --- | --- | --- | --- |\n\
        | 1.2.2026 | سلام | -900.00 |  | 100.00 |\n| 3.2.2026 | سلام |  | 2,500.00 | 2,600.00 |\n\
        | 5.2.2026 | سلام | 50.00 |  | 2,550.00 |\n| 9.2.2026 | سلام |  | 20.00 | 2,570.00 |";
    let (from_right, from_left) = ([450.0, 350.0, 250.0, 150.0, 50.0], [50.0, 150.0, 250.0, 350.0, 450.0]);
    for lines in ["", &lines] {
        assert_eq!(document(&[&(page(from_right) + lines)]).text(), expected);
        // The same words in a table that is read from left to right.
        assert_eq!(document(&[&(page(from_left) + lines)]).text(), expected.replace("-900.00", "900.00-"));
    }
}

#[test]
fn a_table_drawn_column_by_column_stays_one() {
    let rows = [
        ["Date", "Details", "VAT", "Quantity", "Debit", "2024"],
        ["17.08.2024", "Insurance Berlin", "89,196.32", "241.47", "390.86", "4.08"],
        ["28.02.2024", "TESCO Transfer Gas Ltd", "67,793.20", "", "495.29", ""],
        ["26.04.2024", "Direct", "6.61", "48,662.85", "-775.93", "874.50"],
        ["24.07.2024", "Loan 3312 Electricity", "59,746.98", "", "353.31", "789.13"],
    ];
    let cells = (0..6).flat_map(|column| rows.iter().enumerate().map(move |(line, row)| (line, column, row[column])));
    let page: String = cells
        .filter(|(.., cell)| !cell.is_empty())
        .map(|(line, column, cell)| at([50.0, 120.0, 260.0, 330.0, 400.0, 470.0][column], 700.0 - 16.0 * line as f64, cell))
        .collect();
    let text = document(&[&page]).text();
    assert!(text.contains("| 28.02.2024 | TESCO Transfer Gas Ltd | 67,793.20 |  | 495.29 |  |") && text.lines().count() == 6, "{text}");
}
