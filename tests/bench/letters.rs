//! A model of letter pairs, which finds texts that are no language of their corpus.

use std::collections::HashMap;

/// Shorter texts say too little, in letter pairs.
const FEWEST: f64 = 200.0;
/// Scripts with fewer texts have no model.
const FEWEST_TEXTS: usize = 12;
/// A text is in doubt if its pairs are as rare as this, in bits a pair below the median, and below the
/// middle half of the texts by this many times its width.
const BITS: f64 = 1.5;
const WIDTHS: f64 = 3.0;

type Pairs = HashMap<(char, char), f64>;

/// The texts of a corpus by their scripts, as shares of letter pairs.
#[derive(Default)]
pub struct Letters(HashMap<&'static str, (Pairs, Vec<Pairs>)>);

impl Letters {
    /// Adds a text. Each text counts the same.
    pub fn learn(&mut self, text: &str) {
        let Some((script, shares)) = shares(text) else { return };
        let (sum, texts) = self.0.entry(script).or_default();
        for (pair, share) in &shares {
            *sum.entry(*pair).or_default() += share;
        }
        texts.push(shares);
    }

    /// Says that a text that was learnt has other letter pairs than the others of its script.
    pub fn doubt(&self, text: &str) -> Option<String> {
        let (script, shares) = shares(text)?;
        let (sum, texts) = self.0.get(script).filter(|(_, texts)| texts.len() >= FEWEST_TEXTS)?;
        let bits = |shares: &Pairs| bits(shares, sum, texts.len());
        let mut all: Vec<f64> = texts.iter().map(bits).collect();
        all.sort_by(f64::total_cmp);
        let (low, median, high) = (all[all.len() / 4], all[all.len() / 2], all[all.len() * 3 / 4]);
        let own = bits(&shares);
        (own > median + BITS && own > high + WIDTHS * (high - low))
            .then(|| format!("letters: {own:.1} bits a pair, the median of {} {script} texts is {median:.1}", texts.len()))
    }
}

/// The mean bits of a pair by the other texts.
fn bits(shares: &Pairs, sum: &Pairs, texts: usize) -> f64 {
    let others = (texts - 1).max(1) as f64;
    let bits = |(pair, share): (&(char, char), &f64)| share * -((sum[pair] - share).max(0.0) / others + 1e-7).log2();
    shares.iter().map(bits).sum()
}

/// The script of most letters, and the shares of the pairs of letters in words.
fn shares(text: &str) -> Option<(&'static str, Pairs)> {
    let (mut pairs, mut scripts, mut total) = (Pairs::new(), HashMap::<&str, usize>::new(), 0.0);
    let mut before = ' ';
    for letter in text.chars().flat_map(char::to_lowercase).map(|c| if c.is_alphabetic() { c } else { ' ' }) {
        if letter != ' ' {
            *scripts.entry(script(letter)).or_default() += 1;
        }
        if letter != ' ' || before != ' ' {
            *pairs.entry((before, letter)).or_default() += 1.0;
            total += 1.0;
        }
        before = letter;
    }
    for count in pairs.values_mut() {
        *count /= total;
    }
    let most = scripts.into_iter().max_by_key(|(_, count)| *count)?.0;
    (total >= FEWEST).then_some((most, pairs))
}

fn script(letter: char) -> &'static str {
    match u32::from(letter) {
        0..0x370 | 0x1e00..0x1f00 => "Latin",
        0x370..0x400 | 0x1f00..0x2000 => "Greek",
        0x400..0x530 => "Cyrillic",
        0x590..0x600 => "Hebrew",
        0x600..0x780 => "Arabic",
        0x3040..0xa000 | 0xac00..0xd7b0 => "East Asian",
        _ => "other",
    }
}
