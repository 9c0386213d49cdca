//! Decodes an image file into pixels, within limits.
//!
//! The number of pixels is checked against the header before pixel memory is allocated.
//! A truncated JPEG is refused, although the decoder would fill the rest with grey. Messages say
//! what the file is and what is wrong with it.
//!
//! CMYK and YCCK become RGB, by their colour profile if they have one. They are read as inverted, as
//! Adobe writes them and browsers read them. [`Source::profile`] is the profile of other pixels.

use super::colour::{Colours, Profile};
use super::heif::HeifDecoder;
use super::image_kind::ImageKind;
use super::jxl::JxlDecoder;
use super::tiff_image::{self, TiffImage};
use super::{frames, jpeg};
use crate::model::{Failure, FailureCode};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageReader, Limits};
use std::io::Cursor;

const MEGA: u64 = 1_000_000;
/// Maximum number of scans of a JPEG.
const MOST_SCANS: u64 = 500;
/// Maximum number of scans of a JPEG with as many pixels as allowed.
const SCANS_OF_LARGEST: u64 = 30;

/// An image whose header is acceptable.
pub(super) struct Source<'a> {
    bytes: &'a [u8],
    kind: ImageKind,
    decoder: Box<dyn ImageDecoder + 'a>,
    /// The rotation or reflection that makes the stored pixels upright.
    pub orientation: Orientation,
    /// Whether providers read the stored colours as docmill does. They do for 8 bits of sRGB, but not
    /// for CMYK.
    pub plain_colours: bool,
    /// The colour space of the decoded pixels, unless it is sRGB.
    pub profile: Option<Box<Profile>>,
    is_cmyk: bool,
    /// The colour space of CMYK pixels.
    inks: Option<Box<Profile>>,
    /// What people should know about the decoded picture.
    pub note: Option<&'static str>,
    /// Whether colours are premultiplied by alpha.
    pub premultiplied: bool,
}

impl<'a> Source<'a> {
    /// Reads the header; refuses images above `max_pixels_mp` megapixels and truncated JPEGs.
    pub(super) fn open(bytes: &'a [u8], kind: ImageKind, max_pixels_mp: u32) -> Result<Self, Failure> {
        let mut decoder = decoder(bytes, kind, max_pixels_mp).map_err(|error| undecodable(kind, &error))?;
        check_pixels(decoder.dimensions(), max_pixels_mp)?;
        let cmyk = kind == ImageKind::Jpeg && is_cmyk(bytes)?;
        if kind == ImageKind::Jpeg {
            check_scans(jpeg::scans(bytes), decoder.dimensions(), max_pixels_mp)?;
        }
        // A broken EXIF block is common and does not make the picture unreadable.
        let mut orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
        if kind == ImageKind::Png && orientation == Orientation::NoTransforms {
            orientation = frames::png_exif(bytes).and_then(Orientation::from_exif_chunk).unwrap_or(orientation);
        }
        let colour = decoder.color_type();
        let channels = match (cmyk, colour.has_color()) {
            (true, _) => 4,
            (false, true) => 3,
            (false, false) => 1,
        };
        let icc = decoder.icc_profile().ok().flatten();
        let colours = icc.map_or(Colours::Srgb, |icc| Colours::of(&icc, channels));
        let eight_bits = colour.bytes_per_pixel() == colour.channel_count();
        let plain_colours = eight_bits && !cmyk && !matches!(colours, Colours::Other(_));
        let note = match colours {
            Colours::Unknown => Some("its colour profile cannot be used, so colours may differ"),
            _ if kind == ImageKind::Tiff && tiff_image::is_scaled(bytes) => Some("its numbers are sent as shades of grey"),
            _ => None,
        };
        let (profile, inks) = match colours {
            Colours::Other(profile) if cmyk => (None, Some(profile)),
            Colours::Other(profile) => (Some(profile), None),
            _ => (None, None),
        };
        let premultiplied = kind == ImageKind::Tiff && frames::is_premultiplied(bytes);
        Ok(Self { bytes, kind, decoder, orientation, plain_colours, profile, is_cmyk: cmyk, inks, note, premultiplied })
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
        if let Some(image) = self.reduced(least).or_else(|| self.printed()) {
            return Ok(image);
        }
        DynamicImage::from_decoder(self.decoder).map_err(|error| match error {
            ImageError::Limits(_) => Failure::new(
                FailureCode::TooManyPixels,
                format!(
                    "cannot decode this {} image: it needs more memory than prepare.image.max_pixels_mp allows \
                    ({error}). Raise the limit, or shrink the image",
                    self.kind.name()
                ),
            ),
            error => undecodable(self.kind, &error),
        })
    }

    fn reduced(&self, (width, height): (u32, u32)) -> Option<DynamicImage> {
        let least = if swaps_sides(self.orientation) { (height, width) } else { (width, height) };
        let stored = self.decoder.dimensions();
        let halved = least.0 <= stored.0 / 2 && least.1 <= stored.1 / 2;
        (halved && self.kind == ImageKind::Jpeg && !self.is_cmyk).then(|| jpeg::reduced(self.bytes, least))?
    }

    /// CMYK pixels as their profile shows them. `None` if they have no profile that can be used.
    fn printed(&self) -> Option<DynamicImage> {
        let profile = self.inks.as_ref()?;
        let (inks, size) = jpeg::inks(self.bytes)?;
        profile.inks_to_srgb(&inks, size).map(DynamicImage::ImageRgb8)
    }
}

/// Whether this JPEG has four ink channels. Refuses files that the decoder would misread silently.
fn is_cmyk(bytes: &[u8]) -> Result<bool, Failure> {
    let refused = |cause: &str| Err(undecodable(ImageKind::Jpeg, &cause));
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

/// The decoder for this file, with a memory limit.
pub(super) fn decoder(bytes: &[u8], kind: ImageKind, max_pixels_mp: u32) -> Result<Box<dyn ImageDecoder + '_>, ImageError> {
    // The widest pixels are four 32-bit floats. The limit doubles them for buffers of the decoder
    // and adds room for metadata. The pixel count is the real bound; this one catches data that a
    // small header does not show.
    let most_bytes = u64::from(max_pixels_mp) * MEGA * 32 + 64 * MEGA;
    let most_pixels = u64::from(max_pixels_mp) * MEGA;
    let Some(format) = kind.format() else {
        return Ok(match kind {
            ImageKind::JpegXl => Box::new(JxlDecoder::new(bytes, most_bytes)?),
            _ => Box::new(HeifDecoder::new(bytes, most_pixels)?),
        });
    };
    if kind == ImageKind::Tiff
        && let Some(image) = TiffImage::new(bytes, most_bytes)?
    {
        return Ok(Box::new(image));
    }
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(most_bytes);
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

fn undecodable(kind: ImageKind, cause: &dyn std::fmt::Display) -> Failure {
    // Messages of decoders may have line breaks.
    let cause = cause.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    let cause = cause.trim_end_matches([' ', '.']);
    let message = format!("cannot decode this {} image: {cause}. {}", kind.name().to_uppercase(), kind.advice());
    Failure::new(FailureCode::Undecodable, message)
}
