use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, FixedLenByteArray, FixedLenByteArrayType, FloatType, Int32Type, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

/// The rows of a file as a process sends them, or the reason for their absence.
fn rows(file: Vec<u8>) -> Result<Vec<Result<Fields, String>>, String> {
    let mut sent = Vec::new();
    write(Bytes::from(file), &mut sent, &|| Ok(()))?;
    Ok(received(io::Cursor::new(sent))?.collect())
}

/// The columns of each row.
fn texts(file: Vec<u8>) -> Vec<String> {
    let text = |row: Fields| row.iter().map(|(name, value)| format!("{name}: {}\n", as_text(value))).collect();
    rows(file).unwrap().into_iter().map(|row| text(row.unwrap())).collect()
}

/// A Parquet file with these columns, which `fill` fills.
fn parquet(columns: &str, fill: impl FnOnce(&mut SerializedRowGroupWriter<'_, &mut Vec<u8>>)) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(&format!("message t {{ {columns} }}")).unwrap());
    let mut file = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut file, schema, Arc::new(WriterProperties::builder().build())).unwrap();
    let mut group = writer.next_row_group().unwrap();
    fill(&mut group);
    group.close().unwrap();
    writer.close().unwrap();
    file
}

#[test]
fn values_have_their_usual_notation() {
    let columns =
        "REQUIRED INT64 n (TIMESTAMP(NANOS,true)); REQUIRED INT64 u (TIMESTAMP(MICROS,true)); REQUIRED FLOAT f; REQUIRED DOUBLE d;";
    let file = parquet(columns, |group| {
        for times in [[1_500_000_000_000_000_001, -1], [1_500_000_000_000_000, i64::MAX]] {
            let mut column = group.next_column().unwrap().unwrap();
            column.typed::<Int64Type>().write_batch(&times, None, None).unwrap();
            column.close().unwrap();
        }
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<FloatType>().write_batch(&[0.1, f32::NAN], None, None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<DoubleType>().write_batch(&[f64::INFINITY, f64::NEG_INFINITY], None, None).unwrap();
        column.close().unwrap();
    });
    let one = "n: 2017-07-14 02:40:00.000000001 +00:00\nu: 2017-07-14 02:40:00.000000 +00:00\nf: 0.1\nd: Infinity\n";
    let other = "n: 1969-12-31 23:59:59.999999999 +00:00\nu: infinity\nf: NaN\nd: -Infinity\n";
    assert_eq!(texts(file), [one, other]);
}

#[test]
fn the_last_days_are_days_and_an_interval_loses_only_itself() {
    let columns = "REQUIRED INT32 day (DATE); REQUIRED FIXED_LEN_BYTE_ARRAY (12) span (INTERVAL); REQUIRED INT32 n;";
    let file = parquet(columns, |group| {
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<Int32Type>().write_batch(&[2_932_896, i32::MAX, -1], None, None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let spans = [14_u8, 0, 7].map(|months| FixedLenByteArray::from([&[months][..], &[0; 11]].concat()));
        column.typed::<FixedLenByteArrayType>().write_batch(&spans, None, None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<Int32Type>().write_batch(&[1, 2, 3], None, None).unwrap();
        column.close().unwrap();
    });
    let rows = [("9999-12-31", 1), ("infinity", 2), ("1969-12-31", 3)];
    assert_eq!(texts(file), rows.map(|(day, n)| format!("day: {day}\nspan: {NOT_READ}\nn: {n}\n")));
}

/// The text of a Parquet file with one row and one number.
fn of_number(column: &str, number: i64) -> String {
    let file = parquet(column, |group| {
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<Int64Type>().write_batch(&[number], None, None).unwrap();
        column.close().unwrap();
    });
    texts(file).remove(0)
}

#[test]
fn a_time_has_a_zone_only_if_the_file_has_one() {
    for (column, number, text) in [
        ("TIMESTAMP(MILLIS,false)", 1_500_000_000_123, "2017-07-14 02:40:00.123"),
        ("TIMESTAMP(MICROS,false)", 1_500_000_000_123_456, "2017-07-14 02:40:00.123456"),
        ("TIMESTAMP(NANOS,false)", 1_500_000_000_123_456_789, "2017-07-14 02:40:00.123456789"),
        ("TIMESTAMP(MILLIS,true)", 1_500_000_000_123, "2017-07-14 02:40:00.123 +00:00"),
        ("TIMESTAMP(NANOS,true)", -1, "1969-12-31 23:59:59.999999999 +00:00"),
        ("TIMESTAMP_MICROS", 0, "1970-01-01 00:00:00.000000 +00:00"),
        ("TIME(MICROS,false)", 45_296_000_007, "12:34:56.000007"),
        ("TIMESTAMP(MICROS,false)", 253_402_300_799_999_999, "9999-12-31 23:59:59.999999"),
        ("TIMESTAMP(MICROS,false)", -i64::MAX, "-infinity"),
        ("TIME(NANOS,true)", 1, "00:00:00.000000001"),
        ("TIME(MICROS,false)", 86_400_000_000, "24:00:00.000000"),
        ("DECIMAL(18,4)", -123_456, "-12.3456"),
        ("DECIMAL(18,0)", 123_456_789_012_345_678, "123456789012345678"),
    ] {
        assert_eq!(of_number(&format!("REQUIRED INT64 t ({column});"), number), format!("t: {text}\n"), "{column}");
    }
    let file = parquet("REQUIRED BYTE_ARRAY text; REQUIRED BYTE_ARRAY raw;", |group| {
        for bytes in [&b"caf\xC3\xA9"[..], &b"\x00\xFF"[..]] {
            let mut column = group.next_column().unwrap().unwrap();
            column.typed::<ByteArrayType>().write_batch(&[ByteArray::from(bytes.to_vec())], None, None).unwrap();
            column.close().unwrap();
        }
    });
    assert_eq!(texts(file), ["text: café\nraw: AP8=\n"]);
}

#[test]
fn an_unsupported_codec_is_refused_at_once() {
    // Written by pyarrow with compression="brotli".
    let file = "UEFSMRUAFRYVHiwVAhUAFQYVBhwAAAAbCgAApAECBPCGQAE0rHAVBBksNQAYBnNjaGVtYRUCABUMJQIYBGJvZHklAEwcAAAAFgIZHBkcJgAcFQwZJQYAGRgEYm9keRUIFgIWPBZEJghJHBUAFQAVAgA8FgIZBhkmAAIAAAAWPBYCJggWRAAoIHBhcnF1ZXQtY3BwLWFycm93IHZlcnNpb24gMjYuMC4xGRwcAAAAiAAAAFBBUjE=";
    let error = rows(STANDARD.decode(file).unwrap()).unwrap_err();
    assert!(error.contains("does not support Brotli") && error.contains("Write the table with Zstandard"), "{error}");
}

#[test]
fn rows_of_parquet_files_are_rows() {
    let file = parquet("REQUIRED INT64 id; OPTIONAL BYTE_ARRAY body (UTF8);", |group| {
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<Int64Type>().write_batch(&[7, 8], None, None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&[ByteArray::from("first")], Some(&[1, 0]), None).unwrap();
        column.close().unwrap();
    });
    assert_eq!(texts(file.clone()), ["id: 7\nbody: first\n", "id: 8\nbody: \n"]);
    for cut in [file.len() - 10, file.len() / 2, 4, 0] {
        assert!(rows(file[..cut].to_vec()).is_err(), "cut off at {cut}");
    }
}

#[test]
fn a_row_that_is_too_long_or_too_deep_loses_only_itself() {
    let long = "x".repeat(17_000_000);
    let file = parquet("REQUIRED BYTE_ARRAY a (UTF8);", |group| {
        let mut column = group.next_column().unwrap().unwrap();
        let values = ["one", &long, "two"].map(ByteArray::from);
        column.typed::<ByteArrayType>().write_batch(&values, None, None).unwrap();
        column.close().unwrap();
    });
    let read = rows(file).unwrap();
    assert_eq!(read.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    assert!(read[1].as_ref().is_err_and(|why| why.contains("longer than 16 MB")), "{:?}", read[1]);
    let deep = format!("[\"a\"]\n[{}1{}]\n[2]\n", "[".repeat(500), "]".repeat(500));
    let read: Vec<_> = received(io::Cursor::new(deep)).unwrap().collect();
    assert!(read[0].as_ref().is_err_and(|why| why.contains("recursion limit")) && read[1].is_ok(), "{read:?}");
}

#[test]
fn a_process_that_dies_loses_only_the_rest_of_the_table() {
    /// Fails after its bytes, like the output of a process.
    struct Dies(io::Cursor<&'static str>);
    impl Read for Dies {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.read(buffer)? {
                0 => Err(io::Error::other("it died")),
                read => Ok(read),
            }
        }
    }
    let rows = |sent| received(Dies(io::Cursor::new(sent))).map(|rows| rows.map(|row| row.map(|fields| fields.len())).collect::<Vec<_>>());
    let died = || Err("it died. docmill does not read the rest of the table".to_owned());
    assert_eq!(rows("[\"a\"]\n[1]\n\"no\"\n[2"), Ok(vec![Ok(1), Err("no".into()), died()]));
    assert_eq!(rows(""), Err("it died".into()));
}
