//! Makes pixels of TIFF samples that the `image` crate does not know.
//!
//! These are palettes, grey of 2, 4, 32 and 64 bits, signed numbers and floats, grey with alpha,
//! YCbCr and L*a*b*. The `tiff` crate decodes the samples. It knows no palettes and no L*a*b*, so
//! it is told that they are grey and RGB.

use super::frames;
use super::heif::failed;
use image::metadata::Orientation;
use image::{ColorType, ImageDecoder, ImageResult};
use std::borrow::Cow;
use std::io::Cursor;
use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::tags::Tag;

/// Tags of the first page, and values of that for the meaning of samples.
const BITS: usize = 258;
const MEANING: usize = 262;
const SAMPLES: usize = 277;
const SAMPLE_FORMAT: usize = 339;
const GREY: u8 = 1;
const RGB: u8 = 2;
const PALETTE: usize = 3;
const SIGNED_LAB: usize = 8;
const UNSIGNED_LAB: usize = 9;
/// White of L*a*b* (D50), and the way from there to linear sRGB.
const WHITE: [f32; 3] = [0.9642, 1.0, 0.8249];
const TO_SRGB: [[f32; 3]; 3] = [[3.1339, -1.6169, -0.4906], [-0.9788, 1.9161, 0.0335], [0.0719, -0.2290, 1.4052]];
/// Compressions that the `tiff` crate reads, and names of others.
const READABLE: [u16; 7] = [1, 4, 5, 7, 8, 32773, 32946];
const OTHERS: [(u16, &str); 8] = [
    (2, "CCITT RLE"),
    (3, "CCITT Group 3"),
    (6, "old JPEG"),
    (34661, "JBIG"),
    (34712, "JPEG 2000"),
    (34925, "LZMA"),
    (50000, "ZSTD"),
    (50001, "WebP"),
];

/// What the samples of an image mean.
enum Samples {
    Packed { bits: u8, colours: Option<Vec<[u8; 3]>> },
    Numbers,
    GreyAlpha,
    YCbCr,
    Lab { is_signed: bool },
}

/// A TIFF whose header is valid.
pub(super) struct TiffImage<'a> {
    file: Decoder<Cursor<Cow<'a, [u8]>>>,
    size: (u32, u32),
    samples: Samples,
}

/// Whether the samples are numbers that have no shade of their own.
pub(super) fn is_scaled(bytes: &[u8]) -> bool {
    let field = |tag: usize| frames::tiff_field(bytes, tag).map(|field| field.value);
    field(SAMPLES).unwrap_or(1) == 1 && (field(BITS).is_some_and(|bits| bits >= 32) || field(SAMPLE_FORMAT).is_some_and(|kind| kind > 1))
}

impl<'a> TiffImage<'a> {
    /// Reads the header. Images that the `image` crate knows give `None`.
    pub fn new(bytes: &'a [u8], most_bytes: u64) -> ImageResult<Option<Self>> {
        let meaning = frames::tiff_field(bytes, MEANING);
        let told = match meaning.as_ref().map(|field| field.value) {
            Some(PALETTE) => Some(GREY),
            Some(SIGNED_LAB | UNSIGNED_LAB) => Some(RGB),
            _ => None,
        };
        let bytes = match (&meaning, told) {
            (Some(field), Some(told)) => {
                let mut copy = bytes.to_vec();
                copy[field.low_byte] = told;
                Cow::Owned(copy)
            }
            _ => Cow::Borrowed(bytes),
        };
        // The other decoder reports damage.
        let Ok(file) = Decoder::new(Cursor::new(bytes)) else { return Ok(None) };
        let mut limits = Limits::default();
        let most = usize::try_from(most_bytes).unwrap_or(usize::MAX);
        (limits.decoding_buffer_size, limits.intermediate_buffer_size) = (most, most);
        let mut file = file.with_limits(limits);
        let compression = file.find_tag_unsigned(Tag::Compression).ok().flatten().unwrap_or(1);
        if !READABLE.contains(&compression) {
            let name = OTHERS
                .iter()
                .find(|(other, _)| *other == compression)
                .map_or_else(|| compression.to_string(), |(_, name)| (*name).to_owned());
            return Err(failed(format!("its compression ({name}) is not supported")));
        }
        let colour = file.colortype().map_err(failed)?;
        let format = file.find_tag_unsigned_vec::<u16>(Tag::SampleFormat).ok().flatten().and_then(|formats| formats.first().copied());
        let is_unsigned = format.unwrap_or(1) == 1;
        let samples = match (meaning.map(|field| field.value), colour) {
            (Some(PALETTE), tiff::ColorType::Gray(bits @ (1 | 2 | 4 | 8))) => {
                Samples::Packed { bits, colours: Some(palette(&mut file, bits)?) }
            }
            (_, tiff::ColorType::Gray(bits @ (2 | 4))) if is_unsigned => Samples::Packed { bits, colours: None },
            (_, tiff::ColorType::Gray(1 | 8 | 16)) if is_unsigned => return Ok(None),
            (_, tiff::ColorType::Gray(8 | 16 | 32 | 64)) => Samples::Numbers,
            (_, tiff::ColorType::Multiband { bit_depth: 8 | 16, num_samples: 2 }) => Samples::GreyAlpha,
            (_, tiff::ColorType::YCbCr(8)) => Samples::YCbCr,
            (Some(of @ (SIGNED_LAB | UNSIGNED_LAB)), tiff::ColorType::RGB(8)) => Samples::Lab { is_signed: of == SIGNED_LAB },
            (_, tiff::ColorType::RGB(8 | 16 | 32) | tiff::ColorType::RGBA(8 | 16 | 32) | tiff::ColorType::CMYK(8 | 16)) => return Ok(None),
            (_, tiff::ColorType::Multiband { bit_depth, num_samples }) => {
                return Err(failed(format!("{num_samples} channels of {bit_depth} bits are not supported")));
            }
            (_, other) => return Err(failed(format!("its colours ({other:?}) are not supported"))),
        };
        let size = file.dimensions().map_err(failed)?;
        Ok(Some(Self { file, size, samples }))
    }

