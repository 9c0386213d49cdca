//! Tests of the places that tell columns, fractions and headings.

use super::{Document, at, document, stream, tagged};

/// The text of a tagged table. Each row has the places and texts of its cells.
fn table(rows: &[(f64, &[(f64, &str)])]) -> String {
    let content: Vec<(f64, f64, &str)> = rows.iter().flat_map(|(y, cells)| cells.iter().map(|(x, text)| (*x, *y, *text))).collect();
    let mut next = 0..;
    let row = |(_, cells): &(f64, &[(f64, &str)])| {
        let cells: String = cells.iter().zip(next.by_ref()).map(|(_, number)| format!("<< /S /TD /K {number} >>")).collect();
        format!("<< /S /TR /K [{cells}] >>")
    };
    let rows: String = rows.iter().map(row).collect();
    tagged(&content, &format!("<< /S /Table /K [{rows}] >>")).text()
}

/// A text that runs upwards.
fn upwards(x: f64, y: f64, text: &str) -> String {
    format!("BT /F 10 Tf 0 1 -1 0 {x} {y} Tm ({text}) Tj ET\n")
}

#[test]
fn numbers_at_the_right_side_belong_to_the_heading_at_the_left_side() {
    let rows: [(f64, &[(f64, &str)]); 4] = [
        (700.0, &[(50.0, "Name"), (150.0, "Qty"), (250.0, "Price"), (350.0, "Total")]),
        (686.0, &[(50.0, "spring"), (228.88, "55"), (423.32, "201")]),
        (672.0, &[(50.0, "steel"), (323.32, "354")]),
        (658.0, &[(50.0, "panel"), (223.32, "258"), (423.32, "333")]),
    ];
    let expected = "| Name | Qty | Price | Total |\n| --- | --- | --- | --- |\n| spring | 55 |  | 201 |\n| steel |  | 354 |  |\n";
    assert_eq!(table(&rows), format!("{expected}| panel | 258 |  | 333 |"));
}

#[test]
fn ticks_at_the_left_side_belong_to_the_heading_in_the_middle() {
    let rows: [(f64, &[(f64, &str)]); 4] = [
        (700.0, &[(150.0, "Plan"), (300.0, "A"), (400.0, "B"), (500.0, "C")]),
        (686.0, &[(50.0, "One"), (250.0, "X"), (450.0, "X")]),
        (672.0, &[(50.0, "Two"), (350.0, "X")]),
        (658.0, &[(50.0, "Three"), (450.0, "X")]),
    ];
    let expected = "| Plan | A | B | C |\n| --- | --- | --- | --- |\n| One | X |  | X |\n| Two |  | X |  |\n| Three |  |  | X |";
    assert_eq!(table(&rows), expected);
}

#[test]
fn ticks_below_headings_are_a_table() {
    let header = at(60.0, 700.0, "Feature") + &at(160.0, 700.0, "Alpha") + &at(230.0, 700.0, "Beta") + &at(300.0, 700.0, "Gamma");
    let row = |y: f64, name: &str, ticks: &[f64]| ticks.iter().fold(at(60.0, y, name), |row, x| row + &at(*x, y, "X"));
    let rows = row(686.0, "Fast", &[168.0, 308.0]) + &row(672.0, "Cheap", &[238.0]) + &row(658.0, "Good", &[308.0]);
    let expected =
        "| Feature | Alpha | Beta | Gamma |\n| --- | --- | --- | --- |\n| Fast | X |  | X |\n| Cheap |  | X |  |\n| Good |  |  | X |";
    assert_eq!(document(&[&(header + &rows)]).text(), expected);
    // Letters without headings are no table.
    let letters = row(700.0, "X", &[160.0, 230.0]) + &row(686.0, "X", &[160.0, 300.0]) + &row(672.0, "X", &[230.0, 300.0]);
    assert!(!document(&[&letters]).text().contains('|'));
}

