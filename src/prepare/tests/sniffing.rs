use super::*;
use crate::model::Kind;

#[test]
fn files_that_are_neither_image_nor_text_are_named() {
    let cases: [(&[u8], &str); 11] = [
        (b"PK\x03\x04\x14\0", "ZIP archive"),
        (b"\x1f\x8b\x08\0", "gzip archive"),
        (b"\x7fELF\x02\x01", "executable"),
        (b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2", "audio or video"),
        (b"\0\0\0\x0cftypisom", "audio or video"),
        (b"\xff\xff\xff\xffftypqt  ", "audio or video"),
        (b"OggS\0\x02", "audio or video"),
        (b"ID3\x04\0", "audio or video"),
        (b"RIFF\0\0\0\0WAVEfmt ", "audio or video"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "compound file"),
        (b"abc\0\x01\x02def\x80\0", "binary data"),
    ];
    for (bytes, name) in cases {
        assert_eq!(sniff(bytes, ""), Sniffed::Unsupported(name), "{bytes:?}");
        assert_eq!(sniff(bytes, "txt"), Sniffed::Unsupported(name), "the extension changes nothing");
    }
}

#[test]
fn brands_and_signatures_identify_modern_images() {
    let cases: [(&[u8], ImageKind); 6] = [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", ImageKind::Heic),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heix", ImageKind::Heic),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif", ImageKind::Avif),
        (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1", ImageKind::Avif),
        (b"\xff\x0a\xfa", ImageKind::JpegXl),
        (b"\0\0\0\x0cJXL \r\n\x87\n", ImageKind::JpegXl),
    ];
    for (bytes, kind) in cases {
        assert_eq!(sniff(bytes, "jpg"), Sniffed::Image(kind), "{bytes:?}");
    }
}

#[test]
fn texts_that_begin_like_a_signature_stay_texts() {
    for text in [
        "BMW builds cars in Munich since 1916.",
        "ID3 tags hold titles.",
        "MZ is not always an executable",
        "GIF89 is a format",
        "II* is a rating",
        "RIFF",
        "OggS",
        "PK",
        "%PD",
        "{\"a\": 1}",
        "a,b\n1,2\n",
        "",
    ] {
        assert_eq!(sniff(text.as_bytes(), "jpg"), Sniffed::Text, "{text}");
    }
}

#[test]
fn ties_are_broken_by_the_extension() {
    let tiff = formats::grey_tiff(4, 4, 1, 1, &[9; 16]);
    assert_eq!(sniff(&tiff, "tif"), Sniffed::Image(ImageKind::Tiff));
    assert_eq!(sniff(&tiff, "nef"), Sniffed::Unsupported("camera raw image"));
    let sync = [0xFF, 0xFB, 0x90, 0x44, 0x41, 0x42];
    assert_eq!(sniff(&sync, "mp3"), Sniffed::Unsupported("audio or video"));
}

#[test]
fn sniffing_never_panics_on_a_prefix() {
    let heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic";
    for bytes in [formats::gif(2), heic.to_vec(), formats::bmp_header(9, 9), jpeg(&flag(20, 20))] {
        for end in 0..bytes.len() {
            sniff(&bytes[..end], "");
        }
    }
}

#[test]
fn random_bytes_are_binary_data() {
    let mut state = 99_u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(5000)
    .collect();
    assert_eq!(sniff(&noise, "txt"), Sniffed::Unsupported("binary data"));
    let without_zero: Vec<u8> = noise.into_iter().filter(|byte| *byte != 0).collect();
    assert_eq!(sniff(&without_zero, "txt"), Sniffed::Unsupported("binary data"));
}

#[test]
fn sniffed_formats_have_a_kind() {
    assert_eq!(Sniffed::Image(ImageKind::Png).kind(), Some(Kind::Image));
    assert_eq!(Sniffed::Text.kind(), Some(Kind::Text));
    assert_eq!(Sniffed::Unsupported("icon").kind(), None);
}

/// Uses files with very long directories.
///
/// The entry of a Word document is at the end.
#[test]
fn sniffing_reads_only_a_bounded_part_of_a_directory() {
    let zip = |others: u32| {
        let names = (0..others).map(|n| format!("{n:060}")).chain(["word/document.xml".to_owned()]);
        let mut directory = Vec::new();
        for name in names {
            directory.extend(b"PK\x01\x02\x14\0\x14\0");
            directory.extend([0; 20]);
            directory.extend([u8::try_from(name.len()).unwrap(), 0]);
            directory.extend([0; 16]);
            directory.extend(name.into_bytes());
        }
        let (count, size) = (u64::from(others + 1).to_le_bytes(), (directory.len() as u64).to_le_bytes());
        let begin = b"PK\x03\x04".to_vec();
        let end64 = [b"PK\x06\x06\x2c\0\0\0\0\0\0\0\x2d\0\x2d\0\0\0\0\0\0\0\0\0", &count[..], &count, &size, &4_u64.to_le_bytes()].concat();
        let at = (4 + directory.len() as u64).to_le_bytes();
        let end = [b"PK\x06\x07\0\0\0\0", &at[..], b"\x01\0\0\0PK\x05\x06\0\0\0\0", &[255; 12], &[0; 2]].concat();
        [begin, directory, end64, end].concat()
    };
    let compound = |others: u32| {
        // In this order, stream names do not form a long branch.
        let names = (0..others).map(|n| n.wrapping_mul(2_654_435_761)).map(|n| format!("/{n:030}"));
        let mut file = cfb::CompoundFile::create(std::io::Cursor::new(Vec::new())).unwrap();
        for name in names.chain(["/WordDocument".to_owned()]) {
            drop(file.create_stream(name).unwrap());
        }
        file.into_inner().into_inner()
    };
    let found = |bytes: &[u8], extension| match sniff(bytes, extension) {
        Sniffed::Document(reader) => reader.format,
        Sniffed::Unsupported(name) => name,
        other => panic!("{other:?}"),
    };
    let (long_zip, long_compound) = (zip(1_000_000), compound(12_000));
    assert!(long_zip.len() > 100_000_000);
    assert_eq!((found(&zip(100), ""), found(&compound(100), "")), ("docx", "doc"));
    assert_eq!((found(&long_zip, ""), found(&long_compound, "")), ("ZIP archive", "compound file"));
    // With the extension, the file goes to the process that reads documents, which has limits.
    assert_eq!((found(&long_zip, "docx"), found(&long_compound, "doc")), ("docx", "doc"));
}
