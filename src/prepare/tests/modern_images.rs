//! HEIC, AVIF and JPEG XL, colour profiles, and late EXIF data.
//!
//! Files were written by libheif, libavif and libjxl, and expected colours by LittleCMS.

use super::formats::{exif, stored};
use super::*;
use ::image::codecs::jpeg::JpegEncoder;
use ::image::codecs::png::PngEncoder;
use ::image::{ExtendedColorType, GrayImage, ImageEncoder, Luma, Rgb};
use moxcms::ColorProfile;

/// The flag, stored so that the file's own transform makes it upright.
const HEIC: &str = "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAaFtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAAADRpbG9jAAAAAERAAAIAAQAAAAABxQABAAAAAAAAAN8AAgAAAAACpAABAAAAAAAAACQAAAA4aWluZgAAAAAAAgAAABVpbmZlAgAAAAABAABodmMxAAAAABVpbmZlAgAAAQACAABFeGlmAAAAAA5waXRtAAAAAAABAAAA4GlwcnAAAADAaXBjbwAAAHhodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQArQgEBA3AAAAMAkAAAAwAAAwAeoCCBhZbqSSmubgIaDAgAAAMAyAAAAwAIQGIAAQAHRAHBcrAiQAAAABNjb2xybmNseAABAA0ABoAAAAAUaXNwZQAAAAAAAABAAAAAYAAAABBwaXhpAAAAAAMICAgAAAAJaXJvdAMAAAAYaXBtYQAAAAAAAAABAAEFgQIDBIUAAAAaaXJlZgAAAAAAAAAOY2RzYwACAAEAAQAAAQttZGF0AAAA2ygBrwW4VmY3XfqzH//9zr///3mxGZ+/7M+fffxv91n8S0aO6wjv41WI3Sj+X+8/2O+JLdhph9GolALzz7HgC1oaJ3fpaP8lU6OlIQhCf1yVtOJcD5YtVVN3XR6gyelkq1UzUrQeHBpVSo7oye/yEbpNKbXfMr81w09OGTZpGoBUnPL6eiH/wd//93kW7Czmdsk7bSCD9164BJLTitnk9RYMISJf8vPdOMXvHNxs9CFENNMGiLPO5O4ZVZ1AwyfxORuOHtDcb0K4eyMrnKoXZtVxUChicZ3gfHOMLAAAAAZFeGlmAABNTQAqAAAACAABARIAAwAAAAEABgAAAAAAAA==";
const AVIF: &str = "AAAAIGZ0eXBhdmlmAAAAAGF2aWZtaWYxbWlhZk1BMUIAAAD1bWV0YQAAAAAAAAAhaGRscgAAAAAAAAAAcGljdAAAAAAAAAAAAAAAAAAAAAAOcGl0bQAAAAAAAQAAAB5pbG9jAAAAAEQAAAEAAQAAAAEAAAEdAAAATQAAAChpaW5mAAAAAAABAAAAGmluZmUCAAAAAAEAAGF2MDFDb2xvcgAAAAB0aXBycAAAAFRpcGNvAAAAFGlzcGUAAAAAAAAAQAAAAGAAAAAQcGl4aQAAAAADCAgIAAAADGF2MUOBAAwAAAAAE2NvbHJuY2x4AAEADQAGgAAAAAlpcm90AwAAABhpcG1hAAAAAAAAAAEAAQUBAoMEhQAAAFVtZGF0EgAKCRgVv77ZAQ0GhDI+EePDwzKAAPCAAAAAAMIRE6gb9MyfOPL7UhN7LPCGqa+ATT0/qZH1nmObdEoJp+3qKDgjgYL9ZaAYw6Z3ySg=";
/// The flag, whose right half is transparent.
const HEIC_ALPHA: &str = "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAkVtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAAADRpbG9jAAAAAERAAAIAAQAAAAACaQABAAAAAAAAAOQAAgAAAAADTQABAAAAAAAAAOoAAAA4aWluZgAAAAAAAgAAABVpbmZlAgAAAAABAABodmMxAAAAABVpbmZlAgAAAAACAABodmMxAAAAAA5waXRtAAAAAAABAAABhGlwcnAAAAFeaXBjbwAAAHhodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQArQgEBA3AAAAMAkAAAAwAAAwAeoDCBBZbqSSmubgIaDAgAAAMAyAAAAwAIQGIAAQAHRAHBcrAiQAAAABNjb2xybmNseAABAA0ABoAAAAAUaXNwZQAAAAAAAABgAAAAQAAAABBwaXhpAAAAAAMICAgAAAByaHZjQwEECAAAAJ/4AAAAAB7wAPz8+PgAAA8DYAABABdAAQwB//8ECAAAAwCf+AAAAwAAHroCQGEAAQAmQgEBBAgAAAMAn/gAAAMAAB7AwgQWW6kkprmwIAAAAwMgAAADACFiAAEAB0QBwXKwIkAAAAAOcGl4aQAAAAABCAAAACdhdXhDAAAAAHVybjptcGVnOmhldmM6MjAxNTphdXhpZDoxAAAAAB5pcG1hAAAAAAAAAAIAAQSBAgMEAAIEhQMGhwAAABppcmVmAAAAAAAAAA5hdXhsAAIAAQABAAAB1m1kYXQAAADgKAGvBbjwK5z65z/MJ5f//MkPsv7VSuCeVoT/mhP//J93//WcMu3K8PBy8BlQ779X4kaBBbyIDzo/B8Bw1qAPWxMMof6UehxpnfDJavpr/1aaB3mpK43y3MUBa6ERS2IYleA67+hNZ4/lYrf/5mmc89aaGvy4+KFIQNJwwSBU7qxjlf6t/hJ9P6T0aTQKMuG+OAGTVU58YhXykdQcDmecPAbl3IYXm0G//s1BWN3LZP/4t4Fefdg0hVqEO0/VcJ3Z9gjyIN3tGtz2P4fV8ZASCmln7kKAs0pa4c7xC39wDxQAAADmKAGuC3DhYogdkP6/F+lYcv+20WqtmLBStbz6cMPu8v3/92f8BEUYcfEdMJD/whXt495/ETei1cMgfvI6vM58Qwh1pziHd2f9ye5V0X1OLOMyf/Zso3yJ9Eb/kBfNUwBrRypPpG2OkEEvUKMv6B7koukcD07lAPuEwGUBqI1vT7f4X4nwYHvYsS5DUU8tvdnv+v+bUT+R/MvMuKf+89+4qzRWE8xUPJVl7iFZrw7Ky+y/Vx1+OKJBUmunFpXuRL+xC6YhhSXop619mNmKfl+9/hPhO5em1oI8rXlNY0uQft/Ps4SwjsA=";
const AVIF_ALPHA: &str = "AAAAIGZ0eXBhdmlmAAAAAGF2aWZtaWYxbWlhZk1BMUIAAAGGbWV0YQAAAAAAAAAhaGRscgAAAAAAAAAAcGljdAAAAAAAAAAAAAAAAAAAAAAOcGl0bQAAAAAAAQAAACxpbG9jAAAAAEQAAAIAAQAAAAEAAAHxAAAATQACAAAAAQAAAa4AAABDAAAAQmlpbmYAAAAAAAIAAAAaaW5mZQIAAAAAAQAAYXYwMUNvbG9yAAAAABppbmZlAgAAAAACAABhdjAxQWxwaGEAAAAAGmlyZWYAAAAAAAAADmF1eGwAAgABAAEAAADDaXBycAAAAJ1pcGNvAAAAFGlzcGUAAAAAAAAAYAAAAEAAAAAQcGl4aQAAAAADCAgIAAAADGF2MUOBAAwAAAAAE2NvbHJuY2x4AAEADQAGgAAAAA5waXhpAAAAAAEIAAAADGF2MUOBABwAAAAAOGF1eEMAAAAAdXJuOm1wZWc6bXBlZ0I6Y2ljcDpzeXN0ZW1zOmF1eGlsaWFyeTphbHBoYQAAAAAeaXBtYQAAAAAAAAACAAEEAQKDBAACBAEFhgcAAACYbWRhdBIACgYYGW/+yqAyNxGgACCIj4MapOuhHnw+cZB+bNPZaahP5JfNTsScxPQtP0zOeOOKNvvUjig4Tp2T1iSsV2Ev2VASAAoJGBlv/tkBDQaEMj4R48PDMoAA8IAAAAAAwhETqBsBobpQtLZKX3Of+80S1rOoNiq6cXNquCBq7mAv19pTS3LeaP54vKIc/fTaYA==";
const JXL_ALPHA: &str = "/woPwU4ATIAoAHQFtZ8gAAAVKqOMG7yc6/nyQ4fFtI3rDG21bWEJY7M9FwoGCSUBADV2YzAWJSqjMRIXGG3LNt4FQADoWR9R81//x1bcKBYoAKgjs8BoJMASgLbKqAiHB5fPR4BRW2MicwLYECrRsIwzcBKEspdYaxuA26/fNgu544BnVO4nUCkLQEkWIy4APeOl/8CJ22RvHGKp2M7X+Icn5iOHnznjxw4MQRRkgCEC5spb9Hqa0TnD/m4aY/jDcAUE4AAeQygBhSAuvX/bkQdPJHdcenpQE6dIRCBX+ce12k5dCKyWJ901oEvtCimQAlfUBWVOxhhjTmz+AsBwLDFjY207UbYZB5Vd4K96/fvhlvWzwMVK1PHqQwLed18IaLhPHLFKa0fS6QHDAspdHy3D/x3ZNUvAPn+XdRe4esyYVEPwyXTRfqL/OceY//nPsd4Hc4HC0XO4eqbS/IN6OOSai8wM5oFTAw==";

