//! Shrinks pictures and encodes them as JPEG.
//!
//! A picture is resized at most once. It is encoded once, unless the file is too large for the
//! provider. Grey pictures keep one channel. The picture is rotated after shrinking, which gives
//! the same result with less work.

use super::decode::swaps_sides;
use crate::model::{Failure, FailureCode};
use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, RgbImage};
use jpeg_encoder::{ChromaSubsamplingMethod, ColorType, Encoder};
use std::fmt::Display;

/// Minimum quality. Below it, artefacts harm understanding more than fewer pixels do.
const LOWEST_QUALITY: u8 = 40;
const QUALITY_STEP: u8 = 10;

/// Shrinks a picture to `size` and rotates it upright.
///
/// The size is that of the upright picture. `image` is 8-bit grey or RGB.
pub(super) fn fitted(image: DynamicImage, orientation: Orientation, (width, height): (u32, u32)) -> Result<DynamicImage, Failure> {
    let stored = if swaps_sides(orientation) { (height, width) } else { (width, height) };
    let mut image = if stored == (image.width(), image.height()) { image } else { resized(&image, stored)? };
    image.apply_orientation(orientation);
    Ok(image)
}

/// Encodes a picture at `quality` (1 to 100).
///
/// The quality is reduced in steps while the file exceeds `max_bytes`.
pub(super) fn encoded(image: &DynamicImage, quality: u8, max_bytes: usize) -> Result<Vec<u8>, Failure> {
    let mut quality = quality.clamp(1, 100);
    loop {
        let file = jpeg(image, quality)?;
        if file.len() <= max_bytes {
            return Ok(file);
        }
        if quality <= LOWEST_QUALITY {
            return Err(Failure::new(
                FailureCode::TooLarge,
                format!(
                    "the image takes {} bytes as a JPEG of quality {quality}, but the provider accepts {max_bytes}. \
                     Lower prepare.image.max_edge",
                    file.len()
                ),
            ));
        }
        quality = quality.saturating_sub(QUALITY_STEP).max(LOWEST_QUALITY);
    }
}

fn resized(image: &DynamicImage, (width, height): (u32, u32)) -> Result<DynamicImage, Failure> {
    let pixel = if image.color().has_color() { PixelType::U8x3 } else { PixelType::U8 };
    let source = ImageRef::new(image.width(), image.height(), image.as_bytes(), pixel).map_err(|e| internal("resize", &e))?;
    let mut target = Image::new(width, height, pixel);
    let lanczos = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(fast_image_resize::FilterType::Lanczos3));
    Resizer::new().resize(&source, &mut target, &lanczos).map_err(|e| internal("resize", &e))?;
    let pixels = target.into_vec();
    match pixel {
        PixelType::U8 => GrayImage::from_raw(width, height, pixels).map(DynamicImage::ImageLuma8),
        _ => RgbImage::from_raw(width, height, pixels).map(DynamicImage::ImageRgb8),
    }
    .ok_or_else(|| internal("resize", &"the resizer returned too few pixels"))
}

fn jpeg(image: &DynamicImage, quality: u8) -> Result<Vec<u8>, Failure> {
    let side = |pixels: u32| u16::try_from(pixels).map_err(|e| internal("encode", &e));
    let colour = if image.color().has_color() { ColorType::Rgb } else { ColorType::Luma };
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, quality);
    // Subsampling must average. Using single pixels would break thin coloured lines.
    encoder.set_chroma_subsampling_method(ChromaSubsamplingMethod::Average);
    encoder.encode(image.as_bytes(), side(image.width())?, side(image.height())?, colour).map_err(|e| internal("encode", &e))?;
    Ok(file)
}

fn internal(step: &str, cause: &dyn Display) -> Failure {
    Failure::new(FailureCode::Internal, format!("cannot {step} the decoded image: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(side: u32) -> DynamicImage {
        let mut state = 1_u32;
        DynamicImage::ImageRgb8(RgbImage::from_fn(side, side, |_, _| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let [a, b, c, _] = state.to_be_bytes();
            image::Rgb([a, b, c])
        }))
    }

    #[test]
    fn quality_goes_down_until_the_file_fits() {
        let image = noise(200);
        let best = encoded(&image, 95, usize::MAX).expect("no limit").len();
        let floor = jpeg(&image, LOWEST_QUALITY).expect("encodes").len();
        assert!(floor < best);
        let between = encoded(&image, 95, usize::midpoint(best, floor)).expect("a lower quality fits");
        assert!(between.len() < best && between.len() > floor);
        assert_eq!(encoded(&image, 95, floor).expect("the floor fits").len(), floor);
    }

    #[test]
    fn an_image_that_exceeds_the_limit_at_the_lowest_quality_is_too_large() {
        let failure = encoded(&noise(100), 85, 500).expect_err("noise does not fit");
        assert_eq!(failure.code, FailureCode::TooLarge);
        assert!(failure.message.contains("quality 40"), "{failure}");
    }

    #[test]
    fn a_configured_quality_below_the_floor_is_used() {
        let image = noise(100);
        let small = encoded(&image, 10, usize::MAX).expect("no limit").len();
        assert!(small < encoded(&image, 40, usize::MAX).expect("no limit").len());
    }
}
