//! The kinds of images: how they are detected, and what they are called.

use image::ImageFormat;

/// A kind of image that docmill can decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageKind {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// WebP.
    WebP,
    /// GIF.
    Gif,
    /// TIFF.
    Tiff,
    /// BMP.
    Bmp,
    /// HEIC: a picture coded by HEVC, as phones make them.
    Heic,
    /// AVIF: a picture coded by AV1.
    Avif,
    /// JPEG XL.
    JpegXl,
}

/// Brands of ISO media files that are pictures coded by HEVC.
const HEIC_BRANDS: [&[u8]; 8] = [b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"];

impl ImageKind {
    /// All kinds.
    pub(super) const ALL: [Self; 9] =
        [Self::Jpeg, Self::Png, Self::WebP, Self::Gif, Self::Tiff, Self::Bmp, Self::Heic, Self::Avif, Self::JpegXl];

    /// The kind of image that begins with these bytes.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0xFF, 0xD8, 0xFF, ..] => Some(Self::Jpeg),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..] => Some(Self::Png),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::WebP),
            [b'I', b'I', b'*' | b'+', 0, ..] | [b'M', b'M', 0, b'*' | b'+', ..] => Some(Self::Tiff),
            // Two letters alone would match a text that starts with "BMW". The size of the second
            // header has only a few values, and its upper bytes are zero.
            [b'B', b'M', _, _, _, _, _, _, _, _, _, _, _, _, 12 | 40 | 52 | 56 | 64 | 108 | 124, 0, 0, 0, ..] => Some(Self::Bmp),
            [0xFF, 0x0A, ..] | [0, 0, 0, 0x0C, b'J', b'X', b'L', b' ', ..] => Some(Self::JpegXl),
            [_, _, _, _, b'f', b't', b'y', b'p', ..] => Self::of_brands(bytes),
            _ => None,
        }
    }

    fn of_brands(bytes: &[u8]) -> Option<Self> {
        if brands(bytes).any(|brand| brand == b"avif" || brand == b"avis") {
            return Some(Self::Avif);
        }
        brands(bytes).any(|brand| HEIC_BRANDS.contains(&brand)).then_some(Self::Heic)
    }

    /// Its name in results: `jpeg`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "jpeg",
            Self::Png => "png",
            Self::WebP => "webp",
            Self::Gif => "gif",
            Self::Tiff => "tiff",
            Self::Bmp => "bmp",
            Self::Heic => "heic",
            Self::Avif => "avif",
            Self::JpegXl => "jxl",
        }
    }

    /// Its media type.
    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::Heic => "image/heic",
            Self::Avif => "image/avif",
            Self::JpegXl => "image/jxl",
            other => other.format().map_or("application/octet-stream", |format| format.to_mime_type()),
        }
    }

    /// The format in the library for images; `None` if another one decodes it.
    pub(super) fn format(self) -> Option<ImageFormat> {
        match self {
            Self::Jpeg => Some(ImageFormat::Jpeg),
            Self::Png => Some(ImageFormat::Png),
            Self::WebP => Some(ImageFormat::WebP),
            Self::Gif => Some(ImageFormat::Gif),
            Self::Tiff => Some(ImageFormat::Tiff),
            Self::Bmp => Some(ImageFormat::Bmp),
            Self::Heic | Self::Avif | Self::JpegXl => None,
        }
    }

    /// What to do with a file that cannot be decoded.
    pub(super) fn advice(self) -> &'static str {
        match self {
            Self::Heic | Self::Avif | Self::JpegXl if cfg!(target_os = "macos") => {
                "Convert it with `sips -s format jpeg FILE --out FILE.jpg`, or exclude it with input.exclude"
            }
            Self::Heic | Self::Avif if cfg!(target_os = "linux") => {
                "Convert it with `heif-convert FILE FILE.jpg`, or exclude it with input.exclude"
            }
            Self::JpegXl if cfg!(target_os = "linux") => "Convert it with `djxl FILE FILE.jpg`, or exclude it with input.exclude",
            Self::Heic | Self::Avif | Self::JpegXl => "Convert it with `magick FILE FILE.jpg`, or exclude it with input.exclude",
            Self::Tiff => "Save it as PNG, or as TIFF with LZW compression, or exclude it with input.exclude",
            _ => "Re-export the file, or exclude it with input.exclude",
        }
    }
}

/// The brands of an ISO media file. Films and modern photographs share this container.
pub(super) fn brands(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let length = bytes.first_chunk().map_or(0, |length| u32::from_be_bytes(*length));
    let end = usize::try_from(length).unwrap_or(usize::MAX).min(bytes.len()).max(8);
    bytes.get(8..end).unwrap_or_default().chunks_exact(4)
}
