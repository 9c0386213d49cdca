//! Compares small images of all kinds with the output of other decoders.
//!
//! The files contain the same picture of 27 x 19 pixels in all variants of their formats. Pillow,
//! ImageMagick, and the tools of libtiff, libjpeg and libwebp wrote them. `references.png` contains
//! the decoded pictures, upright and on white, one below the other in the order of names. Pillow 13
//! and ImageMagick 6.9 agree on them. They differ on two files. There, the reference follows
//! ImageMagick and libvips, or browsers. Files with the prefix `refused-` have no reference,
//! because docmill must refuse them.

use super::*;
use std::path::PathBuf;

/// Minimum peak signal-to-noise ratio in decibels.
///
/// Decoders round and interpolate chroma differently. This amount of noise is invisible.
const LEAST_PSNR: f64 = 35.0;
/// Minimum ratio for shrunk pictures, where filters differ more.
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

/// Computes the peak signal-to-noise ratio in decibels.
fn psnr(a: &RgbImage, b: &RgbImage) -> f64 {
    let squares: u64 = a.iter().zip(b.iter()).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum();
    10.0 * (255.0 * 255.0 * a.len() as f64 / squares.max(1) as f64).log10()
}

/// Returns the readable images, each with its reference.
fn with_references() -> Vec<(String, Vec<u8>, RgbImage)> {
    let references = ::image::open(corpus().join("references.png")).unwrap().into_rgb8();
    let readable: Vec<_> = images().into_iter().filter(|(name, _)| !name.starts_with("refused-")).collect();
    let rows = u32::try_from(readable.len()).unwrap() * HEIGHT;
    assert_eq!(references.height(), rows, "one reference for each image");
    let reference = |row| ::image::imageops::crop_imm(&references, 0, row, references.width(), HEIGHT).to_image();
    readable.into_iter().zip((0..rows).step_by(HEIGHT as usize)).map(|((name, bytes), row)| (name, bytes, reference(row))).collect()
}

/// Describes the fault in the preparation of this file, if any.
fn fault(bytes: &[u8], reference: &RgbImage, max_edge: u32, least_psnr: f64) -> Option<String> {
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
    let faults: Vec<String> =
        all.iter().filter_map(|(name, bytes, reference)| Some(format!("{name}: {}", fault(bytes, reference, 0, LEAST_PSNR)?))).collect();
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), all.len(), faults.join("\n"));
}

/// JPEGs are also reduced by a dedicated decoder.
#[test]
fn shrinking_to_less_than_half_keeps_the_picture_for_all_kinds() {
    let half = |reference: &RgbImage| ::image::imageops::resize(reference, 13, 9, ::image::imageops::FilterType::Lanczos3);
    let faults: Vec<String> = with_references()
        .iter()
        .filter_map(|(name, bytes, reference)| Some(format!("{name}: {}", fault(bytes, &half(reference), 13, LEAST_PSNR_SHRUNK)?)))
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn unsupported_variants_are_refused_with_a_reason() {
    for (name, bytes) in images().iter().filter(|(name, _)| name.starts_with("refused-")) {
        let failure = run(bytes).map(|prepared| prepared.facts.format).expect_err(name);
        assert_eq!(failure.code, FailureCode::Undecodable, "{name}: {failure}");
        let (format, reason) = failure.message.split_once(" image: ").unwrap();
        assert!(["cannot decode this JPEG", "cannot decode this TIFF"].contains(&format), "{name}: {failure}");
        assert!(reason.contains("support"), "{name}: {failure}");
    }
}
