//! Makes pixels of TIFF samples that the `image` crate does not know.
//!
//! These are palettes, grey of 2, 4, 32 and 64 bits, signed numbers and floats, grey with alpha,
//! YCbCr and L*a*b*. The `tiff` crate decodes the samples. It knows no palettes and no L*a*b*, so
//! it reads that they are grey and RGB.

use super::frames;
use super::heif::failed;
use super::jpeg;
use image::metadata::Orientation;
use image::{ColorType, ImageDecoder, ImageResult};
use std::io::{self, Cursor, Read, Seek, SeekFrom};
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
/// Values of tags: samples that are JPEG images, and a sample that is alpha.
const JPEG: u16 = 7;
const ALPHA: u16 = 2;
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
    Packed {
        bits: u8,
        colours: Option<Vec<[u8; 3]>>,
    },
    /// Places in a palette, each with another sample, which may be alpha.
    Pairs {
        colours: Vec<[u8; 3]>,
        has_alpha: bool,
    },
    Numbers,
    GreyAlpha,
    YCbCr,
    Lab {
        is_signed: bool,
    },
}

/// A TIFF whose header is valid.
pub(super) struct TiffImage<'a> {
    file: Decoder<Patched<'a>>,
    size: (u32, u32),
    samples: Samples,
}

/// A file with another byte in one place.
struct Patched<'a> {
    file: Cursor<&'a [u8]>,
    patch: Option<(u64, u8)>,
}

impl Read for Patched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let start = self.file.position();
        let count = self.file.read(buffer)?;
        if let Some((at, byte)) = self.patch
            && let Some(place) = at.checked_sub(start).and_then(|at| buffer[..count].get_mut(usize::try_from(at).ok()?))
        {
            *place = byte;
        }
        Ok(count)
    }
}

impl Seek for Patched<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// Opens a file for a decoder that knows only grey and RGB.
fn opened(bytes: &[u8]) -> tiff::TiffResult<Decoder<Patched<'_>>> {
    let patch = frames::tiff_field(bytes, MEANING).and_then(|field| match field.value {
        PALETTE => Some((field.low_byte as u64, GREY)),
        SIGNED_LAB | UNSIGNED_LAB => Some((field.low_byte as u64, RGB)),
        _ => None,
    });
    Decoder::new(Patched { file: Cursor::new(bytes), patch })
}

/// Memory that the decoder needs besides the pixels.
pub(super) struct Needed {
    /// Bytes of the samples of a pixel.
    pub of_pixel: u64,
    /// Bytes of one row, and of one part that is a JPEG image.
    pub of_part: u64,
}

/// Memory to decode the samples, from the header.
pub(super) fn needed(bytes: &[u8]) -> Option<Needed> {
    let mut file = opened(bytes).ok()?;
    let bits = file.find_tag_unsigned_vec::<u16>(Tag::BitsPerSample).ok()?.unwrap_or_default().into_iter().max().unwrap_or(1);
    let samples: u16 = file.find_tag_unsigned(Tag::SamplesPerPixel).ok()?.unwrap_or(1);
    let of_pixel = (u64::from(bits) * u64::from(samples)).div_ceil(8);
    let row = u64::from(file.chunk_dimensions().0).saturating_mul(of_pixel);
    let is_jpeg = file.find_tag_unsigned(Tag::Compression).ok()? == Some(JPEG);
    let of_part = if is_jpeg { jpeg::largest_frame(bytes).saturating_add(2 * bytes.len() as u64) } else { 0 };
    Some(Needed { of_pixel, of_part: row.saturating_add(of_part) })
}

/// Whether the samples are numbers that have no shade of their own.
pub(super) fn is_scaled(bytes: &[u8]) -> bool {
    let field = |tag: usize| frames::tiff_field(bytes, tag).map(|field| field.value);
    field(SAMPLES).unwrap_or(1) == 1 && (field(BITS).is_some_and(|bits| bits >= 32) || field(SAMPLE_FORMAT).is_some_and(|kind| kind > 1))
}

