//! Makes hostile files of all kinds from a seed.

use super::files::{jpeg, png, png_that_claims};
use std::io::{Cursor, Write as _};
use zip::write::SimpleFileOptions;

/// A hostile file: its name and its bytes.
pub type Hostile = (String, Vec<u8>);

/// Makes `count` hostile files. Most are damaged forms of whole ones, and others exhaust libraries.
pub fn hostile_files(seed: u64, count: usize) -> Vec<Hostile> {
    let mut random = fastrand::Rng::with_seed(seed);
    let whole = whole();
    let mut files = Vec::with_capacity(count);
    for n in 0..count {
        let (extension, bytes) = if n % 4 == 0 {
            exhausting(n / 4, &mut random)
        } else {
            let (extension, bytes) = &whole[random.usize(..whole.len())];
            (*extension, damaged(bytes.clone(), &mut random))
        };
        files.push((format!("{n:04}.{extension}"), bytes));
    }
    files
}

/// Whole files of all kinds that are easy to make.
fn whole() -> Vec<(&'static str, Vec<u8>)> {
    let page = "BT /F1 12 Tf 72 700 Td (some text) Tj ET";
    let document = r#"<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p><w:r><w:t>some text</w:t></w:r></w:p></w:body></w:document>"#;
    vec![
        ("jpg", jpeg(1)),
        ("png", png(2)),
        ("gif", converted(image::ImageFormat::Gif)),
        ("webp", converted(image::ImageFormat::WebP)),
        ("tiff", converted(image::ImageFormat::Tiff)),
        ("bmp", converted(image::ImageFormat::Bmp)),
        ("pdf", pdf(page.as_bytes(), "")),
        ("docx", docx(document.as_bytes())),
        ("xlsx", xlsx("some text", 20)),
        ("html", b"<!DOCTYPE html><html><body><table><tr><td>some</td></tr></table><p>text</p></body></html>".to_vec()),
        ("eml", mail("text/plain", "some text")),
        ("rtf", br"{\rtf1\ansi{\fonttbl\f0 Arial;}\f0 some text with \'e9\par}".to_vec()),
        ("txt", "some text, häufig in UTF-8\n".repeat(50).into_bytes()),
    ]
}

fn converted(format: image::ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image::load_from_memory(&png(3)).unwrap().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// One to eight changes. Extreme bytes break more than others.
fn damaged(mut bytes: Vec<u8>, random: &mut fastrand::Rng) -> Vec<u8> {
    for _ in 0..random.usize(1..8) {
        let at = random.usize(..bytes.len().max(1));
        match random.u8(..8) {
            0 => bytes.truncate(at.max(16)),
            1 => drop(bytes.drain(at..(at + 20).min(bytes.len()))),
            2 => {
                let again = bytes[at..(at + 200).min(bytes.len())].repeat(random.usize(1..50));
                bytes.splice(at..at, again);
            }
            _ => {
                let byte = [0, 0xFF, 0x7F, 0x80, 1, random.u8(..)][random.usize(..6)];
                if let Some(hit) = bytes.get_mut(at) {
                    *hit = byte;
                }
            }
        }
    }
    bytes
}

/// A file that costs a naive reader much time or memory.
fn exhausting(kind: usize, random: &mut fastrand::Rng) -> (&'static str, Vec<u8>) {
    let deep = random.usize(20_000..200_000);
    match kind % 20 {
        0 => ("jpg", scans(random.usize(100..5_000))),
        1 => ("png", png_that_claims(random.u32(20_000..), random.u32(20_000..))),
        2 => ("bmp", bmp_that_claims(random.u32(10_000..60_000))),
        3 => ("docx", docx(&vec![b' '; random.usize(50..150) * 1_000_000])),
        4 => ("docx", docx("<w:p>".repeat(deep).as_bytes())),
        5 => ("xlsx", xlsx(&"word ".repeat(10_000), random.usize(500..2_000))),
        6 => ("html", "<div>".repeat(deep).into_bytes()),
        7 => ("html", "<a><b><i><p>".repeat(deep / 10).into_bytes()),
        8 => ("html", "<table><b>".repeat(deep / 20).into_bytes()),
        9 => ("pdf", pdf("[".repeat(deep).as_bytes(), "")),
        10 => ("pdf", pdf("q ".repeat(deep).as_bytes(), "/Prev 9")),
        11 => ("pdf", pdf("BT /F1 1 Tf (x) Tj ET 0 0 1 1 re f ".repeat(deep / 4).as_bytes(), "")),
        12 => ("pdf", pdf(b"", &"/A [".repeat(deep))),
        13 => ("rtf", format!("{{\\rtf1 {}", "{".repeat(deep)).into_bytes()),
        14 => ("eml", nested_mail(random.usize(100..2_000))),
        15 => ("txt", vec![b'a'; random.usize(1..4) * 1_000_000]),
        16 => ("json", "[".repeat(deep).into_bytes()),
        17 => ("xml", format!("<?xml version=\"1.0\"?><!DOCTYPE a [{}]><a>&e9;</a>", entities()).into_bytes()),
        18 => ("md", "[![".repeat(deep / 4).into_bytes()),
        _ => ("gif", gif_that_claims(random.usize(1..2_000))),
    }
}

/// A progressive JPEG whose last scan is repeated.
fn scans(times: usize) -> Vec<u8> {
    let image =
        image::RgbImage::from_fn(1_500, 1_500, |x, y| image::Rgb([u8::try_from(x % 251).unwrap(), u8::try_from(y % 241).unwrap(), 9]));
    let mut file = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut file, 50);
    encoder.set_progressive(true);
    encoder.encode(&image, 1_500, 1_500, jpeg_encoder::ColorType::Rgb).unwrap();
    let last = file.windows(2).rposition(|marker| marker == [0xFF, 0xDA]).unwrap();
    let scan = file[last..file.len() - 2].to_vec();
    let most = 3_000_000 / scan.len().max(1);
    let mut bytes = file[..file.len() - 2].to_vec();
    (0..times.min(most)).for_each(|_| bytes.extend_from_slice(&scan));
    bytes.extend([0xFF, 0xD9]);
    bytes
}

