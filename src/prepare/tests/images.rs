use super::formats::{bmp_header, exif, four_channel_jpeg, gif, grey_tiff, jpeg_with_exif, stored};
use super::*;
use ::image::{GrayAlphaImage, GrayImage, ImageBuffer, ImageEncoder, Luma, LumaA, Rgb, Rgba, RgbaImage};

const WRITABLE: [ImageFormat; 6] =
    [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Gif, ImageFormat::Tiff, ImageFormat::Bmp];

const FOUR_CHANNELS: [(jpeg_encoder::ColorType, u8); 3] =
    [(jpeg_encoder::ColorType::Cmyk, 95), (jpeg_encoder::ColorType::CmykAsYcck, 95), (jpeg_encoder::ColorType::CmykAsYcck, 85)];

#[test]
fn every_format_is_sent_with_the_right_media_type_and_the_same_picture() {
    let upright = flag(96, 64);
    for format in WRITABLE {
        let bytes = encoded(&DynamicImage::ImageRgb8(upright.clone()), format);
        assert_eq!(sniff(&bytes, "txt"), Sniffed::Image(kind(format)));
        let prepared = run(&bytes).unwrap();
        let picture = picture(&prepared);
        let sent = sent_bytes(&picture);
        assert_eq!(::image::guess_format(&sent).unwrap().to_mime_type(), picture.media_type);
        assert_eq!(picture.digest, blake3::hash(&sent).to_hex().to_string());
        assert!(difference(&sent_image(&prepared).into_rgb8(), &upright) < 3.0, "{format:?}");
        assert_eq!(prepared.facts.pixels, Some([96, 64]));
        assert_eq!(prepared.facts.bytes, bytes.len() as u64);
        assert_eq!(prepared.facts.tokens, 12);
        assert_eq!(prepared.facts.note, None);
        let name = format!("{format:?}").to_lowercase();
        assert_eq!(prepared.facts.format, name);
    }
}

#[test]
fn suitable_images_are_sent_unchanged() {
    let image = DynamicImage::ImageRgb8(flag(96, 64));
    let opaque = DynamicImage::ImageRgba8(image.to_rgba8());
    for bytes in [
        encoded(&image, ImageFormat::Jpeg),
        encoded(&image, ImageFormat::Png),
        encoded(&opaque, ImageFormat::Png),
        encoded(&image, ImageFormat::WebP),
        gif(1),
        encoded(&DynamicImage::ImageLuma8(image.to_luma8()), ImageFormat::Png),
    ] {
        assert_eq!(sent_bytes(&picture(&run(&bytes).unwrap())), bytes);
    }
}

#[test]
fn all_eight_orientations_come_out_upright_in_both_byte_orders() {
    let upright = flag(96, 64);
    for orientation in 1..=8 {
        for big_endian in [false, true] {
            let bytes = jpeg_with_exif(&jpeg(&stored(&upright, orientation)), &exif(orientation, big_endian));
            let prepared = run(&bytes).unwrap();
            assert_eq!(prepared.facts.pixels, Some([96, 64]));
            assert!(difference(&sent_image(&prepared).into_rgb8(), &upright) < 3.0, "orientation {orientation}");
            // The sent file must not have the orientation, or a second reader would rotate it
            // again.
            assert_eq!(sent_bytes(&picture(&prepared)) == bytes, orientation == 1);
        }
    }
}

#[test]
fn orientation_is_applied_in_png_webp_and_tiff_too() {
    let upright = flag(96, 64);
    for orientation in 1..=8 {
        let raw = stored(&upright, orientation);
        let (w, h) = raw.dimensions();
        let mut png = Vec::new();
        let mut encoder = ::image::codecs::png::PngEncoder::new(&mut png);
        encoder.set_exif_metadata(exif(orientation, true)).unwrap();
        encoder.write_image(&raw, w, h, ::image::ExtendedColorType::Rgb8).unwrap();
        let mut webp = Vec::new();
        let mut encoder = ::image::codecs::webp::WebPEncoder::new_lossless(&mut webp);
        encoder.set_exif_metadata(exif(orientation, false)).unwrap();
        encoder.write_image(&raw, w, h, ::image::ExtendedColorType::Rgb8).unwrap();
        for bytes in [png, webp] {
            let shown = sent_image(&run(&bytes).unwrap()).into_rgb8();
            assert!(difference(&shown, &upright) < 3.0, "orientation {orientation}");
        }
        let grey = DynamicImage::ImageRgb8(raw).into_luma8();
        let tiff = grey_tiff(w, h, orientation, 1, &grey);
        let shown = DynamicImage::ImageLuma8(sent_image(&run(&tiff).unwrap()).into_luma8()).into_rgb8();
        let expected = DynamicImage::ImageLuma8(DynamicImage::ImageRgb8(upright.clone()).into_luma8()).into_rgb8();
        assert!(difference(&shown, &expected) < 3.0, "TIFF orientation {orientation}");
    }
}