#[test]
fn text_in_columns_has_a_tab_for_each_empty_column() {
    let line = |y: f64, cells: &[(f64, &str)]| cells.iter().fold(String::new(), |line, (x, text)| line + &at(*x, y, text));
    let address = line(700.0, &[(60.0, "Bill to:"), (200.0, "Ship to:")])
        + &line(686.0, &[(60.0, "Ann Lee"), (200.0, "Bob Ray")])
        + &line(672.0, &[(60.0, "London"), (200.0, "Leeds")])
        + &line(658.0, &[(200.0, "UK")]);
    assert_eq!(document(&[&address]).text(), "Bill to:\tShip to:\nAnn Lee\tBob Ray\nLondon\tLeeds\n\tUK");
    let list = line(700.0, &[(60.0, "Name"), (150.0, "City"), (240.0, "Zip")])
        + &line(686.0, &[(60.0, "Al"), (150.0, "Rome"), (240.0, "00100")])
        + &at(60.0, 672.0, "Maximilian von Habsburg-Lothringen of Austria")
        + &line(658.0, &[(60.0, "Cy"), (240.0, "75001")]);
    assert!(document(&[&list]).text().ends_with("\nCy\t\t75001"), "{}", document(&[&list]).text());
    // Clauses behind their numbers are no columns.
    let clause = |y: f64, number: &str, first: &str, rest: &str| line(y, &[(60.0, number), (100.0, first)]) + &at(100.0, y - 12.0, rest);
    let clauses = clause(700.0, "1.1", "The tenant shall pay", "the whole rent and")
        + &clause(676.0, "1.2", "The owner shall keep", "the house in order.");
    assert!(!document(&[&clauses]).text().contains("\n\t"), "{}", document(&[&clauses]).text());
    // An indented line is no column.
    let indented = line(700.0, &[(60.0, "Ann Lee"), (200.0, "Bob Ray")])
        + &line(686.0, &[(60.0, "London"), (200.0, "Leeds")])
        + &at(215.0, 672.0, "The end");
    assert!(document(&[&indented]).text().ends_with("\nThe end"), "{}", document(&[&indented]).text());
}

#[test]
fn items_behind_bullets_in_columns_are_no_table() {
    let row = |y: f64, words: [&str; 3]| {
        let items = words.iter().zip([60.0, 200.0, 340.0]);
        items.fold(String::new(), |row, (word, x)| row + &at(x, y, "\\225") + &at(x + 20.0, y, word))
    };
    let drawn =
        row(700.0, ["apples", "pears", "plums"]) + &row(686.0, ["lemons", "limes", "grapes"]) + &row(672.0, ["nuts", "figs", "dates"]);
    assert!(!document(&[&drawn]).text().contains('|'), "{}", document(&[&drawn]).text());
}

#[test]
fn stacked_fractions_keep_their_denominator() {
    let stacked = |x: f64, above: &str, below: &str, width: f64| {
        at(x, 705.0, above) + &at(x + width / 2.0 - 2.78, 693.0, below) + &format!("{x} 702.3 {width} 0.4 re f\n")
    };
    let take = at(60.0, 700.0, "Take") + &stacked(84.0, "1", "2", 5.56) + &at(92.0, 700.0, "tablet daily.");
    assert_eq!(document(&[&take]).text(), "Take 1/2 tablet daily.");
    let ratio = at(60.0, 700.0, "Ratio") + &stacked(88.0, "a + b", "2", 22.52) + &at(114.0, 700.0, "= 7");
    assert_eq!(document(&[&ratio]).text(), "Ratio (a + b)/2 = 7");
    // A sum has no words beside its line.
    let sum =
        at(60.0, 705.0, "1") + &at(60.0, 693.0, "2") + "60 702.3 5.56 0.4 re f\n" + &at(80.0, 705.0, "net") + &at(80.0, 693.0, "gross");
    assert!(!document(&[&sum]).text().contains('/'));
    // Neither is a heading over others a numerator, in a grid.
    let grid = "60 690 m 60 720 l 100 720 l 100 690 l S 84 690 m 84 720 l S 100 702.5 m 84 702.5 l S\n";
    let heads = at(65.0, 700.0, "No") + &at(89.0, 705.0, "A") + &at(89.0, 693.0, "B");
    assert!(!document(&[&(grid.to_owned() + &heads)]).text().contains('/'));
}

