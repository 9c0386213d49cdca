//! Decodes the AV1 pictures of AVIF files into RGBA pixels.
//!
//! `heifer` converts the planes to RGB as it does for HEVC. See `heif` for the choice of crates.

use super::clean_aperture::crop;
use heifer::Image;
use heifer::color::{ColorParams, frame_to_rgba_sized};
use heifer::heifer_hevc_dec::recon::Frame;
use heifer::heifer_isobmff::boxes::{ColorInfo, Property};
use heifer::heifer_isobmff::{HeifFile, ItemId};
use re_rav1d::pixel::YUVRange;
use re_rav1d::{Decoder, Error, Picture, PixelLayout, PlanarImageComponent, Settings};

/// Code point of the matrix of AVIF files without a declared matrix (ITU-T H.273): BT.601.
const BT_601: u16 = 6;
const ALPHA: &str = "urn:mpeg:mpegB:cicp:systems:auxiliary:alpha";

/// Decodes the main picture of a file, and applies its transforms.
pub(super) fn decode(file: &HeifFile<'_>, most_pixels: u64) -> Result<Image<u8>, String> {
    let id = file.primary_id;
    let mut image = colours(file, id, most_pixels)?;
    if let Some(alpha) = file.referencing_items(id, b"auxl").into_iter().find(|aux| is_alpha(file, *aux)) {
        attach(&colours(file, alpha, most_pixels)?, &mut image)?;
    }
    for property in file.item_properties(id).map_err(text)? {
        image = match *property {
            Property::CleanAperture { .. } => match crop(property, image.width, image.height) {
                Some((left, top, width, height)) => image.crop(left, top, width, height),
                None => image,
            },
            Property::Rotation(quarters @ 1..) => image.rotate_ccw(quarters),
            Property::Mirror(top_bottom) => image.mirror(top_bottom),
            _ => image,
        };
    }
    Ok(image)
}

#[expect(clippy::needless_pass_by_value, reason = "the form that `map_err` needs")]
fn text(error: impl ToString) -> String {
    error.to_string()
}

fn is_alpha(file: &HeifFile<'_>, id: ItemId) -> bool {
    let properties = file.item_properties(id);
    properties.is_ok_and(|mut all| all.any(|property| matches!(property, Property::AuxiliaryType(kind) if kind == ALPHA)))
}

/// Sets the transparency of `image` to the brightness of `alpha`.
fn attach(alpha: &Image<u8>, image: &mut Image<u8>) -> Result<(), String> {
    if (alpha.width, alpha.height) != (image.width, image.height) {
        return Err("its transparency has another size than its picture".to_owned());
    }
    for (pixel, alpha) in image.data.chunks_exact_mut(4).zip(alpha.data.chunks_exact(4)) {
        pixel[3] = alpha[0];
    }
    image.has_alpha = true;
    Ok(())
}

/// The colours of an item: one picture, or a grid of pictures.
fn colours(file: &HeifFile<'_>, id: ItemId, most_pixels: u64) -> Result<Image<u8>, String> {
    match &file.item(id).map_err(text)?.item_type.0 {
        b"av01" => coded(file, id, most_pixels),
        b"grid" => grid(file, id, most_pixels),
        other => Err(format!("pictures of the type {} are not supported", other.escape_ascii())),
    }
}

fn grid(file: &HeifFile<'_>, id: ItemId, most_pixels: u64) -> Result<Image<u8>, String> {
    let grid = file.grid(id).map_err(text)?;
    let (width, height) = (grid.output_width, grid.output_height);
    let tiles = file.referenced_items(id, b"dimg");
    if tiles.len() != usize::from(grid.rows) * usize::from(grid.columns) {
        return Err("its grid has a wrong number of tiles".to_owned());
    }
    if u64::from(width) * u64::from(height) > most_pixels {
        return Err("its grid is too large".to_owned());
    }
    let mut whole = Image::filled_samples(width, height, 8, [0, 0, 0, u8::MAX]);
    for (tile, at) in tiles.iter().zip(0_u32..) {
        let tile = coded(file, *tile, most_pixels)?;
        let (column, row) = (at % u32::from(grid.columns), at / u32::from(grid.columns));
        whole.draw(&tile, i64::from(column) * i64::from(tile.width), i64::from(row) * i64::from(tile.height));
    }
    Ok(whole)
}