#[test]
fn a_turned_picture_is_fitted_by_its_upright_size() {
    let upright = flag(1200, 400);
    let bytes = jpeg_with_exif(&jpeg(&stored(&upright, 6)), &exif(6, true));
    let mut settings = settings();
    settings.image.max_edge = 600;
    let limits = ImageLimits::anthropic(true);
    let prepared = prepare(&bytes, sniff(&bytes, "jpg"), &settings, &limits).unwrap();
    assert_eq!(prepared.facts.sent_pixels, Some([600, 200]));
    assert!(difference(&sent_image(&prepared).into_rgb8(), &flag(600, 200)) < 3.0);
}

#[test]
fn malformed_exif_leaves_the_picture_unturned_and_alive() {
    let upright = flag(96, 64);
    let whole = exif(6, false);
    let beyond_the_end = [&b"II*\0"[..], &[0xFF; 4]].concat();
    for block in [&whole[..9], &whole[..3], b"", b"garbage", &beyond_the_end, &exif(0, true), &exif(9, true)] {
        let prepared = run(&jpeg_with_exif(&jpeg(&upright), block)).unwrap();
        assert!(difference(&sent_image(&prepared).into_rgb8(), &upright) < 3.0, "{block:?}");
    }
}

#[test]
fn cmyk_and_ycck_come_out_in_the_colours_of_their_inks() {
    for inks in [[0, 0, 0, 0], [255, 0, 0, 0], [0, 255, 0, 0], [0, 0, 255, 0], [0, 0, 0, 255], [40, 200, 90, 60]] {
        let shade = |ink: u8| (255 - u32::from(ink)) * (255 - u32::from(inks[3])) / 255;
        let expected = [shade(inks[0]), shade(inks[1]), shade(inks[2])];
        for (colour, quality) in FOUR_CHANNELS {
            let bytes = four_channel_jpeg(&inks.repeat(48 * 40), 48, colour, quality);
            let prepared = run(&bytes).unwrap();
            assert_ne!(sent_bytes(&picture(&prepared)), bytes, "CMYK must not be passed on");
            for pixel in sent_image(&prepared).into_rgb8().pixels() {
                for (is, should) in pixel.0.into_iter().zip(expected) {
                    let off = u32::from(is).abs_diff(should);
                    assert!(off <= 12, "{inks:?} {colour:?} q{quality}: {pixel:?}, expected {expected:?}");
                }
            }
        }
    }
}

#[test]
fn cmyk_and_ycck_keep_everything_in_its_place() {
    let upright = flag(96, 64);
    let inks: Vec<u8> = upright.pixels().flat_map(|p| [255 - p.0[0], 255 - p.0[1], 255 - p.0[2], 0]).collect();
    for (colour, quality) in FOUR_CHANNELS {
        let prepared = run(&four_channel_jpeg(&inks, 96, colour, quality)).unwrap();
        assert!(difference(&sent_image(&prepared).into_rgb8(), &upright) < 4.0, "{colour:?} q{quality}");
    }
}

#[test]
fn a_subsampling_that_the_decoder_misreads_is_refused() {
    // The encoder subsamples cyan, magenta and yellow here, but not black.
    let bytes = four_channel_jpeg(&[0; 48 * 40 * 4], 48, jpeg_encoder::ColorType::Cmyk, 85);
    let failure = run(&bytes).unwrap_err();
    assert_eq!(failure.code, FailureCode::Undecodable);
    assert!(failure.message.contains("subsampling of its CMYK channels"), "{failure}");
}

#[test]
fn transparency_becomes_white_and_not_black() {
    let clear = DynamicImage::ImageRgba8(RgbaImage::from_pixel(40, 40, Rgba([0, 0, 0, 0])));
    let half = DynamicImage::ImageRgba8(RgbaImage::from_pixel(40, 40, Rgba([200, 0, 0, 128])));
    let grey = DynamicImage::ImageLumaA8(GrayAlphaImage::from_pixel(40, 40, LumaA([0, 0])));
    for (image, expected) in [(clear, [255, 255, 255]), (half, [227, 127, 127]), (grey, [255, 255, 255])] {
        let prepared = run(&encoded(&image, ImageFormat::Png)).unwrap();
        assert_eq!(picture(&prepared).media_type, "image/jpeg");
        let plain = RgbImage::from_pixel(40, 40, Rgb(expected));
        assert!(difference(&sent_image(&prepared).into_rgb8(), &plain) < 3.0, "{expected:?}");
    }
}

