//! How fast files are prepared: photographs against `vipsthumbnail`, plain text in megabytes per second of one core.
//!
//! Times on the clock say what a user has of it; CPU times say the same on a machine that is busy with other things.

use super::child::{cpu, median};
use super::images::{photo, settings};
use docmill::prepare::{ImageLimits, Sniffed, prepare, sniff};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use nix::sys::resource::UsageWho;
use rayon::prelude::*;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use walkdir::WalkDir;

const PHOTOS: usize = 16;
const ROUNDS: usize = 5;

pub fn formats() {
    texts();
    if Command::new("vipsthumbnail").arg("--version").output().is_err() {
        println!("formats: there is no vipsthumbnail to compare with (Debian: libvips-tools)");
        return;
    }
    let full_colour = photo();
    photos("colours halved, as cameras store them", &as_of_a_camera(&full_colour));
    photos("colours in full", &full_colour);
}

/// The same picture with a quarter of its colour samples.
fn as_of_a_camera(photo: &[u8]) -> Vec<u8> {
    let image = image::load_from_memory(photo).unwrap().into_rgb8();
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, 90);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder.encode(&image, image.width().try_into().unwrap(), image.height().try_into().unwrap(), ColorType::Rgb).unwrap();
    file
}

/// The same work in four ways, on both cores as far as they can: files in, JPEGs of 1568 pixels and quality 85 out.
fn photos(kind: &str, photo: &[u8]) {
    let directory = tempfile::tempdir().unwrap();
    let files: Vec<PathBuf> = (0..PHOTOS).map(|n| directory.path().join(format!("{n}.jpg"))).collect();
    for file in &files {
        std::fs::write(file, photo).unwrap();
    }
    let halves: Vec<&[PathBuf]> = files.chunks(PHOTOS.div_ceil(rayon::current_num_threads())).collect();
    let ways: [(&str, &dyn Fn()); 3] = [
        ("file by file, a process on each core", &|| files.par_iter().for_each(|file| vips(std::slice::from_ref(file)))),
        ("all files in one command", &|| vips(&files)),
        ("a command for each core with its share of the files", &|| halves.par_iter().for_each(|files| vips(files))),
    ];
    let mut ratios = ways.map(|_| (Vec::new(), Vec::new()));
    for _ in 0..ROUNDS {
        let ours = taken(UsageWho::RUSAGE_SELF, || files.par_iter().for_each(|file| prepared(file)));
        for ((way, work), (wall, cpu)) in ways.iter().zip(&mut ratios) {
            let theirs = taken(UsageWho::RUSAGE_CHILDREN, work);
            println!("formats: photographs/s, {kind}: docmill {}, vipsthumbnail {} ({way})", rates(ours), rates(theirs));
            wall.push(theirs.0 / ours.0);
            cpu.push(theirs.1 / ours.1);
        }
    }
    for ((way, _), (wall, cpu)) in ways.iter().zip(ratios) {
        println!("formats: {kind}: {} times vipsthumbnail, {} by CPU time; {way} (wanted: at least 1.5)", spread(wall), spread(cpu));
    }
}

/// Seconds on the clock and of CPU time.
fn taken(who: UsageWho, work: impl FnOnce()) -> (f64, f64) {
    let (started, before) = (Instant::now(), cpu(who));
    work();
    (started.elapsed().as_secs_f64(), cpu(who).saturating_sub(before).max(Duration::from_micros(1)).as_secs_f64())
}

fn rates((wall, cpu): (f64, f64)) -> String {
    format!("{:.1} ({:.1} per core)", PHOTOS as f64 / wall, PHOTOS as f64 / cpu)
}

fn prepared(file: &Path) {
    let bytes = std::fs::read(file).unwrap();
    prepare(&bytes, sniff(&bytes, "jpg"), &settings(), &ImageLimits::anthropic(true)).unwrap();
}

fn vips(files: &[PathBuf]) {
    let thumbnail = Command::new("vipsthumbnail").args(["--size", "1568x1568", "-o", "tn_%s.jpg[Q=85]"]).args(files).status();
    assert!(thumbnail.unwrap().success());
}

/// docmill's own sources, which are English and code, in texts of about a megabyte: all of their preparation on one
/// core, and the counting of their tokens alone. Of these figures each is of CPU time.
fn texts() {
    let sources = WalkDir::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")).sort_by_file_name().into_iter();
    let sources: String = sources.filter_map(|entry| std::fs::read_to_string(entry.unwrap().path()).ok()).collect();
    let texts: Vec<String> = (0..32).map(|n| format!("Copy {n}\n{sources}")).collect();
    let megabytes = texts.iter().map(String::len).sum::<usize>() as f64 / 1e6;
    let encoder = tiktoken::get_encoding("o200k_base").unwrap();
    let (settings, limits) = (settings(), ImageLimits::anthropic(true));
    let whole = || texts.iter().for_each(|text| drop(prepare(text.as_bytes(), Sniffed::Text, &settings, &limits).unwrap()));
    // In slices as docmill counts them, give or take the place of their ends.
    let count =
        |text: &String| text.as_bytes().chunks(32 * 1024).map(|slice| encoder.count(&String::from_utf8_lossy(slice))).sum::<usize>();
    let counting = || assert!(texts.iter().map(count).sum::<usize>() > 0);
    // The tokenizer remembers pieces for as long as a thread lives.
    counting();
    let (mut all, mut counts) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        all.push(megabytes / taken(UsageWho::RUSAGE_THREAD, whole).1);
        counts.push(megabytes / taken(UsageWho::RUSAGE_THREAD, counting).1);
    }
    let (all_rate, count_rate) = (median(all.clone()), median(counts.clone()));
    println!("formats: text {} MB/s per core, of which counting tokens alone is {} MB/s", spread(all), spread(counts));
    println!("formats: text without counting {:.0} MB/s per core (wanted: 150)", 1.0 / (1.0 / all_rate - 1.0 / count_rate));
}

/// Median, and least to most.
fn spread(figures: Vec<f64>) -> String {
    let (least, most) = figures.iter().fold((f64::MAX, 0_f64), |(least, most), figure| (least.min(*figure), most.max(*figure)));
    format!("{:.2} ({least:.2} to {most:.2})", median(figures))
}
