//! Documents of many kinds, valid and damaged.

use image::codecs::jpeg::JpegEncoder;
use image::{ImageFormat, Rgb, RgbImage};
use std::io::Cursor;
use std::path::Path;

/// Draws a picture whose colours depend on `seed`.
fn picture(width: u32, height: u32, seed: u8) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| Rgb([seed, u8::try_from(x * 255 / width).unwrap(), u8::try_from(y * 255 / height).unwrap()]))
}

/// A small PNG.
pub fn png(seed: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    picture(40, 30, seed).write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png).unwrap();
    bytes
}

/// A small PNG with a painted number, which [`number_on`] reads. The number survives preparation.
pub fn numbered_png(number: u16) -> Vec<u8> {
    let bits = MARK << 12 | number;
    assert!(number < 1 << 12, "{number} does not fit on the picture");
    let picture = RgbImage::from_fn(4 * FIELD, 4 * FIELD, |x, y| {
        let bit = bits >> (4 * (y / FIELD) + x / FIELD) & 1;
        Rgb([255 * u8::try_from(bit).unwrap(); 3])
    });
    let mut bytes = Vec::new();
    picture.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png).unwrap();
    bytes
}

/// Side length in pixels of the square for one bit.
const FIELD: u32 = 16;
/// The last row of a numbered picture, as a mark.
const MARK: u16 = 0b0101;

/// Reads the painted number of a picture; `None` without one.
pub fn number_on(picture: &[u8]) -> Option<u16> {
    let picture = image::load_from_memory(picture).ok()?.to_luma8();
    let field = picture.width() / 4;
    if field == 0 || picture.height() != picture.width() {
        return None;
    }
    let mut bits = 0;
    for place in (0..16).rev() {
        let [light] = picture.get_pixel(place % 4 * field + field / 2, place / 4 * field + field / 2).0;
        bits = bits << 1
            | match light {
                0..64 => 0,
                192.. => 1,
                _ => return None,
            };
    }
    (bits >> 12 == MARK).then_some(bits & 0xFFF)
}

/// A small JPEG.
pub fn jpeg(seed: u8) -> Vec<u8> {
    encode(&picture(64, 48, seed))
}

/// A JPEG of 1000 x 1000 pixels.
pub fn large_jpeg(seed: u8) -> Vec<u8> {
    encode(&picture(1000, 1000, seed))
}

fn encode(image: &RgbImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 95).encode_image(image).unwrap();
    bytes
}

/// A JPEG that is truncated in the middle.
pub fn jpeg_cut_off(seed: u8) -> Vec<u8> {
    let mut bytes = encode(&picture(256, 256, seed));
    bytes.truncate(bytes.len() / 2);
    bytes
}

/// A JPEG with an EXIF rotation of 90 degrees clockwise.
///
/// As stored, it is 64 x 32, red on the left and blue on the right. Upright it is 32 x 64, red
/// above blue.
pub fn exif_rotated_jpeg() -> Vec<u8> {
    let lying = RgbImage::from_fn(64, 32, |x, _| if x < 32 { Rgb([255, 0, 0]) } else { Rgb([0, 0, 255]) });
    let plain = encode(&lying);
    // A TIFF header and a directory with one entry: tag 0x0112 (orientation), type 3 (short), one
    // value, 6.
    let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0".to_vec();
    let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
    let mut bytes = plain[..2].to_vec();
    bytes.extend([0xFF, 0xE1, length[0], length[1]]);
    bytes.append(&mut exif);
    bytes.extend(&plain[2..]);
    bytes
}

/// A tiny PNG whose header claims this size.
pub fn png_that_claims(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut header = Vec::new();
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    header.extend([8, 2, 0, 0, 0]);
    chunk(&mut bytes, *b"IHDR", &header);
    // An empty zlib stream.
    chunk(&mut bytes, *b"IDAT", &[0x78, 0x9C, 0x03, 0x00, 0x00, 0x00, 0x00, 0x01]);
    chunk(&mut bytes, *b"IEND", &[]);
    bytes
}

fn chunk(bytes: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) {
    bytes.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
    let start = bytes.len();
    bytes.extend(kind);
    bytes.extend(data);
    let sum = crc32(&bytes[start..]);
    bytes.extend(sum.to_be_bytes());
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 { (sum >> 1) ^ 0xEDB8_8320 } else { sum >> 1 };
        }
    }
    !sum
}

/// Encodes a text as UTF-16, little-endian, with a byte order mark.
pub fn utf16le(text: &str) -> Vec<u8> {
    [0xFEFF].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

/// Removes all permissions of a file. Returns false if the process can still read it, as a
/// superuser can.
pub fn unreadable_by_us(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o000)).unwrap();
    std::fs::File::open(path).is_err()
}
