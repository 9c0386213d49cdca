//! Characters that LaTeX writes as commands.

use unicode_normalization::UnicodeNormalization as _;

/// The character that a command stands for.
pub(super) fn symbol(name: &str) -> Option<&'static str> {
    Some(match name {
        "%" => "%",
        "&" => "&",
        "_" => "_",
        "#" => "#",
        "$" => "$",
        "{" => "{",
        "}" => "}",
        " " | "," | ";" | ":" | "quad" | "qquad" | "enspace" | "thinspace" | "space" | "hfill" | "hspace" => " ",
        "!" | "/" | "-" | "@" | "relax" | "protect" => "",
        "ldots" | "dots" | "textellipsis" => "…",
        "textbackslash" => "\\",
        "textasciitilde" => "~",
        "textasciicircum" => "^",
        "textbar" => "|",
        "textless" => "<",
        "textgreater" => ">",
        "textendash" => "–",
        "textemdash" => "—",
        "textquotedblleft" => "“",
        "textquotedblright" => "”",
        "glqq" => "„",
        "grqq" => "“",
        "S" | "textsection" => "§",
        "P" => "¶",
        "copyright" | "textcopyright" => "©",
        "textregistered" => "®",
        "texttrademark" => "™",
        "pounds" | "textsterling" => "£",
        "euro" | "texteuro" | "EUR" => "€",
        "textdegree" | "degree" => "°",
        "textmu" => "µ",
        "dag" => "†",
        "ss" => "ß",
        "SS" => "ẞ",
        "ae" => "æ",
        "AE" => "Æ",
        "oe" => "œ",
        "OE" => "Œ",
        "o" => "ø",
        "O" => "Ø",
        "aa" => "å",
        "AA" => "Å",
        "l" => "ł",
        "L" => "Ł",
        "i" => "ı",
        "j" => "ȷ",
        "dh" => "ð",
        "th" => "þ",
        "TeX" => "TeX",
        "LaTeX" => "LaTeX",
        "LaTeXe" => "LaTeX2e",
        "BibTeX" => "BibTeX",
        "today" => "[date of today]",
        _ => return None,
    })
}

/// The letter with the accent that a command puts on it.
pub(super) fn accented(accent: &str, letter: &str) -> Option<String> {
    let mark = match accent {
        "'" => '\u{301}',
        "`" => '\u{300}',
        "^" => '\u{302}',
        "\"" => '\u{308}',
        "~" => '\u{303}',
        "=" => '\u{304}',
        "." => '\u{307}',
        "c" => '\u{327}',
        "v" => '\u{30C}',
        "u" => '\u{306}',
        "H" => '\u{30B}',
        "k" => '\u{328}',
        "r" => '\u{30A}',
        "d" => '\u{323}',
        "b" => '\u{331}',
        _ => return None,
    };
    let letter = match letter.trim() {
        // A dot would stay below the accent.
        "\\i" | "\\i{}" => "i",
        "\\j" | "\\j{}" => "j",
        letter => letter,
    };
    let mut letters = letter.chars();
    let first = letters.next()?;
    Some([first, mark].into_iter().chain(letters).nfc().collect())
}

/// The number of arguments of a command that is dropped with them.
pub(super) fn dropped(name: &str) -> Option<usize> {
    Some(match name {
        "hline" | "toprule" | "midrule" | "bottomrule" | "addlinespace" => 0,
        "label" | "vspace" | "hspace" | "usepackage" | "documentclass" | "bibliographystyle" | "bibliography" | "pagestyle"
        | "thispagestyle" | "color" | "index" | "phantom" | "vphantom" | "hphantom" | "hypersetup" | "geometry" | "nocite"
        | "pagenumbering" | "captionsetup" | "graphicspath" | "cmidrule" | "cline" | "hhline" | "noalign" | "rowcolor" | "cellcolor"
        | "columncolor" | "arrayrulecolor" | "raisebox" | "parbox" | "selectlanguage" | "hyphenation" | "bibinfo" => 1,
        "setlength" | "addtolength" | "setcounter" | "addtocounter" | "newcommand" | "renewcommand" | "providecommand" | "newtheorem"
        | "rule" | "fontsize" | "markboth" => 2,
        "newenvironment" | "renewenvironment" | "definecolor" | "addcontentsline" | "specialrule" | "rowcolors" => 3,
        _ => return None,
    })
}

/// Whether a command draws a line or a colour in a table.
pub(super) fn is_rule(name: &str) -> bool {
    const RULES: [&str; 14] = [
        "addlinespace",
        "arrayrulecolor",
        "bottomrule",
        "cellcolor",
        "cline",
        "cmidrule",
        "hhline",
        "hline",
        "midrule",
        "noalign",
        "rowcolor",
        "rowcolors",
        "specialrule",
        "toprule",
    ];
    RULES.contains(&name)
}