    fn pixels(mut self) -> ImageResult<Vec<u8>> {
        let mut stored = DecodingResult::U8(Vec::new());
        let layout = self.file.read_image_to_buffer(&mut stored).map_err(failed)?;
        if layout.planes > 1 {
            return Err(failed("channels that are stored apart are not supported"));
        }
        let width = self.size.0 as usize;
        Ok(match (self.samples, stored) {
            (Samples::Packed { bits, colours: None }, DecodingResult::U8(bytes)) => {
                let step = u8::MAX / (u8::MAX >> (8 - bits));
                unpacked(&bytes, bits, width).map(|grey| grey * step).collect()
            }
            (Samples::Packed { bits, colours: Some(colours) }, DecodingResult::U8(bytes)) => {
                let colour = |index: u8| colours.get(usize::from(index)).copied().unwrap_or_default();
                unpacked(&bytes, bits, width).flat_map(colour).collect()
            }
            (Samples::GreyAlpha, DecodingResult::U8(bytes)) => bytes,
            (Samples::GreyAlpha, DecodingResult::U16(words)) => words.iter().map(|word| word.to_be_bytes()[0]).collect(),
            (Samples::YCbCr, DecodingResult::U8(bytes)) => bytes.as_chunks::<3>().0.iter().copied().flat_map(of_ycbcr).collect(),
            (Samples::Lab { is_signed }, DecodingResult::U8(bytes)) => {
                bytes.as_chunks::<3>().0.iter().flat_map(|lab| of_lab(*lab, is_signed)).collect()
            }
            (Samples::Numbers, numbers) => scaled(&numbers),
            _ => return Err(failed("its samples are not supported")),
        })
    }
}

impl ImageDecoder for TiffImage<'_> {
    fn dimensions(&self) -> (u32, u32) {
        self.size
    }

    fn color_type(&self) -> ColorType {
        match self.samples {
            Samples::Packed { colours: None, .. } | Samples::Numbers => ColorType::L8,
            Samples::GreyAlpha => ColorType::La8,
            Samples::Packed { .. } | Samples::YCbCr | Samples::Lab { .. } => ColorType::Rgb8,
        }
    }

    fn icc_profile(&mut self) -> ImageResult<Option<Vec<u8>>> {
        let has_own = matches!(self.samples, Samples::Lab { .. } | Samples::Numbers);
        Ok(if has_own { None } else { self.file.get_tag_u8_vec(Tag::IccProfile).ok() })
    }

    fn orientation(&mut self) -> ImageResult<Orientation> {
        let number = self.file.find_tag_unsigned(Tag::Orientation).ok().flatten();
        Ok(number.and_then(Orientation::from_exif).unwrap_or(Orientation::NoTransforms))
    }

    fn read_image(self, buffer: &mut [u8]) -> ImageResult<()> {
        let pixels = self.pixels()?;
        if pixels.len() != buffer.len() {
            return Err(failed("it has too few pixels"));
        }
        buffer.copy_from_slice(&pixels);
        Ok(())
    }

    fn read_image_boxed(self: Box<Self>, buffer: &mut [u8]) -> ImageResult<()> {
        (*self).read_image(buffer)
    }
}

