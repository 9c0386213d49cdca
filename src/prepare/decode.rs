//! Decodes an image file into pixels, within limits.
//!
//! The number of pixels is checked against the header before pixel memory is allocated.
//! [`flattened`] pixels are 8-bit grey or 8-bit RGB without transparency. A truncated JPEG is
//! refused, although the decoder would fill the rest with grey. Messages say what the file is and
//! what is wrong with it.
//!
//! The decoder converts CMYK and YCCK to RGB. It treats them as inverted, as Adobe writes them and
//! browsers read them. Colour profiles are not applied.

use super::{frames, jpeg};
use crate::model::{Failure, FailureCode};
use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, RgbImage};
use std::io::Cursor;

const MEGA: u64 = 1_000_000;
/// Maximum number of scans of a JPEG.
const MOST_SCANS: u64 = 500;
/// Maximum number of scans of a JPEG with as many pixels as allowed.
const SCANS_OF_LARGEST: u64 = 30;

/// An image whose header is acceptable.
pub(super) struct Source<'a> {
    bytes: &'a [u8],
    format: ImageFormat,
    decoder: Box<dyn ImageDecoder + 'a>,
    /// The rotation or reflection that makes the stored pixels upright.
    pub orientation: Orientation,
    /// Whether providers read the stored colours as docmill does. They do for 8 bits, but not for
    /// CMYK.
    pub plain_colours: bool,
    /// Whether colours are premultiplied by alpha.
    pub premultiplied: bool,
}

impl<'a> Source<'a> {
    /// Reads the header; refuses images above `max_pixels_mp` megapixels and truncated JPEGs.
    pub(super) fn open(bytes: &'a [u8], format: ImageFormat, max_pixels_mp: u32) -> Result<Self, Failure> {
        let mut decoder = decoder(bytes, format, max_pixels_mp).map_err(|error| undecodable(format, &error))?;
        check_pixels(decoder.dimensions(), max_pixels_mp)?;
        let cmyk = format == ImageFormat::Jpeg && is_cmyk(bytes)?;
        if format == ImageFormat::Jpeg {
            check_scans(jpeg::scans(bytes), decoder.dimensions(), max_pixels_mp)?;
        }
        // A broken EXIF block is common and does not make the picture unreadable.
        let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
        let colour = decoder.color_type();
        let eight_bits = colour.bytes_per_pixel() == colour.channel_count();
        let premultiplied = format == ImageFormat::Tiff && frames::is_premultiplied(bytes);
        Ok(Self { bytes, format, decoder, orientation, plain_colours: eight_bits && !cmyk, premultiplied })
    }

    /// Width and height after turning upright.
    pub(super) fn upright_size(&self) -> (u32, u32) {
        let (width, height) = self.decoder.dimensions();
        if swaps_sides(self.orientation) { (height, width) } else { (width, height) }
    }

    /// The pixels as stored, not yet upright.
    ///
    /// They may be reduced, but not below `least` (upright width and height).
    pub(super) fn decode(self, least: (u32, u32)) -> Result<DynamicImage, Failure> {
        if let Some(image) = self.reduced(least) {
            return Ok(image);
        }
        DynamicImage::from_decoder(self.decoder).map_err(|error| match error {
            ImageError::Limits(_) => Failure::new(
                FailureCode::TooManyPixels,
                format!(
                    "cannot decode this {} image: it needs more memory than prepare.image.max_pixels_mp allows \
                    ({error}). Raise the limit, or shrink the image",
                    name(self.format)
                ),
            ),
            error => undecodable(self.format, &error),
        })
    }

    fn reduced(&self, (width, height): (u32, u32)) -> Option<DynamicImage> {
        let least = if swaps_sides(self.orientation) { (height, width) } else { (width, height) };
        let stored = self.decoder.dimensions();
        let halved = least.0 <= stored.0 / 2 && least.1 <= stored.1 / 2;
        (halved && self.format == ImageFormat::Jpeg && self.plain_colours).then(|| jpeg::reduced(self.bytes, least))?
    }
}

/// Whether this JPEG has four ink channels. Refuses files that the decoder would misread silently.
fn is_cmyk(bytes: &[u8]) -> Result<bool, Failure> {
    let refused = |cause: &str| Err(undecodable(ImageFormat::Jpeg, &cause));
    if !jpeg::is_complete(bytes) {
        return refused("the file is truncated: it ends before the image does");
    }
    match jpeg::frame(bytes).filter(|frame| frame.components == 4) {
        // The decoder would turn half of the picture black.
        Some(frame) if frame.first_is_coarser => refused("the subsampling of its CMYK channels is not supported"),
        cmyk => Ok(cmyk.is_some()),
    }
}

/// Whether this orientation swaps width and height.
pub(super) fn swaps_sides(orientation: Orientation) -> bool {
    use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    matches!(orientation, Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH)
}

