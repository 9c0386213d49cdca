//! Decodes JPEG XL images into sRGB pixels.
//!
//! `jxl-oxide` is complete, has hardly any unsafe code, and gave the pixels of libjxl in all tests:
//! lossy, lossless, from JPEG, with alpha, in grey, in all orientations. A megapixel takes it about
//! 1.3 s. The decoder applies orientation and colour profile. It runs on one thread, because docmill
//! decodes several images at the same time.

use super::heif::failed;
use image::{ColorType, ImageDecoder, ImageResult};
use jxl_oxide::{AllocTracker, EnumColourEncoding, JxlImage, JxlThreadPool, Moxcms, PixelFormat, RenderingIntent};

/// An image whose headers are valid.
pub(super) struct JxlDecoder {
    image: JxlImage,
}

/// Number of frames of an animation; 1 for other images.
pub(super) fn frames(bytes: &[u8]) -> u32 {
    let image = JxlImage::builder().pool(JxlThreadPool::none()).read(bytes);
    let animated = image.ok().filter(|image| image.image_header().metadata.animation.is_some());
    animated.map_or(1, |image| image.num_loaded_keyframes().try_into().unwrap_or(u32::MAX))
}

impl JxlDecoder {
    /// Reads the headers. Decoding fails if it needs more than `most_bytes` of memory.
    pub fn new(bytes: &[u8], most_bytes: u64) -> ImageResult<Self> {
        let memory = AllocTracker::with_limit(usize::try_from(most_bytes).unwrap_or(usize::MAX));
        let builder = JxlImage::builder().pool(JxlThreadPool::none()).alloc_tracker(memory);
        let mut image = builder.read(bytes).map_err(failed)?;
        image.set_cms(Moxcms);
        image.request_color_encoding(EnumColourEncoding::srgb(RenderingIntent::Relative));
        Ok(Self { image })
    }
}

impl ImageDecoder for JxlDecoder {
    fn dimensions(&self) -> (u32, u32) {
        (self.image.width(), self.image.height())
    }

    fn color_type(&self) -> ColorType {
        match self.image.pixel_format() {
            PixelFormat::Gray => ColorType::L8,
            PixelFormat::Graya => ColorType::La8,
            PixelFormat::Rgb | PixelFormat::Cmyk => ColorType::Rgb8,
            PixelFormat::Rgba | PixelFormat::Cmyka => ColorType::Rgba8,
        }
    }

    fn read_image(self, buffer: &mut [u8]) -> ImageResult<()> {
        if !self.image.is_loading_done() {
            return Err(failed("the file is truncated: it ends before the image does"));
        }
        let render = self.image.render_frame(0).map_err(failed)?;
        let mut pixels = render.stream();
        let stored = u64::from(pixels.width()) * u64::from(pixels.height()) * u64::from(pixels.channels());
        if stored != buffer.len() as u64 {
            return Err(failed(format!("{} channels are not supported", pixels.channels())));
        }
        pixels.write_to_buffer(buffer);
        Ok(())
    }

    fn read_image_boxed(self: Box<Self>, buffer: &mut [u8]) -> ImageResult<()> {
        (*self).read_image(buffer)
    }
}
