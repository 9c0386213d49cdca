//! LaTeX documents.

use super::*;

fn read_text(source: &str) -> (String, Option<String>) {
    let sniffed = sniff(source.as_bytes(), "tex");
    assert_eq!(sniffed.format(), "tex");
    let prepared = prepare(source.as_bytes(), sniffed, &settings(), &ImageLimits::anthropic(false)).unwrap();
    let [ContentBlock::Text(text)] = &prepared.content.0[..] else { panic!("no text came out") };
    (text.body.to_string(), prepared.facts.note)
}

#[test]
fn sections_are_headings_and_comments_and_commands_are_left_out() {
    let source = r#"\documentclass[12pt]{article}
\usepackage[utf8]{inputenc} % a comment
\newcommand{\firm}{Acme \& Co}
\newcommand{\pair}[2]{(\small#1, #2)}
\title{On \emph{Things}}
\author{Ann Lee \and Bo \'Alvarez}
\begin{document}
\maketitle
\section{Intro}\label{sec:intro}
% hidden
The firm \firm{} sells 50\% of \pair{a}{b}.
Gr\"o\ss e, na\"{\i}ve, \c{c}a---yes, ``quoted''.

\subsection*{More}
See Section~\ref{sec:intro} and \cite[p.~3]{knuth84}.\footnote{A note.}
\input{chapters/two}
\end{document}
ignored"#;
    let (text, notes) = read_text(source);
    for part in [
        "# On Things",
        "Ann Lee , Bo Álvarez",
        "# Intro",
        "The firm Acme & Co sells 50% of (a, b).",
        "Größe, naïve, ça—yes, “quoted”.",
        "## More",
        "See Section [sec:intro] and [knuth84, p. 3].[^1]",
        "[file: chapters/two, not included]",
        "[^1]: A note.",
    ] {
        assert!(text.contains(part), "{part:?} in {text}");
    }
    for part in ["hidden", "comment", "documentclass", "maketitle", "ignored", "label"] {
        assert!(!text.contains(part), "{part:?} in {text}");
    }
    assert_eq!(notes.as_deref(), Some("1 file included by the document named, not read"));
}

#[test]
fn formulas_tables_lists_and_listings_keep_their_form() {
    let source = r"\begin{document}
Let $E = mc^2$ and \(a_1\) with
\begin{equation}\label{e} \frac{a}{b} = \sqrt{c} \end{equation}
\begin{itemize}\item one \item[B] two
  \begin{enumerate}\item first \item second\end{enumerate}
\end{itemize}
\begin{tabular}{l|rr}
\hline
Name & Soll & Haben \\ \hline
\textbf{A} & & 2{,}50 \\[2pt]
\multicolumn{2}{c}{Sum} & 9 \\
\end{tabular}
\begin{verbatim}
50% \raw
\end{verbatim}
\begin{figure}[ht]\centering\includegraphics[width=2cm]{plot.png}\caption{A plot}\end{figure}
\end{document}";
    let (text, notes) = read_text(source);
    for part in [
        "Let $E = mc^2$ and $a_1$ with",
        "\\begin{equation}\\label{e} \\frac{a}{b} = \\sqrt{c} \\end{equation}",
        "- one\n- B: two\n  1. first\n  2. second",
        "| Name | Soll | Haben |\n| --- | --- | --- |\n| A |  | 2,50 |\n| Sum |  | 9 |",
        "```\n50% \\raw\n```",
        "[image: plot.png]\n\nA plot",
    ] {
        assert!(text.contains(part), "{part:?} in {text}");
    }
    assert_eq!(notes.as_deref(), Some("1 picture named, not included"));
}

#[test]
fn broken_source_ends() {
    for source in [
        "\\begin{a}".repeat(500),
        "{".repeat(5000),
        "\\newcommand{\\a}{\\a\\a}\\begin{document}\\a x\\end{document}".to_owned(),
        "\\frac{\\frac{".repeat(300) + "word",
        "\\begin{tabular}{".to_owned() + &"&\\\\".repeat(1000) + "word",
        "$ unclosed \\( unclosed \\verb word".to_owned(),
    ] {
        let _any = prepare(source.as_bytes(), sniff(source.as_bytes(), "tex"), &settings(), &ImageLimits::anthropic(false));
    }
}

#[test]
fn raised_struck_and_merged_text_of_tables_is_read() {
    let (text, _) = read_text(
        r"\begin{document}
10\textsuperscript{6} 1\textsuperscript{st} x\textsubscript{2} \sout{100} \st{200} 90

\begin{tabular}{lrr}\toprule
 & \multicolumn{2}{c}{Year}\\ \cmidrule(lr){2-3} \addlinespace[2pt]
Item & 2025 & 2024\\ \midrule[1pt] \rowcolor{red!20}
\multirow{2}{*}{5} & \cellcolor[gray]{0.9}1 & 2\\ \cline{2-3}
 & 3 & 4\\ \hline \rowcolor{red} \multicolumn{2}{l}{All} & 9\\
\multirow[t]{2}{2cm}{South} & 5 & 6\\ \specialrule{1pt}{2pt}{3pt}
\end{tabular}
\end{document}",
    );
    for part in [
        "10^6 1st x_2 ~~100~~ ~~200~~ 90",
        "|  | Year |  |\n| --- | --- | --- |\n| Item | 2025 | 2024 |\n| 5 | 1 | 2 |\n|  | 3 | 4 |\n| All |  | 9 |\n| South | 5 | 6 |",
    ] {
        assert!(text.contains(part), "{part:?} in {text}");
    }
}
