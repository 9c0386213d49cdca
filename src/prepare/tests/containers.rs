//! Containers: damaged ones, and the limits of sound ones.

use super::mutations::{Damage, damage};
use super::*;
use ::zip::ZipWriter;
use ::zip::write::SimpleFileOptions;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::Config;
use std::io::Write as _;

const MAIL: &[u8] = b"From: a@b.c\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: text/plain\r\n\r\nHello\r\n\
    --x\r\nContent-Type: text/plain; name=a.txt\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\nattached\r\n--x--\r\n";

fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A member of a TAR archive.
fn tarred(name: &[u8], kind: u8, content: &[u8]) -> Vec<u8> {
    let mut block = vec![0_u8; 512];
    block[..name.len()].copy_from_slice(name);
    block[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
    block[156] = kind;
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    block.extend(content);
    block.resize(block.len().div_ceil(512) * 512, 0);
    block
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

fn request(extension: &str) -> UnpackRequest {
    UnpackRequest {
        extension: extension.to_owned(),
        apart: Apart { attachments: true, archives: true },
        contents: true,
        members: 100,
        bytes: 1_000_000,
        member_bytes: 100_000,
    }
}

/// A name, and a content or the code of a failure.
type Unpacked = (String, Result<String, FailureCode>);

/// The members with what is known of their contents, and the ending.
fn unpacked(bytes: &[u8], request: &UnpackRequest) -> (Vec<Unpacked>, Ending) {
    let mut out = Vec::new();
    unpack(&mut Cursor::new(bytes), request, &mut out, &|| Ok(())).unwrap();
    let (mut frames, mut members) = (&*out, Vec::<Unpacked>::new());
    loop {
        match read_frame(&mut frames).unwrap() {
            Frame::Member(member) => members.push((member.name, member.failure.map_or(Ok(String::new()), |failure| Err(failure.code)))),
            Frame::Content(content) => {
                let Some((_, Ok(text))) = members.last_mut() else { panic!("content without a member") };
                text.push_str(&String::from_utf8_lossy(&content));
            }
            Frame::Failed(failure) => members.last_mut().unwrap().1 = Err(failure.code),
            Frame::End(ending) => return (members, ending),
        }
    }
}

fn names(bytes: &[u8], request: &UnpackRequest) -> Vec<String> {
    unpacked(bytes, request).0.into_iter().map(|(name, _)| name).collect()
}

#[test]
fn names_of_tar_archives_come_from_every_kind_of_header() {
    let pax = b"22 path=d/\xC3\xBC/long.txt\n";
    let archive = [
        tarred(b"header", b'x', pax),
        tarred(b"short.txt", b'0', b"one"),
        tarred(b"././@LongLink", b'L', b"gnu/name.txt\0"),
        tarred(b"gnu/na", b'0', b"two"),
        tarred(b"gr\xF6\xDFe.txt", b'0', b"three"),
        tarred(b"old", 0, b"four"),
    ]
    .concat();
    let expected = ["d/ü/long.txt", "gnu/name.txt", "gr_xF6_xDFe.txt", "old"];
    assert_eq!(names(&archive, &request("tar")), expected);
    assert_eq!(names(&gzipped(&archive), &request("tgz")), expected);
    assert_eq!(unpacked(&archive, &request("tar")).0[3].1, Ok("four".to_owned()));
}

#[test]
fn limits_hold() {
    let files = zip(&[("a.txt", b"a"), ("b.txt", "b".repeat(200_000).as_bytes()), ("c.txt", b"c")]);
    let (members, ending) = unpacked(&files, &request("zip"));
    assert_eq!((&members[1].1, &members[2].1), (&Err(FailureCode::TooLarge), &Ok("c".to_owned())));
    assert!(ending.is_archive && ending.trouble.is_none());
    let (members, ending) = unpacked(&files, &UnpackRequest { members: 2, ..request("zip") });
    assert_eq!((members.len(), ending.trouble.map(|failure| failure.code)), (2, Some(FailureCode::TooLarge)));
    let (members, _) = unpacked(&files, &UnpackRequest { bytes: 1, ..request("zip") });
    assert_eq!(members[2].1, Err(FailureCode::TooLarge));
    // Archives in archives end.
    let mut nested = zip(&[("deepest.txt", b"x")]);
    for _ in 0..6 {
        nested = zip(&[("n.zip", &nested)]);
    }
    assert_eq!(unpacked(&nested, &request("zip")).0, [("n.zip#n.zip#n.zip#n.zip".to_owned(), Err(FailureCode::UnsupportedKind))]);
    // Documents that are ZIP files inside are no archives.
    let document = zip(&[("[Content_Types].xml", b"<Types/>"), ("word/document.xml", b"<w/>")]);
    let (members, ending) = unpacked(&document, &request("zip"));
    assert!(members.is_empty() && !ending.is_archive);
}

#[test]
fn attachments_of_mails_in_archives_follow_their_mail() {
    let files = zip(&[("m.eml", MAIL), ("z.txt", b"z")]);
    assert_eq!(names(&files, &request("zip")), ["m.eml", "m.eml#a.txt", "z.txt"]);
    assert_eq!(unpacked(MAIL, &request("eml")).0, [("a.txt".to_owned(), Ok("attached".to_owned()))]);
    let only_archives = UnpackRequest { apart: Apart { attachments: false, archives: true }, ..request("zip") };
    assert_eq!(names(&files, &only_archives), ["m.eml", "z.txt"]);
}

#[test]
fn attachments_of_outlook_and_inside_of_text_are_found() {
    let pdf = b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\nstartxref\n0\n%%EOF";
    let msg = mail::msg_with(pdf);
    assert_eq!(unpacked(&msg, &request("msg")).0, [("offer.pdf".to_owned(), Ok(String::from_utf8_lossy(pdf).into_owned()))]);
    let uuencoded = b"From: a@b.c\nTo: d@e.f\nSubject: s\n\nsee\n\nbegin 644 dir/a.txt\n+:&5L;&\\@=V]R;&0\n`\nend\n";
    assert_eq!(unpacked(uuencoded, &request("eml")).0, [("a.txt".to_owned(), Ok("hello world".to_owned()))]);
}

proptest! {
    #![proptest_config(Config { cases: 600, ..Config::default() })]

    #[test]
    fn damaged_containers_end(file in any::<Index>(), damages in proptest::collection::vec(damage(), 1..6)) {
        let tar = [tarred(b"a.txt", b'0', b"text"), tarred(b"l", b'L', b"b.txt\0"), tarred(b"b", b'0', MAIL), vec![0; 1024]].concat();
        let zipped = zip(&[("a.txt", b"text"), ("m.eml", MAIL), ("n.zip", &zip(&[("x.txt", b"x")]))]);
        let files = [("zip", zipped), ("tgz", gzipped(&tar)), ("tar", tar), ("eml", MAIL.to_vec()), ("mbox", [b"From a@b Mon Jan  1 00:00:00 2024\n", MAIL].concat())];
        let (extension, mut bytes) = file.get(&files).clone();
        for damage in &damages {
            Damage::done_to(damage, &mut bytes);
        }
        unpacked(&bytes, &request(extension));
    }
}
