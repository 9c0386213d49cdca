//! Makes pixels 8-bit grey or 8-bit RGB without transparency.

use image::{DynamicImage, GrayImage, RgbImage};

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
