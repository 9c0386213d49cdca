//! Files that hold documents: mails with attachments (`input.attachments`), archives
//! (`input.archives`), and PDF documents with attached files.

use crate::order::ECHO;
use crate::support::{ModelServer, Workspace, jpeg};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt::Write as _;
use std::io::{Cursor, Write as _};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

fn workspace(server: &ModelServer) -> Workspace {
    let workspace = Workspace::new().against(server);
    workspace.write("echo.toml", ECHO.replace("input = \"text\"", "input = \"any\""));
    workspace
}

/// A mail with attached files.
fn mail(text: &str, files: &[(&str, &str, Vec<u8>)]) -> Vec<u8> {
    let mut mail = format!(
        "From: a@example.org\r\nTo: b@example.org\r\nSubject: files\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/mixed; boundary=\"=={}\"\r\n\r\n--=={}\r\nContent-Type: text/plain\r\n\r\n{text}\r\n",
        files.len(),
        files.len()
    );
    for (name, kind, content) in files {
        let (encoding, body) = if *kind == "message/rfc822" {
            ("7bit", String::from_utf8(content.clone()).unwrap())
        } else {
            ("base64", STANDARD.encode(content))
        };
        write!(
            mail,
            "--=={}\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\
            Content-Disposition: attachment; filename=\"{name}\"\r\n\r\n{body}\r\n",
            files.len()
        )
        .unwrap();
    }
    write!(mail, "--=={}--\r\n", files.len()).unwrap();
    mail.into_bytes()
}

pub(crate) fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        if name.ends_with('/') {
            zip.add_directory(*name, SimpleFileOptions::default()).unwrap();
        } else {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(content).unwrap();
        }
    }
    zip.finish().unwrap().into_inner()
}

/// A TAR archive with one header for each file: name, type and content.
fn tar(files: &[(&str, u8, &[u8])]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, kind, content) in files {
        let mut header = [0_u8; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
        header[156] = *kind;
        header[257..263].copy_from_slice(b"ustar\0");
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        archive.extend(header);
        archive.extend(*content);
        archive.resize(archive.len().div_ceil(512) * 512, 0);
    }
    archive.extend([0; 1024]);
    archive
}

fn sent(server: &ModelServer) -> String {
    server.ledger().calls.iter().map(|call| call.text.clone()).collect::<Vec<_>>().join("\n====\n")
}

#[test]
fn attachments_are_listed_or_read_as_documents_of_their_own() {
    let server = ModelServer::script().start();
    let workspace = workspace(&server);
    let inner = mail("docid:inner", &[("c.txt", "text/plain", b"docid:deep".to_vec())]);
    let files = [
        ("invoice.txt", "application/octet-stream", b"docid:invoice".to_vec()),
        ("invoice.txt", "application/octet-stream", b"docid:second".to_vec()),
        ("photo.jpg", "image/jpeg", jpeg(1)),
        ("tool.exe", "application/octet-stream", b"MZ\x90\0 no document".to_vec()),
        ("b.eml", "message/rfc822", inner.clone()),
    ];
    workspace.doc("a.eml", mail("docid:mail", &files)).doc("z.txt", "docid:z");
    let run = workspace.run(["--job", "echo.toml"]).exits(0);
    assert_eq!(run.csv("echo").column("document"), ["a.eml", "z.txt"]);
    assert!(run.csv("echo").rows[0]["input_note"].contains("attachments named, not read"), "{:?}", run.csv("echo").rows[0]);

    let read = ["--job", "echo.toml", "--set", "input.attachments=read"];
    let run = workspace.run(read).exits(0);
    let csv = run.csv("echo");
    let names = ["a.eml", "a.eml#invoice.txt", "a.eml#invoice (2).txt", "a.eml#photo.jpg", "a.eml#b.eml", "a.eml#b.eml#c.txt", "z.txt"];
    assert_eq!(csv.column("document"), names);
    assert_eq!(csv.row("a.eml#invoice (2).txt")["said"], "said of docid:second");
    assert_eq!(csv.row("a.eml#b.eml#c.txt")["said"], "said of docid:deep");
    assert!(!csv.row("a.eml")["input_note"].contains("not read"), "{:?}", csv.row("a.eml"));
    assert!(sent(&server).contains("docid:inner"));

    // Nothing is asked again, until a mail changes; then only about what is new in it.
    let before = server.requests();
    workspace.run(read).exits(0);
    assert_eq!(server.requests(), before);
    let mut files = files.to_vec();
    files[1].2 = b"docid:third".to_vec();
    workspace.doc("a.eml", mail("docid:mail", &files));
    let csv = workspace.run(read).exits(0).csv("echo");
    assert_eq!(csv.column("document"), names);
    assert_eq!((csv.row("a.eml#invoice (2).txt")["said"].as_str(), server.requests()), ("said of docid:third", before + 2));

    let receipt = workspace.docmill(["verify"]).exits(0).stdout;
    assert!(receipt.contains("7 inputs are unchanged, 0 changed, 0 gone"), "{receipt}");
    let shown = workspace.docmill(["inspect", "docs/a.eml#b.eml#c.txt", "--job", "echo.toml"]).exits(0).stdout;
    assert!(shown.contains("docid:deep"), "{shown}");
}

