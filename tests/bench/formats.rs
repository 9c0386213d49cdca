//! How fast files are prepared: photographs against `vipsthumbnail`, plain text in megabytes per second of one core.

use super::child::median;
use super::images::{photo, settings};
use docmill::prepare::{ImageLimits, Sniffed, prepare, sniff};
use rayon::prelude::*;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

const PHOTOS: usize = 24;
const ROUNDS: usize = 5;
const TEXTS: usize = 64;

pub fn formats() {
    texts();
    photos();
}

/// The same work in four ways, on both cores but for the third: files in, JPEGs of 1568 pixels and quality 85 out.
fn photos() {
    if Command::new("vipsthumbnail").arg("--version").output().is_err() {
        println!("formats: there is no vipsthumbnail to compare with (Debian: libvips-tools)");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let photo = photo();
    let files: Vec<PathBuf> = (0..PHOTOS).map(|n| directory.path().join(format!("{n}.jpg"))).collect();
    for file in &files {
        std::fs::write(file, &photo).unwrap();
    }
    let halves: Vec<&[PathBuf]> = files.chunks(PHOTOS.div_ceil(rayon::current_num_threads())).collect();
    let ways: [(&str, &dyn Fn()); 3] = [
        ("file by file, a process on each core", &|| files.par_iter().for_each(|file| vips(std::slice::from_ref(file)))),
        ("all files in one command", &|| vips(&files)),
        ("a command for each core with its share of the files", &|| halves.par_iter().for_each(|files| vips(files))),
    ];
    let mut ratios = ways.map(|_| Vec::new());
    for _ in 0..ROUNDS {
        let ours = rate(|| files.par_iter().for_each(|file| prepared(file)));
        for ((way, work), ratios) in ways.iter().zip(&mut ratios) {
            let theirs = rate(work);
            println!("formats: docmill {ours:.1} images/s, vipsthumbnail {theirs:.1} ({way})");
            ratios.push(ours / theirs);
        }
    }
    for ((way, _), ratios) in ways.iter().zip(ratios) {
        println!("formats: {} times vipsthumbnail, {way} (wanted: at least 1.5)", spread(ratios));
    }
}

fn rate(work: impl Fn()) -> f64 {
    let started = Instant::now();
    work();
    PHOTOS as f64 / started.elapsed().as_secs_f64()
}

fn prepared(file: &Path) {
    let bytes = std::fs::read(file).unwrap();
    prepare(&bytes, sniff(&bytes, "jpg"), &settings(), &ImageLimits::anthropic(true)).unwrap();
}

fn vips(files: &[PathBuf]) {
    let thumbnail = Command::new("vipsthumbnail").args(["--size", "1568x1568", "-o", "tn_%s.jpg[Q=85]"]).args(files).status();
    assert!(thumbnail.unwrap().success());
}

/// Texts of about a megabyte each on one core, all of their preparation, and what the counting of tokens has of it.
fn texts() {
    let page = include_str!("../../README.md");
    let texts: Vec<String> = (0..TEXTS).map(|n| format!("Copy {n}\n{}", page.repeat(1_000_000 / page.len()))).collect();
    let megabytes = texts.iter().map(String::len).sum::<usize>() as f64 / 1e6;
    let encoder = tiktoken::get_encoding("o200k_base").unwrap();
    let (settings, limits) = (settings(), ImageLimits::anthropic(true));
    let (mut all, mut without) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let whole = seconds(|| texts.iter().for_each(|text| drop(prepare(text.as_bytes(), Sniffed::Text, &settings, &limits).unwrap())));
        // In slices as docmill counts them, give or take the place of their ends.
        let count =
            |text: &String| text.as_bytes().chunks(32 * 1024).map(|slice| encoder.count(&String::from_utf8_lossy(slice))).sum::<usize>();
        let counting = seconds(|| assert!(texts.iter().map(count).sum::<usize>() > 0));
        println!("formats: text {:.0} MB/s, counting tokens alone {:.0} MB/s", megabytes / whole, megabytes / counting);
        all.push(megabytes / whole);
        without.push(megabytes / (whole - counting));
    }
    println!("formats: text {} MB/s per core with counting, {} MB/s without (wanted: 150)", spread(all), spread(without));
}

fn seconds(work: impl FnOnce()) -> f64 {
    let started = Instant::now();
    work();
    started.elapsed().as_secs_f64()
}

/// Median, and least to most.
fn spread(figures: Vec<f64>) -> String {
    let (least, most) = figures.iter().fold((f64::MAX, 0_f64), |(least, most), figure| (least.min(*figure), most.max(*figure)));
    format!("{:.2} ({least:.2} to {most:.2})", median(figures))
}
