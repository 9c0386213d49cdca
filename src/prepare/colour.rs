//! Converts pixels from the colour space of their ICC profile to sRGB.
//!
//! Models take all pixels for sRGB. Photographs of phones are in Display P3, those of cameras may be
//! in Adobe RGB, and scans and prints in other spaces.

use image::{DynamicImage, GrayImage, RgbImage};
use moxcms::{ColorProfile, DataColorSpace, Layout, TransformOptions};

/// Largest difference of a channel that counts as the same colour.
const SAME: u8 = 2;
/// Steps of each channel between the colours that are compared.
const STEP: usize = 51;

/// A colour space other than sRGB.
pub(super) struct Profile {
    profile: ColorProfile,
    source: Layout,
}

/// What a profile means for pixels.
pub(super) enum Colours {
    /// The pixels are sRGB, or say nothing else.
    Srgb,
    /// The pixels are in another space.
    Other(Box<Profile>),
    /// The profile cannot be used.
    Unknown,
}

impl Colours {
    /// Reads the profile of pixels with this number of colour channels: 1, 3, or 4 for inks.
    pub fn of(icc: &[u8], channels: u8) -> Self {
        let Ok(profile) = ColorProfile::new_from_slice(icc) else { return Self::Unknown };
        let source = match (profile.color_space, channels) {
            (DataColorSpace::Gray, 1) => Layout::Gray,
            (DataColorSpace::Rgb, 3) => Layout::Rgb,
            (DataColorSpace::Cmyk, 4) => Layout::Rgba,
            // Grey pictures often have a profile for colours, which says little about greys.
            (DataColorSpace::Rgb, 1) => return Self::Srgb,
            _ => return Self::Unknown,
        };
        let profile = Profile { profile, source };
        match profile.changes_colours() {
            None => Self::Unknown,
            Some(false) => Self::Srgb,
            Some(true) => Self::Other(Box::new(profile)),
        }
    }
}

impl Profile {
    /// Converts 8-bit grey or RGB pixels. Other pixels stay.
    pub fn to_srgb(&self, image: DynamicImage) -> DynamicImage {
        let (width, height) = (image.width(), image.height());
        let converted = match (&image, self.source) {
            (DynamicImage::ImageRgb8(pixels), Layout::Rgb) => {
                self.converted(pixels).and_then(|rgb| RgbImage::from_raw(width, height, rgb)).map(DynamicImage::ImageRgb8)
            }
            (DynamicImage::ImageLuma8(pixels), Layout::Gray) => {
                let grey = self.converted(pixels).map(|rgb| rgb.chunks_exact(3).map(|pixel| pixel[1]).collect());
                grey.and_then(|grey| GrayImage::from_raw(width, height, grey)).map(DynamicImage::ImageLuma8)
            }
            _ => None,
        };
        converted.unwrap_or(image)
    }

    /// Converts amounts of the four inks, 255 for full ink.
    pub fn inks_to_srgb(&self, inks: &[u8], (width, height): (u32, u32)) -> Option<RgbImage> {
        self.converted(inks).and_then(|rgb| RgbImage::from_raw(width, height, rgb))
    }

    fn converted(&self, pixels: &[u8]) -> Option<Vec<u8>> {
        let srgb = ColorProfile::new_srgb();
        let transform = self.profile.create_transform_8bit(self.source, &srgb, Layout::Rgb, TransformOptions::default()).ok()?;
        let mut rgb = vec![0; pixels.len() / self.source.channels() * 3];
        transform.transform(pixels, &mut rgb).ok()?;
        Some(rgb)
    }

    /// Whether the profile differs from sRGB visibly; `None` if it cannot convert.
    fn changes_colours(&self) -> Option<bool> {
        let steps = || (0..=u8::MAX).step_by(STEP);
        let colours: Vec<u8> = match self.source {
            Layout::Gray => steps().collect(),
            Layout::Rgb => steps().flat_map(|r| steps().flat_map(move |g| steps().flat_map(move |b| [r, g, b]))).collect(),
            _ => return self.converted(&[0; 4]).map(|_| true),
        };
        let same: Vec<u8> = match self.source {
            Layout::Gray => colours.iter().flat_map(|grey| [*grey; 3]).collect(),
            _ => colours.clone(),
        };
        Some(self.converted(&colours)?.iter().zip(&same).any(|(a, b)| a.abs_diff(*b) > SAME))
    }
}
