//! Preparation of photographs against a plain loop with the image crate, both on all cores.

use super::child::median;
use docmill::prepare::{Apart, ImageLimits, ImageSettings, PdfMode, PdfSettings, PrepareSettings, TextSettings, prepare, sniff};
use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::{ImageReader, Rgb, RgbImage};
use rayon::prelude::*;
use std::io::Cursor;
use std::time::Instant;

const IMAGES: usize = 16;
const PAIRS: usize = 3;

pub fn images() {
    let photo = photo();
    let settings = settings();
    let limits = ImageLimits::anthropic(true);
    let ratios = (0..PAIRS).map(|_| {
        let plain = rate(|| plain(&photo).len());
        let ours = rate(|| prepare(&photo, sniff(&photo, "jpg"), &settings, &limits).unwrap().content.bytes());
        println!("images: plain {plain:.1} images/s, docmill {ours:.1} images/s");
        ours / plain
    });
    println!("images: median ratio {:.2} (wanted: at least 2.5)", median(ratios.collect()));
}

/// The defaults.
pub fn settings() -> PrepareSettings {
    PrepareSettings {
        workers: 0,
        queue: 1,
        memory_mb: 512,
        image: ImageSettings { max_edge: 1568, jpeg_quality: 85, max_pixels_mp: 100 },
        text: TextSettings { clean: false },
        pdf: PdfSettings { mode: PdfMode::Auto, max_pages: 0 },
        document_s: 60,
        document_mb: 1024,
        apart: Apart::default(),
    }
}

fn rate(work: impl Fn() -> usize + Sync) -> f64 {
    let started = Instant::now();
    let bytes: usize = (0..IMAGES).into_par_iter().map(|_| work()).sum();
    assert!(bytes > 0);
    IMAGES as f64 / started.elapsed().as_secs_f64()
}

fn plain(photo: &[u8]) -> Vec<u8> {
    let image = ImageReader::new(Cursor::new(photo)).with_guessed_format().unwrap().decode().unwrap();
    let small = image.resize(1568, 1568, FilterType::Lanczos3).to_rgb8();
    let mut out = Vec::new();
    JpegEncoder::new_with_quality(&mut out, 85).encode_image(&small).unwrap();
    out
}

/// Twelve megapixels with shapes and sensor noise, as JPEG.
pub fn photo() -> Vec<u8> {
    photo_of(4000, 3000, 3)
}

/// The same of another size, and with other noise.
pub fn photo_of(width: u32, height: u32, seed: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    let image = RgbImage::from_fn(width, height, |x, y| {
        let shade = ((f64::from(x) / 97.0).sin() * 50.0 + (f64::from(y) / 53.0).cos() * 40.0 + 128.0).clamp(0.0, 230.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a byte")]
        let base = shade as u8;
        Rgb([base.saturating_add(random.u8(..24)), base.saturating_add(random.u8(..24)), base / 2 + random.u8(..24)])
    });
    let mut out = Vec::new();
    JpegEncoder::new_with_quality(&mut out, 90).encode_image(&image).unwrap();
    out
}