/// Whether all pixels are opaque.
pub(super) fn is_opaque(image: &DynamicImage) -> bool {
    match image {
        DynamicImage::ImageRgba8(pixels) => pixels.pixels().all(|pixel| pixel.0[3] == u8::MAX),
        DynamicImage::ImageLumaA8(pixels) => pixels.pixels().all(|pixel| pixel.0[1] == u8::MAX),
        other => !other.color().has_alpha(),
    }
}

/// Converts to 8-bit grey or 8-bit RGB on a white ground.
///
/// Costs nothing if the image has that format already.
pub(super) fn flattened(image: DynamicImage, premultiplied: bool) -> DynamicImage {
    let colour = image.color();
    let on_white = if premultiplied { share_on_white } else { on_white };
    match (colour.has_alpha(), colour.has_color()) {
        (false, true) => DynamicImage::ImageRgb8(image.into_rgb8()),
        (false, false) => DynamicImage::ImageLuma8(image.into_luma8()),
        (true, true) => {
            let transparent = image.into_rgba8();
            let mut pixels = RgbImage::new(transparent.width(), transparent.height());
            for (to, from) in pixels.pixels_mut().zip(transparent.pixels()) {
                let [red, green, blue, alpha] = from.0;
                to.0 = [red, green, blue].map(|value| on_white(value, alpha));
            }
            DynamicImage::ImageRgb8(pixels)
        }
        (true, false) => {
            let transparent = image.into_luma_alpha8();
            let mut pixels = GrayImage::new(transparent.width(), transparent.height());
            for (to, from) in pixels.pixels_mut().zip(transparent.pixels()) {
                to.0 = [on_white(from.0[0], from.0[1])];
            }
            DynamicImage::ImageLuma8(pixels)
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a weighted mean of two bytes is a byte")]
fn on_white(value: u8, alpha: u8) -> u8 {
    let (value, alpha) = (u32::from(value), u32::from(alpha));
    ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}

/// The same for a premultiplied colour: the transparent share is white.
fn share_on_white(share: u8, alpha: u8) -> u8 {
    share.saturating_add(u8::MAX - alpha)
}

/// The decoder for this file, with a memory limit.
pub(super) fn decoder(bytes: &[u8], format: ImageFormat, max_pixels_mp: u32) -> Result<Box<dyn ImageDecoder + '_>, ImageError> {
    let mut limits = Limits::no_limits();
    // The widest pixels are four 32-bit floats. The limit doubles them for buffers of the decoder
    // and adds room for metadata. The pixel count is the real bound; this one catches data that a
    // small header does not show.
    limits.max_alloc = Some(u64::from(max_pixels_mp) * MEGA * 32 + 64 * MEGA);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    Ok(Box::new(reader.into_decoder()?))
}

fn check_pixels((width, height): (u32, u32), max_pixels_mp: u32) -> Result<(), Failure> {
    let pixels = u64::from(width) * u64::from(height);
    if pixels <= u64::from(max_pixels_mp) * MEGA {
        return Ok(());
    }
    Err(Failure::new(
        FailureCode::TooManyPixels,
        format!(
            "{width} x {height} is {:.1} megapixels, but prepare.image.max_pixels_mp allows {max_pixels_mp}. \
             Shrink the image or raise the limit",
            pixels as f64 / MEGA as f64
        ),
    ))
}

/// Refuses a JPEG that would take very long to decode: a small file can repeat a scan of all pixels
/// thousands of times. Usual files have about ten scans.
fn check_scans(scans: u64, (width, height): (u32, u32), max_pixels_mp: u32) -> Result<(), Failure> {
    let pixels = scans.saturating_mul(u64::from(width) * u64::from(height));
    if scans <= MOST_SCANS && pixels <= SCANS_OF_LARGEST * u64::from(max_pixels_mp) * MEGA {
        return Ok(());
    }
    let message = format!(
        "this JPEG has {scans} scans of {width} x {height} pixels and would take too long to decode. Re-export the file or exclude it"
    );
    Err(Failure::new(FailureCode::PrepareLimit, message))
}

fn undecodable(format: ImageFormat, cause: &dyn std::fmt::Display) -> Failure {
    // Messages of decoders may have line breaks.
    let cause = cause.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    let cause = cause.trim_end_matches([' ', '.']);
    Failure::new(
        FailureCode::Undecodable,
        format!("cannot decode this {} image: {cause}. Re-export the file, or exclude it with input.exclude", name(format).to_uppercase()),
    )
}

/// The format's name in result files.
pub(super) fn name(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::Jpeg => "jpeg",
        ImageFormat::Png => "png",
        ImageFormat::WebP => "webp",
        ImageFormat::Gif => "gif",
        ImageFormat::Tiff => "tiff",
        ImageFormat::Bmp => "bmp",
        other => other.extensions_str().first().unwrap_or(&"unknown"),
    }
}
