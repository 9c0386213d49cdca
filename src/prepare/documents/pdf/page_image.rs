//! Paints pages as images.
//!
//! A page is painted on white, in the size in which it is sent. A page without colours is sent in
//! grey.

use super::super::PageImage;
use super::super::{ImageLimits, encode};
use crate::model::Failure;
use hayro::hayro_interpret::{InterpreterSettings, TransformExt};
use hayro::hayro_syntax::page::Page;
use hayro::kurbo::Affine;
use hayro::vello_cpu::color::palette::css::WHITE;
use hayro::vello_cpu::{Pixmap, RasterizerSettings, RenderContext, Resources, TargetInit};
use hayro::{RenderCache, RenderSettings, render_into};
use image::{DynamicImage, GrayImage, RgbImage};

/// Pixels per point that make small print legible.
///
/// This is 200 pixels per inch. Model limits may reduce this.
const SHARP: f64 = 200.0 / 72.0;
/// Maximum side in pixels, larger than any useful image of a page.
const MOST_PIXELS: f64 = 60_000.0;

/// The size to send, in pixels.
///
/// Sharper scans get more pixels, up to the limit of the model.
pub(super) fn size(page: &Page<'_>, sharpness: f64, limits: &ImageLimits) -> (u32, u32) {
    let (width, height) = page.render_dimensions();
    limits.fit(pixels(width, sharpness), pixels(height, sharpness))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the valid range first")]
fn pixels(points: f32, sharpness: f64) -> u32 {
    (f64::from(points) * sharpness.max(SHARP)).round().clamp(1.0, MOST_PIXELS) as u32
}

/// Paints the page in this size.
pub(super) fn painted<'a>(
    page: &'a Page<'a>,
    cache: &RenderCache<'a>,
    interpreter: &InterpreterSettings,
    (width, height): (u32, u32),
) -> Pixmap {
    let (page_width, page_height) = page.render_dimensions();
    let scale = Affine::scale_non_uniform(f64::from(width) / f64::from(page_width), f64::from(height) / f64::from(page_height));
    let side = |pixels: u32| u16::try_from(pixels).unwrap_or(u16::MAX);
    let mut context = RenderContext::new(side(width), side(height));
    let upright = page.initial_transform(true).to_kurbo();
    render_into(page, cache, interpreter, &RenderSettings::default(), &mut context, scale * upright);
    context.flush();
    let mut pixmap = Pixmap::new(side(width), side(height));
    let white = RasterizerSettings { target_init: TargetInit::Clear(WHITE), ..RasterizerSettings::default() };
    context.render_with(&mut pixmap, &mut Resources::default(), white);
    pixmap
}

/// Whether the page is blank.
pub(super) fn is_white(page: &Pixmap) -> bool {
    page.data().iter().all(|pixel| (pixel.r, pixel.g, pixel.b) == (255, 255, 255))
}

/// Encodes the page in as few channels as it needs.
pub(super) fn encoded(page: &Pixmap, quality: u8, limits: &ImageLimits) -> Result<PageImage, Failure> {
    let (width, height) = (u32::from(page.width()), u32::from(page.height()));
    let pixels = page.data();
    let image = if pixels.iter().all(|pixel| pixel.r == pixel.g && pixel.g == pixel.b) {
        GrayImage::from_raw(width, height, pixels.iter().map(|pixel| pixel.r).collect()).map(DynamicImage::ImageLuma8)
    } else {
        RgbImage::from_raw(width, height, pixels.iter().flat_map(|pixel| [pixel.r, pixel.g, pixel.b]).collect())
            .map(DynamicImage::ImageRgb8)
    };
    // The number of pixels always matches the size.
    let file = encode::encoded(&image.unwrap_or_default(), quality, limits.max_encoded_bytes)?;
    Ok(PageImage::new(&file, (width, height)))
}