#[test]
fn turned_headings_are_the_header_of_their_columns() {
    let heads = upwards(168.0, 712.0, "Alpha") + &upwards(218.0, 712.0, "Net sum") + &upwards(268.0, 712.0, "Gamma");
    let rows = [
        (700.0, "Row one", vec![(162.0, "1"), (212.0, "2"), (262.0, "3")]),
        (686.0, "Row two", vec![(162.0, "4"), (262.0, "6")]),
        (672.0, "Row three", vec![(212.0, "8"), (262.0, "9")]),
    ];
    let drawn = rows.iter().fold(heads.clone(), |drawn, (y, name, cells)| {
        cells.iter().fold(drawn + &at(60.0, *y, name), |drawn, (x, text)| drawn + &at(*x, *y, text))
    });
    let expected = "|  | Alpha | Net sum | Gamma |\n| --- | --- | --- | --- |\n| Row one | 1 | 2 | 3 |\n| Row two | 4 |  | 6 |\n| Row three |  | 8 | 9 |";
    assert_eq!(document(&[&drawn]).text(), expected);
    // Sentences below have no columns.
    let prose = heads
        + &at(60.0, 700.0, "The lines of the figure show how much of the total is left.")
        + &at(60.0, 688.0, "The rest of the total is shown in the figure on the next page.");
    assert!(document(&[&prose]).text().starts_with("The lines of the figure show"));
}

/// A page with a field whose appearance draws these lines.
fn field(entries: &str, lines: &[&str]) -> Document {
    let drawn: String = lines.iter().map(|line| format!("({line}) Tj 0 -12 Td ")).collect();
    let form = stream(
        "/Type /XObject /Subtype /Form /BBox [0 0 100 60] /Resources << /Font << /F 4 0 R >> >>",
        &format!("BT /F 10 Tf 2 40 Td {drawn} ET"),
    );
    let widget = format!("<< /Type /Annot /Subtype /Widget {entries} /Rect [60 600 160 660] /AP << /N 21 0 R >> >>");
    Document { page: "/Annots [20 0 R]", objects: vec![widget, form], ..document(&[&at(60.0, 700.0, "A form with fields")]) }
}

#[test]
fn the_choice_in_a_list_of_all_choices_is_named() {
    let list = field("/FT /Ch /T (colour) /V (blue)", &["red", "green", "blue"]).text();
    assert!(list.ends_with("Form fields:\ncolour: blue"), "{list}");
    assert!(!field("/FT /Ch /Ff 131072 /T (colour) /V (blue)", &["blue"]).text().contains("Form fields"));
}

#[test]
fn values_that_are_newer_than_their_drawings_replace_them() {
    let quantity = || field("/FT /Tx /T (qty) /V (42)", &["17"]);
    assert!(quantity().text().contains("17"));
    let mut renewed = quantity();
    renewed.objects.push("<< /NeedAppearances true >>".to_owned());
    let text = renewed.text();
    assert!(text.contains("42") && !text.contains("17") && !text.contains("Form fields"), "{text}");
}

#[test]
fn radio_buttons_have_the_value_that_their_number_stands_for() {
    let gender = field("/FT /Btn /Ff 32768 /T (gender) /V /1 /AS /1 /Opt [(female) (male)]", &[]).text();
    assert!(gender.ends_with("Form fields:\ngender: male"), "{gender}");
}

#[test]
fn a_space_between_thousands_is_no_border_of_columns() {
    // Amounts end at one side, and headings begin where a group of digits begins.
    let rows: [&[(f64, &str)]; 8] = [
        &[(50.0, "Date"), (110.0, "Details"), (277.9, "Debit"), (323.8, "Gross"), (376.8, "Net"), (427.7, "Price")],
        &[(50.0, "16.08"), (110.0, "Amazon"), (292.3, "5,06")],
        &[(50.0, "16.09"), (110.0, "Co."), (267.3, "87"), (281.2, "721,15"), (332.9, "8,63"), (380.7, "(8,41)"), (441.9, "7,06")],
        &[(50.0, "11.09"), (110.0, "Berlin"), (321.8, "247,41"), (362.4, "41"), (376.3, "786,43"), (430.8, "916,37")],
        &[(50.0, "11.07"), (110.0, "Loan"), (292.3, "4,90"), (332.9, "4,81")],
        &[
            (50.0, "19.12"),
            (110.0, "Fee"),
            (281.2, "538,51"),
            (332.9, "2,65"),
            (362.4, "16"),
            (376.3, "612,41"),
            (416.9, "27"),
            (430.8, "039,70"),
        ],
        &[(50.0, "26.11"), (110.0, "Amazon"), (321.8, "448,84"), (387.4, "1,22")],
        &[(50.0, "11.07"), (110.0, "TESCO"), (430.8, "823,40")],
    ];
    let row = |(y, cells): (u8, &&[(f64, &str)])| {
        cells.iter().fold(String::new(), |row, (x, text)| row + &at(*x, 700.0 - 12.0 * f64::from(y), text))
    };
    let text = document(&[&(0..).zip(&rows).map(row).collect::<String>()]).text();
    assert!(text.contains("| Berlin |  | 247,41 | 41 786,43 | 916,37 |"), "{text}");
    assert!(text.contains("| Fee | 538,51 | 2,65 | 16 612,41 | 27 039,70 |"), "{text}");
}

