use super::*;

/// Names, and texts or failures, of the rows of a table.
type Read = Vec<(String, Result<String, String>)>;

fn rows(name: &str, content: &[u8], columns: &Columns) -> Result<Read, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, content).unwrap();
    let table = Table::open(path.to_str().unwrap(), columns)?;
    assert_eq!(table.count().count(), table.documents("").count());
    Ok(table
        .documents("t")
        .map(|(name, place, failure)| {
            let Place::Row(row) = place else { panic!("{name} is no row") };
            (name, failure.map_or_else(|| Ok(String::from_utf8(row.text.clone()).unwrap()), |failure| Err(failure.message)))
        })
        .collect())
}

fn text_of(column: &str) -> Columns {
    Columns { text: Some(column.into()), used: Some(Vec::new()), ..Columns::default() }
}

fn texts(rows: &[(&str, &str)]) -> Read {
    rows.iter().map(|(name, text)| ((*name).to_owned(), Ok((*text).to_owned()))).collect()
}

#[test]
fn the_beginning_decides_the_format_of_a_table() {
    let wanted = Ok(texts(&[("t#1", "a, b"), ("t#2", "c\nd")]));
    for (name, content) in [
        ("t.csv", "id,body\n1,\"a, b\"\n2,\"c\nd\"\n"),
        ("t.txt", "id;body\r\n1;a, b\r\n2;\"c\nd\"\r\n"),
        ("t.csv", "id\tbody\n1\ta, b\n2\t\"c\nd\"\n"),
        ("t", "\u{feff}id|body\n1|a, b\n2|\"c\nd\"\n"),
        ("t.tsv", "id\tbody\n1\ta, b\n2\t\"c\nd\""),
        ("t.csv", "{\"id\": 1, \"body\": \"a, b\"}\n\n{\"body\": \"c\\nd\"}\n"),
    ] {
        assert_eq!(rows(name, content.as_bytes(), &text_of("body")), wanted, "{content:?}");
    }
}

