//! A corpus of small images of all kinds, each compared with what other decoders see in it.
//!
//! The files show the same picture, 27 x 19 pixels, stored in as many ways as their formats know. Pillow, ImageMagick
//! and libtiff's, libjpeg's and libwebp's own tools wrote them. `references.png` holds what they show, one below the
//! other in the order of their names: upright, on white, as Pillow 13 and ImageMagick 6.9 read them and agree on (two
//! files on which they differ are as ImageMagick and libvips, or browsers, read them). Names that begin with `refused-`
//! have no reference: we do not read them, and must say so.

use super::*;
use std::path::PathBuf;

/// Decoders round differently, and chroma is interpolated in several ways: this much noise is nothing that one sees.
const LEAST_PSNR: f64 = 35.0;
/// Of a few pixels left, each filter makes something else.
const LEAST_PSNR_SHRUNK: f64 = 25.0;
const HEIGHT: u32 = 19;

fn corpus() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/prepare/tests/golden")
}

/// Names and bytes of the images, in the order of the references.
pub(super) fn images() -> Vec<(String, Vec<u8>)> {
    let names = std::fs::read_dir(corpus()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name != "references.png").collect();
    names.sort();
    names.into_iter().map(|name| (name.clone(), std::fs::read(corpus().join(name)).unwrap())).collect()
}

/// Peak signal to noise in decibels.
fn psnr(a: &RgbImage, b: &RgbImage) -> f64 {
    let squares: u64 = a.iter().zip(b.iter()).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum();
    10.0 * (255.0 * 255.0 * a.len() as f64 / squares.max(1) as f64).log10()
}

/// The images that are read, each with what other decoders see in it.
fn with_references() -> Vec<(String, Vec<u8>, RgbImage)> {
    let references = ::image::open(corpus().join("references.png")).unwrap().into_rgb8();
    let readable: Vec<_> = images().into_iter().filter(|(name, _)| !name.starts_with("refused-")).collect();
    let rows = u32::try_from(readable.len()).unwrap() * HEIGHT;
    assert_eq!(references.height(), rows, "one reference for each image");
    let reference = |row| ::image::imageops::crop_imm(&references, 0, row, references.width(), HEIGHT).to_image();
    readable.into_iter().zip((0..rows).step_by(HEIGHT as usize)).map(|((name, bytes), row)| (name, bytes, reference(row))).collect()
}

/// What is wrong with how this file is prepared; `None` if nothing is.
fn complaint(bytes: &[u8], reference: &RgbImage, max_edge: u32, least_psnr: f64) -> Option<String> {
    let mut settings = settings();
    settings.image.jpeg_quality = 100;
    settings.image.max_edge = max_edge;
    let prepared = match prepare(bytes, sniff(bytes, ""), &settings, &ImageLimits::openai()) {
        Ok(prepared) => prepared,
        Err(failure) => return Some(failure.message),
    };
    let sent = sent_image(&prepared).into_rgb8();
    if sent.dimensions() != reference.dimensions() {
        return Some(format!("sent as {:?}", sent.dimensions()));
    }
    let alike = psnr(&sent, reference);
    (alike < least_psnr).then(|| format!("{alike:.1} dB from its reference"))
}

#[test]
fn images_of_all_kinds_are_sent_as_other_decoders_see_them() {
    let all = with_references();
    let complaints: Vec<String> = all
        .iter()
        .filter_map(|(name, bytes, reference)| Some(format!("{name}: {}", complaint(bytes, reference, 0, LEAST_PSNR)?)))
        .collect();
    assert!(complaints.is_empty(), "{} of {}:\n{}", complaints.len(), all.len(), complaints.join("\n"));
}

/// JPEGs have a decoder of their own for this.
#[test]
fn images_of_all_kinds_show_the_same_when_they_are_shrunk_to_less_than_half() {
    let half = |reference: &RgbImage| ::image::imageops::resize(reference, 13, 9, ::image::imageops::FilterType::Lanczos3);
    let complaints: Vec<String> = with_references()
        .iter()
        .filter_map(|(name, bytes, reference)| Some(format!("{name}: {}", complaint(bytes, &half(reference), 13, LEAST_PSNR_SHRUNK)?)))
        .collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn what_we_do_not_read_is_refused_by_name() {
    for (name, bytes) in images().iter().filter(|(name, _)| name.starts_with("refused-")) {
        let failure = run(bytes).map(|prepared| prepared.facts.format).expect_err(name);
        assert_eq!(failure.code, FailureCode::Undecodable, "{name}: {failure}");
        let (format, reason) = failure.message.split_once(" image but cannot be decoded: ").unwrap();
        assert!(["this looks like a JPEG", "this looks like a TIFF"].contains(&format), "{name}: {failure}");
        assert!(reason.contains("support"), "{name}: {failure}");
    }
}
