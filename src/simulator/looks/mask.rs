//! Separates the subject of a picture from its background.

use super::{Pixels, luma};

/// Differences below this are background. RGB distance.
const DIFFERENT: f32 = 0.08;
/// Shares of the picture between which a subject is believed.
const BELIEVED: std::ops::Range<f32> = 0.04..0.85;
/// A smaller share is only the outline of a subject that has the colour of its background.
const OUTLINE: f32 = 0.12;

/// Which pixels belong to the subject.
///
/// The background continues the colours of the border. If that leaves hardly anything or almost
/// everything, the picture is a close-up, and all of it is subject.
pub(super) fn subject(pixels: &Pixels) -> Vec<bool> {
    let (width, height) = (pixels.width, pixels.height);
    let (top, bottom) = (side(pixels, width, |at, depth| (at, depth)), side(pixels, width, |at, depth| (at, height - 1 - depth)));
    let (left, right) = (side(pixels, height, |at, depth| (depth, at)), side(pixels, height, |at, depth| (width - 1 - depth, at)));
    let mut mask = vec![false; width * height];
    for y in 0..height {
        for x in 0..width {
            let (u, v) = (x as f32 / (width - 1) as f32, y as f32 / (height - 1) as f32);
            // A Coons patch: the surface through the four sides.
            let background: [f32; 3] = std::array::from_fn(|c| {
                let across = left[y][c] * (1.0 - u) + right[y][c] * u;
                let along = top[x][c] * (1.0 - v) + bottom[x][c] * v;
                let corners =
                    (top[0][c] * (1.0 - u) + top[width - 1][c] * u) * (1.0 - v) + (bottom[0][c] * (1.0 - u) + bottom[width - 1][c] * u) * v;
                across + along - corners
            });
            mask[y * width + x] = differs(pixels.rgb[y * width + x], background);
        }
    }
    if share(&mask) < OUTLINE {
        fill(&mut mask, width);
    }
    let share = share(&mask);
    if BELIEVED.contains(&share) { mask } else { vec![true; mask.len()] }
}

fn share(mask: &[bool]) -> f32 {
    mask.iter().filter(|own| **own).count() as f32 / mask.len() as f32
}

/// Adds what lies between pixels of the subject, in its row as in its column.
fn fill(mask: &mut [bool], width: usize) {
    let height = mask.len() / width;
    let span = |length: usize, own: &dyn Fn(usize) -> bool| {
        let near = |at: usize| own(at) && (own(at.saturating_sub(1)) || own((at + 1).min(length - 1)));
        (0..length).position(near).zip((0..length).rposition(near))
    };
    let rows: Vec<_> = (0..height).map(|y| span(width, &|x| mask[y * width + x])).collect();
    let columns: Vec<_> = (0..width).map(|x| span(height, &|y| mask[y * width + x])).collect();
    let within = |span: Option<(usize, usize)>, at: usize| span.is_some_and(|(first, last)| (first..=last).contains(&at));
    for (index, own) in mask.iter_mut().enumerate() {
        let (x, y) = (index % width, index / width);
        *own |= within(rows[y], x) && within(columns[x], y);
    }
}

/// Mean colours along one side of the picture, smoothed.
fn side(pixels: &Pixels, length: usize, place: impl Fn(usize, usize) -> (usize, usize)) -> Vec<[f32; 3]> {
    const DEPTH: usize = 2;
    const SMOOTH: usize = 6;
    let mean = |at: usize| {
        let near = at.saturating_sub(SMOOTH)..=(at + SMOOTH).min(length - 1);
        let count = (near.clone().count() * DEPTH) as f32;
        let mut sum = [0.0; 3];
        for (at, depth) in near.flat_map(|at| (0..DEPTH).map(move |depth| (at, depth))) {
            let (x, y) = place(at, depth);
            (0..3).for_each(|c| sum[c] += pixels.rgb[y * pixels.width + x][c]);
        }
        sum.map(|sum: f32| sum / count)
    };
    (0..length).map(mean).collect()
}

/// Whether a colour is not that of the background, nor of the background in a shadow.
fn differs(colour: [f32; 3], background: [f32; 3]) -> bool {
    let distance = (0..3).map(|c| (colour[c] - background[c]).powi(2)).sum::<f32>().sqrt();
    let (own, behind) = (luma(colour), luma(background));
    let shade = own / behind.max(0.01);
    let tint = (0..3).map(|c| (colour[c] / own.max(0.02) - background[c] / behind.max(0.02)).abs()).sum::<f32>();
    let shadow = (0.55..1.0).contains(&shade) && tint < 0.08;
    distance > DIFFERENT && !shadow
}