/// The colours of a palette. All reds come first, then all greens, then all blues.
fn palette(file: &mut Decoder<Cursor<Cow<'_, [u8]>>>, bits: u8) -> ImageResult<Vec<[u8; 3]>> {
    let map = file.find_tag_unsigned_vec::<u16>(Tag::ColorMap).map_err(failed)?.unwrap_or_default();
    let count = 1 << bits;
    if map.len() < 3 * count {
        return Err(failed("its palette is missing"));
    }
    // Some programs write 8 bits of each colour, although 16 are the rule.
    let is_narrow = map.iter().all(|part| u8::try_from(*part).is_ok());
    let part = |at: usize| map[at].to_be_bytes()[usize::from(is_narrow)];
    Ok((0..count).map(|at| [part(at), part(count + at), part(2 * count + at)]).collect())
}

/// The samples of rows that begin at whole bytes.
fn unpacked(bytes: &[u8], bits: u8, width: usize) -> impl Iterator<Item = u8> {
    let bits_of = usize::from(bits);
    let row = (width * bits_of).div_ceil(8).max(1);
    bytes.chunks_exact(row).flat_map(move |row| {
        (0..width).map(move |at| {
            let bit = at * bits_of;
            let shift = 8 - bits_of - bit % 8;
            row[bit / 8] >> shift & (u8::MAX >> (8 - bits_of))
        })
    })
}

/// Shades of numbers: those up to 1 or 255 as they are, others from the least to the greatest.
#[expect(clippy::cast_possible_truncation, reason = "shades need no more digits")]
fn scaled(numbers: &DecodingResult) -> Vec<u8> {
    let numbers: Vec<f32> = match numbers {
        DecodingResult::U8(all) => all.iter().map(|one| f32::from(*one)).collect(),
        DecodingResult::I8(all) => all.iter().map(|one| f32::from(*one)).collect(),
        DecodingResult::U16(all) => all.iter().map(|one| f32::from(*one)).collect(),
        DecodingResult::I16(all) => all.iter().map(|one| f32::from(*one)).collect(),
        DecodingResult::F16(all) => all.iter().map(|one| one.to_f32()).collect(),
        DecodingResult::U32(all) => all.iter().map(|one| *one as f32).collect(),
        DecodingResult::I32(all) => all.iter().map(|one| *one as f32).collect(),
        DecodingResult::U64(all) => all.iter().map(|one| *one as f32).collect(),
        DecodingResult::I64(all) => all.iter().map(|one| *one as f32).collect(),
        DecodingResult::F32(all) => all.clone(),
        DecodingResult::F64(all) => all.iter().map(|one| *one as f32).collect(),
    };
    let is_float = numbers.iter().any(|number| number.fract() != 0.0);
    let finite = || numbers.iter().copied().filter(|number| number.is_finite());
    let (least, most) = (finite().fold(f32::MAX, f32::min), finite().fold(f32::MIN, f32::max));
    let (from, to) = match (least >= 0.0, most) {
        (true, most) if is_float && most <= 1.0 => (0.0, 1.0),
        (true, most) if most <= 255.0 => (0.0, 255.0),
        _ => (least, most),
    };
    let range = (to - from).max(f32::MIN_POSITIVE);
    numbers.iter().map(|number| byte((number - from) / range)).collect()
}

/// A share of full light. No number is black.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 255")]
fn byte(share: f32) -> u8 {
    (share.clamp(0.0, 1.0) * 255.0).round() as u8
}

fn of_ycbcr([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    let (y, cb, cr) = (f32::from(y), f32::from(cb) - 128.0, f32::from(cr) - 128.0);
    [y + 1.402 * cr, y - 0.344_136 * cb - 0.714_136 * cr, y + 1.772 * cb].map(|part| byte(part / 255.0))
}

fn of_lab([light, red, yellow]: [u8; 3], is_signed: bool) -> [u8; 3] {
    let axis = |value: u8| if is_signed { f32::from(value.cast_signed()) } else { f32::from(value) - 128.0 };
    let middle = (f32::from(light) / 2.55 + 16.0) / 116.0;
    let part = |root: f32| if root > 6.0 / 29.0 { root.powi(3) } else { (root - 4.0 / 29.0) * 108.0 / 841.0 };
    let [x, y, z] = [middle + axis(red) / 500.0, middle, middle - axis(yellow) / 200.0].map(part);
    let of_white = [x * WHITE[0], y * WHITE[1], z * WHITE[2]];
    TO_SRGB.map(|row| {
        let linear: f32 = row.iter().zip(of_white).map(|(weight, part)| weight * part).sum();
        byte(if linear <= 0.003_130_8 { linear * 12.92 } else { 1.055 * linear.powf(1.0 / 2.4) - 0.055 })
    })
}
