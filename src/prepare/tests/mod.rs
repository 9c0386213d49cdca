//! Tests of preparation, with files made in memory.

#![allow(clippy::unwrap_used)]

mod cells;
mod containers;
mod encodings;
mod flat;
mod formats;
mod golden;
mod images;
mod kinds;
mod latex;
mod lists;
mod looks;
mod mail;
mod modern_images;
mod mutations;
mod office;
mod outside;
mod pdf;
mod sniffing;
mod texts;
mod tiffs;
mod web;

use super::*;
use crate::model::{ContentBlock, Picture};
use ::image::{DynamicImage, ImageFormat, RgbImage};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::io::Cursor;
use std::sync::Arc;

fn settings() -> PrepareSettings {
    PrepareSettings {
        workers: 0,
        queue: 64,
        memory_mb: 512,
        image: ImageSettings { max_edge: 1568, jpeg_quality: 90, max_pixels_mp: 50 },
        text: TextSettings { clean: false },
        pdf: PdfSettings { mode: PdfMode::Auto, max_pages: 0 },
        document_s: 60,
        document_mb: 1024,
        apart: Apart::default(),
    }
}

fn run(bytes: &[u8]) -> Result<Prepared, Failure> {
    prepare(bytes, sniff(bytes, ""), &settings(), &ImageLimits::anthropic(false))
}

fn picture(prepared: &Prepared) -> Arc<Picture> {
    match &prepared.content.0[..] {
        [ContentBlock::Picture(picture)] => Arc::clone(picture),
        _ => panic!("no picture came out"),
    }
}

fn sent_bytes(picture: &Picture) -> Vec<u8> {
    STANDARD.decode(&picture.base64).unwrap()
}

fn sent_image(prepared: &Prepared) -> DynamicImage {
    ::image::load_from_memory(&sent_bytes(&picture(prepared))).unwrap()
}

/// A picture without symmetry, so that all eight orientations differ.
fn flag(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        ::image::Rgb(match (x < width / 2, y < height / 2) {
            (true, true) => [200, 30, 30],
            (false, true) => [30, 180, 30],
            (true, false) => [30, 30, 200],
            (false, false) => [240, 240, 240],
        })
    })
}

fn kind(format: ImageFormat) -> ImageKind {
    ImageKind::ALL.into_iter().find(|kind| kind.format() == Some(format)).unwrap()
}

fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn jpeg(image: &RgbImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (width, height) = (image.width().try_into().unwrap(), image.height().try_into().unwrap());
    jpeg_encoder::Encoder::new(&mut bytes, 95).encode(image, width, height, jpeg_encoder::ColorType::Rgb).unwrap();
    bytes
}

/// Mean difference of the channels, from 0 to 255.
fn difference(a: &RgbImage, b: &RgbImage) -> f64 {
    assert_eq!(a.dimensions(), b.dimensions());
    let sum: u64 = a.iter().zip(b.iter()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / a.len() as f64
}

#[test]
fn a_panic_in_a_decoder_becomes_a_failure_with_its_text() {
    for (panic, text) in [
        (fenced::<()>(|| panic!("index out of bounds")), "index out of bounds"),
        (fenced::<()>(|| panic!("bad marker {}", 7)), "bad marker 7"),
    ] {
        let failure = panic.unwrap_err();
        assert_eq!(failure.code, FailureCode::Undecodable);
        assert!(failure.message.contains(text), "{failure}");
    }
}

#[test]
fn a_file_without_bytes_is_empty_for_every_sniffed_kind() {
    for sniffed in [Sniffed::Text, Sniffed::Image(ImageKind::Png), Sniffed::Unsupported("PDF document")] {
        let failure = prepare(b"", sniffed, &settings(), &ImageLimits::openai()).unwrap_err();
        assert_eq!(failure.code, FailureCode::Empty);
    }
}

#[test]
fn failures_name_unsupported_kinds() {
    let failure = run(b"7z\xBC\xAF\x27\x1C").unwrap_err();
    assert_eq!(failure.code, FailureCode::UnsupportedKind);
    assert!(failure.message.contains("compressed archive"), "{failure}");
}

#[test]
fn settings_require_every_key_and_reject_others() {
    let whole = "workers = 2\nqueue = 8\nmemory_mb = 100\ndocument_s = 1\ndocument_mb = 1\n[image]\nmax_edge = 1568\njpeg_quality = 85\n\
                 max_pixels_mp = 100\n[text]\nclean = false\n[pdf]\nmode = \"pages\"\nmax_pages = 7\n";
    let read: PrepareSettings = toml::from_str(whole).unwrap();
    assert_eq!((read.workers, read.image.max_edge, read.text.clean), (2, 1568, false));
    assert!(toml::from_str::<PrepareSettings>(&whole.replace("queue = 8\n", "")).is_err());
    let error = toml::from_str::<PrepareSettings>(&whole.replace("jpeg_quality", "jpg_quality")).unwrap_err();
    assert!(error.to_string().contains("jpg_quality"), "{error}");
}

#[test]
fn the_memory_estimate_covers_the_pixels_and_is_zero_for_broken_headers() {
    let image = flag(400, 300);
    let dynamic = DynamicImage::ImageRgb8(image.clone());
    for bytes in [jpeg(&image), encoded(&dynamic, ImageFormat::Png), encoded(&dynamic, ImageFormat::Tiff)] {
        let sniffed = sniff(&bytes, "");
        let peak = peak_memory(&bytes, sniffed);
        assert!((400 * 300 * 3..400 * 300 * 20).contains(&peak), "{sniffed:?}: {peak}");
        assert_eq!(peak_memory(&bytes[..10], sniffed), 0);
    }
    assert_eq!(peak_memory(b"hello", Sniffed::Text), 15);
    assert_eq!(peak_memory(b"hello", Sniffed::Unsupported("binary data")), 0);
}

#[test]
fn the_memory_estimate_follows_the_size_in_the_header() {
    let bomb = formats::bmp_header(60_000, 60_000);
    assert!(peak_memory(&bomb, sniff(&bomb, "")) >= 60_000 * 60_000 * 3);
}