#[test]
fn json_may_be_lines_an_array_or_multi_line_objects() {
    let wanted = Ok(texts(&[("t#1", "a"), ("t#2", "12345678901234567890123"), ("t#3", "NaN")]));
    let rows_of = |text: &str| rows("t.json", text.as_bytes(), &text_of("body"));
    let [one, two, three] = [r#"{"body": "a", "b": "}],"}"#, r#"{"body": 12345678901234567890123}"#, r#"{"body": NaN}"#];
    for text in [
        format!("{one}\n\n{two}\r\n{three}"),
        format!("\u{feff}{one}\n{two}\n{three}\n"),
        format!("[{one}, {two},{three}]\n"),
        format!("\u{feff} [\n  {one},\n  {two},\n  {three}\n]"),
        format!("{one}\n{two}\n{three}").replace('{', "{\n  ").replace("}\n", "\n}\n"),
    ] {
        assert_eq!(rows_of(&text), wanted, "{text}");
    }
    let read = rows_of(&format!("[{one}, {{\"body\": }}, 5, {one}]")).unwrap();
    assert_eq!(read.iter().map(|(_, row)| row.is_ok()).collect::<Vec<_>>(), [true, false, false, true]);
    let read = rows_of(&format!("{one}\n{{\"body\": 1\n{one}\n")).unwrap();
    assert!(read.len() == 3 && read[1].1.as_ref().is_err_and(|why| why.contains("line 2: not a JSON object")), "{read:?}");
    let read = rows_of(&format!("[\n{one},\n{{\"body\": \"cut")).unwrap();
    assert!(read.len() == 2 && read[1].1.as_ref().is_err_and(|why| why.contains("begins on line 3 does not end")), "{read:?}");
}

#[test]
fn names_are_ids_and_unique() {
    let columns = Columns { id: Some("id".into()), ..text_of("body") };
    let table = "id,body\nx,1\ny,2\nx,3\n,4\nx,5\n";
    assert_eq!(
        rows("t.csv", table.as_bytes(), &columns),
        Ok(texts(&[("t#x", "1"), ("t#y", "2"), ("t#x~2", "3"), ("t#(row 4)", "4"), ("t#x~3", "5")]))
    );
    let read = rows("t.csv", b"id,body\n2,a\nbroken\n", &columns).unwrap();
    assert_eq!(read.iter().map(|(name, row)| (&**name, row.is_ok())).collect::<Vec<_>>(), [("t#2", true), ("t#(row 2)", false)]);
    let all = Columns { used: Some(Vec::new()), ..Columns::default() };
    assert_eq!(rows("t.csv", b"id,body\nx,1\n", &all), Ok(texts(&[("t#1", "id: x\nbody: 1\n")])));
}

#[test]
fn errors_say_what_is_wrong_with_a_table() {
    for (content, columns, part) in [
        ("", Columns::default(), "is empty"),
        ("a,b\n1,2\n", text_of("c"), "has no column \"c\"; expected one of a, b"),
        ("a,a\n1,2\n", Columns::default(), "column 2 has the same name as another column: \"a\""),
        ("{\"a\": 1}\n", text_of("b"), "has no column \"b\"; expected one of a"),
        ("a,b\n1\n1,2\n", text_of("c"), "has no column \"c\"; expected one of a, b"),
        ("sep=;\na;b\n1;2\n", Columns::default(), "the first line, sep=, is an instruction for Excel"),
        ("a,b\r1;;;,2\r", text_of("c"), "expected one of a, b"),
        ("\"a;b;c\",,d,\n1,2,3,4\n", text_of("x"), "expected one of a;b;c, column_2, d, column_4"),
    ] {
        let error = rows("t.csv", content.as_bytes(), &columns).unwrap_err();
        assert!(error.contains(part), "{error}");
    }
    let read = rows("t.csv", b"a,b\n1,2\n1,2,3\n5,6\n", &text_of("b")).unwrap();
    assert!(read[1].1.as_ref().is_err_and(|why| why.contains("the row has 3 fields (line 3), but the table has 2 columns")), "{read:?}");
    assert_eq!(read[2], ("t#3".to_owned(), Ok("6".to_owned())));
}

#[test]
fn a_row_that_is_too_long_loses_only_itself() {
    let long = "x".repeat(17_000_000);
    let endless = format!("a,b\n1,\"{}\n{}", "y".repeat(9_000_000), format!("7,{}\n", "z".repeat(1000)).repeat(10_000));
    let read = rows("t.csv", endless.as_bytes(), &text_of("b")).unwrap();
    assert!(read[0].1.as_ref().is_err_and(|why| why.contains("Check whether the quote on line 2 is closed")), "{:?}", read[0].1);
    assert!(read.len() == 10_001 && read[1..].iter().all(|(_, row)| row.as_ref().is_ok_and(|row| row.len() == 1000)), "{}", read.len());
    let read = rows("t.csv", format!("a,b\n1,{long}\n2,z\n3,{long}").as_bytes(), &text_of("b")).unwrap();
    let fine: Vec<bool> = read.iter().map(|(_, row)| row.is_ok()).collect();
    assert!(fine == [false, true, false] && read[0].1.as_ref().is_err_and(|why| why.contains("line 2 is longer than 16 MB")), "{fine:?}");
}

/// The faults of a CSV table by row number.
fn faults(table: &str) -> Vec<(usize, String)> {
    let read = rows("t.csv", table.as_bytes(), &text_of("body")).unwrap();
    read.into_iter().enumerate().filter_map(|(at, (_, row))| Some((at + 1, row.err()?))).collect()
}

#[test]
fn an_unclosed_quote_never_hides_other_rows() {
    let sound = "id,body\n1,\"two\nlines, and \"\"quoted\"\"\"\n2,12\" screen\n3,\"12\" screen\n4,\"\"\n5,\"x\"";
    for table in [sound.to_owned(), format!("\u{feff}{sound}\r\n"), sound.replace('\n', "\r")] {
        assert_eq!(faults(&table), [], "{table:?}");
    }
    for (table, row, what) in [
        ("id,body\n1,a\n2,\"b\nb\"\n3,\"c\n4,d\n", 3, "the quote that opens on line 5 is never closed"),
        ("id,body\n1,\"a\na\"\n2,b\"\n3,\"c\"\"", 3, "the quote that opens on line 5 is never closed"),
        ("id,body\n1,\"a\n2,b\n3,\"c\"\n4,d\n", 1, "the quote that opens on line 2 goes on to line 4"),
        ("\u{feff}id,body\n\"1\",\"a\n\"2\",\"b\"\n\"3\",\"c\"\n", 1, "the quote that opens on line 2 goes on to line 3"),
    ] {
        let found = faults(table);
        assert!(matches!(&found[..], [(at, why)] if *at == row && why.contains(what)), "{table:?}: {found:?}");
    }
    let read = rows("t.csv", b"id,body\n1,a\n2,\"b\n3,c\n4,d,e\n5,\"f\nf\"\n6,\"g\n7,h\n", &text_of("body")).unwrap();
    let bodies: Vec<Option<&str>> = read.iter().map(|(_, row)| row.as_deref().ok()).collect();
    assert_eq!(bodies, [Some("a"), None, Some("c"), None, Some("f\nf"), None, Some("h")], "{read:?}");
    let error = |at: usize| read[at].1.clone().unwrap_err();
    assert!(error(1).contains("lines 3 to 6 may be wrong") && error(5).contains("lines 8 to 9 may be wrong"), "{read:?}");
    assert!(error(3).contains("the row has 3 fields (line 5)"), "{}", error(3));
    let header = rows("t.csv", b"id,\"body\n1,a\n", &text_of("body")).unwrap_err();
    assert!(header.contains("the quote that opens on line 1 is never closed"), "{header}");
}

#[test]
fn faults_name_the_right_line_for_all_line_endings() {
    // Has an empty line, a two-line field, an unclosed quote, and rows with a surplus field.
    let table = "id,body\n\n1,a,x\n2,\"b\nb\"\n3,c,x\n4,\"d\n5,e,x\n\n6,f,x";
    let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    for line_end in ["\n", "\r\n", "\r"] {
        let text = table.replace('\n', line_end);
        for bytes in [text.clone().into_bytes(), wide(&format!("\u{feff}{text}"))] {
            let read = rows("t.csv", &bytes, &text_of("body")).unwrap();
            let errors: Vec<&str> = read.iter().filter_map(|(_, row)| row.as_ref().err().map(String::as_str)).collect();
            assert_eq!(errors.len(), 5, "{line_end:?}: {read:?}");
            for (line, error) in ["(line 3)", "(line 6)", "opens on line 7 ", "(line 8)", "(line 10)"].iter().zip(&errors) {
                assert!(error.contains(line), "{line_end:?}: {error}");
            }
        }
    }
    // Lines are also right if a buffer ends between rows.
    let many = "1,a\r\n".repeat(100_000);
    let read = rows("t.csv", format!("id,body\r\n{many}2,b,x\r\n").as_bytes(), &text_of("body")).unwrap();
    assert!(read[100_000].1.as_ref().is_err_and(|why| why.contains("(line 100002)")), "{:?}", read[100_000]);
}

#[test]
fn other_encodings_are_read_and_undecodable_rows_fail() {
    let read = |table: &[u8]| {
        let rows = rows("t.csv", table, &text_of("body")).unwrap();
        rows.into_iter().map(|(_, row)| row).collect::<Vec<_>>()
    };
    let of = |text: &str| Ok(text.to_owned());
    // An invalid byte in a UTF-8 table fails only its row.
    let found = read(b"id,body\n1,gr\xC3\xBC\xC3\x9Fe\n2,caf\xE9\n3,stra\xC3\x9Fe\n");
    assert_eq!((&found[0], &found[2]), (&of("grüße"), &of("straße")));
    assert!(found[1].as_ref().is_err_and(|why| why.contains("t: column \"body\" (line 3): the byte E9 is not UTF-8")), "{found:?}");
    // The table still counts as UTF-8 with as many invalid as valid characters.
    let found = read(b"id,body\n1,gr\xC3\xBCn\n2,caf\xE9\n");
    assert!(found[0] == of("grün") && found[1].is_err(), "{found:?}");
    let mixed = [&b"id,body\n"[..], &b"1,caf\xE9 th\xE9\n".repeat(9), b"2,gr\xC3\xBCn caf\xE9\n"].concat();
    assert!(read(&mixed)[9].as_ref().is_err_and(|why| why.contains("one part of the table is UTF-8")), "{:?}", read(&mixed)[9]);
    // Other characters may follow a long ASCII beginning.
    let ascii = "1,plain\n".repeat(50_000);
    for late in [&b"2,caf\xE9\n"[..], "2,café\n".as_bytes()] {
        assert_eq!(read(&[b"id,body\n", ascii.as_bytes(), late].concat()).last(), Some(&of("café")));
    }
    // A row of UTF-8 is read in a table of another encoding.
    assert_eq!(read(b"id,body\n1,caf\xE9\n2,th\xE9\n3,caf\xC3\xA9\n"), [of("café"), of("thé"), of("café")]);
    // The second byte of a two-byte character may equal a delimiter.
    let (japanese, _, _) = encoding_rs::SHIFT_JIS.encode("id,body\n1,表示ソフト、日本語のテキストです。\n2,能力とデータ\n");
    assert_eq!(read(&japanese), [of("表示ソフト、日本語のテキストです。"), of("能力とデータ")]);
    let much: Vec<u8> = japanese.split_inclusive(|byte| *byte == b'\n').skip(1).cycle().take(20_000).collect::<Vec<_>>().concat();
    let damaged = read(&[b"id,body\n", &*much, b"3,\x82\xFF\n"].concat());
    assert!(damaged[20_000].as_ref().is_err_and(|why| why.contains("not valid in shift_jis")), "{:?}", damaged[20_000]);
    assert!(damaged[..20_000].iter().all(Result::is_ok));
    // The encoding that Windows writes into pipes.
    let wide: Vec<u8> = "\u{feff}{\"body\": \"中文\"}\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(read(&wide), [of("中文")]);
}

#[test]
fn the_digest_covers_what_a_model_sees_and_the_stamp_covers_the_whole_row() {
    let row = |used: Option<Vec<String>>, table: &str| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.csv");
        std::fs::write(&path, table).unwrap();
        let table = Table::open(path.to_str().unwrap(), &Columns { used, ..text_of("body") }).unwrap();
        let Some((_, Place::Row(row), None)) = table.documents("t").next() else { panic!("no row") };
        assert!(table.holds("t", "t#1", row.digest) && !table.holds("t", "t#2", row.digest));
        (*row).clone()
    };
    let (one, other) = ("body,x,y\nB,1,2\n", "body,x,y\nB,1,3\n");
    let none = || Some(Vec::new());
    assert_eq!(row(none(), one).digest, row(none(), other).digest);
    assert_ne!(row(none(), one).stamp, row(none(), other).stamp);
    assert_ne!(row(Some(vec!["y".into()]), one).digest, row(Some(vec!["y".into()]), other).digest);
    assert_ne!(row(None, one).digest, row(None, other).digest);
    assert_eq!(row(Some(vec!["y".into()]), one).columns.keys().collect::<Vec<_>>(), ["y"]);
}
