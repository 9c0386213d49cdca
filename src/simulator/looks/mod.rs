//! What a small picture looks like: colours, brightness, gloss, texture and edges of its subject.

mod concepts;
mod gallery;
mod mask;

pub use gallery::Gallery;
use mask::subject;

/// Longest side of the picture that is looked at, in pixels.
pub const SIDE: u32 = 112;

/// Shortest side of a picture that can be looked at, in pixels.
pub const LEAST: u32 = 8;

/// Names of the features, in the order of [`Looks`].
pub const FEATURES: [&str; 23] = [
    "red", "orange", "brown", "cream", "yellow", "green", "cyan", "blue", "purple", "pink", "white", "grey", "black", "russet", "light",
    "contrast", "gloss", "texture", "grain", "edges", "mixed", "vivid", "large",
];

/// Number of colours, which are the first features.
pub const COLOURS: usize = 14;

/// The features of a picture, each from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Looks(pub [f32; FEATURES.len()]);

impl Looks {
    /// A feature by its name; 0 for an unknown name.
    pub fn feature(&self, name: &str) -> f32 {
        FEATURES.iter().position(|own| *own == name).map_or(0.0, |index| self.0[index])
    }
}

/// RGB pixels from 0 to 1, row by row.
#[derive(Debug)]
pub struct Pixels {
    pub width: usize,
    pub height: usize,
    pub rgb: Vec<[f32; 3]>,
}

impl Pixels {
    /// Reduces 8-bit RGB to about [`SIDE`] pixels on the longer side, by averages. `None` if the data
    /// does not fit the size, or if the picture is too small.
    pub fn reduced(width: usize, height: usize, bytes: &[u8]) -> Option<Self> {
        let least = LEAST as usize;
        if width < least || height < least || bytes.len() < width * height * 3 {
            return None;
        }
        // The shorter side of a narrow picture keeps enough pixels.
        let step = width.max(height).div_ceil(SIDE as usize).min(width.min(height) / least);
        let (small_width, small_height) = (width / step, height / step);
        let area = (step * step) as f32 * 255.0;
        let pixel = |index: usize| {
            let (x, y) = (index % small_width * step, index / small_width * step);
            let mut sum = [0_u32; 3];
            for row in y..y + step {
                for byte in bytes[(row * width + x) * 3..(row * width + x + step) * 3].chunks_exact(3) {
                    (0..3).for_each(|channel| sum[channel] += u32::from(byte[channel]));
                }
            }
            sum.map(|sum| sum as f32 / area)
        };
        Some(Self { width: small_width, height: small_height, rgb: (0..small_width * small_height).map(pixel).collect() })
    }

    fn luma(&self, x: usize, y: usize) -> f32 {
        luma(self.rgb[y * self.width + x])
    }
}

fn luma([r, g, b]: [f32; 3]) -> f32 {
    0.299 * r + 0.587 * g + 0.114 * b
}

/// Index of the colour in [`FEATURES`].
#[expect(clippy::float_cmp, reason = "the highest channel is one of the three")]
fn colour(rgb: [f32; 3]) -> usize {
    let [r, g, b] = rgb;
    let (high, low) = (r.max(g).max(b), r.min(g).min(b));
    let (chroma, luma) = (high - low, luma(rgb));
    let (warm, saturation) = (r >= g && g >= b, chroma / high.max(0.01));
    match chroma {
        _ if luma < 0.08 || luma < 0.32 && saturation < 0.3 => return 12,
        0.045..0.25 if warm && luma > 0.65 => return 3,
        ..0.075 if luma > 0.3 => return if luma > 0.82 { 10 } else { 11 },
        ..0.13 if b >= r && luma > 0.3 => return 11, // steel, shade and daylight have a tinge of blue
        _ => {}
    }
    let sextant = if high == r {
        (g - b) / chroma
    } else if high == g {
        (b - r) / chroma + 2.0
    } else {
        (r - g) / chroma + 4.0
    };
    match (sextant * 60.0).rem_euclid(360.0) {
        0.0..18.0 | 340.0.. if chroma < 0.4 => 13,
        0.0..14.0 | 345.0.. => 0,
        12.0..50.0 if chroma < 0.55 => 2,
        14.0..42.0 => 1,
        42.0..68.0 => 4,
        68.0..165.0 => 5,
        165.0..200.0 => 6,
        200.0..260.0 => 7,
        260.0..300.0 => 8,
        _ => 9,
    }
}

