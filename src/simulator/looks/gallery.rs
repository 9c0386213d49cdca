//! Looks at the pictures of requests, each once.

use super::{LEAST, Looks, Pixels, SIDE, looks};
use crate::simulator::picture;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::{DynamicImage, ImageReader, Limits};
use jpeg_decoder::{Decoder, PixelFormat};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

/// Pictures that are remembered.
const REMEMBERED: usize = 256;
/// Larger pictures are not looked at. docmill sends none.
const MAX_PIXELS: u64 = 12_000_000;
/// JPEG files with more scans take long to decode, and are not looked at.
const MAX_SCANS: usize = 20;
const MAX_MEMORY: u64 = 64 << 20;

type Entry = Arc<OnceLock<Option<Looks>>>;

/// The looks of recent pictures.
#[derive(Debug, Default)]
pub struct Gallery(Mutex<HashMap<[u8; 32], Entry>>);

impl Gallery {
    /// The looks of a picture in base64. `None` if it is too large or cannot be decoded.
    pub fn look(&self, base64: &str) -> Option<Looks> {
        let key = *blake3::hash(base64.as_bytes()).as_bytes();
        let entry = {
            let mut entries = self.0.lock();
            if entries.len() >= REMEMBERED && !entries.contains_key(&key) {
                entries.clear();
            }
            Arc::clone(entries.entry(key).or_default())
        };
        // Concurrent requests about one picture wait for the first.
        *entry.get_or_init(|| decoded(base64))
    }
}

fn decoded(base64: &str) -> Option<Looks> {
    let (width, height) = picture::look(base64)?.size?;
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return None;
    }
    let bytes = STANDARD.decode(base64).ok()?;
    // A decoder that panics on a damaged file must not close the connection.
    let pixels =
        catch_unwind(AssertUnwindSafe(|| if bytes.starts_with(&[0xFF, 0xD8]) { jpeg(&bytes, (width, height)) } else { other(&bytes) }))
            .ok()??;
    Some(looks(&pixels))
}

/// Decodes a JPEG at an eighth of its size, if that is not too small: a fraction of the work.
fn jpeg(bytes: &[u8], (width, height): (u32, u32)) -> Option<Pixels> {
    const START_OF_SCAN: [u8; 2] = [0xFF, 0xDA];
    if bytes.windows(2).filter(|pair| *pair == START_OF_SCAN).count() > MAX_SCANS {
        return None;
    }
    let mut decoder = Decoder::new(bytes);
    let (short, long) = (width.min(height).max(1), width.max(height));
    let least = u16::try_from(SIDE.max(long * LEAST / short + 1)).unwrap_or(u16::MAX);
    decoder.scale(least, least).ok()?;
    let pixels = decoder.decode().ok()?;
    let info = decoder.info()?;
    let rgb = match info.pixel_format {
        PixelFormat::RGB24 => pixels,
        PixelFormat::L8 => pixels.into_iter().flat_map(|grey| [grey; 3]).collect(),
        _ => return None,
    };
    Pixels::reduced(info.width.into(), info.height.into(), &rgb)
}

/// Decodes another format, on white where it is transparent.
fn other(bytes: &[u8]) -> Option<Pixels> {
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().ok()?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_MEMORY);
    reader.limits(limits);
    let image = reader.decode().ok()?;
    let [width, height] = [image.width(), image.height()].map(|side| side as usize);
    let rgb = if image.color().has_alpha() { on_white(&image) } else { image.into_rgb8().into_raw() };
    Pixels::reduced(width, height, &rgb)
}

fn on_white(image: &DynamicImage) -> Vec<u8> {
    let blend = |value: u8, alpha: u8| {
        let (value, alpha) = (u16::from(value), u16::from(alpha));
        u8::try_from((value * alpha + 255 * (255 - alpha)) / 255).unwrap_or(u8::MAX)
    };
    image.to_rgba8().pixels().flat_map(|pixel| [0, 1, 2].map(|channel| blend(pixel.0[channel], pixel.0[3]))).collect()
}
