//! Decodes HEIC and AVIF images. Both are HEIF: a container of coded pictures and their properties.
//!
//! The crates were chosen by trying them on 42 files of pillow-heif, 73 of libavif, and files that
//! libheif wrote:
//!
//! - `heifer` decodes HEVC without unsafe code, and reads the container of both kinds: grids,
//!   overlays, alpha, 8 to 12 bits, 4:2:0 to 4:4:4. Of 55 HEIC files, 44 differed from libheif by at
//!   most 2.5 of 255 on average, 10-bit pictures by up to 3.4. The others were cut, empty or HDR.
//!   Under the same licence, `heic-rs` gave other colours and refused 4:2:2, and `heic-decoder`
//!   refused overlays and took twice the time. The licence of `heic` does not fit.
//! - `re_rav1d` is the Rust port of dav1d for AV1, with functions that safe code can call, without
//!   its assembly. It contains unsafe code. `rav1d` itself has only the functions of C.
//!
//! Both run in the process that reads documents, so its limits of memory and time hold. Only the
//! main picture is decoded: no thumbnails, depth maps or gain maps. Transforms of the file are
//! applied. Its EXIF orientation repeats them and is ignored.

use super::avif;
use super::clean_aperture::crop;
use heifer::heifer_isobmff::boxes::{ColorInfo, Property};
use heifer::heifer_isobmff::{HeifFile, ItemId};
use heifer::{Image, Options};
use image::{ColorType, ImageDecoder, ImageError, ImageResult};
use moxcms::ColorProfile;
use std::io;

/// Code points of colour primaries (ITU-T H.273).
const BT_2020: u16 = 9;
const DISPLAY_P3: u16 = 12;
/// Maximum depth of pictures that consist of others.
const DEEPEST: u32 = 3;

/// A HEIC or AVIF file whose container is valid.
pub(super) struct HeifDecoder<'a> {
    bytes: &'a [u8],
    file: HeifFile<'a>,
    size: (u32, u32),
    most_pixels: u64,
}

/// Number of pictures that are not part of another one.
pub(super) fn pictures(bytes: &[u8]) -> u32 {
    let pictures = HeifFile::parse(bytes).map_or(1, |file| file.top_level_image_ids().len());
    pictures.try_into().unwrap_or(u32::MAX)
}

impl<'a> HeifDecoder<'a> {
    /// Reads the container. Pictures of more than `most_pixels` will not be decoded.
    pub fn new(bytes: &'a [u8], most_pixels: u64) -> ImageResult<Self> {
        let file = HeifFile::parse(bytes).map_err(failed)?;
        let size = upright_size(&file).map_err(failed)?;
        Ok(Self { bytes, file, size, most_pixels })
    }

    fn decode(&self) -> Result<Image<u8>, String> {
        let id = self.file.primary_id;
        if coded_type(&self.file, id, 0) == Some(*b"av01") {
            return avif::decode(&self.file, self.most_pixels);
        }
        // One thread, because docmill decodes several images at the same time.
        let options = Options { max_threads: 1, max_pixels: self.most_pixels };
        heifer::decode_rgba8(self.bytes, &options).map_err(|error| error.to_string())
    }
}

impl ImageDecoder for HeifDecoder<'_> {
    fn dimensions(&self) -> (u32, u32) {
        self.size
    }

    fn color_type(&self) -> ColorType {
        ColorType::Rgba8
    }

    fn icc_profile(&mut self) -> ImageResult<Option<Vec<u8>>> {
        let id = self.file.primary_id;
        let tile = self.file.referenced_items(id, b"dimg").first().copied();
        Ok([Some(id), tile].into_iter().flatten().find_map(|id| profile(&self.file, id)))
    }

    fn read_image(self, buffer: &mut [u8]) -> ImageResult<()> {
        let image = self.decode().map_err(failed)?;
        if image.data.len() != buffer.len() || (image.width, image.height) != self.size {
            let (width, height) = self.size;
            let is = format!("{} x {}", image.width, image.height);
            return Err(failed(format!("the file declares {width} x {height} pixels, but its picture has {is}")));
        }
        buffer.copy_from_slice(&image.data);
        Ok(())
    }

    fn read_image_boxed(self: Box<Self>, buffer: &mut [u8]) -> ImageResult<()> {
        (*self).read_image(buffer)
    }
}

/// An error whose text is only the cause.
#[expect(clippy::needless_pass_by_value, reason = "the form that `map_err` needs")]
pub(super) fn failed(cause: impl ToString) -> ImageError {
    ImageError::IoError(io::Error::other(cause.to_string()))
}

/// Type of the coded pictures of an item: `hvc1`, `av01`, or another one.
fn coded_type(file: &HeifFile<'_>, id: ItemId, depth: u32) -> Option<[u8; 4]> {
    let kind = file.item(id).ok()?.item_type.0;
    match (&kind, file.referenced_items(id, b"dimg").first()) {
        (b"grid" | b"iovl" | b"iden" | b"tmap", Some(part)) if depth < DEEPEST => coded_type(file, *part, depth + 1),
        _ => Some(kind),
    }
}

/// The size of the main picture after its transforms.
fn upright_size(file: &HeifFile<'_>) -> Result<(u32, u32), String> {
    let id = file.primary_id;
    let size = file.image_size(id).map_err(|error| error.to_string())?;
    let size = size.or_else(|| file.grid(id).ok().map(|grid| (grid.output_width, grid.output_height)));
    let (mut width, mut height) = size.ok_or("the file does not declare the size of its picture")?;
    for property in file.item_properties(id).map_err(|error| error.to_string())? {
        if let Some((_, _, crop_width, crop_height)) = crop(property, width, height) {
            (width, height) = (crop_width, crop_height);
        }
        if matches!(property, Property::Rotation(1 | 3)) {
            (width, height) = (height, width);
        }
    }
    Ok((width, height))
}

/// The ICC profile of an item, if it has one or declares wide primaries.
fn profile(file: &HeifFile<'_>, id: ItemId) -> Option<Vec<u8>> {
    if let Ok(Some(icc)) = file.icc_profile(id) {
        return Some(icc.to_vec());
    }
    let primaries = file.item_properties(id).ok()?.find_map(|property| match property {
        Property::Color(ColorInfo::Nclx { primaries, .. }) => Some(*primaries),
        _ => None,
    });
    match primaries? {
        DISPLAY_P3 => ColorProfile::new_display_p3().encode().ok(),
        BT_2020 => ColorProfile::new_bt2020().encode().ok(),
        _ => None,
    }
}