fn bmp_that_claims(side: u32) -> Vec<u8> {
    let mut bytes = converted(image::ImageFormat::Bmp);
    bytes[18..22].copy_from_slice(&side.to_le_bytes());
    bytes[22..26].copy_from_slice(&side.to_le_bytes());
    bytes
}

/// A GIF with many frames on a large screen.
fn gif_that_claims(frames: usize) -> Vec<u8> {
    let mut bytes = converted(image::ImageFormat::Gif);
    bytes[6..10].fill(0xFF);
    let body = bytes[13..bytes.len() - 1].to_vec();
    bytes.pop();
    (0..frames).for_each(|_| bytes.extend_from_slice(&body));
    bytes.push(b';');
    bytes
}

/// A PDF document of one page with this content, and more entries in its trailer.
fn pdf(content: &[u8], trailer: &str) -> Vec<u8> {
    let mut file = b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n\
        2 0 obj\n<< /Type /Pages /Count 1 /Kids [3 0 R] >>\nendobj\n\
        3 0 obj\n<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>\nendobj\n\
        5 0 obj\n<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>\nendobj\n"
        .to_vec();
    file.extend(format!("4 0 obj\n<< /Length {} >>\nstream\n", content.len()).bytes());
    file.extend(content);
    file.extend(format!("\nendstream\nendobj\ntrailer << /Size 6 /Root 1 0 R {trailer} >>\n%%EOF\n").bytes());
    file
}

fn docx(document: &[u8]) -> Vec<u8> {
    let types = r#"<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>"#;
    let links = r#"<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/></Relationships>"#;
    zipped(&[("[Content_Types].xml", types.as_bytes()), ("_rels/.rels", links.as_bytes()), ("word/document.xml", document)])
}

/// A workbook whose cells all refer to one shared text.
fn xlsx(text: &str, rows: usize) -> Vec<u8> {
    let types = r#"<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/><Override PartName="/xl/sharedStrings.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"/></Types>"#;
    let relationships = |inside: &str| {
        format!(
            r#"<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{inside}</Relationships>"#
        )
    };
    let link = |id: &str, kind: &str, target: &str| {
        format!(
            r#"<Relationship Id="{id}" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/{kind}" Target="{target}"/>"#
        )
    };
    let book = r#"<?xml version="1.0"?><workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="S" sheetId="1" r:id="r1"/></sheets></workbook>"#;
    let strings = format!(
        r#"<?xml version="1.0"?><sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><si><t>{text}</t></si></sst>"#
    );
    let rows: String = (1..=rows).map(|n| format!(r#"<row r="{n}"><c r="A{n}" t="s"><v>0</v></c></row>"#)).collect();
    let sheet = format!(
        r#"<?xml version="1.0"?><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{rows}</sheetData></worksheet>"#
    );
    let of_book = relationships(&(link("r1", "worksheet", "worksheets/sheet1.xml") + &link("r2", "sharedStrings", "sharedStrings.xml")));
    zipped(&[
        ("[Content_Types].xml", types.as_bytes()),
        ("_rels/.rels", relationships(&link("r1", "officeDocument", "xl/workbook.xml")).as_bytes()),
        ("xl/workbook.xml", book.as_bytes()),
        ("xl/_rels/workbook.xml.rels", of_book.as_bytes()),
        ("xl/sharedStrings.xml", strings.as_bytes()),
        ("xl/worksheets/sheet1.xml", sheet.as_bytes()),
    ])
}

fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn mail(kind: &str, body: &str) -> Vec<u8> {
    format!("From: a@example.org\r\nTo: b@example.org\r\nSubject: x\r\nMIME-Version: 1.0\r\nContent-Type: {kind}\r\n\r\n{body}\r\n")
        .into_bytes()
}

fn nested_mail(depth: usize) -> Vec<u8> {
    let parts: String = (1..depth).map(|n| format!("--b{}\r\nContent-Type: multipart/mixed; boundary=b{n}\r\n\r\n", n - 1)).collect();
    mail("multipart/mixed; boundary=b0", &parts)
}

/// Entities that refer to each other: ten to the power of nine texts.
fn entities() -> String {
    let refers = |n: usize| format!("<!ENTITY e{n} \"{}\">", format!("&e{};", n - 1).repeat(10));
    (1..10).map(refers).fold("<!ENTITY e0 \"text\">".to_owned(), |all, one| all + &one)
}
