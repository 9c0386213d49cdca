//! Finds files that are written into the text of a mail (uuencode, yEnc).

/// A file: name, type and size in bytes.
type File = (String, String, usize);

/// The uuencoded files in a text, with their contents.
pub(super) fn contents(text: &str) -> Vec<(String, Vec<u8>)> {
    let (lines, mut files, mut at) = (text.lines().collect::<Vec<_>>(), Vec::new(), 0);
    while at < lines.len() {
        match uuencoded(&lines[at..]) {
            Some(((name, ..), length)) => {
                files.push((name, lines[at + 1..at + length - 1].iter().flat_map(|line| decoded(line)).collect()));
                at += length;
            }
            None => at += 1,
        }
    }
    files
}

/// The bytes of a uuencoded line. Spaces at its end may be cut off.
fn decoded(line: &str) -> Vec<u8> {
    let mut values = line.bytes().map(|byte| byte.wrapping_sub(b' ') & 63);
    let length = usize::from(values.next().unwrap_or(0));
    let mut bytes = Vec::with_capacity(length + 2);
    while bytes.len() < length {
        let [a, b, c, d] = std::array::from_fn(|_| values.next().unwrap_or(0));
        bytes.extend([a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d]);
    }
    bytes.truncate(length);
    bytes
}

/// The text without the files written into it, and these files.
pub(super) fn without(text: &str) -> (String, Vec<File>) {
    let (lines, mut kept, mut files, mut at) = (text.lines().collect::<Vec<_>>(), Vec::new(), Vec::new(), 0);
    while at < lines.len() {
        match uuencoded(&lines[at..]).or_else(|| y_encoded(&lines[at..])) {
            Some((file, length)) => {
                files.push(file);
                at += length;
            }
            None => {
                kept.push(lines[at]);
                at += 1;
            }
        }
    }
    if files.is_empty() { (text.to_owned(), files) } else { (kept.join("\n"), files) }
}

/// The uuencoded file at the beginning, and its number of lines.
fn uuencoded(lines: &[&str]) -> Option<(File, usize)> {
    let (mode, name) = lines.first()?.strip_prefix("begin ")?.split_once(' ')?;
    let is_mode = (3..=4).contains(&mode.len()) && mode.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    // The search ends at the first line that is not encoded, so that many beginnings are not searched twice.
    let is_encoded = |line: &&&str| line.bytes().all(|byte| matches!(byte, b' '..=b'`'));
    let inside = &lines[1..][..lines[1..].iter().take_while(is_encoded).count()];
    let length = inside.len() + 2;
    if !is_mode || inside.is_empty() || lines.get(length - 1)?.trim_end() != "end" {
        return None;
    }
    let size = inside.iter().filter_map(|line| line.bytes().next()).map(|first| usize::from(first.wrapping_sub(b' ') & 63)).sum();
    Some(((name.trim().to_owned(), String::new(), size), length))
}

/// The yEnc file at the beginning, and its number of lines.
fn y_encoded(lines: &[&str]) -> Option<(File, usize)> {
    let head = lines.first()?.strip_prefix("=ybegin ")?;
    let end = lines[1..].iter().position(|line| line.starts_with("=yend") || line.starts_with("=ybegin "))? + 1;
    let length = end + 1;
    if !lines[end].starts_with("=yend") {
        return None;
    }
    let size = head.split_whitespace().find_map(|part| part.strip_prefix("size=")).and_then(|size| size.parse().ok());
    let name = head.split_once("name=").map_or("unnamed", |(_, name)| name.trim());
    Some(((name.to_owned(), String::new(), size?), length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_files_are_listed_and_texts_about_beginnings_stay() {
        let text = "see file\n\nbegin 644 test.bin\n#0V%T\n`\nend\nbye";
        assert_eq!(without(text), ("see file\n\nbye".to_owned(), vec![("test.bin".to_owned(), String::new(), 3)]));
        let text = "=ybegin line=128 size=4 name=a b.jpg\n\u{fffd}x\n=yend size=4\nrest";
        assert_eq!(without(text), ("rest".to_owned(), vec![("a b.jpg".to_owned(), String::new(), 4)]));
        for text in ["begin 644 it\nwith lower case\nend", "begin the work\nend", "begin 644 x\nend", "begin 644 x\n#0V%T"] {
            assert_eq!(without(text), (text.to_owned(), Vec::new()));
        }
    }
}
