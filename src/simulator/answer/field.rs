//! What a field of an answer asks for, by the words of its name and description.

use crate::simulator::reading::digest::{is_content, stem};
use crate::simulator::reading::lexicon::Lexicon;
use serde_json::Value;
use std::sync::LazyLock;

/// What a text field asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    Translation,
    Summary,
    Keywords,
    Questions,
    Title,
    Language,
    Strengths,
    Concerns,
    Reasons,
    Sentiment,
    Names,
    Email,
    Link,
    Phone,
    Date,
    Confidence,
    Counting,
    Money,
}

const INTENTS: [(Intent, &str); 18] = [
    (Intent::Translation, "translat* übersetz* tradu* traduz* vertaal* vertaling* tłumacz*"),
    (
        Intent::Summary,
        "summar* abstract* synops* overview* description* describ* gist tldr caption* zusammenfass* beschreib* überblick résum* descri* resum* riassunt* sintesi samenvatt* streszcz* opis*",
    ),
    (
        Intent::Keywords,
        "keyword* tag tags hashtag* topic* keyphrase* term terms schlag* schlüssel* stichwort* stichwört* mots parole palabras trefwoord* słowa themen thema sujets temas temi",
    ),
    (Intent::Questions, "question* frage* pregunta* domand* pergunt* vraag vragen pytani*"),
    (Intent::Title, "title* headline* subject* heading* titel* überschrift* betreff titre* título* titol* tytuł*"),
    (Intent::Language, "language* sprache* langue* idioma* lingua* língua* taal język*"),
    (
        Intent::Strengths,
        "strength* pros advantage* benefit* praise* highlight* positives like* stärke* vorteil* lob avantage* ventaja* vantagg* vantage* voordel* zalet*",
    ),
    (
        Intent::Concerns,
        "concern* cons weakness* disadvantage* drawback* risk* problem* complaint* issue* negatives criticism* schwäch* nachteil* kritik* mängel beschwerde* inconvénient* desventaja* svantagg* desvantage* nadel* wad*",
    ),
    (
        Intent::Reasons,
        "rationale* reason* explanation* justif* evidence why because begründ* grund gründe raison* razon* razón motiv* uzasadn*",
    ),
    (
        Intent::Sentiment,
        "sentiment* tone mood* attitude* polarity opinion* emotion* feeling* satisf* rating* stars stimmung* tonalität* bewertung* humeur tono humor nastrój ocena zufriedenheit*",
    ),
    (
        Intent::Names,
        "name* person* people* author* organi* compan* place* location* entit* city country sender* recipient* customer autor* firma personen ort orte nom noms nombre* persona* lugar* nome* pessoa* luogo* naam namen imię nazwa",
    ),
    (Intent::Email, "email* e-mail* correo"),
    (Intent::Link, "url* link* website* webseite* site*"),
    (Intent::Phone, "phone* telephone* tel telefon* téléphone* teléfono* fax"),
    (Intent::Date, "date* day when deadline* datum* fecha* dates frist termin*"),
    (Intent::Confidence, "confiden* certain* probab* sicherheit* confianza fiducia"),
    (Intent::Counting, "count* number* anzahl length* zahl"),
    (
        Intent::Money,
        "price* amount* total* cost* fee* sum revenue* salary budget* paid balance preis* betrag* summe kosten umsatz prix montant* precio* importe* prezzo* importo preço* valor bedrag* prijs* cena kwota",
    ),
];

static WORDS: LazyLock<Lexicon<Intent>> =
    LazyLock::new(|| Lexicon::new(INTENTS.iter().flat_map(|(intent, words)| words.split(' ').map(|word| (word, *intent)))));

/// A field of an answer.
#[derive(Debug, Clone)]
pub struct Field<'s> {
    pub name: &'s str,
    /// Words of the name in lower case.
    pub own: Vec<String>,
    /// Words of title and description in lower case.
    pub more: Vec<String>,
}