fn coded(file: &HeifFile<'_>, id: ItemId, most_pixels: u64) -> Result<Image<u8>, String> {
    let picture = picture(file.item_data(id).map_err(text)?.into_owned(), most_pixels)?;
    let mut frame = frame(&picture)?;
    let declared = file.item_properties(id).map_err(text)?.find_map(|property| match property {
        Property::Color(ColorInfo::Nclx { matrix, full_range, .. }) => Some(ColorParams { matrix: *matrix, full_range: *full_range }),
        _ => None,
    });
    let colours = declared.unwrap_or(ColorParams { matrix: BT_601, full_range: frame.full_range });
    if frame.chroma_format == 0 && !colours.full_range {
        widen(&mut frame);
    }
    let (width, height) = (picture.width(), picture.height());
    let mut image: Image<u8> = frame_to_rgba_sized(&frame, colours, width, height);
    // The size that the file declares has priority, as for HEVC.
    if let Some((width, height)) = file.image_size(id).map_err(text)?.filter(|size| *size != (image.width, image.height)) {
        image = image.crop(0, 0, width, height);
    }
    Ok(image)
}

/// Decodes one AV1 picture.
fn picture(data: Vec<u8>, most_pixels: u64) -> Result<Picture, String> {
    let mut settings = Settings::new();
    // One thread, because docmill decodes several images at the same time.
    settings.set_n_threads(1);
    settings.set_max_frame_delay(1);
    settings.set_all_layers(false);
    settings.set_frame_size_limit(u32::try_from(most_pixels).unwrap_or(u32::MAX));
    let failed = |error: Error| format!("AV1: {error}");
    let mut decoder = Decoder::with_settings(&settings).map_err(failed)?;
    let mut sent = decoder.send_data(data, None, None, None);
    loop {
        match decoder.get_picture() {
            Err(Error::Again) if sent == Err(Error::Again) => sent = decoder.send_pending_data(),
            Err(Error::Again) => return Err(sent.err().map_or("AV1: the picture is incomplete".to_owned(), failed)),
            picture => return picture.map_err(failed),
        }
    }
}

/// The planes of a picture. Their sizes are multiples of the subsampling, which `heifer` needs.
fn frame(picture: &Picture) -> Result<Frame, String> {
    let (chroma_format, across, down) = match picture.pixel_layout() {
        PixelLayout::I400 => (0, 1, 1),
        PixelLayout::I420 => (1, 2, 2),
        PixelLayout::I422 => (2, 2, 1),
        PixelLayout::I444 => (3, 1, 1),
    };
    let bits = picture.bits_per_component().and_then(|bits| u8::try_from(bits.0).ok()).ok_or("AV1: unknown bit depth")?;
    let (width, height) = (picture.width(), picture.height());
    let (chroma_width, chroma_height) = if chroma_format == 0 { (0, 0) } else { (width.div_ceil(across), height.div_ceil(down)) };
    let luma = (width.next_multiple_of(across), height.next_multiple_of(down));
    let chroma = (chroma_width, chroma_height);
    let plane = |component, stored, wanted| plane(picture, component, bits > 8, stored, wanted);
    Ok(Frame {
        widths: [luma.0, chroma.0, chroma.0],
        heights: [luma.1, chroma.1, chroma.1],
        planes: [
            plane(PlanarImageComponent::Y, (width, height), luma),
            plane(PlanarImageComponent::U, chroma, chroma),
            plane(PlanarImageComponent::V, chroma, chroma),
        ],
        bit_depth: [bits; 2],
        chroma_format,
        full_range: picture.color_range() == YUVRange::Full,
        matrix_coeffs: 2,
    })
}

/// A plane with `wanted` columns and rows, of which `stored` ones exist. The last ones are repeated.
fn plane(picture: &Picture, component: PlanarImageComponent, wide: bool, stored: (u32, u32), wanted: (u32, u32)) -> Vec<u16> {
    let mut samples = Vec::with_capacity(wanted.0 as usize * wanted.1 as usize);
    if stored.0 == 0 || stored.1 == 0 {
        return samples;
    }
    let bytes = picture.plane(component);
    let (stride, size) = (picture.stride(component) as usize, if wide { 2 } else { 1 });
    for row in 0..wanted.1 {
        let row = bytes.get(stride * row.min(stored.1 - 1) as usize..).unwrap_or_default();
        let sample = |at: usize| match row.get(at * size..(at + 1) * size) {
            Some([low, high]) => u16::from_le_bytes([*low, *high]),
            Some([byte]) => u16::from(*byte),
            _ => 0,
        };
        samples.extend((0..wanted.0).map(|column| sample(column.min(stored.0 - 1) as usize)));
    }
    samples
}

/// Widens grey samples of limited range, which `heifer` takes for full range.
fn widen(frame: &mut Frame) {
    let bits = frame.bit_depth[0];
    let (black, span, most) = (16_u32 << (bits - 8), 219_u32 << (bits - 8), (1_u32 << bits) - 1);
    for sample in &mut frame.planes[0] {
        let widened = (u32::from(*sample).saturating_sub(black) * most + span / 2) / span;
        *sample = u16::try_from(widened.min(most)).unwrap_or(u16::MAX);
    }
}