#[test]
fn sixteen_bits_become_eight() {
    let grey: ImageBuffer<Luma<u16>, _> = ImageBuffer::from_pixel(40, 40, Luma([0x8000]));
    let colour: ImageBuffer<Rgb<u16>, _> = ImageBuffer::from_pixel(40, 40, Rgb([0xFFFF, 0x8000, 0]));
    for (image, expected) in [(DynamicImage::ImageLuma16(grey), [128, 128, 128]), (DynamicImage::ImageRgb16(colour), [255, 128, 0])] {
        for format in [ImageFormat::Png, ImageFormat::Tiff] {
            let prepared = run(&encoded(&image, format)).unwrap();
            assert_eq!(picture(&prepared).media_type, "image/jpeg");
            let plain = RgbImage::from_pixel(40, 40, Rgb(expected));
            assert!(difference(&sent_image(&prepared).into_rgb8(), &plain) < 3.0, "{format:?}");
        }
    }
}

#[test]
fn grey_stays_grey_when_it_is_encoded_again() {
    let grey = DynamicImage::ImageLuma8(GrayImage::from_fn(2000, 100, |x, _| Luma([u8::try_from(x / 8).unwrap()])));
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Tiff] {
        let shown = sent_image(&run(&encoded(&grey, format)).unwrap());
        assert_eq!(shown.color(), ::image::ColorType::L8, "{format:?}");
        assert_eq!((shown.width(), shown.height()), (1568, 78));
    }
}

#[test]
fn sizes_are_kept_to_the_limits_and_reported() {
    for (width, height) in [(1, 1), (1, 3000), (3000, 1), (3000, 40), (2000, 1500), (1568, 28)] {
        let prepared = run(&encoded(&DynamicImage::ImageRgb8(flag(width, height)), ImageFormat::Png)).unwrap();
        let limits = ImageLimits::anthropic(false);
        let (w, h) = limits.fit(width, height);
        let shown = sent_image(&prepared);
        assert_eq!((shown.width(), shown.height()), (w, h));
        assert_eq!((picture(&prepared).width, picture(&prepared).height), (w, h));
        assert_eq!(prepared.facts.pixels, Some([width, height]));
        assert_eq!(prepared.facts.sent_pixels, Some([w, h]));
        assert_eq!(prepared.facts.tokens, limits.tokens(width, height));
    }
}

#[test]
fn a_shrunk_picture_still_shows_the_same() {
    let prepared = run(&jpeg(&flag(3000, 2000))).unwrap();
    let [w, h] = prepared.facts.sent_pixels.unwrap();
    assert!(difference(&sent_image(&prepared).into_rgb8(), &flag(w, h)) < 3.0);
}

#[test]
fn the_first_frame_of_an_animation_is_sent_with_a_note() {
    let prepared = run(&gif(7)).unwrap();
    assert_eq!(prepared.facts.note.as_deref(), Some("first of 7 frames"));
    assert_eq!(picture(&prepared).media_type, "image/jpeg");
    let first = RgbImage::from_pixel(20, 10, Rgb([10, 10, 10]));
    assert!(difference(&sent_image(&prepared).into_rgb8(), &first) < 3.0);
    let pages = grey_tiff(20, 10, 1, 3, &[100; 200]);
    assert_eq!(run(&pages).unwrap().facts.note.as_deref(), Some("first of 3 pages"));
}

#[test]
fn a_truncated_file_is_undecodable_at_every_length() {
    let image = DynamicImage::ImageRgb8(RgbImage::from_fn(120, 90, |x, y| {
        Rgb([x * y % 251, x * 7 % 253, y * 13 % 255].map(|n| u8::try_from(n).unwrap()))
    }));
    for format in WRITABLE {
        let bytes = encoded(&image, format);
        for percent in [20, 50, 80, 95] {
            let failure = run(&bytes[..bytes.len() * percent / 100]).err();
            let failure = failure.unwrap_or_else(|| panic!("{format:?} cut at {percent} % was accepted"));
            assert_eq!(failure.code, FailureCode::Undecodable, "{format:?} at {percent} %: {failure}");
        }
    }
}

#[test]
fn a_failure_says_what_the_file_is_and_what_to_do() {
    let failure = run(b"\x89PNG\r\n\x1a\nnot a picture at all").unwrap_err();
    assert_eq!(failure.code, FailureCode::Undecodable);
    assert!(failure.message.starts_with("cannot decode this PNG image: "), "{failure}");
    assert!(failure.message.ends_with(". Re-export the file, or exclude it with input.exclude"), "{failure}");
}

#[test]
fn a_decompression_bomb_is_refused_by_its_header_with_both_figures() {
    let failure = run(&bmp_header(60_000, 60_000)).unwrap_err();
    assert_eq!(failure.code, FailureCode::TooManyPixels);
    assert!(failure.message.contains("3600.0 megapixels") && failure.message.contains("allows 50"), "{failure}");
}

