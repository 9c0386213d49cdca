//! Builds files byte by byte that the available encoders cannot write.

use super::*;

/// Builds a TIFF block with only an orientation, as in EXIF.
pub(super) fn exif(orientation: u16, big_endian: bool) -> Vec<u8> {
    let mut block = Vec::new();
    let short = |n: u16| if big_endian { n.to_be_bytes() } else { n.to_le_bytes() };
    let long = |n: u32| if big_endian { n.to_be_bytes() } else { n.to_le_bytes() };
    block.extend(if big_endian { b"MM" } else { b"II" });
    block.extend(short(42));
    block.extend(long(8));
    block.extend(short(1));
    block.extend(short(0x0112));
    block.extend(short(3));
    block.extend(long(1));
    block.extend(short(orientation));
    block.extend([0, 0]);
    block.extend(long(0));
    block
}

/// Inserts an APP1 segment with this EXIF block into a JPEG.
pub(super) fn jpeg_with_exif(jpeg: &[u8], exif: &[u8]) -> Vec<u8> {
    let length = u16::try_from(2 + 6 + exif.len()).unwrap().to_be_bytes();
    [&jpeg[..2], &[0xFF, 0xE1], &length, b"Exif\0\0", exif, &jpeg[2..]].concat()
}

/// Returns the pixels that a camera stores for this orientation.
///
/// The EXIF standard defines an orientation by the position of row 0 and column 0 in the upright
/// picture.
pub(super) fn stored(upright: &RgbImage, orientation: u16) -> RgbImage {
    let (w, h) = upright.dimensions();
    let (stored_w, stored_h) = if orientation >= 5 { (h, w) } else { (w, h) };
    RgbImage::from_fn(stored_w, stored_h, |x, y| {
        let (from_x, from_y) = match orientation {
            2 => (w - 1 - x, y),
            3 => (w - 1 - x, h - 1 - y),
            4 => (x, h - 1 - y),
            5 => (y, x),
            6 => (w - 1 - y, x),
            7 => (w - 1 - y, h - 1 - x),
            8 => (y, h - 1 - x),
            _ => (x, y),
        };
        *upright.get_pixel(from_x, from_y)
    })
}

/// Builds an uncompressed grey TIFF with pages of equal pixels.
pub(super) fn grey_tiff(width: u32, height: u32, orientation: u16, pages: u32, pixels: &[u8]) -> Vec<u8> {
    let mut file = b"II*\0".to_vec();
    let first_page = 8 + u32::try_from(pixels.len()).unwrap();
    file.extend(first_page.to_le_bytes());
    file.extend(pixels);
    for page in 1..=pages {
        let entries: [(u16, u32); 10] = [
            (256, width),
            (257, height),
            (258, 8),
            (259, 1),
            (262, 1),
            (273, 8),
            (274, orientation.into()),
            (277, 1),
            (278, height),
            (279, u32::try_from(pixels.len()).unwrap()),
        ];
        file.extend(10_u16.to_le_bytes());
        for (tag, value) in entries {
            file.extend(tag.to_le_bytes());
            file.extend(if tag == 274 { 3_u16 } else { 4 }.to_le_bytes());
            file.extend(1_u32.to_le_bytes());
            file.extend(value.to_le_bytes());
        }
        let next = if page == pages { 0 } else { u32::try_from(file.len()).unwrap() + 4 };
        file.extend(next.to_le_bytes());
    }
    file
}

/// Builds a TIFF of 8 rows with these fields of 16-bit numbers.
pub(super) fn tiff(width: u16, fields: &[(u16, Vec<u16>)], pixels: &[u8]) -> Vec<u8> {
    let length = u16::try_from(pixels.len()).unwrap();
    let mut fields = fields.to_vec();
    fields.extend([(256, vec![width]), (257, vec![8]), (273, vec![8]), (278, vec![8]), (279, vec![length])]);
    if fields.iter().all(|(tag, _)| *tag != 259) {
        fields.push((259, vec![1]));
    }
    fields.sort();
    let mut file = [&b"II*\0"[..], &(8 + u32::from(length)).to_le_bytes(), pixels].concat();
    let mut behind = file.len() + 2 + fields.len() * 12 + 4;
    let mut values = Vec::new();
    file.extend(u16::try_from(fields.len()).unwrap().to_le_bytes());
    for (tag, numbers) in fields {
        let mut bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        file.extend([tag.to_le_bytes(), 3_u16.to_le_bytes()].concat());
        file.extend(u32::try_from(numbers.len()).unwrap().to_le_bytes());
        if bytes.len() > 4 {
            file.extend(u32::try_from(behind).unwrap().to_le_bytes());
            behind += bytes.len();
            values.extend(bytes);
        } else {
            bytes.resize(4, 0);
            file.extend(bytes);
        }
    }
    [file, vec![0; 4], values].concat()
}

/// Builds a BMP header that declares this size, without pixels.
pub(super) fn bmp_header(width: u32, height: u32) -> Vec<u8> {
    let mut file = b"BM".to_vec();
    for number in [0_u32, 0, 54, 40, width, height] {
        file.extend(number.to_le_bytes());
    }
    file.extend(1_u16.to_le_bytes());
    file.extend(24_u16.to_le_bytes());
    file.extend([0; 24]);
    file
}

/// Builds a JPEG with four ink channels, inverted as by Adobe.
///
/// Below quality 90, the encoder subsamples.
pub(super) fn four_channel_jpeg(inks: &[u8], width: u16, colour: jpeg_encoder::ColorType, quality: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let height = u16::try_from(inks.len() / 4 / usize::from(width)).unwrap();
    jpeg_encoder::Encoder::new(&mut bytes, quality).encode(inks, width, height, colour).unwrap();
    bytes
}

pub(super) fn gif(frames: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    {
        let mut encoder = ::image::codecs::gif::GifEncoder::new(&mut bytes);
        for shade in 0..frames {
            let shade = u8::try_from(shade * 20 + 10).unwrap();
            let frame = ::image::RgbaImage::from_pixel(20, 10, ::image::Rgba([shade, shade, shade, 255]));
            encoder.encode_frame(::image::Frame::new(frame)).unwrap();
        }
    }
    bytes
}
