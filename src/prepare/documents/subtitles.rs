//! Subtitles (SRT, WebVTT): what is said, each text with the time at which it begins.

use super::{Extract, ImageLimits, PrepareSettings, Reader, encoding, verdict};
use crate::model::Failure;
use std::fmt::Write as _;

pub(super) const SRT: Reader = Reader { format: "srt", name: NAME, recognises: is_srt, read };
pub(super) const VTT: Reader = Reader { format: "vtt", name: NAME, recognises: is_vtt, read };

const NAME: &str = "a file of subtitles";
const ARROW: &str = "-->";
/// Bytes in which the first time must appear.
const HEAD: usize = 512;

fn is_vtt(bytes: &[u8], _: &str) -> bool {
    bytes.strip_prefix("\u{FEFF}".as_bytes()).unwrap_or(bytes).starts_with(b"WEBVTT")
}

fn is_srt(bytes: &[u8], extension: &str) -> bool {
    let head = encoding::decode(&bytes[..bytes.len().min(HEAD)]).text;
    let mut lines = head.trim_start_matches('\u{FEFF}').lines().map(str::trim).filter(|line| !line.is_empty());
    let (first, second) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let is_number = !first.is_empty() && first.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && start(second).is_some()) || (extension == "srt" && start(first).is_some())
}

/// The time at which a text begins, as `0:01:02`, if this line has the times of a text.
fn start(line: &str) -> Option<String> {
    let (from, to) = line.split_once(ARROW)?;
    let is_time = |time: &str| time.contains(':') && time.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b',' | b'.'));
    let from = from.trim();
    if !is_time(from) || !to.split_whitespace().next().is_some_and(is_time) {
        return None;
    }
    let time = from.split([',', '.']).next().unwrap_or(from);
    Some(time.strip_prefix("00:").filter(|rest| rest.contains(':')).unwrap_or(time).to_owned())
}

fn read(bytes: &[u8], _: &PrepareSettings, _: &ImageLimits) -> Result<Extract, Failure> {
    let decoded = encoding::decode(bytes);
    let (mut text, mut last) = (String::new(), String::new());
    for block in decoded.text.replace("\r\n", "\n").replace('\r', "\n").split("\n\n") {
        let mut lines = block.lines().skip_while(|line| start(line).is_none());
        // Blocks without times are styles, notes and the head.
        let Some(time) = lines.next().and_then(start) else { continue };
        let said = lines.map(plain).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
        // Live subtitles repeat a text while it grows.
        if !said.is_empty() && said != last {
            let _infallible = writeln!(text, "[{time}] {said}");
            last = said;
        }
    }
    verdict::readable(NAME, Extract { notes: decoded.notes(), ..Extract::text(text) })
}

/// A line without tags (`<i>`, `<v Ann>`) and positions (`{\\an8}`). The speaker of a tag stays.
fn plain(line: &str) -> String {
    let mut plain = String::new();
    let mut rest = line;
    while let Some(open) = rest.find(['<', '{']) {
        let close = if rest[open..].starts_with('<') { '>' } else { '}' };
        let Some(end) = rest[open..].find(close).map(|end| open + end) else { break };
        let tag = &rest[open + 1..end];
        let is_tag = if close == '}' { tag.starts_with('\\') } else { tag.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/') };
        plain.push_str(&rest[..if is_tag { open } else { end + 1 }]);
        if let Some(speaker) = tag.strip_prefix("v ").filter(|_| is_tag && close == '>') {
            let _infallible = write!(plain, "{}: ", speaker.trim());
        }
        rest = &rest[end + 1..];
    }
    plain.push_str(rest);
    plain.replace("&lt;", "<").replace("&gt;", ">").replace("&nbsp;", " ").replace("&amp;", "&").trim().to_owned()
}