/// The features of a picture.
pub fn looks(pixels: &Pixels) -> Looks {
    let mask = subject(pixels);
    let (width, height) = (pixels.width, pixels.height);
    let mut lumas: Vec<f32> = Vec::with_capacity(mask.len());
    let mut shares = [0.0_f32; COLOURS];
    let mut energy = Energy::default();
    for y in 1..height - 1 {
        for x in 1..width - 1 {
            if !mask[y * width + x] {
                continue;
            }
            lumas.push(pixels.luma(x, y));
            shares[colour(pixels.rgb[y * width + x])] += 1.0;
            let inside = [(x - 1, y), (x + 1, y), (x, y - 1), (x, y + 1)].iter().all(|(x, y)| mask[y * width + x]);
            if inside {
                energy.add(pixels, x, y);
            }
        }
    }
    let count = lumas.len().max(1) as f32;
    let shares = shares.map(|share| share / count);
    lumas.sort_by(f32::total_cmp);
    let at = |thousandths: usize| lumas.get(lumas.len().saturating_sub(1) * thousandths / 1000).copied().unwrap_or(0.0);
    let mixed: f32 = shares.iter().filter(|share| **share > 0.0).map(|share| -share * share.log2()).sum::<f32>() / 2.5;
    let inner = energy.count.max(1.0);
    let mut features = [0.0; FEATURES.len()];
    features[..COLOURS].copy_from_slice(&shares);
    let vivid = [0, 1, 4, 5, 6, 7, 8, 9].iter().map(|index| shares[*index]).sum();
    features[COLOURS..].copy_from_slice(&[
        lumas.iter().sum::<f32>() / count,
        (at(900) - at(100)).min(1.0),
        ((at(995) - at(750)) * 2.0).clamp(0.0, 1.0),
        (energy.fine / inner * 12.0).min(1.0),
        (energy.coherence() * energy.fine / inner * 24.0).min(1.0),
        (energy.strong / inner * 2.0).min(1.0),
        mixed.clamp(0.0, 1.0),
        vivid,
        count / mask.len() as f32,
    ]);
    Looks(features)
}

/// Sums of differences between neighbouring pixels of the subject.
#[derive(Debug, Default)]
struct Energy {
    count: f32,
    /// Differences from the mean of the neighbours.
    fine: f32,
    /// Pixels with a strong difference.
    strong: f32,
    /// Structure tensor of weak differences.
    tensor: [f32; 3],
}

impl Energy {
    fn add(&mut self, pixels: &Pixels, x: usize, y: usize) {
        let [left, right, up, down] = [pixels.luma(x - 1, y), pixels.luma(x + 1, y), pixels.luma(x, y - 1), pixels.luma(x, y + 1)];
        let (across, along) = ((right - left) / 2.0, (down - up) / 2.0);
        let slope = across.hypot(along);
        self.count += 1.0;
        self.strong += f32::from(u8::from(slope > 0.08));
        // Edges of parts are no texture.
        if slope < 0.12 {
            self.fine += (pixels.luma(x, y) - (left + right + up + down) / 4.0).abs();
            let sum = &mut self.tensor;
            *sum = [sum[0] + across * across, sum[1] + along * along, sum[2] + across * along];
        }
    }

    /// How much the weak differences have one direction: from 0 to 1.
    fn coherence(&self) -> f32 {
        let [xx, yy, xy] = self.tensor;
        (xx - yy).hypot(2.0 * xy) / (xx + yy).max(1e-6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disc on a grey floor.
    fn disc(colour: impl Fn(u32, u32) -> [u8; 3]) -> Looks {
        let picture = image::RgbImage::from_fn(200, 160, |x, y| {
            let inside = x.abs_diff(100).pow(2) + y.abs_diff(80).pow(2) < 55 * 55;
            image::Rgb(if inside { colour(x, y) } else { [168, 172, 180] })
        });
        looks(&Pixels::reduced(200, 160, picture.as_raw()).unwrap())
    }

    #[test]
    fn colours_and_surfaces_of_the_subject_lead_to_its_material() {
        let shade = |x: u32| u8::try_from(x % 60).unwrap();
        // A ball that is lit from above, with a highlight.
        let ball = |x: u32, y: u32| {
            let (dx, dy) = ((f64::from(x) - 100.0) / 56.0, (f64::from(y) - 80.0) / 56.0);
            let lit = (0.7 * (1.0 - dx * dx - dy * dy).max(0.0).sqrt() - 0.5 * (dx + dy)).max(0.0);
            [60.0 + 130.0 * lit + 90.0 * lit.powi(24); 3]
                .map(|value: f64| (0..=255).rev().find(|byte| f64::from(*byte) <= value).unwrap_or(0))
        };
        assert_eq!(disc(ball).material(), "metal");
        assert_eq!(disc(|x, y| [190, 140, 90].map(|channel: u8| channel - shade((y + x / 9) % 6 * 5))).material(), "wood");
        assert_eq!(disc(|_, _| [38, 38, 40]).material(), "elastomer");
        assert_eq!(disc(|_, _| [215, 40, 35]).material(), "polymer");
        assert_eq!(disc(|_, _| [244, 244, 242]).material(), "ceramic");
    }

    #[test]
    fn pictures_of_any_size_are_looked_at() {
        for (width, height) in [(8, 8), (9, 400), (1, 1), (113, 112), (3000, 10)] {
            let bytes = vec![90; width * height * 3];
            if let Some(pixels) = Pixels::reduced(width, height, &bytes) {
                assert!(looks(&pixels).0.iter().all(|feature| (0.0..=1.0).contains(feature)), "{width} x {height}");
            }
        }
        assert!(Pixels::reduced(100, 100, &[0; 10]).is_none());
        let narrow = Pixels::reduced(33, 900, &vec![90; 33 * 900 * 3]).unwrap();
        assert_eq!((narrow.width, narrow.height), (8, 225));
    }
}