impl<'s> Field<'s> {
    pub fn new(name: &'s str, schema: &'s Value) -> Self {
        let text = |key: &str| schema[key].as_str().unwrap_or_default();
        let mut more = words(text("title"));
        more.extend(words(text("description")));
        Self { name, own: words(name), more }
    }

    /// What the field asks for: by its name, then by its description.
    pub fn intent(&self) -> Option<Intent> {
        intent(&self.own).or_else(|| intent(&self.more))
    }

    pub fn asks(&self, intent: Intent) -> bool {
        self.own.iter().chain(&self.more).any(|word| WORDS.get(word) == Some(intent))
    }

    /// Whether the name has one of these words.
    pub fn has(&self, words: &[&str]) -> bool {
        self.own.iter().any(|own| words.contains(&own.as_str()))
    }

    /// Stems of the words that carry content, with a weight: those of the name, then the others.
    pub fn stems(&self) -> Vec<(String, f32)> {
        let mut stems: Vec<(String, f32)> = Vec::new();
        for (words, weight) in [(&self.own, 1.0), (&self.more, 0.4)] {
            for word in words.iter().filter(|word| is_content(word) && !is_formal(word)) {
                let stem = stem(word);
                if !stems.iter().any(|(own, _)| own == stem) {
                    stems.push((stem.to_owned(), weight));
                }
            }
        }
        stems
    }
}

/// The intent of the last word that has one: in `invoice_date` it is the date.
pub fn intent(words: &[String]) -> Option<Intent> {
    words.iter().rev().find_map(|word| WORDS.get(word))
}

/// Words about the form of an answer and not about its content.
pub fn is_formal(word: &str) -> bool {
    matches!(
        word,
        "value"
            | "field"
            | "text"
            | "document"
            | "item"
            | "items"
            | "list"
            | "whether"
            | "string"
            | "number"
            | "least"
            | "exactly"
            | "unit"
            | "true"
            | "false"
            | "has"
            | "contains"
            | "mentions"
            | "mentioned"
            | "flag"
    )
}

/// Words in lower case: `orderTotal`, `order_total` and `order total` have the same.
pub fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut before = ' ';
    for c in text.chars() {
        if c.is_alphanumeric() {
            let begins = !before.is_alphanumeric() || before.is_lowercase() && c.is_uppercase();
            if begins {
                words.push(String::new());
            }
            if let Some(word) = words.last_mut() {
                word.extend(c.to_lowercase());
            }
        }
        before = c;
    }
    words
}

/// What the words of a prompt ask for.
pub fn asked(words: &[String]) -> Option<Intent> {
    words.iter().find_map(|word| WORDS.get(word))
}

/// Values for what fits no other value.
const OTHERS: [&str; 14] = [
    "other",
    "others",
    "unknown",
    "none",
    "unclear",
    "undetermined",
    "sonstiges",
    "andere",
    "unbekannt",
    "autre",
    "otro",
    "otros",
    "altro",
    "misc",
];

/// Whether a word in lower case stands for what fits no other value.
pub fn is_other(word: &str) -> bool {
    OTHERS.contains(&word)
}

/// The type of a schema, and whether null is allowed.
pub enum Types<'s> {
    One(&'s str),
    OrNull(&'s str),
}

/// The type that a schema states or implies.
pub fn type_of(schema: &Value) -> Types<'_> {
    match &schema["type"] {
        Value::String(own) => Types::One(own),
        Value::Array(types) if !types.is_empty() => {
            let real = types.iter().filter_map(Value::as_str).find(|own| *own != "null").unwrap_or("null");
            if types.iter().any(|own| own == "null") { Types::OrNull(real) } else { Types::One(real) }
        }
        _ if schema["properties"].is_object() => Types::One("object"),
        _ if schema["items"].is_object() => Types::One("array"),
        _ => Types::One("string"),
    }
}
