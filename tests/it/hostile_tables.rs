//! Tables that attack their decoder. A confined process decodes them, and the run goes on.

use crate::order::ECHO;
use crate::support::{ModelServer, Workspace};
use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;

/// A Parquet table with the columns `id` and `body`.
fn parquet(bodies: &[&[u8]]) -> Vec<u8> {
    let schema = Arc::new(parse_message_type("message t { REQUIRED INT64 id; REQUIRED BYTE_ARRAY body (UTF8); }").unwrap());
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties)).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let ids: Vec<i64> = (1..).take(bodies.len()).collect();
    column.typed::<Int64Type>().write_batch(&ids, None, None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let bodies: Vec<ByteArray> = bodies.iter().map(|body| ByteArray::from(body.to_vec())).collect();
    column.typed::<ByteArrayType>().write_batch(&bodies, None, None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.into_inner().unwrap()
}

/// A signed number as Parquet's metadata has it.
fn signed(number: i64) -> Vec<u8> {
    unsigned(((number << 1) ^ (number >> 63)).cast_unsigned())
}

/// A length as Parquet's metadata has it.
fn unsigned(number: u64) -> Vec<u8> {
    let (mut rest, mut bytes) = (number, Vec::new());
    while rest > 0x7F {
        bytes.push(u8::try_from(rest & 0x7F).unwrap() | 0x80);
        rest >>= 7;
    }
    bytes.push(u8::try_from(rest).unwrap());
    bytes
}

/// Replaces a number in the metadata at the end of the file, wherever it occurs.
fn claiming(file: &[u8], number: i64, claim: i64) -> Vec<u8> {
    let length = u32::from_le_bytes(*file[..file.len() - 4].last_chunk().unwrap()) as usize;
    let (pages, metadata) = file[..file.len() - 8].split_at(file.len() - 8 - length);
    let (old, new) = (signed(number), signed(claim));
    let (mut rest, mut made, mut count) = (metadata, Vec::new(), 0);
    while let [first, after @ ..] = rest {
        if rest.starts_with(&old) {
            made.extend(&new);
            rest = &rest[old.len()..];
            count += 1;
        } else {
            made.push(*first);
            rest = after;
        }
    }
    assert!(count > 0, "{number} is not in the metadata");
    let length = u32::try_from(made.len()).unwrap().to_le_bytes();
    [pages, &made, &length, b"PAR1"].concat()
}

/// Decodes a file as a run does, with these limits.
fn decoded(workspace: &Workspace, file: &[u8], (megabytes, seconds): (u64, u64), failpoints: &str) -> (ExitStatus, Vec<u8>) {
    workspace.write("t", file);
    let mut command = Command::new(env!("CARGO_BIN_EXE_docmill"));
    command.args(["read-table", &megabytes.to_string(), &seconds.to_string(), "parquet"]).env("FAILPOINTS", failpoints);
    let file = std::fs::File::open(workspace.path("t")).unwrap();
    let done = command.stdin(file).stderr(Stdio::null()).output().unwrap();
    (done.status, done.stdout)
}

#[test]
fn a_parquet_table_of_texts_is_read() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    let bodies: Vec<String> = (0..700).map(|n| format!("docid:row{n}")).collect();
    let file = parquet(&bodies.iter().map(String::as_bytes).collect::<Vec<_>>());
    workspace.write("echo.toml", ECHO).write("t.parquet", file);
    let args = ["--rows", "t.parquet", "--text-column", "body", "--id-column", "id", "--job", "echo.toml"];
    let csv = workspace.run_on(args, "").exits(0).csv("echo");
    assert_eq!((csv.rows.len(), &*csv.rows[699]["document"], &*csv.rows[699]["said"]), (700, "t.parquet#700", "said of docid:row699"));
    workspace.docmill(["verify"]).exits(0);
    // Nothing is sent a second time.
    let requests = server.requests();
    workspace.run_on(args, "").exits(0);
    assert_eq!(server.requests(), requests);
}

#[test]
fn parquet_that_expands_or_spins_ends_its_process() {
    let workspace = Workspace::new();
    let zeros = vec![0; 200_000_000];
    let bomb = parquet(&[b"one", &zeros]);
    assert!(bomb.len() < 1_000_000, "{}", bomb.len());
    let (status, _) = decoded(&workspace, &bomb, (300, 60), "");
    assert!(!status.success(), "{status}");
    let sound = parquet(&[b"one", b"two"]);
    let (status, rows) = decoded(&workspace, &sound, (300, 60), "");
    assert_eq!((status.success(), &*String::from_utf8(rows).unwrap()), (true, "[\"id\",\"body\"]\n[1,\"one\"]\n[2,\"two\"]\n"));
    if cfg!(unix) {
        let (status, _) = decoded(&workspace, &sound, (300, 1), "read_table=busy");
        assert!(status.code().is_none(), "ended by its limit of CPU time: {status}");
    }
}

#[test]
fn false_counts_in_parquet_give_no_endless_table() {
    let server = ModelServer::start();
    let workspace = Workspace::new().against(&server);
    workspace.write("echo.toml", ECHO);
    let bodies: Vec<String> = (0..333).map(|n| format!("docid:row{n}")).collect();
    let file = parquet(&bodies.iter().map(String::as_bytes).collect::<Vec<_>>());
    for (claim, output) in [(1 << 60, "more"), (1000, "some"), (0, "none"), (5, "less"), (-7, "negative")] {
        workspace.write("t.parquet", claiming(&file, 333, claim));
        let args = ["--rows", "t.parquet", "--text-column", "body", "--job", "echo.toml", "--output", output];
        let run = workspace.run_on(args, "");
        let rows = std::fs::read_to_string(workspace.path(output).join("echo/results.csv")).unwrap_or_default().lines().count();
        assert!(rows <= 335, "{claim}: {rows} rows, exit code {}, {}", run.code, run.stderr);
    }
}

#[test]
fn a_parquet_schema_of_deep_groups_ends_only_its_process() {
    let workspace = Workspace::new();
    // Thrift: the version, and a list of groups with one child each, down to a number.
    let depth = 300_000;
    let mut metadata = [&[0x15, 0x02, 0x19, 0xFC][..], &unsigned(depth + 1)].concat();
    for _ in 0..depth {
        metadata.extend([0x35, 0x00, 0x18, 0x01, b'g', 0x15, 0x02, 0x00]);
    }
    metadata.extend([0x15, 0x04, 0x25, 0x00, 0x18, 0x01, b'n', 0x00]);
    metadata.extend([0x16, 0x00, 0x19, 0x0C, 0x00]);
    let length = u32::try_from(metadata.len()).unwrap().to_le_bytes();
    let file = [b"PAR1", &metadata[..], &length, b"PAR1"].concat();
    let (status, _) = decoded(&workspace, &file, (500, 60), "");
    assert!(!status.success(), "{status}");
    workspace.write("t.parquet", &file);
    workspace.run_on(["--rows", "t.parquet"], "").exits(2).says(&["table t.parquet: "]);
}

#[test]
fn a_table_that_hangs_its_decoder_does_not_outlast_a_signal() {
    let workspace = Workspace::new().env("FAILPOINTS", "read_table=hangs");
    workspace.write("t.parquet", parquet(&[b"one"]));
    let run = workspace.start(["run", "--rows", "t.parquet"]);
    run.wait_until_there_is("hangs");
    run.signal("INT");
    assert!(run.end().is_err(), "the signal ends it");
}
