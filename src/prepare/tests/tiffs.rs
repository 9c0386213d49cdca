//! Tests of the kinds of TIFF images.

use super::formats::tiff;
use super::*;

/// A row of four pixels in a TIFF: bits and number of samples, what they mean, and other fields.
fn sent_row(bits: u16, samples: u16, meaning: u16, more: &[(u16, Vec<u16>)], row: &[u8]) -> (Vec<[u8; 3]>, Option<String>) {
    let mut fields = vec![(258, vec![bits; samples.into()]), (262, vec![meaning]), (277, vec![samples])];
    fields.extend_from_slice(more);
    let prepared = run(&tiff(4, &fields, &row.repeat(8))).unwrap();
    let image = sent_image(&prepared).into_rgb8();
    ((0..4).map(|x| image.get_pixel(x, 4).0).collect(), prepared.facts.note)
}

#[test]
fn tiffs_of_every_kind_have_their_colours() {
    let near = |(found, note): (Vec<[u8; 3]>, Option<String>), expected: [[u8; 3]; 4]| {
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.iter().zip(expected).all(|(a, b)| a.abs_diff(b) < 24), "{found:?} is not {expected:?}");
        }
        note
    };
    let grey = |shade: u8| [shade; 3];
    let palette: Vec<u16> = [[0xFFFF, 0, 0, 0x8080], [0, 0xFFFF, 0, 0x8080], [0, 0, 0xFFFF, 0x8080]].concat();
    let colours = [[255, 0, 0], [255, 0, 0], [255, 0, 0], [255, 0, 0]];
    assert_eq!(near(sent_row(2, 1, 3, &[(320, palette.clone())], &[0b0000_0000]), colours), None);
    assert_eq!(near(sent_row(2, 1, 3, &[(320, palette)], &[0b1111_1111]), [grey(128); 4]), None);
    let red: Vec<u16> = [vec![0xFFFF], vec![0; 767]].concat();
    // The second sample counts only if it is alpha.
    for (meaning, alpha, expected) in [(0, 0, [255, 0, 0]), (2, 255, [255, 0, 0]), (2, 0, [255; 3])] {
        let fields = [(320, red.clone()), (338, vec![meaning])];
        assert_eq!(near(sent_row(8, 2, 3, &fields, &[0, alpha].repeat(4)), [expected; 4]), None);
    }
    assert_eq!(near(sent_row(4, 1, 1, &[], &[0xFF, 0xFF]), [grey(255); 4]), None);
    assert_eq!(near(sent_row(4, 1, 0, &[], &[0xAA, 0xAA]), [grey(85); 4]), None);
    assert_eq!(near(sent_row(8, 2, 1, &[(338, vec![2])], &[90, 255, 90, 255, 90, 255, 90, 255]), [grey(90); 4]), None);
    let red = [76, 85, 255].repeat(4);
    assert_eq!(near(sent_row(8, 3, 6, &[(530, vec![1, 1])], &red), [[254, 0, 0]; 4]), None);
    assert_eq!(near(sent_row(8, 3, 8, &[], &[138, 81, 70].repeat(4)), [[255, 0, 0]; 4]), None);
    assert_eq!(near(sent_row(8, 3, 9, &[], &[138, 209, 198].repeat(4)), [[255, 0, 0]; 4]), None);
    let note = Some("its numbers are sent as shades of grey".to_owned());
    let floats: Vec<u8> = [0.5_f32; 4].iter().flat_map(|number| number.to_le_bytes()).collect();
    assert_eq!(near(sent_row(32, 1, 1, &[(339, vec![3])], &floats), [grey(128); 4]), note);
    let integers: Vec<u8> = [200_i32; 4].iter().flat_map(|number| number.to_le_bytes()).collect();
    assert_eq!(near(sent_row(32, 1, 1, &[(339, vec![2])], &integers), [grey(200); 4]), note);
}

#[test]
fn a_tiff_that_cannot_be_read_says_why() {
    let message = |fields: &[(u16, Vec<u16>)]| run(&tiff(4, fields, &[0; 32])).unwrap_err().message;
    let packed = message(&[(258, vec![8]), (259, vec![34925]), (262, vec![1]), (277, vec![1])]);
    assert!(packed.contains("its compression (LZMA) is not supported. Save it as PNG"), "{packed}");
    let bands = message(&[(258, vec![8; 5]), (262, vec![1]), (277, vec![5])]);
    assert!(bands.contains("5 channels of 8 bits are not supported. Save it as PNG"), "{bands}");
    let palette = message(&[(258, vec![8]), (262, vec![3]), (277, vec![1])]);
    assert!(palette.contains("its palette is missing"), "{palette}");
    let three = message(&[(258, vec![8; 3]), (262, vec![3]), (277, vec![3]), (338, vec![0, 0]), (320, vec![0; 768])]);
    assert!(three.contains("palettes with 3 channels are not supported"), "{three}");
}

#[test]
fn the_memory_estimate_of_tiffs_covers_samples_and_pixels() {
    const PIXELS: usize = 4 * 8;
    for (bits, samples, meaning, more, of_pixel) in [
        (64, 1, 1, vec![(339, vec![3])], 8 + 1),
        (32, 1, 1, vec![(339, vec![2])], 4 + 1),
        (8, 1, 3, vec![(320, vec![0xFFFF; 768])], 1 + 3),
        (8, 2, 3, vec![(320, vec![0xFFFF; 768]), (338, vec![2])], 2 + 4 + 3),
        (16, 2, 1, vec![(338, vec![2])], 4 + 2 + 1),
        (8, 3, 8, vec![], 3 + 3),
        (16, 4, 5, vec![], 8 + 6 + 3),
    ] {
        let mut fields = vec![(258, vec![bits; samples]), (262, vec![meaning]), (277, vec![u16::try_from(samples).unwrap()])];
        fields.extend(more);
        let file = tiff(4, &fields, &[0; PIXELS * 8]);
        let peak = peak_memory(&file, Sniffed::Image(ImageKind::Tiff));
        assert!((PIXELS * of_pixel..PIXELS * of_pixel * 4).contains(&peak), "{bits} {samples} {meaning}: {peak}");
    }
    // The size of a JPEG image inside counts, and not only that of the page.
    let image = jpeg(&flag(400, 300));
    let fields = [(258, vec![8; 3]), (259, vec![7]), (262, vec![6]), (277, vec![3])];
    let peak = peak_memory(&tiff(4, &fields, &image), Sniffed::Image(ImageKind::Tiff));
    assert!(peak > 400 * 300 * 3, "{peak}");
}