impl<'a> TiffImage<'a> {
    /// Reads the header. Images that the `image` crate knows give `None`.
    pub fn new(bytes: &'a [u8], most_bytes: u64) -> ImageResult<Option<Self>> {
        let meaning = frames::tiff_field(bytes, MEANING).map(|field| field.value);
        // The other decoder reports damage.
        let Ok(file) = opened(bytes) else { return Ok(None) };
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
        let samples = match (meaning, colour) {
            (Some(PALETTE), tiff::ColorType::Gray(bits @ (1 | 2 | 4 | 8))) => {
                Samples::Packed { bits, colours: Some(palette(&mut file, bits)?) }
            }
            (Some(PALETTE), tiff::ColorType::Multiband { bit_depth: 8, num_samples: 2 }) => {
                let extra = file.find_tag_unsigned_vec::<u16>(Tag::ExtraSamples).ok().flatten();
                let has_alpha = extra.is_some_and(|extra| extra.first() == Some(&ALPHA));
                Samples::Pairs { colours: palette(&mut file, 8)?, has_alpha }
            }
            (Some(PALETTE), tiff::ColorType::Gray(bits)) => return Err(failed(format!("palettes of {bits} bits are not supported"))),
            (Some(PALETTE), tiff::ColorType::Multiband { num_samples, .. }) => {
                return Err(failed(format!("palettes with {num_samples} channels are not supported")));
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

    fn write(mut self, buffer: &mut [u8]) -> ImageResult<()> {
        let mut stored = DecodingResult::U8(Vec::new());
        let layout = self.file.read_image_to_buffer(&mut stored).map_err(failed)?;
        if layout.planes > 1 {
            return Err(failed("channels that are stored apart are not supported"));
        }
        let width = self.size.0 as usize;
        match (self.samples, stored) {
            (Samples::Packed { bits, colours: None }, DecodingResult::U8(bytes)) => {
                let step = u8::MAX / (u8::MAX >> (8 - bits));
                fill(buffer, unpacked(&bytes, bits, width).map(|grey| grey * step))
            }
            (Samples::Packed { bits, colours: Some(colours) }, DecodingResult::U8(bytes)) => {
                fill(buffer, unpacked(&bytes, bits, width).flat_map(|place| colour(&colours, place)))
            }
            (Samples::Pairs { colours, has_alpha }, DecodingResult::U8(bytes)) => {
                let pixel = |[place, alpha]: &[u8; 2]| colour(&colours, *place).into_iter().chain(has_alpha.then_some(*alpha));
                fill(buffer, bytes.as_chunks().0.iter().flat_map(pixel))
            }
            (Samples::GreyAlpha, DecodingResult::U8(bytes)) => fill(buffer, bytes.into_iter()),
            (Samples::GreyAlpha, DecodingResult::U16(words)) => fill(buffer, words.iter().map(|word| word.to_be_bytes()[0])),
            (Samples::YCbCr, DecodingResult::U8(bytes)) => fill(buffer, bytes.as_chunks().0.iter().copied().flat_map(of_ycbcr)),
            (Samples::Lab { is_signed }, DecodingResult::U8(bytes)) => {
                fill(buffer, bytes.as_chunks().0.iter().flat_map(|lab| of_lab(*lab, is_signed)))
            }
            (Samples::Numbers, numbers) => fill(buffer, scaled(&numbers)),
            _ => Err(failed("its samples are not supported")),
        }
    }
}

/// Writes pixels without collecting them first.
fn fill(buffer: &mut [u8], mut pixels: impl Iterator<Item = u8>) -> ImageResult<()> {
    for place in buffer {
        *place = pixels.next().ok_or_else(|| failed("it has too few pixels"))?;
    }
    Ok(())
}

fn colour(colours: &[[u8; 3]], place: u8) -> [u8; 3] {
    colours.get(usize::from(place)).copied().unwrap_or_default()
}

impl ImageDecoder for TiffImage<'_> {
    fn dimensions(&self) -> (u32, u32) {
        self.size
    }

    fn color_type(&self) -> ColorType {
        match self.samples {
            Samples::Packed { colours: None, .. } | Samples::Numbers => ColorType::L8,
            Samples::GreyAlpha => ColorType::La8,
            Samples::Pairs { has_alpha: true, .. } => ColorType::Rgba8,
            Samples::Packed { .. } | Samples::Pairs { .. } | Samples::YCbCr | Samples::Lab { .. } => ColorType::Rgb8,
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
        self.write(buffer)
    }

    fn read_image_boxed(self: Box<Self>, buffer: &mut [u8]) -> ImageResult<()> {
        (*self).read_image(buffer)
    }
}

/// The colours of a palette. All reds come first, then all greens, then all blues.
fn palette(file: &mut Decoder<Patched<'_>>, bits: u8) -> ImageResult<Vec<[u8; 3]>> {
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
fn scaled(numbers: &DecodingResult) -> impl Iterator<Item = u8> {
    let all = || (0..).map_while(|at| number(numbers, at));
    let is_float = all().any(|number| number.fract() != 0.0);
    let finite = || all().filter(|number| number.is_finite());
    let (least, most) = (finite().fold(f32::MAX, f32::min), finite().fold(f32::MIN, f32::max));
    let (from, to) = match (least >= 0.0, most) {
        (true, most) if is_float && most <= 1.0 => (0.0, 1.0),
        (true, most) if most <= 255.0 => (0.0, 255.0),
        _ => (least, most),
    };
    let range = (to - from).max(f32::MIN_POSITIVE);
    (0..).map_while(|at| number(numbers, at)).map(move |number| byte((number - from) / range))
}

#[expect(clippy::cast_possible_truncation, reason = "shades need no more digits")]
fn number(numbers: &DecodingResult, at: usize) -> Option<f32> {
    Some(match numbers {
        DecodingResult::U8(all) => f32::from(*all.get(at)?),
        DecodingResult::I8(all) => f32::from(*all.get(at)?),
        DecodingResult::U16(all) => f32::from(*all.get(at)?),
        DecodingResult::I16(all) => f32::from(*all.get(at)?),
        DecodingResult::F16(all) => all.get(at)?.to_f32(),
        DecodingResult::U32(all) => *all.get(at)? as f32,
        DecodingResult::I32(all) => *all.get(at)? as f32,
        DecodingResult::U64(all) => *all.get(at)? as f32,
        DecodingResult::I64(all) => *all.get(at)? as f32,
        DecodingResult::F32(all) => *all.get(at)?,
        DecodingResult::F64(all) => *all.get(at)? as f32,
    })
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