const FILES: [(&str, ImageKind, bool); 5] = [
    (HEIC, ImageKind::Heic, false),
    (AVIF, ImageKind::Avif, false),
    (HEIC_ALPHA, ImageKind::Heic, true),
    (AVIF_ALPHA, ImageKind::Avif, true),
    (JXL_ALPHA, ImageKind::JpegXl, true),
];

fn file(base64: &str) -> Vec<u8> {
    STANDARD.decode(base64).unwrap()
}

#[test]
fn heic_avif_and_jpeg_xl_are_sent_upright_on_white() {
    for (base64, kind, transparent) in FILES {
        let bytes = file(base64);
        assert_eq!(sniff(&bytes, ""), Sniffed::Image(kind));
        let mut expected = flag(96, 64);
        if transparent {
            let right = expected.enumerate_pixels_mut().filter(|(x, _, _)| *x >= 48);
            right.for_each(|(_, _, pixel)| *pixel = Rgb([255; 3]));
        }
        let prepared = run(&bytes).unwrap();
        let difference = difference(&sent_image(&prepared).into_rgb8(), &expected);
        assert!(difference < 5.0, "{kind:?}: {difference}");
        assert_eq!((prepared.facts.pixels, &prepared.facts.note), (Some([96, 64]), &None));
        assert_eq!(prepared.facts.format, kind.name());
        assert_eq!(picture(&prepared).media_type, "image/jpeg");
    }
}

