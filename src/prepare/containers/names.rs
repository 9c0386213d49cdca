//! Names of members of containers.
//!
//! A name only names a row: nothing is written to such a path. It is cleaned all the same, so that
//! it looks like the path of a document below the container.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;

/// Maximum characters of a name.
const LONGEST: usize = 250;
/// Name of a file without one.
const UNNAMED: &str = "unnamed";

/// Whether the name is that of an archive whose members docmill can read.
pub fn is_archive_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [".zip", ".tar", ".tar.gz", ".tgz", ".tar.zst", ".tzst"].iter().any(|end| name.ends_with(end))
}

/// Whether files with this extension may be archives.
pub(super) fn is_archive_extension(extension: &str) -> bool {
    is_archive_name(&format!("x.{extension}"))
}

/// The extension of a name in lower case, with both parts of `.tar.gz`.
pub fn extension_of(name: &str) -> String {
    let last = |name: &str| Path::new(name).extension().map(|extension| extension.to_string_lossy().to_lowercase()).unwrap_or_default();
    let extension = last(name);
    let rest = name.len().saturating_sub(extension.len() + 1);
    let is_tar = ["gz", "zst"].contains(&&*extension) && name.get(..rest).is_some_and(|rest| last(rest) == "tar");
    if is_tar { format!("tar.{extension}") } else { extension }
}

/// A name without what could mislead: `..`, drives, backslashes, and invisible characters.
pub(super) fn clean(name: &str) -> String {
    let mut parts: Vec<&str> = name.split(['/', '\\']).filter(|part| !matches!(part.trim(), "" | "." | "..")).collect();
    if let Some(first) = parts.first_mut()
        && let [b'A'..=b'Z' | b'a'..=b'z', b':', ..] = first.as_bytes()
    {
        *first = &first[2..];
    }
    parts.retain(|part| !matches!(part.trim(), "" | "." | ".."));
    let name: String = parts.join("/").chars().map(|c| if is_visible(c) { c } else { '_' }).collect();
    let excess = name.chars().count().saturating_sub(LONGEST);
    // The end has the extension.
    let name: String = name.chars().skip(excess).collect();
    let name = if excess > 0 { name.trim_start_matches(['.', '/', ' ']) } else { &name };
    if name.trim().is_empty() { UNNAMED.to_owned() } else { name.to_owned() }
}

fn is_visible(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

/// Whether macOS has written this file beside each other one.
pub(super) fn is_of_system(name: &str) -> bool {
    name.split('/').any(|part| part == "__MACOSX" || part.starts_with("._"))
}

/// The bytes of a name as text. Bytes that are not UTF-8 become `_xHH`.
pub(super) fn printable(bytes: &[u8]) -> String {
    let mut name = String::new();
    for chunk in bytes.utf8_chunks() {
        name.push_str(chunk.valid());
        for byte in chunk.invalid() {
            let _infallible = write!(name, "_x{byte:02X}");
        }
    }
    name
}

/// The names of a container so far.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<String, u32>);

impl Names {
    /// The name, with a number if it was given before: `a (2).pdf`.
    pub fn unique(&mut self, name: &str) -> String {
        let given = self.0.entry(name.to_owned()).and_modify(|given| *given += 1).or_insert(1);
        if *given == 1 {
            return name.to_owned();
        }
        let mut number = *given;
        loop {
            let numbered = numbered(name, number);
            if !self.0.contains_key(&numbered) {
                self.0.insert(numbered.clone(), 1);
                self.0.insert(name.to_owned(), number);
                return numbered;
            }
            number += 1;
        }
    }
}

fn numbered(name: &str, number: u32) -> String {
    let file = name.rfind(['/', '#']).map_or(0, |at| at + 1);
    let dot = name[file..].rfind('.').filter(|at| *at > 0).map_or(name.len(), |at| file + at);
    format!("{} ({number}){}", &name[..dot], &name[dot..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_below_their_container() {
        for (given, name) in [
            ("a/b.pdf", "a/b.pdf"),
            ("../../etc/passwd", "etc/passwd"),
            ("/root/a", "root/a"),
            ("C:\\Users\\x\\a.doc", "Users/x/a.doc"),
            ("C:../x", "x"),
            ("C:TEMPa.png", "TEMPa.png"),
            ("dir\\sub\\a.txt", "dir/sub/a.txt"),
            ("./a//b", "a/b"),
            ("a\u{202E}fdp.exe", "a_fdp.exe"),
            ("", "unnamed"),
            ("..", "unnamed"),
            ("x\0y\n.txt", "x_y_.txt"),
        ] {
            assert_eq!(clean(given), name, "{given:?}");
        }
        assert!(clean(&"x".repeat(1000)).len() == LONGEST && clean(&format!("{}.pdf", "ü".repeat(1000))).ends_with("ü.pdf"));
        assert_eq!(printable(b"gr\xF6\xDFe"), "gr_xF6_xDFe");
    }

    #[test]
    fn a_repeated_name_gets_a_number() {
        let mut names = Names::default();
        let given = ["a.pdf", "a.pdf", "a (3).pdf", "a.pdf", "d.x/a", "d.x/a", ".b", ".b", "c#a.b", "c#a.b"].map(|name| names.unique(name));
        assert_eq!(given, ["a.pdf", "a (2).pdf", "a (3).pdf", "a (4).pdf", "d.x/a", "d.x/a (2)", ".b", ".b (2)", "c#a.b", "c#a (2).b"]);
    }
}