#[test]
fn the_pixel_limit_applies_to_every_format_and_counts_pixels() {
    let image = DynamicImage::ImageRgb8(flag(1100, 1000));
    let mut settings = settings();
    for format in WRITABLE {
        let bytes = encoded(&image, format);
        for (limit, allowed) in [(1, false), (2, true)] {
            settings.image.max_pixels_mp = limit;
            let result = prepare(&bytes, sniff(&bytes, ""), &settings, &ImageLimits::openai());
            let expected = (!allowed).then_some(FailureCode::TooManyPixels);
            assert_eq!(result.map_err(|failure| failure.code).err(), expected, "{format:?}");
        }
    }
}

#[test]
fn a_file_above_the_byte_limit_is_encoded_again() {
    let bytes = encoded(&DynamicImage::ImageRgb8(flag(96, 64)), ImageFormat::Bmp);
    let png = encoded(&DynamicImage::ImageRgb8(flag(96, 64)), ImageFormat::Png);
    let mut limits = ImageLimits::openai();
    limits.max_encoded_bytes = png.len() - 1;
    let result = prepare(&png, sniff(&png, ""), &settings(), &limits);
    assert_eq!(result.unwrap_err().code, FailureCode::TooLarge, "a flag is smaller as a PNG than as any JPEG");
    limits.max_encoded_bytes = bytes.len() / 2;
    let prepared = prepare(&bytes, sniff(&bytes, ""), &settings(), &limits).unwrap();
    assert!(sent_bytes(&picture(&prepared)).len() <= limits.max_encoded_bytes);
}

#[test]
fn damaged_files_end_as_a_picture_or_as_a_failure() {
    let image = DynamicImage::ImageRgb8(flag(60, 44));
    let mut state = 7_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    for format in WRITABLE {
        let sound = encoded(&image, format);
        for _ in 0..60 {
            let mut bytes = sound.clone();
            for _ in 0..=random(6) {
                let at = random(bytes.len().min(600));
                bytes[at] = u8::try_from(random(256)).unwrap();
            }
            bytes.truncate(bytes.len() - random(bytes.len() / 4));
            peak_memory(&bytes, Sniffed::Image(kind(format)));
            let result = prepare(&bytes, Sniffed::Image(kind(format)), &settings(), &ImageLimits::openai());
            if let Ok(prepared) = result {
                sent_image(&prepared);
            }
        }
    }
}

#[test]
fn the_memory_estimate_decompresses_no_colour_profile() {
    let pixels = [DynamicImage::ImageRgb8(flag(40, 30)), DynamicImage::ImageRgba16(DynamicImage::ImageRgb8(flag(40, 30)).into_rgba16())];
    for image in pixels {
        let png = encoded(&image, ImageFormat::Png);
        let peak = peak_memory(&png, Sniffed::Image(ImageKind::Png));
        let pixels = 40 * 30 * usize::from(image.color().bytes_per_pixel());
        assert!((pixels..pixels * 5).contains(&peak), "{peak} for {pixels}");
        // A profile that never ends follows the header.
        let mut endless = png[..33].to_vec();
        endless.extend([&[0x7F, 0xFF, 0xFF, 0xFF][..], b"iCCPname\0\0", &[0x78, 0x9C], &[0; 1000]].concat());
        assert_eq!(peak_memory(&endless, Sniffed::Image(ImageKind::Png)), peak);
    }
}

/// A grey progressive JPEG of 64 x 64 pixels whose last scan is repeated.
fn progressive(scans: usize) -> Vec<u8> {
    let segment = |marker: u8, data: &[u8]| [&[0xFF, marker, 0, u8::try_from(data.len() + 2).unwrap()], data].concat();
    let mut codes = [0_u8; 18];
    codes[1] = 1;
    let dc = segment(0xC4, &codes);
    // One code that ends a block.
    codes[0] = 0x10;
    let ac = segment(0xC4, &codes);
    let frame = segment(0xC2, &[8, 0, 64, 0, 64, 1, 1, 0x11, 0]);
    let quantisers = segment(0xDB, &[&[0][..], &[1; 64]].concat());
    let scan = |low: u8, high: u8| [segment(0xDA, &[1, 1, 0, low, high, 0]), vec![0; 8]].concat();
    let all = [vec![0xFF, 0xD8], quantisers, frame, dc, ac, scan(0, 0), scan(1, 63).repeat(scans - 1), vec![0xFF, 0xD9]];
    all.concat()
}

#[test]
fn a_jpeg_with_thousands_of_scans_is_refused_before_decoding() {
    assert!(run(&progressive(10)).is_ok());
    let failure = run(&progressive(12_000)).unwrap_err();
    assert_eq!(failure.code, FailureCode::PrepareLimit);
    assert!(failure.message.contains("12000 scans of 64 x 64 pixels"), "{}", failure.message);
}
