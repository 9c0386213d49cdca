"""Compares what docmill sends for HEIC, AVIF, JPEG XL and wide-gamut images with reference pixels.

    python3 tests/bench/pictures.py DOCMILL [FILE...]

Needs Pillow, pillow-heif, pillow-jxl-plugin and numpy. Pillow, libheif, libavif, libjxl and
LittleCMS write the images and give the reference. Further files are compared in the same way.
"""

import glob, io, os, subprocess, sys, tempfile, warnings

import numpy as np
import pillow_heif
import pillow_jxl
from PIL import Image, ImageCms, ImageOps

warnings.filterwarnings("ignore")
pillow_heif.register_heif_opener()
SRGB = ImageCms.createProfile("sRGB")
MOST = 6.0  # mean difference of the channels: two lossy encodings lie between


def photo(width, height, seed, alpha=False):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype("f4")
    waves = [np.sin(x / 37 + seed) * np.cos(y / 53), np.sin((x + y) / 61 + 2), np.cos(x / 29 - y / 71)]
    blocks = rng.normal(0, 30, (height // 24 + 1, width // 24 + 1, 3)).repeat(24, 0).repeat(24, 1)
    pixels = np.stack([127 + 90 * wave for wave in waves], -1) + blocks[:height, :width]
    image = Image.fromarray(np.clip(pixels, 0, 255).astype("u1"))
    if alpha:
        image.putalpha(Image.fromarray(np.clip((x + y) / (width + height) * 255, 0, 255).astype("u1")))
    return image


def profile(primaries, gamma):
    """A minimal ICC profile of version 2: three primaries in XYZ (D50) and one gamma."""
    def s15(value):
        return int(round(value * 65536)).to_bytes(4, "big", signed=True)

    xyz = lambda v: b"XYZ \0\0\0\0" + b"".join(map(s15, v))
    curve = b"curv\0\0\0\0" + (1).to_bytes(4, "big") + int(gamma * 256).to_bytes(2, "big") + b"\0\0"
    name = b"desc\0\0\0\0" + (2).to_bytes(4, "big") + b"x\0" + b"\0" * 78
    tags = [(b"desc", name), (b"wtpt", xyz((0.9642, 1, 0.8249)))]
    tags += [(tag, xyz(v)) for tag, v in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries)]
    tags += [(tag, curve) for tag in (b"rTRC", b"gTRC", b"bTRC")]
    table, data, at = b"", b"", 132 + 12 * len(tags)
    for tag, body in tags:
        body += b"\0" * (-len(body) % 4)
        table += tag + (at + len(data)).to_bytes(4, "big") + len(body).to_bytes(4, "big")
        data += body
    body = len(tags).to_bytes(4, "big") + table + data
    head = (128 + len(body)).to_bytes(4, "big") + b"\0\0\0\0\x02\x40\0\0mntrRGB XYZ " + b"\0" * 12 + b"acsp"
    head += b"\0" * 28 + s15(0.9642) + s15(1) + s15(0.8249)
    return head.ljust(128, b"\0") + body


P3 = profile([(0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841)], 2.2)
ADOBE = profile([(0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446)], 2.2)


def make(folder):
    def save(name, image, **options):
        image.save(os.path.join(folder, name), **options)

    for n, size in enumerate([(333, 217), (64, 48), (1201, 903)]):
        image = photo(*size, n)
        for chroma in (420, 422, 444):
            save(f"h{n}_{chroma}.heic", image, quality=85, chroma=chroma)
            save(f"a{n}_{chroma}.avif", image, quality=85, subsampling=":".join(str(chroma)))
        save(f"j{n}.jxl", image, quality=90)
        save(f"l{n}.jxl", image, lossless=True)
        save(f"g{n}.avif", image.convert("L"), quality=85)
        save(f"g{n}.heic", image.convert("L"), quality=85)
        for kind, options in (("heic", {}), ("avif", {}), ("jxl", {"lossless": True})):
            save(f"t{n}.{kind}", photo(*size, n, alpha=True), quality=90, **options)
        for name, icc in (("p3", P3), ("adobe", ADOBE)):
            save(f"{name}{n}.jpg", image, quality=92, icc_profile=icc)
            save(f"{name}{n}.png", image, icc_profile=icc)
            save(f"{name}{n}.heic", image, quality=90, icc_profile=icc)
            save(f"{name}{n}.avif", image, quality=90, icc_profile=icc)
    for orientation in range(2, 9):
        exif = Image.Exif()
        exif[0x112] = orientation
        save(f"o{orientation}.heic", photo(200, 120, orientation), quality=90, exif=exif.tobytes())
        save(f"o{orientation}.avif", photo(200, 120, orientation), quality=90, exif=exif.tobytes())
    wide = np.asarray(photo(256, 180, 9)).astype("u2") << 8
    for bits, twelve in ((10, False), (12, True)):
        pillow_heif.options.SAVE_HDR_TO_12_BIT = twelve
        file = pillow_heif.from_bytes(mode="RGB;16", size=(256, 180), data=wide.tobytes())
        file.save(os.path.join(folder, f"b{bits}.heic"), quality=90)


def reference(path, size):
    image = ImageOps.exif_transpose(Image.open(path)) if not path.endswith(".jxl") else Image.open(path)
    icc = image.info.get("icc_profile")
    alpha = image.convert("RGBA").getchannel("A")
    colours = image.convert("L" if image.mode in ("L", "LA") else "RGB")
    if icc and colours.mode == "RGB":
        colours = ImageCms.profileToProfile(colours, ImageCms.ImageCmsProfile(io.BytesIO(icc)), SRGB)
    white = Image.new("RGB", image.size, "white")
    white.paste(colours.convert("RGB"), mask=alpha)
    return np.asarray(white.resize(size, Image.Resampling.LANCZOS)).astype("i4")


def main():
    docmill, further = os.path.abspath(sys.argv[1]), sys.argv[2:]
    right = wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        make(folder)
        for path in sorted(glob.glob(os.path.join(folder, "*"))) + further:
            saved = os.path.join(folder, "saved-" + os.path.basename(path))
            run = subprocess.run([docmill, "inspect", "--save", saved, path], capture_output=True, text=True, timeout=120)
            sent = glob.glob(os.path.join(saved, "*"))
            try:
                if run.returncode:
                    raise ValueError(run.stderr.strip()[-160:])
                ours = Image.open(sent[0]).convert("RGB")
                difference = np.abs(np.asarray(ours).astype("i4") - reference(path, ours.size)).mean()
                if difference > MOST:
                    raise ValueError(f"mean difference {difference:.1f}")
                right += 1
            except Exception as error:
                wrong += 1
                print("WRONG", os.path.basename(path), error)
    print(f"{right} images right, {wrong} wrong")
    sys.exit(wrong > 0)


main()