#[test]
fn a_named_archive_is_read_like_a_directory() {
    let server = ModelServer::script().start();
    let workspace = workspace(&server);
    let nested = archive(&[("deep.txt", b"docid:deep")]);
    let files = archive(&[
        ("dir/", b""),
        ("dir/b.txt", b"docid:b"),
        ("dir/a.txt", b"docid:a"),
        ("dir/.DS_Store", b"x"),
        ("__MACOSX/dir/._a.txt", b"x"),
        ("../../up.txt", b"docid:up"),
        ("win\\c.txt", b"docid:c"),
        ("inner.zip", &nested[..]),
        ("empty.txt", b""),
        ("mail.eml", &mail("docid:mail", &[("d.txt", "text/plain", b"docid:d".to_vec())])[..]),
        ("film.avi", b"RIFF\0\0\0\0AVI film"),
    ]);
    workspace.doc("scans.zip", &files);
    let run = workspace.docmill(["run", "docs/scans.zip", "--job", "echo.toml", "--set", "input.exclude=[\"**/*.avi\"]"]).exits(3);
    let names = ["dir/b.txt", "dir/a.txt", "up.txt", "win/c.txt", "inner.zip#deep.txt", "empty.txt", "mail.eml"];
    let csv = run.csv("echo");
    assert_eq!(csv.column("document"), names.map(|name| format!("docs/scans.zip#{name}")));
    assert_eq!(csv.column("failure_code"), ["", "", "", "", "", "empty", ""]);
    assert!(run.stderr.contains("2 hidden") && run.stderr.contains("1 by pattern"), "{}", run.stderr);
    let before = server.requests();

    // In a directory it is one document, unless archives are read.
    let run = workspace.run(["--job", "echo.toml", "--output", "two"]).exits(3);
    assert!(run.stdout.contains("unsupported_kind") || run.stderr.contains("unsupported_kind"), "{} {}", run.stdout, run.stderr);
    assert_eq!(server.requests(), before);
    let set = ["--set", "input.archives=read", "--set", "input.attachments=read", "--set", "input.include=[\"**/*.txt\"]"];
    let plan = workspace.docmill([&["plan", "docs", "--job", "echo.toml", "--output", "three"][..], &set].concat()).exits(0).stdout;
    assert!(plan.contains('7'), "{plan}");
}

#[test]
fn archives_of_each_form_keep_what_is_readable() {
    let server = ModelServer::script().start();
    let workspace = workspace(&server).set("input.archives", "read");
    let (a, b) = (b"docid:a".as_slice(), b"docid:b".repeat(100));
    let members: [(&str, u8, &[u8]); 5] =
        [("d/", b'5', b""), ("d/a.txt", b'0', a), ("d/link", b'2', b""), ("d/pipe", b'6', b""), ("d/b.txt", b'0', &b)];
    let whole = tar(&members);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&whole).unwrap();
    let zip = archive(&[("a.txt", a), ("b.txt", &b[..])]);
    workspace
        .doc("1.tar", &whole)
        .doc("2.tar.gz", gzip.finish().unwrap())
        .doc("3.tar.zst", zstd::stream::encode_all(&*whole, 3).unwrap())
        .doc("4_cut.tar", &whole[..2300])
        .doc("5_cut.zip", &zip[..zip.len() - 60])
        .doc("6_none.zip", "this is a text")
        .doc("7_empty.zip", archive(&[]))
        .doc("8_bomb.zip", archive(&[("bomb.txt", &vec![b' '; 40_000_000][..]), ("a.txt", a)]));
    let run = workspace.run(["--job", "echo.toml"]).exits(3);
    let csv = run.csv("echo");
    let rows: Vec<(&str, &str)> = csv.rows.iter().map(|row| (row["document"].as_str(), row["failure_code"].as_str())).collect();
    let expected = [
        ("1.tar#d/a.txt", ""),
        ("1.tar#d/b.txt", ""),
        ("2.tar.gz#d/a.txt", ""),
        ("2.tar.gz#d/b.txt", ""),
        ("3.tar.zst#d/a.txt", ""),
        ("3.tar.zst#d/b.txt", ""),
        ("4_cut.tar#d/a.txt", ""),
        ("4_cut.tar", "undecodable"),
        ("5_cut.zip#a.txt", ""),
        ("5_cut.zip#b.txt", ""),
        ("5_cut.zip", "undecodable"),
        ("6_none.zip", ""),
        ("7_empty.zip", "empty"),
        ("8_bomb.zip#bomb.txt", "prepare_limit"),
        ("8_bomb.zip#a.txt", ""),
    ];
    assert_eq!(rows, expected);
    let calls = server.requests();
    workspace.run(["--job", "echo.toml"]).exits(3);
    assert_eq!(server.requests(), calls, "nothing is asked again");
    // A renamed archive keeps its answers.
    std::fs::rename(workspace.path("docs/1.tar"), workspace.path("docs/0.tar")).unwrap();
    let run = workspace.run(["--job", "echo.toml"]).exits(3);
    assert_eq!((run.csv("echo").column("document")[0], server.requests()), ("0.tar#d/a.txt", calls));
    workspace.run(["--job", "echo.toml", "--set", "input.max_members=1", "--output", "few"]).exits(3).says(&["input.max_members"]);
}

#[test]
fn containers_are_refused_where_they_cannot_be_read() {
    let server = ModelServer::script().start();
    let workspace = workspace(&server);
    workspace.doc("a.eml", mail("docid:a", &[]));
    let set = ["docs", "--job", "echo.toml", "--set", "input.attachments=read"];
    workspace.docmill([&["watch"][..], &set, &["--set", "watch.done_dir=done"]].concat()).exits(2).says(&["input.attachments"]);
    workspace.docmill([&["run"][..], &set, &["--set", "input.group=stem"]].concat()).exits(2).says(&["input.group"]);
    let remote = ["run", "s3://bucket/prefix", "--job", "echo.toml", "--set", "input.attachments=read"];
    workspace.docmill(remote).exits(2).says(&["input.attachments"]);
    workspace.docmill([&["run"][..], &set, &["--set", "input.archives=some"]].concat()).exits(2).says(&["named, read, refuse"]);
}