#[test]
fn the_memory_estimate_of_modern_images_covers_their_pixels() {
    for (base64, kind, _) in FILES {
        let peak = peak_memory(&file(base64), Sniffed::Image(kind));
        assert!((96 * 64 * 7..96 * 64 * 60).contains(&peak), "{kind:?}: {peak}");
    }
}

#[test]
fn cut_and_damaged_modern_images_fail_with_advice() {
    for (base64, kind, _) in FILES {
        let sound = file(base64);
        for end in (0..sound.len()).step_by(7) {
            let failure = prepare(&sound[..end.max(1)], Sniffed::Image(kind), &settings(), &ImageLimits::openai());
            // The end of a JPEG XL file may say nothing.
            if let Err(failure) = failure {
                assert!(failure.message.contains("with `"), "{kind:?} {end}: {failure}");
            } else {
                assert!(end + 12 > sound.len(), "{kind:?} {end}");
            }
            let mut damaged = sound.clone();
            damaged[end] ^= 0x55;
            peak_memory(&damaged, Sniffed::Image(kind));
            // Damaged files must not abort or hang.
            drop(prepare(&damaged, Sniffed::Image(kind), &settings(), &ImageLimits::openai()));
        }
    }
}

#[test]
fn images_above_the_pixel_limit_are_not_decoded() {
    let mut settings = settings();
    settings.image.max_pixels_mp = 0;
    for (base64, kind, _) in FILES {
        let failure = prepare(&file(base64), Sniffed::Image(kind), &settings, &ImageLimits::openai()).unwrap_err();
        assert_eq!(failure.code, FailureCode::TooManyPixels, "{kind:?}");
    }
}