#[test]
fn different_tables_one_below_the_other_have_their_own_columns() {
    let row = |y: f64, cells: &[(f64, &str)]| cells.iter().fold(String::new(), |row, (x, text)| row + &at(*x, y, text));
    let drawn = row(700.0, &[(50.0, "Name"), (100.0, "Q1"), (125.0, "Q2"), (150.0, "Q3"), (175.0, "Sum")])
        + &row(686.0, &[(50.0, "Alpha"), (107.0, "1"), (157.0, "2"), (186.0, "3")])
        + &row(672.0, &[(50.0, "Beta"), (132.0, "2"), (186.0, "2")])
        + &row(658.0, &[(50.0, "Gamma"), (107.0, "3"), (132.0, "4"), (186.0, "7")])
        + &at(50.0, 634.0, "Plans")
        + &row(614.0, &[(50.0, "Feature"), (100.0, "Free"), (136.0, "Pro")])
        + &row(600.0, &[(50.0, "Export"), (115.0, "x"), (146.0, "x")])
        + &row(586.0, &[(50.0, "Audit"), (146.0, "x")])
        + &row(572.0, &[(50.0, "Trial"), (115.0, "x")]);
    let text = document(&[&drawn]).text();
    assert!(text.contains("| Beta |  | 2 |  | 2 |"), "{text}");
    assert!(
        text.ends_with("| Feature | Free | Pro |\n| --- | --- | --- |\n| Export | x | x |\n| Audit |  | x |\n| Trial | x |  |"),
        "{text}"
    );
}

#[test]
fn drawn_passwords_are_covered() {
    let text = field("/FT /Tx /Ff 8192 /T (key) /V (sesame)", &["sesame"]).text();
    assert!(text.contains("••••") && !text.contains("sesame"), "{text}");
}

#[test]
fn a_whole_last_row_belongs_to_its_table() {
    let words = |count: usize| vec!["aaa"; count].join(" ");
    let row = |y: f64, name: &str, text: &str, x: f64, price: &str| at(60.0, y, name) + &at(100.0, y, text) + &at(x, y, price);
    let rows = row(700.0, "Name", "Text", 345.0, "Price")
        + &row(686.0, "bolt", &words(9), 348.9, "12.50")
        + &row(672.0, "nut", &words(5), 348.9, "10.50")
        + &row(658.0, "pin", &words(12), 335.0, "1,112.50");
    let text = document(&[&(rows + &at(60.0, 630.0, "All of the prices are without tax."))]).text();
    assert!(text.contains(&format!("| pin | {} | 1,112.50 |\n\nAll of", words(12))), "{text}");
    let row = |y: f64, cells: &[(f64, &str)]| cells.iter().fold(String::new(), |line, (x, text)| line + &at(*x, y, text));
    let rows = row(700.0, &[(60.0, "Name"), (150.0, "Phone"), (250.0, "E-mail")])
        + &row(686.0, &[(60.0, "Ann"), (250.0, "ann@x.org")])
        + &row(672.0, &[(60.0, "Bob"), (150.0, "555-1234")])
        + &row(658.0, &[(60.0, "Cleo"), (250.0, "cleo@y.org")]);
    let text = document(&[&(rows + &at(60.0, 644.0, "Dan"))]).text();
    assert!(text.ends_with("| Cleo |  | cleo@y.org |\n| Dan |  |  |"), "{text}");
}

#[test]
fn marks_and_their_items_in_several_columns_are_a_list() {
    let items = [(60.0, "1."), (60.0, "2."), (100.0, "a."), (100.0, "b."), (60.0, "3."), (60.0, "4.")];
    let mut y = 700.0;
    let drawn = items.iter().fold(String::new(), |drawn, (x, mark)| {
        y -= 14.0;
        drawn + &at(*x, y, mark) + &at(x + 40.0, y, "item")
    });
    assert!(!document(&[&drawn]).text().contains('|'));
}