fn png(pixels: &DynamicImage, icc: Vec<u8>) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = PngEncoder::new(&mut file);
    encoder.set_icc_profile(icc).unwrap();
    encoder.write_image(pixels.as_bytes(), pixels.width(), pixels.height(), pixels.color().into()).unwrap();
    file
}

fn icc(profile: &ColorProfile) -> Vec<u8> {
    profile.encode().unwrap()
}

/// The colour of the first sent pixel.
fn sent_colour(bytes: &[u8]) -> [u8; 3] {
    sent_image(&run(bytes).unwrap()).into_rgb8().get_pixel(0, 0).0
}

fn assert_near(found: [u8; 3], expected: [u8; 3]) {
    assert!(found.iter().zip(&expected).all(|(a, b)| a.abs_diff(*b) <= 3), "{found:?}, expected {expected:?}");
}

#[test]
fn colours_of_other_spaces_are_converted_to_srgb() {
    let orange = RgbImage::from_pixel(64, 64, Rgb([200, 100, 50]));
    let profiles = [ColorProfile::new_display_p3(), ColorProfile::new_adobe_rgb(), ColorProfile::new_bt2020()];
    for (profile, expected) in profiles.iter().zip([[215, 93, 31], [227, 100, 42], [246, 94, 50]]) {
        assert_near(sent_colour(&png(&DynamicImage::ImageRgb8(orange.clone()), icc(profile))), expected);
        let mut jpeg = Vec::new();
        let mut encoder = JpegEncoder::new_with_quality(&mut jpeg, 95);
        encoder.set_icc_profile(icc(profile)).unwrap();
        encoder.write_image(&orange, 64, 64, ExtendedColorType::Rgb8).unwrap();
        assert_near(sent_colour(&jpeg), expected);
    }
    let grey = DynamicImage::ImageLuma8(GrayImage::from_pixel(64, 64, Luma([128])));
    assert_near(sent_colour(&png(&grey, icc(&ColorProfile::new_gray_with_gamma(1.8)))), [146; 3]);
}

#[test]
fn images_in_srgb_are_sent_unchanged_with_their_profile() {
    let image = DynamicImage::ImageRgb8(flag(96, 64));
    let bytes = png(&image, icc(&ColorProfile::new_srgb()));
    assert_eq!(sent_bytes(&picture(&run(&bytes).unwrap())), bytes);
    let grey = png(&DynamicImage::ImageLuma8(image.to_luma8()), icc(&ColorProfile::new_display_p3()));
    assert_eq!(sent_bytes(&picture(&run(&grey).unwrap())), grey);
}

#[test]
fn a_profile_that_cannot_be_used_is_noted() {
    let bytes = png(&DynamicImage::ImageRgb8(flag(96, 64)), b"no profile".to_vec());
    let prepared = run(&bytes).unwrap();
    assert!(prepared.facts.note.unwrap().contains("colour profile"));
}

#[test]
fn the_orientation_of_a_png_counts_also_behind_its_pixels() {
    let upright = flag(96, 64);
    for orientation in 2..=8 {
        let png = encoded(&DynamicImage::ImageRgb8(stored(&upright, orientation)), ImageFormat::Png);
        let data = exif(orientation, true);
        let length = u32::try_from(data.len()).unwrap().to_be_bytes();
        // Readers do not check the sum of such chunks.
        let chunk = [&length[..], b"eXIf", &data, &[0; 4]].concat();
        let end = png.len() - 12;
        let bytes = [&png[..end], &chunk, &png[end..]].concat();
        let prepared = run(&bytes).unwrap();
        assert!(difference(&sent_image(&prepared).into_rgb8(), &upright) < 3.0, "orientation {orientation}");
    }
}
